//! Random operations against a model that sorts and counts plain vectors.

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;

use super::fixture::*;
use crate::payments::lifecycle::Phase;
use crate::payments::object::ObjectRef;
use crate::payments::record::{Cause, Record, Transition};
use crate::store::{Announced, Commit, Committed, Delivery, Enrolled, Filter, Options, Store};

#[derive(Debug, Clone)]
enum Step {
    Enrol(u8),
    Poll { id: u8, state: u8, due: Option<i64>, deadline: Option<i64>, is_news: bool, is_stale: bool },
    Ask(u8),
    Hint(u8),
    Announce(u8),
    Forget(u8),
    Raise(u8),
    Settle(u8, u8),
    Redeliver(u8),
    Remember(u8, u8),
    Tidy,
    Reopen { is_clean: bool },
}

fn any_step() -> impl Strategy<Value = Step> {
    let id = 0u8..5;
    let seconds = 0i64..20_000;
    prop_oneof![
        3 => id.clone().prop_map(Step::Enrol),
        6 => (id.clone(), 0u8..4, proptest::option::weighted(0.8, seconds.clone()),
              proptest::option::of(seconds), any::<bool>(), proptest::bool::weighted(0.1))
            .prop_map(|(id, state, due, deadline, is_news, is_stale)| Step::Poll { id, state, due, deadline, is_news, is_stale }),
        2 => id.clone().prop_map(Step::Ask),
        1 => id.clone().prop_map(Step::Hint),
        2 => id.clone().prop_map(Step::Announce),
        1 => id.clone().prop_map(Step::Forget),
        1 => id.clone().prop_map(Step::Raise),
        2 => (id.clone(), 0u8..3).prop_map(|(key, how)| Step::Settle(key, how)),
        1 => id.clone().prop_map(Step::Redeliver),
        1 => (id, 0u8..3).prop_map(|(name, value)| Step::Remember(name, value)),
        1 => Just(Step::Tidy),
        1 => any::<bool>().prop_map(|is_clean| Step::Reopen { is_clean }),
    ]
}

fn state_of(number: u8) -> (&'static str, Phase) {
    [
        ("Open", Phase::Moving),
        ("Authorized", Phase::Resting),
        ("Captured", Phase::Final),
        ("Odd ü", Phase::Resting),
    ][usize::from(number)]
}

#[derive(Default)]
struct Model {
    records: BTreeMap<ObjectRef, Record>,
    transitions: Vec<Transition>,
    /// Next attempt while pending.
    alerts: BTreeMap<String, Option<Timestamp>>,
    dead: BTreeMap<String, ()>,
    remembered: BTreeMap<String, String>,
}

fn id_of(number: u8) -> String {
    format!("A{number}")
}

impl Model {
    /// Takes one step at `now`, in the store and in the model; both must give the same answer.
    async fn step(&mut self, store: &Store, step: &Step, now: Timestamp) {
        match step {
            Step::Enrol(id) => {
                let known = self.records.contains_key(&object(&id_of(*id)));
                let expected = if known { Enrolled::Same } else { Enrolled::New };
                assert_eq!(enrol(store, &id_of(*id), now).await, expected);
                let new = || Record::enrolled(enrolment(&id_of(*id)), now);
                self.records.entry(object(&id_of(*id))).or_insert_with(new);
            }
            Step::Poll { id, state, due, deadline, is_news, is_stale } => {
                let Some(read) = self.records.get(&object(&id_of(*id))).cloned() else { return };
                let (word, phase) = state_of(*state);
                let mut after = seen(&read, word, phase, now, due.map(at));
                after.deadline = deadline.map(at);
                let mut commit = quiet(&read, after.clone());
                commit.is_news = *is_news;
                if *is_news {
                    commit.transition = Some(transition(&read, word, now));
                }
                if *is_stale {
                    commit.read.revision += 1;
                    assert_eq!(store.commit(commit).await, Ok(Committed::Stale));
                    return;
                }
                let transition = commit.transition.clone();
                assert_eq!(store.commit(Commit { ..commit }).await, Ok(Committed::Written));
                self.transitions.extend(transition);
                self.records.insert(after.object.clone(), Record { revision: read.revision + 1, ..after });
            }
            Step::Ask(id) => {
                let answer = store.ask(vec![object(&id_of(*id))], now).await.unwrap();
                let record = self.records.get_mut(&object(&id_of(*id)));
                assert_eq!(answer, [record.is_some()]);
                if let Some(record) = record.filter(|record| !record.is_asked || record.due_at > Some(now)) {
                    *record = Record {
                        is_asked: true,
                        due_at: Some(now),
                        revision: record.revision + 1,
                        ..record.clone()
                    };
                }
            }
            Step::Hint(id) => {
                let answer = store.hint(&object(&id_of(*id)), now).await.unwrap();
                let record =
                    self.records.get_mut(&object(&id_of(*id))).filter(|record| record.due_at.is_some());
                assert_eq!(answer, record.is_some());
                if let Some(record) = record.filter(|record| record.due_at > Some(now)) {
                    record.due_at = Some(now);
                    record.revision += 1;
                }
            }
            Step::Announce(id) => {
                let answer = store.announce(vec![object(&id_of(*id))], now).await.unwrap();
                let record = self.records.get_mut(&object(&id_of(*id)));
                let expected = match &record {
                    None => Announced::Unknown,
                    Some(record) if record.due_at.is_none() => Announced::Finished,
                    Some(_) => Announced::Due,
                };
                assert_eq!(answer, [expected]);
                if let Some(record) = record.filter(|record| record.due_at.is_some()) {
                    record.due_at = record.due_at.min(Some(now));
                    record.is_announced = true;
                    record.revision += 1;
                }
            }
            Step::Forget(id) => {
                let answer = store.forget(&object(&id_of(*id)), now, "test").await.unwrap();
                let gone = self.records.remove(&object(&id_of(*id)));
                assert_eq!(answer, gone.is_some());
                if let Some(record) = gone {
                    let row = transition(&record, record.state().unwrap_or_default(), now);
                    let (phase, note) = (record.phase(), "forgotten by test".to_owned());
                    let stored_cause = Some(Cause::Forgotten);
                    self.transitions.push(Transition { phase, note, stored_cause, ..row });
                }
            }
            Step::Raise(key) => {
                let answer = store.raise(vec![owed(&id_of(*key), &["ops"], now)]).await.unwrap();
                assert_eq!(answer == 0, self.alerts.contains_key(&id_of(*key)));
                self.alerts.entry(id_of(*key)).or_insert(Some(now));
            }
            Step::Settle(key, how) => self.settle(store, &id_of(*key), *how, now).await,
            Step::Redeliver(key) => {
                let answer = store.redeliver(&id_of(*key), None, now).await.unwrap();
                let alert = self.alerts.get_mut(&id_of(*key));
                assert_eq!(answer, usize::from(alert.is_some()));
                if let Some(next) = alert {
                    *next = Some(now);
                    self.dead.remove(&id_of(*key));
                }
            }
            Step::Remember(name, value) => {
                store.remember(&id_of(*name), &id_of(*value)).await.unwrap();
                self.remembered.insert(id_of(*name), id_of(*value));
            }
            Step::Tidy => {
                make_small(store).await.unwrap();
            }
            Step::Reopen { .. } => {}
        }
    }

