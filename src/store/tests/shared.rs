//! A store that several hosts share, on a real PostgreSQL: one chain of facts, sessions, lost answers, copies.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::SignedDuration;

use super::fixture::*;
use super::proxy::{Fault, Proxy};
use super::server::{Server, url};
use crate::clock::{SharedClock, SystemClock, VirtualClock};
use crate::secret::Secret;
use crate::store::{
    Committed, DatabaseUrl, Fleet, OpenError, Options, Shared, Store, StoreError, Waiting, import,
};

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
    let shared = Shared { url, lease_term: TERM, clock, while_waiting: None };
    Options { shared: Some(shared), ..options(folder) }
}

/// Waits for the database instead of failing. What it knows is kept.
fn waiting(mut options: Options) -> (Options, Arc<Mutex<Waiting>>) {
    let seen = Arc::new(Mutex::new(Waiting::default()));
    let kept = Arc::clone(&seen);
    options.shared.as_mut().unwrap().while_waiting =
        Some(Arc::new(move |waiting| *kept.lock().unwrap() = waiting.clone()));
    (options, seen)
}

async fn opened(options: Options) -> Store {
    Store::open(options, at(0)).await.unwrap().0
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let clock = SystemClock::shared();
    let waiting = async {
        while !is_so() {
            clock.sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}

async fn ids(store: &Store) -> Vec<String> {
    let page = store.open_objects(None, 999).await.unwrap();
    page.items.into_iter().map(|record| record.object.id.as_str().to_owned()).collect()
}

/// The sessions that have written, and how many rows each.
fn fences(server: &Server, database: &str) -> String {
    server.sql(database, "SELECT fence, count(*) FROM reconciled_fact GROUP BY fence ORDER BY fence")
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Takes what is free, and returns what is now this host's.
async fn take(fleet: &Fleet) -> Vec<String> {
    let seen = fleet.see().await.unwrap();
    let mut taken = fleet.take(seen.free).await.unwrap();
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
    // Neither knows yet what the other has written when it writes.
    enrol(&second, "A2", at(1)).await;
    enrol(&first, "A3", at(1)).await;
    first.remember("day", "done").await.unwrap();
    assert_eq!(ids(&first).await, ["A1", "A2", "A3"]);
    second.catch_up().await.unwrap();
    assert_eq!(ids(&second).await, ["A1", "A2", "A3"]);
    assert_eq!(second.recall("day").await.unwrap().as_deref(), Some("done"));
    enrol(&second, "A4", at(2)).await;
    until("the first host follows by itself", || first.stats().journal_sequence == 5).await;
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
    assert_eq!(of_second.take(seen.free).await.unwrap(), Vec::<String>::new(), "what was seen is old");
    assert_eq!(of_second.owner("shop-a").await.unwrap().as_deref(), Some(of_first.host()));
    of_second.give_up(vec!["shop-a".to_owned()]).await.unwrap();
    assert_eq!(take(&of_second).await, Vec::<String>::new(), "nobody gives up what is another's");
    of_first.give_up(vec!["shop-a".to_owned()]).await.unwrap();
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

#[tokio::test]
async fn a_database_that_loses_facts_stops_the_host() {
    let Some((server, name)) = database("loses") else { return };
    let one = tempfile::tempdir().unwrap();
    let store = opened(shared(one.path(), &server.url(&name))).await;
    enrol(&store, "A1", at(0)).await;
    enrol(&store, "A2", at(0)).await;
    server.sql(&name, FORGET_ALL_BUT_ONE);
    let refused = store.enrol(vec![enrolment("A3")], at(1)).await.unwrap_err();
    assert!(refused.is_fatal() && refused.to_string().contains("has lost facts"), "{refused}");
}

/// As after a failover to a replica that was behind.
const FORGET_ALL_BUT_ONE: &str = "UPDATE reconciled_lease SET last_sequence = 1, \
    last_hash = (SELECT hash FROM reconciled_fact WHERE sequence = 1); DELETE FROM reconciled_fact WHERE sequence > 1";

#[tokio::test]
async fn a_database_that_restarts_within_the_term_goes_unnoticed() {
    let Some(_) = database("probe") else { return };
    let server = Server::new().unwrap();
    server.create("own");
    let one = tempfile::tempdir().unwrap();
    let mut options = shared(one.path(), &server.url("own"));
    options.shared.as_mut().unwrap().lease_term = Duration::from_secs(120);
    let store = opened(options).await;
    enrol(&store, "A1", at(0)).await;
    server.stop();
    let written = tokio::spawn({
        let store = store.clone();
        async move { enrol(&store, "A2", at(1)).await }
    });
    server.start();
    written.await.unwrap();
    assert_eq!(ids(&store).await, ["A1", "A2"]);
    assert_clean(&store).await;
}

#[tokio::test]
async fn a_frozen_database_ends_the_session_and_a_thawed_one_goes_on() {
    let Some(_) = database("probe") else { return };
    let server = Server::new().unwrap();
    server.create("own");
    let one = tempfile::tempdir().unwrap();
    let url = server.url("own");
    let store = opened(shared(one.path(), &url)).await;
    enrol(&store, "A1", at(0)).await;
    server.freeze();
    let refused = store.enrol(vec![enrolment("A2")], at(2)).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Broken(why) if why.contains("renewed in time")), "{refused}");
    assert!(store.due(&account(), &kind(), at(9), 9).await.is_err());
    drop(store);
    let error = open_error(shared(one.path(), &url)).await;
    assert!(matches!(error, OpenError::Database(_)), "{error}");
    let (options, seen) = waiting(shared(one.path(), &url));
    let store = tokio::spawn(opened(options));
    until("it says why it waits", || seen.lock().unwrap().trouble.is_some()).await;
    server.thaw();
    let store = store.await.unwrap();
    let known = ids(&store).await;
    // The append that was not acknowledged may be there or not.
    assert!(known == ["A1"] || known == ["A1", "A2"], "{known:?}");
    assert_clean(&store).await;
}

#[tokio::test]
async fn a_database_that_takes_no_facts_stops_the_store() {
    let Some((server, name)) = database("refusing") else { return };
    let one = tempfile::tempdir().unwrap();
    let options = || shared(one.path(), &server.url(&name));
    let store = opened(options()).await;
    enrol(&store, "A1", at(0)).await;
    server.sql(&name, "ALTER TABLE reconciled_fact ADD CONSTRAINT small CHECK (sequence < 2)");
    let refused = store.enrol(vec![enrolment("A2")], at(1)).await.unwrap_err();
    assert!(refused.is_fatal() && refused.to_string().contains("takes no facts"), "{refused}");
    drop(store);
    server.sql(&name, "ALTER TABLE reconciled_fact DROP CONSTRAINT small");
    let store = opened(options()).await;
    assert_eq!(ids(&store).await, ["A1"]);
    enrol(&store, "A2", at(2)).await;
    assert_clean(&store).await;
}

#[tokio::test]
async fn an_answer_that_is_lost_is_read_back() {
    let Some((server, name)) = database("lost") else { return };
    let one = tempfile::tempdir().unwrap();
    let proxy = Proxy::start(server.port()).await;
    let store = opened(shared(one.path(), &url(proxy.port, &name))).await;
    let faults = [Fault::AnswerLost, Fault::StatementLost, Fault::AnswerLost, Fault::None];
    for (number, fault) in (0i64..12).zip(faults.into_iter().cycle()) {
        proxy.next(fault);
        enrol(&store, &format!("A{number:02}"), at(number)).await;
    }
    assert_eq!(proxy.faults(), 9, "each fault happened");
    assert_eq!(ids(&store).await.len(), 12);
    assert_eq!(fences(&server, &name), "1|12", "nothing is lost, nothing is doubled");
    assert_clean(&store).await;
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_changed_row_is_named() {
    let Some((server, name)) = database("changed") else { return };
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = opened(shared(one.path(), &server.url(&name))).await;
    for number in 0..4 {
        enrol(&store, &format!("A{number}"), at(0)).await;
    }
    assert_clean(&store).await;
    server.sql(&name, "UPDATE reconciled_fact SET payload = payload || ' ' WHERE sequence = 3");
    let report = store.check().await.unwrap();
    assert_eq!(report.problems, ["database: row 3 is not linked to the row before it"]);
    store.close().await.unwrap();
    let error = open_error(shared(two.path(), &server.url(&name))).await;
    assert!(error.to_string().contains("row 3 is not linked"), "{error}");
}

#[tokio::test]
async fn what_the_database_lost_is_noticed_and_imported() {
    let Some((server, name)) = database("behind") else { return };
    let one = tempfile::tempdir().unwrap();
    let options = || shared(one.path(), &server.url(&name));
    let store = opened(options()).await;
    for number in 0..4 {
        enrol(&store, &format!("A{number}"), at(0)).await;
    }
    store.close().await.unwrap();
    server.sql(&name, FORGET_ALL_BUT_ONE);
    let error = open_error(options()).await;
    assert!(matches!(error, OpenError::DatabaseBehind { database: 1, copy: 4 }), "{error}");
    let imported = import(options(), at(0)).await.unwrap();
    assert_eq!((imported.added, imported.last), (3, 4));
    assert_eq!(import(options(), at(0)).await.unwrap().added, 0);
    let store = opened(options()).await;
    assert_eq!(ids(&store).await.len(), 4);
    assert_clean(&store).await;
}

#[tokio::test]
async fn a_copy_of_another_history_and_a_damaged_one_are_read_again() {
    let Some((server, name)) = database("other") else { return };
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let options = |folder: &tempfile::TempDir| shared(folder.path(), &server.url(&name));
    let store = opened(options(&one)).await;
    enrol(&store, "A1", at(0)).await;
    store.close().await.unwrap();
    server.sql(&name, "DELETE FROM reconciled_fact; DELETE FROM reconciled_lease");
    let store = opened(options(&two)).await;
    enrol(&store, "B1", at(0)).await;
    enrol(&store, "B2", at(0)).await;
    store.close().await.unwrap();
    let (store, opening) = Store::open(options(&one), at(0)).await.unwrap();
    assert_eq!(ids(&store).await, ["B1", "B2"]);
    assert!(opening.replaced_copy.unwrap().contains("aside-1"));
    store.close().await.unwrap();

    let mut bytes = std::fs::read(first_segment(one.path())).unwrap();
    let middle = 64 + 60;
    bytes[middle] ^= 1;
    std::fs::write(first_segment(one.path()), bytes).unwrap();
    std::fs::remove_file(one.path().join("clean")).unwrap();
    let (store, opening) = Store::open(options(&one), at(0)).await.unwrap();
    assert!(opening.replaced_copy.is_some(), "{opening:?}");
    assert_eq!(ids(&store).await, ["B1", "B2"]);
    assert_clean(&store).await;
}

#[tokio::test]
async fn a_store_of_one_host_moves_to_a_database_and_back() {
    let Some((server, name)) = database("moved") else { return };
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (store, _) = open(one.path()).await;
    let many = (0..1200).map(|number| enrolment(&format!("N{number:04}"))).collect();
    store.enrol(many, at(0)).await.unwrap();
    move_to(&store, "N0001", "Open", crate::payments::lifecycle::Phase::Moving, at(5), Some(at(9))).await;
    store.close().await.unwrap();
    let shared_one = || shared(one.path(), &server.url(&name));
    let error = open_error(shared_one()).await;
    assert!(error.to_string().contains("a store of its own with 4 entries"), "{error}");
    assert_eq!(import(shared_one(), at(0)).await.unwrap().added, 4);
    let store = opened(shared(two.path(), &server.url(&name))).await;
    assert_eq!(store.history(&object("N0001")).await.unwrap().len(), 1);
    enrol(&store, "N9999", at(9)).await;
    store.close().await.unwrap();
    let store = opened(shared_one()).await;
    assert_eq!(store.stats().journal_sequence, 5);
    store.close().await.unwrap();

    let error = open_error(options(one.path())).await;
    assert!(error.to_string().contains("remove the file \"copy\""), "{error}");
    std::fs::remove_file(one.path().join("copy")).unwrap();
    let (store, _) = open(one.path()).await;
    assert!(store.record(&object("N9999")).await.unwrap().is_some());
    assert_clean(&store).await;
}

#[tokio::test]
async fn a_newer_schema_and_a_wrong_password_are_refused() {
    let Some((server, name)) = database("newer") else { return };
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    opened(shared(one.path(), &server.url(&name))).await.close().await.unwrap();
    server.sql(&name, "UPDATE reconciled_schema SET version = 99");
    // Even a host that would wait does not.
    let (options, _) = waiting(shared(two.path(), &server.url(&name)));
    let error = open_error(options).await;
    assert!(error.to_string().contains("schema version 99"), "{error}");
    assert_eq!(server.sql(&name, "SELECT fence FROM reconciled_lease"), "1", "it began no session");
    let (options, _) = waiting(shared(two.path(), &server.url(&name).replace("hush", "wrong-one")));
    let error = open_error(options).await;
    let text = error.to_string();
    assert!(text.contains("28P01") && !text.contains("wrong-one"), "{text}");
}
