//! A store that several hosts share, on a real PostgreSQL: one chain of facts, sessions, lost answers, copies.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::SignedDuration;

use super::fixture::*;
use super::server::Server;
use crate::clock::{SharedClock, SystemClock, VirtualClock};
use crate::secret::Secret;
use crate::store::{Committed, DatabaseUrl, Fleet, Options, Shared, Store, Waiting};

const TERM: Duration = Duration::from_secs(9);

/// A server, and a new database on it; none where PostgreSQL is not installed.
pub(super) fn database(name: &str) -> Option<(Arc<Server>, String)> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    match Server::shared() {
        Ok(server) => {
            let name = format!("{name}_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
            server.create(&name);
            Some((server, name))
        }
        Err(why) => {
            let is_required = std::env::var_os("RECONCILED_REQUIRE_TOOLS").is_some_and(|value| value == "1");
            assert!(!is_required, "the tests of a shared store must run here: {why}");
            eprintln!("skipped: {why}");
            None
        }
    }
}

pub(super) fn shared(folder: &Path, url: &str) -> Options {
    shared_by(folder, url, SystemClock::shared())
}

fn shared_by(folder: &Path, url: &str, clock: SharedClock) -> Options {
    let url = DatabaseUrl::new(Secret::new(url.to_owned())).unwrap();
    let shared = Shared { tables: url.tables(TERM), lease_term: TERM, clock, while_waiting: None };
    Options { shared: Some(shared), ..options(folder) }
}

/// Waits for the database instead of failing. What it knows is kept.
pub(super) fn waiting(mut options: Options) -> (Options, Arc<Mutex<Waiting>>) {
    let seen = Arc::new(Mutex::new(Waiting::default()));
    let kept = Arc::clone(&seen);
    options.shared.as_mut().unwrap().while_waiting =
        Some(Arc::new(move |waiting| *kept.lock().unwrap() = waiting.clone()));
    (options, seen)
}

pub(super) async fn opened(options: Options) -> Store {
    Store::open(options, at(0)).await.unwrap().0
}

