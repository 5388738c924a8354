//! Stores of earlier versions: opened, migrated, and interrupted on the way.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use jiff::Timestamp;
use serde::Deserialize;

use super::fixture::*;
use super::unpack::{fixture, unpack};
use crate::payments::object::ObjectRef;
use crate::payments::record::{Record, Transition};
use crate::store::index::Index;
use crate::store::{AlertFilter, AlertRow, Count, Filter, Options, Store, rebuild};

/// What the version that wrote the store read from it.
#[derive(Debug, Deserialize, PartialEq)]
struct Content {
    records: Vec<Record>,
    counts: Vec<Count>,
    transitions: Vec<Transition>,
    alerts: Vec<AlertRow>,
    remembered: Vec<(String, String)>,
    oldest_moving: Option<(ObjectRef, Timestamp)>,
    /// Pending and dead deliveries.
    outbox: (u64, u64),
    /// By account and kind: which objects are due, in the order of service, and when the next one is.
    due: BTreeMap<String, (Vec<String>, Option<Timestamp>)>,
}

async fn content(store: &Store) -> Content {
    let mut due = BTreeMap::new();
    for account in ["shop-de", "shop-fr"] {
        for kind in ["charge", "refund"] {
            let name = format!("{account}/{kind}");
            let (account, kind) = (account.parse().unwrap(), kind.parse().unwrap());
            let found = store.due(&account, &kind, at(5000), 1000).await.unwrap();
            let ids = found.iter().map(|record| record.object.id.to_string()).collect();
            due.insert(name, (ids, store.next_due(&account, &kind).await.unwrap()));
        }
    }
    let stats = store.stats();
    Content {
        records: store.list(&Filter::default(), None, 1000).await.unwrap().items,
        counts: store.counts().await.unwrap(),
        transitions: store.transitions(at(-9999), at(999_999), None, 1000).await.unwrap().items,
        alerts: store.alerts(AlertFilter::default(), None, 1000).await.unwrap().items,
        remembered: store.recall_all("").await.unwrap(),
        oldest_moving: store.oldest_moving().await.unwrap(),
        outbox: (stats.outbox_pending, stats.outbox_dead),
        due,
    }
}

fn expected(commit: &str) -> Content {
    let json = fs::read(fixture(&format!("store-{commit}.json"))).unwrap();
    serde_json::from_slice(&json).unwrap()
}

fn as_it_was(folder: &Path) -> Options {
    Options { journal_segment_bytes: 40_000, ..options(folder) }
}

/// The commits of this program that wrote the stored fixtures.
const STORES: [&str; 2] = ["6d207ff", "05d53c3"];

#[tokio::test]
async fn a_store_of_an_earlier_version_is_moved_forward_with_all_that_it_holds() {
    for (commit, is_stopped) in STORES.iter().flat_map(|commit| [(*commit, false), (*commit, true)]) {
        let folder = unpack(commit);
        if is_stopped {
            // The index has applied the whole journal already.
            fs::write(folder.path().join("clean"), "stopped properly\n").unwrap();
        }
        let (store, opening) = Store::open(as_it_was(folder.path()), at(1000)).await.unwrap();
        assert_eq!(opening.was_clean_stop, is_stopped);
        assert_eq!((opening.rebuilt_index, opening.lost, opening.cut_tail), (None, vec![], None), "{commit}");
        assert_eq!(content(&store).await, expected(commit), "{commit}");
        assert_clean(&store).await;
        enrol(&store, "NEW", at(2000)).await;
        assert!(store.forget(&object("NEW"), at(2001), "an operator").await.unwrap());
        store.close().await.unwrap();
        let (store, opening) = Store::open(as_it_was(folder.path()), at(2002)).await.unwrap();
        assert!(opening.was_clean_stop && opening.rebuilt_index.is_none());
        assert_eq!(content(&store).await.records, expected(commit).records, "{commit}");
        assert_clean(&store).await;
    }
}

#[tokio::test]
async fn one_that_is_killed_while_it_is_moved_loses_nothing() {
    for commit in STORES {
        let expected = expected(commit);
        for rows in 0.. {
            let folder = unpack(commit);
            let left = Index::remove_some_due_rows(&folder.path().join("index"), rows);
            let (store, opening) = Store::open(as_it_was(folder.path()), at(1000)).await.unwrap();
            assert_eq!(opening.rebuilt_index, None, "{commit} after {rows} rows");
            assert_eq!(content(&store).await, expected, "{commit} after {rows} rows");
            assert_clean(&store).await;
            if left == 0 {
                assert!(rows > 1);
                break;
            }
        }
    }
}

#[tokio::test]
async fn its_journal_alone_brings_all_facts_back() {
    for commit in STORES {
        let folder = unpack(commit);
        let rebuilt = rebuild(as_it_was(folder.path()), at(1000)).await.unwrap();
        assert!(rebuilt.damaged.is_empty() && rebuilt.lost.is_empty(), "{commit}: {rebuilt:?}");
        let (store, _) = Store::open(as_it_was(folder.path()), at(1000)).await.unwrap();
        let (found, expected) = (content(&store).await, expected(commit));
        assert_eq!(found.transitions, expected.transitions, "{commit}");
        assert_eq!(found.counts, expected.counts, "{commit}");
        assert_eq!(found.remembered, expected.remembered, "{commit}");
        assert_eq!(found.outbox, expected.outbox, "{commit}");
        assert_clean(&store).await;
    }
}
