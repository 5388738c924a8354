//! Simulated fleets in the suite; `examples/simulate_months.rs` runs any number of them.

use std::time::Duration;

use amazon_pay_simulator::provider::Random;
use reconciled::secret::Secret;
use reconciled::store::DatabaseUrl;
use reconciled::store::tables::{Append, Entry, Link, Tables};

use crate::fleets::plan::Plan;
use crate::fleets::tables::{Database, Losses};
use crate::fleets::{run, sweep};
use crate::months::clock::WorldTime;
use crate::months::fuse::Fuse;
use crate::postgres_server::Server;
use crate::tools;

/// The suite's fleets.
const SEEDS: u64 = 12;

#[test]
fn nothing_goes_wrong_in_any_of_the_suites_fleets() {
    let failed = sweep(0..SEEDS, 2);
    if let Some((seed, verdict)) = failed.first() {
        panic!("{}", verdict.story(*seed));
    }
}

#[test]
fn a_seed_gives_the_same_fleet_event_for_event() {
    for seed in 0..2 {
        let (one, other) = (run(&Plan::of(seed)), run(&Plan::of(seed)));
        let parts = one.trace.iter().zip(&other.trace).position(|(one, other)| one != other);
        if let Some(place) = parts {
            panic!("seed {seed}: event {place}: {} / {}", one.trace[place], other.trace[place]);
        }
        assert_eq!((one.trace.len(), one.simulated), (other.trace.len(), other.simulated));
        assert!(one.objects > 10 && one.trace.len() > 100, "seed {seed}: nothing happens");
    }
}

/// One question with random values. The answer is in words, without the times of the database.
async fn ask(tables: &dyn Tables, random: &mut Random, known: &Known) -> String {
    let names = ["shop", "shop-2", "old-shop", "*"].map(str::to_owned);
    // One of the last ones, or the next one.
    let session = i64::try_from((known.sessions + 1).saturating_sub(random.below(5))).unwrap();
    let host = ["a", "b", "c"][usize::try_from(random.below(3)).unwrap()];
    // A session that has ended at once, or lasts for long.
    let term_ms = if random.share(0.3) { 0.0 } else { 1_000_000_000.0 };
    let some = usize::try_from(random.below(5)).unwrap();
    let accounts = if random.share(0.7) { known.free.clone() } else { known.random_accounts(random, &names) };
    match random.below(17) {
        0 | 1 => format!("{:?}", tables.enter(host, term_ms, "digest").await),
        2 => format!("{:?}", tables.renew(session, term_ms, "other").await),
        3 => format!("{:?}", tables.leave(session).await),
        4 => format!("{:?}", tables.end_expired().await),
        5 => {
            let hosts = tables.hosts().await.unwrap();
            format!(
                "{:?}",
                hosts.iter().map(|host| (host.session, &host.name, &host.accounts)).collect::<Vec<_>>()
            )
        }
        6 => {
            let mut counts = tables.counts().await.unwrap();
            counts.sort_unstable();
            format!("{counts:?}")
        }
        7 => format!("{:?}", tables.declare(&names[..some]).await),
        8 | 9 => format!("free {:?}", tables.free().await.unwrap()),
        10 => format!("{:?}", tables.given_up().await),
        11 => {
            let mut taken = tables.take(session, &accounts).await.unwrap();
            taken.sort_unstable();
            format!("{taken:?}")
        }
        12 => format!("{:?}", tables.give_up(session, &known.random_accounts(random, &names)).await),
        13 => format!("{:?} {:?}", tables.own(session).await, tables.owner("shop").await),
        14 | 15 => {
            let old = if random.share(0.8) { known.end } else { Link { sequence: 1, hash: [9; 32] } };
            let number = random.between(1, 3);
            let entry =
                |sequence| Entry { sequence, group: old.sequence + 1, hash: hash(random), payload: vec![1] };
            let entries: Vec<Entry> = (old.sequence + 1..=old.sequence + number).map(entry).collect();
            let last = entries.last().unwrap();
            let new = Link { sequence: last.sequence, hash: last.hash };
            let is_added = tables.append(Append { session, old, new, entries: &entries }).await;
            format!("{is_added:?} {:?}", tables.look().await)
        }
        _ => {
            let first = random.below(known.end.sequence + 2).max(1);
            let read = tables.read(first - 1, 3).await;
            format!("{:?} {read:?} {:?}", tables.written(session, first).await, tables.look().await)
        }
    }
}

fn hash(random: &mut Random) -> [u8; 32] {
    std::array::from_fn(|_| u8::try_from(random.below(256)).unwrap())
}

/// What the questions are about.
#[derive(Default)]
struct Known {
    sessions: u64,
    free: Vec<(String, i64)>,
    end: Link,
}

impl Known {
    async fn of(tables: &dyn Tables, sessions: u64) -> Known {
        let lasting = tables.hosts().await.unwrap().into_iter().map(|host| host.session);
        Known {
            sessions: lasting
                .filter_map(|session| u64::try_from(session).ok())
                .max()
                .unwrap_or_default()
                .max(sessions),
            free: tables.free().await.unwrap(),
            end: tables.look().await.unwrap().unwrap_or_default(),
        }
    }

    fn random_accounts(&self, random: &mut Random, names: &[String]) -> Vec<(String, i64)> {
        names.iter().map(|name| (name.clone(), i64::try_from(random.below(4)).unwrap())).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_in_memory_answers_as_postgresql_does() {
    const TEST: &str = "the database in memory";
    let server = match Server::new() {
        Ok(server) => server,
        Err(why) => return tools::skipped(TEST, &why),
    };
    tools::not_skipped(TEST);
    for seed in 0..6 {
        let name = format!("conform{seed}");
        server.create(&name);
        let real = DatabaseUrl::new(Secret::new(server.url(&name))).unwrap().tables(Duration::from_secs(30));
        real.prepare().await.unwrap();
        let (time, memory) = (
            WorldTime::starting_at("2027-01-15T06:00:00Z".parse().unwrap()),
            Database::new(seed, Losses::default()),
        );
        let double = memory.of_host("a", &time, &Fuse::of(None));
        let mut random = Random::new(seed);
        let mut known = Known::default();
        for step in 0..400u64 {
            time.pass(Duration::from_millis(1));
            memory.set_now(time.elapsed());
            known = Known::of(&*double, known.sessions).await;
            let (said, expected) =
                (ask(&*double, &mut random.clone(), &known).await, ask(&*real, &mut random, &known).await);
            assert_eq!(said, expected, "seed {seed}, step {step}");
        }
        assert!(known.sessions > 10 && known.end.sequence > 10, "seed {seed}: hardly anything happened");
    }
}
