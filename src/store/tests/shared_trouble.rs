//! A shared store in trouble: its database restarts, freezes, fails over or loses facts, answers are lost, copies differ.

use std::time::Duration;

use super::fixture::*;
use super::proxy::{Fault, Proxy};
use super::server::{Server, url};
use super::shared::*;
use crate::store::{OpenError, Store, StoreError, import};

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
const FORGET_ALL_BUT_ONE: &str = "UPDATE reconciled_end SET last_sequence = 1, \
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
async fn a_failover_to_a_synchronous_replica_loses_nothing() {
    let Some(_) = database("probe") else { return };
    let server = Server::new().unwrap();
    server.create("own");
    let replica = server.replicate();
    let both = format!("127.0.0.1:{},127.0.0.1:{}", server.port(), replica.port());
    let url = server.url("own").replace(&format!("127.0.0.1:{}", server.port()), &both);
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let options = |folder: &tempfile::TempDir| {
        let mut options = shared(folder.path(), &url);
        options.shared.as_mut().unwrap().lease_term = Duration::from_secs(120);
        options
    };
    let (first, second) = (opened(options(&one)).await, opened(options(&two)).await);
    enrol(&first, "A1", at(0)).await;
    enrol(&second, "A2", at(0)).await;
    server.stop();
    let written = tokio::spawn({
        let first = first.clone();
        async move { enrol(&first, "A3", at(1)).await }
    });
    replica.promote();
    written.await.unwrap();
    enrol(&second, "A4", at(2)).await;
    for store in [&first, &second] {
        store.catch_up().await.unwrap();
        assert_eq!(ids(store).await, ["A1", "A2", "A3", "A4"]);
        assert_clean(store).await;
    }
    assert_eq!(fences(&replica, "own"), "1|2\n2|2", "their sessions go on");
}

#[tokio::test]
async fn a_pooler_may_stand_in_between() {
    let Some((server, name)) = database("pooled") else { return };
    let pooler = match server.pooled() {
        Ok(pooler) => pooler,
        Err(why) => {
            let is_required = std::env::var_os("RECONCILED_REQUIRE_TOOLS").is_some_and(|value| value == "1");
            assert!(!is_required, "this test must run here: {why}");
            eprintln!("skipped: {why}");
            return;
        }
    };
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let url = pooler.url(&name);
    let (first, second) = (opened(shared(one.path(), &url)).await, opened(shared(two.path(), &url)).await);
    for number in 0..10 {
        let (here, there) = (format!("A{number}"), format!("B{number}"));
        tokio::join!(enrol(&first, &here, at(number)), enrol(&second, &there, at(number)));
    }
    let fleet = first.fleet().unwrap();
    fleet.declare(&names(&["shop"])).await.unwrap();
    assert_eq!(take(&fleet).await, ["*", "shop"]);
    first.catch_up().await.unwrap();
    assert_eq!(ids(&first).await.len(), 20);
    for store in [first, second] {
        assert_clean(&store).await;
        store.close().await.unwrap();
    }
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
    server
        .sql(&name, "DELETE FROM reconciled_fact; DELETE FROM reconciled_lease; DELETE FROM reconciled_end");
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
