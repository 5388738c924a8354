//! `kill -9` of the real process while its index is compacted: under load, again and again, in each phase.
//!
//! The phase that a kill interrupted is read from the files it left. Nothing acknowledged is lost, every
//! decline is reported, and the next process finds a whole index that needs no rebuild.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use amazon_pay_simulator::provider::Random;
use reconciled::control::client::Client;
use reconciled::control::enrolment_request::EnrolmentRequest;
use reconciled::control::messages::{Enrol, StoreCheck, StoreCompact};

use crate::killing::{
    Acknowledged, all_declines_told, enrol_on, host_with_back_office, kills, poll_on, seed, watched,
};
use crate::process::{Host, Running};

/// Kills in the suite.
const KILLS: u64 = 20;
/// Objects that are watched throughout and never end, so that a copy takes some time.
const LASTING: usize = 500;
/// Between two checks of the files: shorter than the shortest phase.
const LOOK_EVERY: Duration = Duration::from_micros(100);
/// After this many checks a kill no longer waits for its phase.
const MOST_LOOKS: u64 = 10_000;

/// The phase of a compaction, according to its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// None of its files exist.
    Beside,
    /// Rows are copied.
    Copying,
    /// The copy is complete and was closed once: the engine has saved where its pages are.
    Comparing,
    /// The marker exists, or the old index.
    Exchanging,
}

impl Phase {
    fn of(store: &Path) -> Phase {
        if store.join("swapping").exists() || store.join("index.old").exists() {
            return Phase::Exchanging;
        }
        let Ok(draft) = fs::read_dir(store.join("index.new")) else { return Phase::Beside };
        let mut names = draft.flatten().map(|entry| entry.file_name());
        match names.any(|name| name.to_string_lossy().starts_with("snap.")) {
            true => Phase::Comparing,
            false => Phase::Copying,
        }
    }

    /// Most kills aim at a phase; some fall anywhere.
    fn drawn(random: &mut Random) -> Phase {
        match random.below(10) {
            0 => Phase::Beside,
            1..5 => Phase::Copying,
            5..7 => Phase::Comparing,
            _ => Phase::Exchanging,
        }
    }

    /// The longest delay of a kill once its phase is reached: about as long as the phase lasts.
    fn drawn_delay(self, random: &mut Random) -> Duration {
        Duration::from_micros(random.below(match self {
            Phase::Beside => 100_000,
            Phase::Copying => 60_000,
            Phase::Comparing => 30_000,
            Phase::Exchanging => 8_000,
        }))
    }
}

/// A host whose daemon checks every second whether to compact, and always does.
async fn host_that_compacts() -> Arc<Host> {
    let host = host_with_back_office().await;
    host.rewrite_config(|text| {
        text.replace("[store]\n", "[store]\ncompact_above_mib = 0\ncompact_every = \"1s\"\n")
    });
    host
}

async fn enrol_lasting(host: &Host, known: &Acknowledged) {
    let client = host.client().await;
    let an_hour = 3_600_000;
    let planted = |number: usize| match number % 2 {
        0 => host.plant("shop", "refund", "Refunded", None, an_hour),
        _ => host.plant("old-shop", "refund", "Completed", None, an_hour),
    };
    let planted: Vec<_> = (0..LASTING).map(planted).collect();
    let enrolment_request: Vec<EnrolmentRequest> = planted
        .iter()
        .map(|one| EnrolmentRequest { details: one.details(), ..EnrolmentRequest::plain(one.object.clone()) })
        .collect();
    let results = client.ask(Enrol::from(enrolment_request.clone())).await.unwrap();
    assert!(results.iter().all(|result| result.reason.is_none()), "{results:?}");
    for one in planted {
        known.acknowledge(one.id(), false);
    }
}

/// An operator who compacts the index again and again, besides the daemon's own checks.
async fn compact_on(client: Client, is_over: Arc<AtomicBool>, made: Arc<AtomicU64>) {
    while !is_over.load(Ordering::SeqCst) {
        match client.ask(StoreCompact {}).await {
            Ok(done) => {
                assert!(done.rows > LASTING as u64, "{done:?}");
                made.fetch_add(1, Ordering::SeqCst);
            }
            Err(problem) if problem.to_string().contains("another compaction is running") => {
                tokio::task::yield_now().await;
            }
            Err(_) => return,
        }
    }
}

