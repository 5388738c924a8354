//! Servers that hang, drip, flood and lie, on real sockets and with the real clients. Each gives a failure of
//! the right class, costs little memory, says nothing about money, and delays nobody else.

mod chat;
mod rates;
mod text;

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use amazon_pay_simulator::authority::CertificateFlaw;
use amazon_pay_simulator::fault::{Fault, FaultKind};
use amazon_pay_simulator::{Scenario, Serving, Simulator, ThrowAwayAuthority, serve, serve_silence};
use reconciled::apis::pace::{Pace, Quota};
use reconciled::clock::{SharedClock, SystemClock};
use reconciled::config::{self, AccountConfig, Surroundings};
use reconciled::http::HttpClient;
use reconciled::payments::object::{Kind, ObjectId};
use reconciled::payments::observation::{Failure, Observation};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::alone;
use crate::scenario::{self, old_shop, population, quota, shop};
use crate::world::configuration;

const ANY: &str = "127.0.0.1:0";

/// How much the process may grow while it meets all of them at once, kibibytes.
const GROWTH_KIB: u64 = 48 * 1024;

/// For exchanges that end on their own, so that a busy machine causes no timeouts.
const PATIENT_S: u64 = 60;

/// The faults that only the deadline ends.
const HANGING: [FaultKind; 4] =
    [FaultKind::Hang, FaultKind::HangAfterHead, FaultKind::HangMidBody, FaultKind::SlowBody];

/// One account of each API with one live object each.
fn scenario() -> String {
    let quota = quota(1000, 1000);
    let [refund, old_refund] = ["shop", "old-shop"].map(|account| population(account, "refund", 1, "[]"));
    scenario::of(5, &[&shop(), &quota, &old_shop("live"), &quota, &refund, &old_refund])
}

/// The keys of the two accounts, and servers on demand.
struct Stand {
    folder: tempfile::TempDir,
    scenario: Scenario,
    clock: SharedClock,
    stop: CancellationToken,
    pace: Pace,
}

impl Drop for Stand {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Stand {
    fn new() -> Stand {
        let folder = tempfile::tempdir().unwrap();
        let mut scenario = Scenario::parse(&scenario(), folder.path()).unwrap();
        scenario.generate_credentials(folder.path()).unwrap();
        let clock = SystemClock::shared();
        let pace = Pace::new(clock.clone());
        Stand { folder, scenario, clock, stop: CancellationToken::new(), pace }
    }

    fn simulator(&self, fault: Option<FaultKind>) -> Arc<Simulator> {
        let simulator = Simulator::new(self.scenario.clone(), self.clock.clone()).unwrap();
        simulator.set_faults(fault.into_iter().map(Fault::always).collect());
        Arc::new(simulator)
    }

    async fn serve(&self, simulator: &Arc<Simulator>, tls: Option<ThrowAwayAuthority>) -> Serving {
        serve(Arc::clone(simulator), ANY.parse().unwrap(), tls, self.stop.clone()).await.unwrap()
    }

    /// The accounts, sent to `endpoint`.
    fn accounts(&self, endpoint: &str, deadline_s: u64) -> Vec<AccountConfig> {
        let text = configuration(self.folder.path(), &self.scenario, "").replace(
            "endpoint = \"http://127.0.0.1:9\"",
            &format!("endpoint = \"{endpoint}\"\ndeadline_s = {deadline_s}"),
        );
        let file = tempfile::NamedTempFile::new_in(self.folder.path()).unwrap();
        std::fs::write(file.path(), text).unwrap();
        config::load(file.path(), &Surroundings::default()).unwrap().accounts
    }

