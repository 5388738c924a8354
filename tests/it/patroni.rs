//! Hosts that share a store in a high-availability cluster of PostgreSQL: failovers lose no fact, and the hosts
//! continue without help.
//!
//! Shops enrol objects at two hosts all the time, and repeat an enrolment that was not acknowledged. Meanwhile the
//! cluster suffers one fault after another. The test plays the service manager: it restarts a host that has ended.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use amazon_pay_simulator::provider::Random;
use reconciled::control::client::Client;
use reconciled::control::enrolment_request::EnrolmentRequest;
use reconciled::control::messages::{Enrol, EnrolOutcome, EnrolResult, StoreCheck};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::killing::{Acknowledged, all_declines_told, host_with_back_office, seed, watched};
use crate::patroni_cluster::{Cluster, Network};
use crate::postgres_process::{Member, configure, start};
use crate::process::{Host, patiently};
use crate::tools;

const NAMES: [&str; 2] = ["a", "b"];

/// How long a shop waits between two enrolments, and how often the service manager looks at a host.
const PACE: Duration = Duration::from_millis(100);

/// The exit code of a host that a service manager restarts.
const TRY_AGAIN: i32 = 74;

/// What happens to the primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// An operator exchanges it and the replica.
    Switchover,
    /// Its PostgreSQL and its Patroni are killed.
    Kill,
    /// The hosts cannot reach it; the replica and etcd can.
    CutFromHosts,
    /// The hosts can reach it; the replica and etcd cannot.
    CutFromCluster,
    /// The same. Besides, it crashes while an append waits for the replica, and shows rows that the replica lacks.
    CutFromClusterAndCrash,
    /// Nobody can reach it.
    CutFromAll,
    /// All its processes stop, and continue later.
    Freeze,
}

impl Fault {
    /// Each server is frozen once. The address that the hosts use names one of them first. While that one is frozen,
    /// the hosts must still reach the other.
    const ALL: [Fault; 8] = [
        Fault::Switchover,
        Fault::Kill,
        Fault::CutFromHosts,
        Fault::CutFromCluster,
        Fault::CutFromClusterAndCrash,
        Fault::CutFromAll,
        Fault::Freeze,
        Fault::Freeze,
    ];

    async fn begin(self, cluster: &mut Cluster, primary: usize) {
        match self {
            Fault::Switchover => cluster.switch_over(primary).await,
            Fault::Kill => cluster.kill(primary).await,
            Fault::CutFromHosts => cluster.cut(primary, Network::Front),
            Fault::CutFromCluster => cluster.cut(primary, Network::Back),
            Fault::CutFromClusterAndCrash => {
                cluster.cut(primary, Network::Back);
                cluster.crash_when_waiting(primary).await;
            }
            Fault::CutFromAll => {
                cluster.cut(primary, Network::Back);
                cluster.cut(primary, Network::Front);
            }
            Fault::Freeze => cluster.freeze(primary),
        }
    }

    fn end(self, cluster: &mut Cluster, primary: usize) {
        match self {
            Fault::Switchover => {}
            Fault::Kill => cluster.start(primary),
            Fault::CutFromHosts => cluster.mend(primary, Network::Front),
            Fault::CutFromCluster | Fault::CutFromClusterAndCrash => cluster.mend(primary, Network::Back),
            Fault::CutFromAll => {
                cluster.mend(primary, Network::Back);
                cluster.mend(primary, Network::Front);
            }
            Fault::Freeze => cluster.thaw(primary),
        }
    }
}

/// An enrolment that a host has acknowledged: which host, and when it was begun and acknowledged.
struct Enrolled {
    place: usize,
    begun: Duration,
    acknowledged: Duration,
}

/// What the shops have enrolled, and how often each host has ended.
struct Work {
    host: Arc<Host>,
    known: Acknowledged,
    enrolled: Mutex<Vec<Enrolled>>,
    endings: [AtomicU64; 2],
    /// Cancelled: the shops enrol nothing more.
    closed: CancellationToken,
    /// Cancelled: the hosts are not restarted any more.
    released: CancellationToken,
}

impl Work {
    fn now(&self) -> Duration {
        self.host.clock.monotonic()
    }

    fn endings(&self) -> [u64; 2] {
        [0, 1].map(|place: usize| self.endings[place].load(Ordering::SeqCst))
    }