pub(super) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let clock = SystemClock::shared();
    let waiting = async {
        while !is_so() {
            clock.sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}

pub(super) async fn ids(store: &Store) -> Vec<String> {
    let page = store.open_objects(None, 999).await.unwrap();
    page.items.into_iter().map(|record| record.object.id.as_str().to_owned()).collect()
}

/// The sessions that have written, and how many rows each has written.
pub(super) fn fences(server: &Server, database: &str) -> String {
    server.sql(database, "SELECT fence, count(*) FROM reconciled_fact GROUP BY fence ORDER BY fence")
}

pub(super) fn names(names: &[&str]) -> BTreeMap<String, String> {
    names.iter().map(|name| ((*name).to_owned(), (*name).to_owned())).collect()
}

/// Takes what is free, and returns what this host now has.
pub(super) async fn take(fleet: &Fleet) -> Vec<String> {
    let seen = fleet.see().await.unwrap();
    let mut taken: Vec<String> =
        fleet.take(seen.free).await.unwrap().into_iter().map(|(name, _)| name).collect();
    taken.sort();
    taken
}

#[tokio::test]
async fn all_hosts_write_one_chain_and_a_wrong_clock_changes_nothing() {
    let Some((server, name)) = database("chain") else { return };
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let url = server.url(&name);
    let first = opened(shared(one.path(), &url)).await;
    enrol(&first, "A1", at(0)).await;
    let wrong = VirtualClock::starting_at(at(0));
    wrong.jump(SignedDuration::from_hours(-1));
    let second = opened(shared_by(two.path(), &url, wrong.clone())).await;
    assert_eq!(ids(&second).await, ["A1"], "it has followed before it is open");
    wrong.jump(SignedDuration::from_hours(2));
    // When each of them writes, it does not know yet what the other has written.
    enrol(&second, "A2", at(1)).await;
    enrol(&first, "A3", at(1)).await;
    first.remember("day", "done").await.unwrap();
    assert_eq!(ids(&first).await, ["A1", "A2", "A3"]);
    second.catch_up().await.unwrap();
    assert_eq!(ids(&second).await, ["A1", "A2", "A3"]);
    assert_eq!(second.recall("day").await.unwrap().as_deref(), Some("done"));
    enrol(&second, "A4", at(2)).await;
    until("the first host follows unasked", || first.stats().journal_sequence == 5).await;
    assert_eq!(fences(&server, &name), "1|3\n2|2");
    for store in [&first, &second] {
        assert_clean(store).await;
    }
    first.close().await.unwrap();
    enrol(&second, "A5", at(3)).await;
    let first = opened(shared(one.path(), &url)).await;
    assert_eq!(ids(&first).await, ["A1", "A2", "A3", "A4", "A5"]);
    first.close().await.unwrap();
    second.close().await.unwrap();
}

#[tokio::test]
async fn an_account_has_one_host_until_its_session_ends() {
    let Some((server, name)) = database("accounts") else { return };
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let url = server.url(&name);
    let (first, second) = (opened(shared(one.path(), &url)).await, opened(shared(two.path(), &url)).await);
    let (of_first, of_second) = (first.fleet().unwrap(), second.fleet().unwrap());
    of_first.declare(&names(&["shop-a", "shop-b"])).await.unwrap();
    let seen = of_second.see().await.unwrap();
    assert_eq!(take(&of_first).await, ["*", "shop-a", "shop-b"]);
    assert_eq!(take(&of_second).await, Vec::<String>::new());
    assert_eq!(of_second.take(seen.free).await.unwrap(), Vec::new(), "what was seen is stale");
    assert_eq!(of_second.owner("shop-a").await.unwrap().as_deref(), Some(of_first.host()));
    of_second.give_up(vec![("shop-a".to_owned(), 1)]).await.unwrap();
    assert_eq!(take(&of_second).await, Vec::<String>::new(), "no host gives up an account of another");
    of_first.give_up(vec![("shop-a".to_owned(), 9)]).await.unwrap();
    assert_eq!(take(&of_second).await, Vec::<String>::new(), "nor with another fence");
    of_first
        .give_up(of_first.own().await.unwrap().into_iter().filter(|(name, _)| name == "shop-a").collect())
        .await
        .unwrap();
    assert_eq!(take(&of_second).await, ["shop-a"]);
    let hosts = of_first.see().await.unwrap().hosts.into_iter();
    let hosts: Vec<_> = hosts.map(|host| (host.has, host.is_keeper)).collect();
    assert_eq!(hosts, [(1, true), (1, false)]);
    // A clean stop frees its accounts at once.
    first.close().await.unwrap();
    assert_eq!(take(&of_second).await, ["*", "shop-b"]);
    // A crash frees them when the session has ended, or when the same host is back.
    let first = opened(shared(one.path(), &url)).await;
    drop(second);
    let of_first = first.fleet().unwrap();
    assert_eq!(take(&of_first).await, Vec::<String>::new());
    let second = opened(shared(two.path(), &url)).await;
    assert_eq!(take(&of_first).await, ["*", "shop-a", "shop-b"]);
    drop(first);
    let of_second = second.fleet().unwrap();
    let clock = SystemClock::shared();
    let dropped = clock.monotonic();
    while take(&of_second).await.is_empty() {
        clock.sleep(Duration::from_millis(50)).await;
    }
    let waited = clock.monotonic().saturating_sub(dropped);
    assert!(waited > TERM / 2, "{waited:?}");
    println!(
        "accounts of a host that died were free {} ms later; lease {} ms",
        waited.as_millis(),
        TERM.as_millis()
    );
    assert_eq!(server.sql(&name, "SELECT min(fence) || ' ' || max(fence) FROM reconciled_account"), "4 4");
}

#[tokio::test]
async fn what_another_host_has_changed_is_stale_here() {
    let Some((server, name)) = database("stale") else { return };
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let url = server.url(&name);
    let (first, second) = (opened(shared(one.path(), &url)).await, opened(shared(two.path(), &url)).await);
    enrol(&first, "A1", at(0)).await;
    second.catch_up().await.unwrap();
    let read = first.record(&object("A1")).await.unwrap().unwrap();
    move_to(&second, "A1", "Open", crate::payments::lifecycle::Phase::Moving, at(5), Some(at(9))).await;
    let record = crate::payments::record::Record { due_at: Some(at(50)), ..read.clone() };
    let commit =
        crate::store::Commit { read, record, transition: None, enrol: vec![], alerts: vec![], is_news: true };
    assert_eq!(first.commit(commit).await.unwrap(), Committed::Stale);
    assert_eq!(first.history(&object("A1")).await.unwrap().len(), 1);
    // One of two hosts gets a name that both want.
    let (here, there) =
        tokio::join!(first.remember_new("number/1", "one"), second.remember_new("number/1", "two"));
    assert!(here.unwrap() != there.unwrap());
    for store in [first, second] {
        store.catch_up().await.unwrap();
        assert_clean(&store).await;
    }
}

#[tokio::test]
async fn three_hosts_write_at_once_and_each_fact_is_written_once() {
    let Some((server, name)) = database("fight") else { return };
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let url = server.url(&name);
    let hosts = folders.iter().enumerate().map(|(host, folder)| {
        let options = shared(folder.path(), &url);
        async move {
            let store = opened(options).await;
            let many = (0..25).map(|number| {
                let store = store.clone();
                async move { enrol(&store, &format!("H{host}N{number:02}"), at(0)).await }
            });
            for one in many {
                one.await;
            }
            store
        }
    });
    let hosts: Vec<_> = hosts.map(tokio::spawn).collect();
    let mut stores = Vec::new();
    for host in hosts {
        stores.push(host.await.unwrap());
    }
    assert_eq!(server.sql(&name, "SELECT count(*) FROM reconciled_fact"), "75");
    for store in stores {
        store.catch_up().await.unwrap();
        assert_eq!(ids(&store).await.len(), 75);
        assert_clean(&store).await;
        store.close().await.unwrap();
    }
    assert_eq!(server.sql(&name, "SELECT count(*) FROM reconciled_host"), "0");
}

#[tokio::test]
async fn a_host_whose_session_was_ended_writes_nothing() {
    let Some((server, name)) = database("fenced") else { return };
    let one = tempfile::tempdir().unwrap();
    let store = opened(shared(one.path(), &server.url(&name))).await;
    enrol(&store, "A1", at(0)).await;
    server.sql(&name, "DELETE FROM reconciled_host");
    let refused = store.enrol(vec![enrolment("A2")], at(1)).await.unwrap_err();
    assert!(refused.is_fatal() && refused.to_string().contains("another host has taken over"), "{refused}");
    assert!(store.failure().is_some());
    assert!(store.lease_ended().await.is_fatal());
    assert!(store.due(&account(), &kind(), at(9), 9).await.is_err(), "nothing is due here any more");
    assert!(store.close().await.is_err());
    assert_eq!(server.sql(&name, "SELECT count(*) FROM reconciled_fact"), "1");
    let store = opened(shared(one.path(), &server.url(&name))).await;
    assert_eq!(ids(&store).await, ["A1"]);
}