    /// Requests the object of each account once; both requests are in flight at the same time.
    fn ask(
        &self,
        simulator: &Simulator,
        endpoint: &str,
        transport: &HttpClient,
        deadline_s: u64,
    ) -> impl Future<Output = Vec<Result<Observation, Failure>>> + use<> {
        let mut asking = JoinSet::new();
        for account in self.accounts(endpoint, deadline_s) {
            let planted = simulator.planted();
            let object = planted.iter().find(|one| one.account == account.name.as_str()).unwrap();
            let (kind, id) = (Kind::new("refund").unwrap(), ObjectId::new(object.truth.id.clone()).unwrap());
            let api = account.api.build(Arc::new(transport.clone()), self.clock.clone());
            let operation = api.operation(&kind).unwrap();
            let quota = Quota { burst: 100_000, per: Duration::from_millis(1) };
            self.pace.set_quota(&account.name, operation, quota);
            self.pace.assume_full(&account.name, operation);
            let permit = self.pace.take(&account.name, operation).unwrap();
            asking.spawn(async move { api.fetch(&kind, &id, permit).await });
        }
        asking.join_all()
    }
}

/// The peak memory of this process, kibibytes.
fn most_memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn class(answer: &Result<Observation, Failure>) -> &'static str {
    answer.as_ref().map_or_else(Failure::class, |_| "seen")
}

/// The failure that each kind of bad answer gives.
const EXPECTED: [(FaultKind, &str); 16] = [
    (FaultKind::Hang, "transient"),
    (FaultKind::HangAfterHead, "transient"),
    (FaultKind::HangMidBody, "transient"),
    (FaultKind::SlowBody, "transient"),
    (FaultKind::Reset, "transient"),
    (FaultKind::TruncatedBody, "transient"),
    (FaultKind::HtmlErrorPage, "transient"),
    (FaultKind::ManyHeaders, "transient"),
    (FaultKind::OversizedBody, "garbled"),
    (FaultKind::EndlessBody, "garbled"),
    (FaultKind::EmptyBody, "garbled"),
    (FaultKind::EntityBomb, "garbled"),
    (FaultKind::GzipBomb, "garbled"),
    (FaultKind::WrongId, "garbled"),
    (FaultKind::Redirect, "garbled"),
    // A correct answer with a wrong label is still correct.
    (FaultKind::WrongContentType, "seen"),
];

#[test]
fn every_hostile_answer_gives_its_failure_in_bounded_memory() {
    const NAME: &str = "hostile::every_hostile_answer_gives_its_failure_in_bounded_memory";
    if alone::folder().is_none() {
        alone::run(NAME, Path::new("/"));
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let stand = Stand::new();
        let transport = HttpClient::new(None).unwrap();
        let calm = stand.simulator(None);
        let good = stand.serve(&calm, None).await;
        let seen = stand.ask(&calm, &format!("http://{}", good.address), &transport, PATIENT_S).await;
        assert!(seen.iter().all(Result::is_ok), "{seen:?}");
        let before = most_memory_kib();
        let mut asking = JoinSet::new();
        for (fault, expected) in EXPECTED {
            let simulator = stand.simulator(Some(fault));
            let endpoint = format!("http://{}", stand.serve(&simulator, None).await.address);
            let is_endless = HANGING.contains(&fault);
            for _ in 0..4 {
                let deadline_s = if is_endless { 1 } else { PATIENT_S };
                let answers = stand.ask(&simulator, &endpoint, &transport, deadline_s);
                let simulator = Arc::clone(&simulator);
                asking.spawn(async move { (fault, expected, answers.await, simulator) });
            }
        }
        for (fault, expected, answers, simulator) in asking.join_all().await {
            let classes: Vec<_> = answers.iter().map(class).collect();
            assert_eq!(classes, [expected, expected], "{fault:?}: {answers:?}");
            assert!(simulator.counts().total().faults.contains_key(&fault), "{fault:?} never struck");
        }
        let grown = most_memory_kib() - before;
        println!("grown by {grown} KiB");
        assert!(grown < GROWTH_KIB, "grown by {grown} KiB");
    });
}

#[tokio::test]
async fn a_server_that_accepts_no_connection_or_handshake_is_given_up_in_time() {
    let stand = Stand::new();
    let transport = HttpClient::new(None).unwrap();
    let simulator = stand.simulator(None);
    // A full queue of connections: the next one's first packet is dropped.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(ANY.parse().unwrap()).unwrap();
    let full = socket.listen(1).unwrap();
    let address = full.local_addr().unwrap();
    let mut queue = JoinSet::new();
    for _ in 0..8 {
        queue.spawn(TcpStream::connect(address));
    }
    let silent = serve_silence(ANY.parse().unwrap(), stand.stop.clone()).await.unwrap();
    for endpoint in [
        format!("http://{address}"),
        format!("https://{address}"),
        format!("http://{}", silent.address),
        format!("https://{}", silent.address),
    ] {
        let answers = stand.ask(&simulator, &endpoint, &transport, 1).await;
        for answer in &answers {
            assert_eq!(class(answer), "transient", "{endpoint}: {answer:?}");
            let said = answer.as_ref().unwrap_err().to_string();
            assert!(said.contains("within the deadline") && !said.contains("127.0.0.1"), "{said}");
        }
    }
}