/// One run under load, ended in the intended phase if that comes; returns the phase it ended in.
async fn live_and_die(
    host: &Arc<Host>,
    daemon: Running,
    known: &Arc<Acknowledged>,
    made: &Arc<AtomicU64>,
    random: &mut Random,
) -> Phase {
    let is_over = Arc::new(AtomicBool::new(false));
    let mut load = tokio::task::JoinSet::new();
    for _ in 0..2 {
        let own = Random::new(random.next_u64());
        load.spawn(enrol_on(Arc::clone(host), host.client().await, Arc::clone(known), own));
    }
    load.spawn(poll_on(host.client().await));
    load.spawn(compact_on(host.client().await, Arc::clone(&is_over), Arc::clone(made)));
    let (aim, store) = (Phase::drawn(random), host.path("store"));
    let made_before = made.load(Ordering::SeqCst);
    // A kill outside of a compaction counts only when one was completed before.
    let is_there = || match aim {
        Phase::Beside => made.load(Ordering::SeqCst) > made_before,
        _ => Phase::of(&store) == aim,
    };
    let mut looks = 0;
    while !is_there() && looks < MOST_LOOKS {
        looks += 1;
        host.clock.sleep(LOOK_EVERY).await;
    }
    // Do not wait for anything: die at any moment of the phase.
    let delay = aim.drawn_delay(random);
    if delay > LOOK_EVERY {
        host.clock.sleep(delay).await;
    }
    daemon.kill();
    is_over.store(true, Ordering::SeqCst);
    while let Some(ended) = load.join_next().await {
        ended.unwrap();
    }
    Phase::of(&store)
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_its_index_is_compacted_it_loses_nothing() {
    let host = host_that_compacts().await;
    let known = Arc::new(Acknowledged::default());
    let made = Arc::new(AtomicU64::new(0));
    let mut random = Random::new(seed());
    let mut daemon = host.start().await;
    enrol_lasting(&host, &known).await;
    let mut fell: BTreeMap<Phase, u64> = BTreeMap::new();
    let kills = kills(KILLS);
    for kill in 1..=kills {
        let phase = live_and_die(&host, daemon, &known, &made, &mut random).await;
        *fell.entry(phase).or_default() += 1;
        daemon = host.start().await;
        let client = host.client().await;
        let lost: Vec<String> =
            known.enrolled().difference(&watched(&host, &client).await).cloned().collect();
        assert!(lost.is_empty(), "kill {kill} in {phase:?} lost {lost:?}\n{}", host.log());
        let report = client.ask(StoreCheck {}).await.unwrap();
        assert!(report.is_clean(), "kill {kill} in {phase:?}: {:?}", report.problems);
        let aside: Vec<_> = fs::read_dir(host.path("store"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .filter(|name| name.to_string_lossy().starts_with("index.aside"))
            .collect();
        assert!(aside.is_empty(), "kill {kill} in {phase:?} cost the index: {aside:?}\n{}", host.log());
    }
    println!(
        "{kills} kills fell {fell:?}; the index was compacted completely {} times",
        made.load(Ordering::SeqCst)
    );
    let of = |phase: Phase| fell.get(&phase).copied().unwrap_or_default();
    assert!(of(Phase::Copying) > 0, "no kill fell into the copying: {fell:?}");
    assert!(of(Phase::Comparing) + of(Phase::Exchanging) > 0, "no kill fell after the copying: {fell:?}");
    assert!(4 * of(Phase::Beside) < 3 * kills, "too many kills fell outside of a compaction: {fell:?}");
    all_declines_told(&host, &known.declined()).await;
    daemon.stop(&host).await;
    assert_eq!(Phase::of(&host.path("store")), Phase::Beside, "nothing of it is left behind");
    host.run(&["store", "check"]).await.expect(0, &["nothing is wrong"]);
    host.run(&["store", "compact"]).await.expect(0, &["rows of "]);
    host.run(&["store", "check"]).await.expect(0, &["nothing is wrong"]);
}