    async fn settle(&mut self, store: &Store, key: &str, how: u8, now: Timestamp) {
        let later = now + jiff::SignedDuration::from_secs(60);
        let error = "no".to_owned();
        let delivery = match how {
            0 => Delivery::Delivered,
            1 => Delivery::Retry { at: later, error, message: None },
            _ => Delivery::Dead { error, fallback: None },
        };
        store.settle(key, "ops", delivery, now).await.unwrap();
        let is_dead = self.dead.contains_key(key);
        let Some(next) = self.alerts.get_mut(key) else { return };
        match how {
            0 => {
                *next = None;
                self.dead.remove(key);
            }
            1 if next.is_some() => *next = Some(later),
            2 if next.is_some() || is_dead => {
                *next = None;
                self.dead.insert(key.to_owned(), ());
            }
            _ => {}
        }
    }

    /// Which objects are due, found by sorting all records.
    fn due(&self, now: Timestamp, limit: usize) -> Vec<ObjectRef> {
        let lane = |key: &dyn Fn(&Record) -> Option<Timestamp>| {
            let mut rows: Vec<_> = self
                .records
                .values()
                .filter_map(|record| Some((key(record).filter(|at| *at <= now)?, record.object.id.clone())))
                .collect();
            rows.sort();
            rows.into_iter().map(|(_, id)| object(id.as_str())).collect::<Vec<_>>()
        };
        let mut order = lane(&|record| record.due_at.filter(|_| record.is_asked));
        let mut urgent = lane(&|record| {
            let window = jiff::SignedDuration::from_hours(4);
            match record.is_announced {
                true => record.due_at,
                false => Some(record.due_at?.max(record.deadline? - window)),
            }
        });
        let mut ordinary = lane(&|record| record.due_at);
        let mut turn = 0;
        loop {
            urgent.retain(|object| !order.contains(object));
            ordinary.retain(|object| !order.contains(object));
            turn += 1;
            let queue = match (turn % 4 == 0, urgent.is_empty()) {
                (false, false) => &urgent,
                _ => &ordinary,
            };
            // Every urgent object is also due, so the ordinary lane is the last to run dry.
            let Some(next) = queue.first().cloned() else { break };
            order.push(next);
        }
        order.truncate(limit);
        order
    }