#[tokio::test]
async fn a_server_with_a_wrong_certificate_receives_nothing() {
    let stand = Stand::new();
    for (flaw, expected) in [
        (CertificateFlaw::None, None),
        (CertificateFlaw::OtherHost, Some("for another name")),
        (CertificateFlaw::Expired, Some("has expired")),
        (CertificateFlaw::SelfSigned, Some("not trusted")),
    ] {
        let authority = ThrowAwayAuthority::generate_flawed(&["localhost"], flaw).unwrap();
        let transport = HttpClient::new(Some(authority.authority_pem().as_bytes())).unwrap();
        let simulator = stand.simulator(None);
        let serving = stand.serve(&simulator, Some(authority)).await;
        let endpoint = format!("https://localhost:{}", serving.address.port());
        for answer in stand.ask(&simulator, &endpoint, &transport, PATIENT_S).await {
            match expected {
                None => assert_eq!(class(&answer), "seen", "{answer:?}"),
                Some(words) => {
                    assert_eq!(class(&answer), "transient", "{flaw:?}: {answer:?}");
                    let said = answer.unwrap_err().to_string();
                    assert!(said.contains(words), "{flaw:?}: {said}");
                }
            }
        }
        let requests = simulator.counts().total().requests;
        assert_eq!(requests, if expected.is_none() { 2 } else { 0 }, "{flaw:?}");
    }
}

#[tokio::test]
async fn an_account_whose_every_request_hangs_delays_no_other() {
    use reconciled::control::enrolment_request::EnrolmentRequest;
    use reconciled::daemon::{Daemon, Outside};

    const OBJECTS: u64 = 120;
    let mut stand = Stand::new();
    for population in &mut stand.scenario.populations {
        population.count = OBJECTS;
    }
    let (hostile, good) = (stand.simulator(Some(FaultKind::Hang)), stand.simulator(None));
    let (bad_place, good_place) = (stand.serve(&hostile, None).await, stand.serve(&good, None).await);
    let folder = stand.folder.path();
    // No request to the hostile server ends before the test does.
    let sections = "[polling]\nstop_within_s = 1\n";
    let quota = "quota = { burst = 100, per_second = 100.0 }\ndeadline_s = 300";
    let text = configuration(folder, &stand.scenario, sections)
        .replacen("http://127.0.0.1:9\"", &format!("http://{}\"\n{quota}", bad_place.address), 1)
        .replacen(
            "http://127.0.0.1:9\"",
            // Count only the polls of objects.
            &format!("http://{}\"\n{quota}\nservice_status = false", good_place.address),
            1,
        );
    let file = folder.join("config.toml");
    std::fs::write(&file, text).unwrap();
    let outside = Outside {
        clock: stand.clock.clone(),
        transport: Arc::new(HttpClient::new(None).unwrap()),
        surroundings: Surroundings::default(),
        database: None,
    };
    let config = config::load(&file, &Surroundings::default()).unwrap();
    let daemon = Daemon::start(config, outside).await.unwrap();
    let enrolment_request = |one: amazon_pay_simulator::Planted| {
        EnrolmentRequest::plain(format!("{}/refund/{}", one.account, one.truth.id).parse().unwrap())
    };
    let lines: Vec<EnrolmentRequest> = good.planted().into_iter().map(enrolment_request).collect();
    assert!(daemon.service().enrol(lines).await.unwrap().iter().all(|result| result.reason.is_none()));
    for _ in 0..1000 {
        if good.counts().of_account("old-shop").succeeded >= OBJECTS {
            break;
        }
        stand.clock.sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(good.counts().of_account("old-shop").succeeded, OBJECTS, "each object was looked at");
    let hanging = hostile.counts().of_account("shop").requests;
    assert!((1..=16).contains(&hanging), "{hanging} requests hang, no more than one kind's share");
    daemon.stop().await.unwrap();
}