    fn logs(&self) -> String {
        let log = |name| {
            let text = fs::read_to_string(self.host.path(&format!("{name}.log"))).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(19)..].join("\n") + "\n"
        };
        NAMES.map(log).concat()
    }

    async fn until<T>(&self, what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
        patiently(&self.host.clock, what, look, || self.logs()).await
    }

    fn socket(&self, place: usize) -> PathBuf {
        self.host.path(&format!("{}.sock", NAMES[place]))
    }

    /// Waits until each host has acknowledged an enrolment that was begun after this moment.
    async fn goes_on(&self, since: Duration) {
        self.until("both hosts acknowledge enrolments", async || {
            let enrolled = self.enrolled.lock().unwrap();
            let has = |place| enrolled.iter().any(|one| one.place == place && one.begun >= since);
            (has(0) && has(1)).then_some(())
        })
        .await;
    }

    /// Waits until each host has ended more often than this.
    async fn until_ended(&self, endings: [u64; 2]) {
        self.until("both hosts have ended", async || {
            let now = self.endings();
            (now[0] > endings[0] && now[1] > endings[1]).then_some(())
        })
        .await;
    }

    /// The longest time without an acknowledgement that ended after this moment.
    fn longest_outage(&self, since: Duration) -> Duration {
        let mut moments: Vec<Duration> =
            self.enrolled.lock().unwrap().iter().map(|one| one.acknowledged).collect();
        moments.sort_unstable();
        let pairs = moments.windows(2).filter(|pair| pair[1] >= since);
        pairs.map(|pair| pair[1].saturating_sub(pair[0])).max().unwrap_or_default()
    }

    /// How long after this moment a host acknowledged an enrolment.
    fn next_after(&self, since: Duration) -> Duration {
        let enrolled = self.enrolled.lock().unwrap();
        let times = enrolled.iter().filter_map(|one| one.acknowledged.checked_sub(since));
        times.min().unwrap_or_default()
    }
}

/// None: the host has not acknowledged it.
async fn try_to_enrol(socket: &Path, request: &EnrolmentRequest) -> Option<EnrolResult> {
    let client = Client::connect(socket).await.ok()?;
    client.ask(Enrol::from(vec![request.clone()])).await.ok()?.pop()
}

/// A shop's program: enrols objects at one host. It repeats an enrolment until it is acknowledged.
async fn enrol_at(work: Arc<Work>, place: usize, mut random: Random) {
    let host = &work.host;
    let socket = work.socket(place);
    while !work.closed.is_cancelled() {
        let (is_declined, after_ms) = (random.share(0.5), random.below(3_000));
        let planted = match (is_declined, random.share(0.5)) {
            (true, true) => host.plant("shop", "authorization", "Declined", Some("HardDeclined"), after_ms),
            (true, false) => host.plant("old-shop", "refund", "Declined", Some("AmazonRejected"), after_ms),
            (false, true) => host.plant("shop", "refund", "Refunded", None, after_ms),
            (false, false) => host.plant("old-shop", "capture", "Completed", None, after_ms),
        };
        let request = EnrolmentRequest {
            details: planted.details(),
            ..EnrolmentRequest::plain(planted.object.clone())
        };
        let begun = work.now();
        let result = loop {
            if let Some(result) = try_to_enrol(&socket, &request).await {
                break result;
            }
            host.clock.sleep(PACE).await;
        };
        // `Same`: an earlier attempt has been written, but its answer was lost.
        assert!(matches!(result.outcome, EnrolOutcome::New | EnrolOutcome::Same), "{:?}", result.reason);
        work.known.acknowledge(planted.id(), is_declined);
        work.enrolled.lock().unwrap().push(Enrolled { place, begun, acknowledged: work.now() });
        host.clock.sleep(PACE).await;
    }
}

/// The service manager of one host: restarts it when it has ended.
async fn keep_running(work: Arc<Work>, place: usize, mut member: Member) -> Member {
    while !work.released.is_cancelled() {
        if let Some(status) = member.child.try_wait().unwrap() {
            assert_eq!(status.code(), Some(TRY_AGAIN), "{}", member.log());
            work.endings[place].fetch_add(1, Ordering::SeqCst);
            member.restart();
        }
        work.host.clock.sleep(PACE).await;
    }
    member
}