    async fn compare(&self, store: &Store, now: Timestamp) {
        let page = store.list(&Filter::default(), None, 99).await.unwrap();
        assert_eq!(page.items, self.records.values().cloned().collect::<Vec<_>>());
        for limit in [1, 3, 99] {
            let due = store.due(&account(), &kind(), now, limit).await.unwrap();
            let due: Vec<_> = due.into_iter().map(|record| record.object).collect();
            assert_eq!(due, self.due(now, limit), "limit {limit}");
        }
        let next_due = self.records.values().filter_map(|record| record.due_at).min();
        assert_eq!(store.next_due(&account(), &kind()).await.unwrap(), next_due);
        let open = store.open_objects(None, 99).await.unwrap().items.len();
        assert_eq!(open, self.records.values().filter(|record| !record.is_finished()).count());
        let moving = self.records.values().filter(|record| record.due_at.is_some());
        let moving = moving.filter(|record| record.phase() == Phase::Moving);
        let oldest = moving.map(|record| (record.made_at(), record.object.id.clone())).min();
        let found = store.oldest_moving().await.unwrap().map(|(object, made_at)| (made_at, object.id));
        assert_eq!(found, oldest);
        let numbers: u64 = store.counts().await.unwrap().iter().map(|count| count.number).sum();
        assert_eq!(numbers, self.records.len() as u64);
        let rows = store.transitions(at(-1), at(1_000_000), None, 999).await.unwrap().items;
        let mut expected = self.transitions.clone();
        expected.sort_by(|one, other| (one.seen_at, &one.object).cmp(&(other.seen_at, &other.object)));
        assert_eq!(rows, expected);
        let owed = store.owed("ops", at(1_000_000), 99).await.unwrap();
        let mut owed: Vec<_> = owed.into_iter().map(|owed| (owed.next_attempt_at, owed.alert.key)).collect();
        owed.sort();
        let pending = self.alerts.iter().filter_map(|(key, next)| Some(((*next)?, key.clone())));
        let mut pending: Vec<_> = pending.collect();
        pending.sort();
        assert_eq!(owed, pending);
        assert_eq!(store.stats().outbox_pending, pending.len() as u64);
        assert_eq!(store.stats().outbox_dead, self.dead.len() as u64);
        let remembered: Vec<_> = self.remembered.clone().into_iter().collect();
        assert_eq!(store.recall_all("").await.unwrap(), remembered);
        assert_clean(store).await;
    }
}

async fn play(steps: Vec<Step>, is_rebuilt: bool) {
    let folder = tempfile::tempdir().unwrap();
    let options = || Options { journal_segment_bytes: 4000, ..options(folder.path()) };
    let mut model = Model::default();
    let (mut store, _) = Store::open(options(), at(0)).await.unwrap();
    let mut now = at(0);
    for step in &steps {
        now += jiff::SignedDuration::from_secs(500);
        if let Step::Reopen { is_clean } = step {
            match is_clean {
                true => store.close().await.unwrap(),
                false => crash_in_step(store),
            }
            store = Store::open(options(), now).await.unwrap().0;
        }
        model.step(&store, step, now).await;
    }
    model.compare(&store, now).await;
    drop(store);
    let last = Options { rebuild_index: is_rebuilt, ..options() };
    let (store, opening) = Store::open(last, now).await.unwrap();
    assert_eq!(opening.rebuilt_index.is_some(), is_rebuilt);
    model.compare(&store, now).await;
}

/// The same on two hosts that share the store: after a clean stop the other host goes on, after a crash the same one.
async fn play_on_two_hosts(steps: Vec<Step>, url: &str) {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let options = |host: usize| Options {
        journal_segment_bytes: 4000,
        ..super::shared::shared(folders[host].path(), url)
    };
    let mut model = Model::default();
    let mut host = 0;
    let (mut store, _) = Store::open(options(host), at(0)).await.unwrap();
    let mut now = at(0);
    for step in &steps {
        now += jiff::SignedDuration::from_secs(500);
        if let Step::Reopen { is_clean } = step {
            match is_clean {
                true => {
                    store.close().await.unwrap();
                    host = 1 - host;
                }
                false => crash_in_step(store),
            }
            store = Store::open(options(host), now).await.unwrap().0;
        }
        model.step(&store, step, now).await;
    }
    model.compare(&store, now).await;
    store.close().await.unwrap();
    let (store, _) = Store::open(options(1 - host), now).await.unwrap();
    model.compare(&store, now).await;
}

/// Without what is not journaled by design: hints, polls without news, retries.
fn journaled(steps: Vec<Step>) -> Vec<Step> {
    let is_journaled =
        |step: &Step| !matches!(step, Step::Hint(_) | Step::Poll { is_news: false, .. } | Step::Settle(_, 1));
    steps.into_iter().filter(is_journaled).collect()
}

fn run(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_store_does_what_a_sorted_list_does(steps in proptest::collection::vec(any_step(), 1..40)) {
        run(play(steps, false));
    }

    #[test]
    fn the_journal_alone_brings_everything_back(steps in proptest::collection::vec(any_step(), 1..40)) {
        run(play(journaled(steps), true));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, max_shrink_iters: 20, ..ProptestConfig::default() })]

    #[test]
    fn a_shared_store_does_what_a_sorted_list_does(steps in proptest::collection::vec(any_step(), 1..40)) {
        let Some((server, name)) = super::shared::database("model") else { return Ok(()) };
        run(play_on_two_hosts(journaled(steps), &server.url(&name)));
    }
}