/// The facts of a server: their number, and a digest of their hashes. Panics if one is missing in between.
fn facts(cluster: &Cluster, server: usize) -> (u64, String) {
    let rows = cluster.sql(
        server,
        "fleet",
        "SELECT count(*), min(sequence), max(sequence), \
         (SELECT last_sequence FROM reconciled_end ORDER BY part DESC LIMIT 1), \
         md5(string_agg(encode(hash, 'hex'), '' ORDER BY sequence)) FROM reconciled_fact",
    );
    let fields: Vec<&str> = rows.split('|').collect();
    let [number, first, last, end, digest] = fields[..] else { panic!("{rows}") };
    assert!(first == "1" && number == last && last == end, "server {server}: {rows}");
    (number.parse().unwrap(), digest.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn failovers_lose_nothing_and_the_hosts_continue_without_help() {
    const TEST: &str = "several hosts on a cluster under Patroni";
    let mut cluster = match Cluster::new().await {
        Ok(cluster) => cluster,
        Err(why) => return tools::skipped(TEST, &why),
    };
    tools::not_skipped(TEST);
    let primary = cluster.until_whole().await;
    cluster.sql(primary, "postgres", "CREATE ROLE reconciled LOGIN PASSWORD 'hush'");
    cluster.sql(primary, "postgres", "CREATE DATABASE fleet OWNER reconciled");
    let host = host_with_back_office().await;
    configure(&host, &cluster.url("fleet"));
    let members = NAMES.map(|name| start(&host, name));
    for member in &members {
        drop(member.works().await);
    }
    let work = Arc::new(Work {
        host,
        known: Acknowledged::default(),
        enrolled: Mutex::default(),
        endings: [AtomicU64::new(0), AtomicU64::new(0)],
        closed: CancellationToken::new(),
        released: CancellationToken::new(),
    });
    let (mut managers, mut shops, mut random) = (JoinSet::new(), JoinSet::new(), Random::new(seed()));
    for (place, member) in members.into_iter().enumerate() {
        managers.spawn(keep_running(Arc::clone(&work), place, member));
        shops.spawn(enrol_at(Arc::clone(&work), place, Random::new(random.next_u64())));
    }

    let mut seen = 0;
    for fault in Fault::ALL {
        let primary = cluster.until_whole().await;
        work.goes_on(work.now()).await;
        let (began, endings) = (work.now(), work.endings());
        fault.begin(&mut cluster, primary).await;
        if fault == Fault::CutFromHosts {
            // The cluster is healthy and does nothing. The hosts wait.
            work.until_ended(endings).await;
        } else {
            // The hosts do not wait until the other server is back.
            cluster.until_primary(1 - primary).await;
            work.goes_on(work.now()).await;
        }
        fault.end(&mut cluster, primary);
        let ended = work.now();
        let primary = cluster.until_whole().await;
        work.goes_on(work.now()).await;
        let (number, _) = facts(&cluster, primary);
        assert!(number > seen, "{fault:?}: {number} facts after {seen}");
        seen = number;
        let endings = [0, 1].map(|place: usize| work.endings()[place] - endings[place]);
        println!(
            "{fault:?}: {} ms without an acknowledgement; the next one {} ms after the fault had ended; the hosts were \
             restarted {endings:?} times",
            work.longest_outage(began).as_millis(),
            work.next_after(ended).as_millis()
        );
    }

    work.closed.cancel();
    work.until("the shops have closed", async || {
        while let Some(ended) = shops.try_join_next() {
            ended.unwrap();
        }
        shops.is_empty().then_some(())
    })
    .await;
    all_declines_told(&work.host, &work.known.declined()).await;
    work.released.cancel();
    let mut members = managers.join_all().await;
    for member in &members {
        let client = member.works().await;
        let lost: Vec<String> =
            work.known.enrolled().difference(&watched(&work.host, &client).await).cloned().collect();
        assert!(lost.is_empty(), "{lost:?} are lost\n{}", member.log());
        let report = client.ask(StoreCheck {}).await.unwrap();
        assert!(report.is_clean(), "{:?}", report.problems);
    }
    for member in &mut members {
        member.signal("TERM");
        assert_eq!(member.ended().await.code(), Some(0), "{}", member.log());
    }
    let primary = cluster.until_whole().await;
    let all = facts(&cluster, primary);
    work.until("the replica has all facts", async || (facts(&cluster, 1 - primary) == all).then_some(()))
        .await;
    let declined = work.known.declined();
    let repeated = declined.iter().filter(|id| work.host.declines_told(id) > 1).count();
    println!(
        "{} facts; {} objects, {} declines, {repeated} of them sent again under the same key; 0 lost",
        all.0,
        work.known.enrolled().len(),
        declined.len()
    );
}
