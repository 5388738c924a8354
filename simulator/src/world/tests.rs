//! Whole worlds in memory: quotas, faults, counters and the seed.

use std::sync::Arc;

use super::*;
use crate::clock::{Clock, VirtualClock};
use crate::exchange::Carriage;
use crate::fate::{Fate, FateStep, Fates};
use crate::fault::FaultKind;
use crate::hostile;
use crate::scenario::{Account, Credentials, CurrencyShare, Population};
use crate::signing_for_tests::{public_key_der, request};

const KEY: &str = "SANDBOX-AEKEY";

fn account(name: &str, merchant_id: &str, key: &str) -> Account {
    Account {
        name: name.into(),
        api: Api::AmazonPayV2,
        merchant_id: merchant_id.into(),
        region: "na".into(),
        is_sandbox: true,
        credentials: Credentials::PublicKey { id: key.into(), der: Some(public_key_der()) },
        quotas: Vec::new(),
    }
}

fn population(count: u64) -> Population {
    let step = |state: &str, reason: Option<&str>| FateStep {
        after_min: Duration::from_secs(60),
        after_max: Duration::from_secs(7200),
        state: state.into(),
        reason: reason.map(ToOwned::to_owned),
    };
    Population {
        account: "shop".into(),
        kind: "authorization".into(),
        count,
        age: (Duration::ZERO, Duration::from_secs(30)),
        invisible_for: (Duration::ZERO, Duration::ZERO),
        reference_prefix: "order-".into(),
        currencies: vec![CurrencyShare {
            code: "EUR".into(),
            share: 1.0,
            amount_min_minor: 100,
            amount_max_minor: 99_999,
            decimals: 2,
        }],
        fates: Fates::new(vec![
            Fate { share: 1.0, steps: vec![step("Authorized", None)] },
            Fate { share: 1.0, steps: vec![step("Declined", Some("SoftDeclined"))] },
        ]),
        decides_created: false,
        line: None,
    }
}

fn scenario(count: u64, faults: Vec<Fault>) -> Scenario {
    Scenario {
        seed: 5,
        accounts: vec![account("shop", "A1", KEY), account("other", "A2", "SANDBOX-OTHER")],
        populations: vec![population(count)],
        faults,
        ..Scenario::default()
    }
}

struct Fixture {
    clock: Arc<VirtualClock>,
    simulator: Simulator,
    path: String,
}

impl Fixture {
    fn new(scenario: Scenario) -> Fixture {
        let clock = Arc::new(VirtualClock::starting_at("2026-01-15T12:34:56Z".parse().expect("a timestamp")));
        let simulator = Simulator::new(scenario, clock.clone()).expect("the scenario is good");
        let first = simulator.planted().first().map(|planted| planted.truth.id.clone());
        let path = format!("/v2/charges/{}", first.unwrap_or_default());
        Fixture { clock, simulator, path }
    }

    fn with(faults: Vec<Fault>) -> Fixture {
        Fixture::new(scenario(1, faults))
    }

    fn get_as(&self, key: &str) -> Outgoing {
        self.simulator.answer(request(key, "na", "GET", &self.path, "", &[], self.clock.now()))
    }

    fn get(&self) -> Outgoing {
        self.get_as(KEY)
    }

    fn counts(&self) -> crate::OperationCounts {
        self.simulator.counts().of_account("shop")
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn one_seed_decides_everything() {
    let ids = |seed: u64| {
        let fixture = Fixture::new(Scenario { seed, ..scenario(50, Vec::new()) });
        fixture.simulator.planted()
    };
    let planted = ids(5);
    assert_eq!(planted.len(), 50);
    assert_eq!(planted, ids(5));
    assert_ne!(planted[0].truth.id, ids(6)[0].truth.id);
    assert_eq!(planted[7].truth.merchant_reference, "order-000007");
    assert!(planted.iter().all(|one| one.account == "shop" && one.truth.state == "AuthorizationInitiated"));
    let distinct: std::collections::BTreeSet<_> = planted.iter().map(|one| &one.truth.id).collect();
    assert_eq!(distinct.len(), 50);
}

#[tokio::test(start_paused = true)]
async fn all_planted_objects_come_to_their_end() {
    let fixture = Fixture::new(scenario(40, Vec::new()));
    tokio::time::advance(seconds(7200)).await;
    let states: Vec<String> =
        fixture.simulator.planted().into_iter().map(|planted| planted.truth.state).collect();
    let declined = states.iter().filter(|state| *state == "Declined").count();
    assert!((10..30).contains(&declined), "{declined}");
    assert!(states.iter().all(|state| matches!(state.as_str(), "Authorized" | "Declined")));
    assert!(fixture.simulator.truths().len() > 40, "permissions are in the book too");
}

#[tokio::test(start_paused = true)]
async fn the_documented_quota_is_kept_to_the_request() {
    let fixture = Fixture::with(Vec::new());
    let statuses: Vec<u16> = (0..7).map(|_| fixture.get().status).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429, 429]);
    tokio::time::advance(seconds(2)).await;
    let statuses: Vec<u16> = (0..3).map(|_| fixture.get().status).collect();
    assert_eq!(statuses, [200, 200, 429]);
    assert_eq!(fixture.get_as("SANDBOX-OTHER").status, 404, "another account has its own bucket");
    let counts = fixture.counts();
    assert_eq!((counts.requests, counts.answered, counts.succeeded, counts.throttled), (10, 7, 7, 3));
    assert_eq!(counts.over_quota, 3);
    assert_eq!(fixture.simulator.counts().of_account("other").answered, 1);
    assert_eq!(fixture.simulator.counts().total().requests, 11);
}

#[tokio::test(start_paused = true)]
async fn whoever_overruns_the_quota_behind_a_fault_is_counted_all_the_same() {
    let fixture = Fixture::with(vec![Fault::always(FaultKind::ServerError500)]);
    assert!((0..8).all(|_| fixture.get().status == 500));
    let counts = fixture.counts();
    assert_eq!((counts.requests, counts.throttled, counts.over_quota), (8, 0, 3));
}

#[tokio::test(start_paused = true)]
async fn a_saturated_hour_gets_exactly_what_the_own_quota_allows() {
    let mut scenario = scenario(1, Vec::new());
    scenario.accounts[0].quotas = vec![("*".into(), Quota::new(10, 1, 3))];
    let fixture = Fixture::new(scenario);
    for _ in 0..3600 {
        fixture.get();
        tokio::time::advance(seconds(1)).await;
    }
    let counts = fixture.counts();
    assert_eq!(counts.requests, 3600);
    assert_eq!(counts.answered, 10 + 3599 / 3);
}

#[tokio::test(start_paused = true)]
async fn instead_faults_answer_in_the_providers_place() {
    for (kind, status, carriage) in [
        (FaultKind::ServerError500, 500, Carriage::Whole),
        (FaultKind::ServerError502, 502, Carriage::Whole),
        (FaultKind::ServerError503, 503, Carriage::Whole),
        (FaultKind::ServerError504, 504, Carriage::Whole),
        (FaultKind::HtmlErrorPage, 503, Carriage::Whole),
        (FaultKind::Throttle, 429, Carriage::Whole),
        (FaultKind::Hang, 200, Carriage::Hang),
        (FaultKind::Reset, 200, Carriage::Reset),
        (FaultKind::OversizedBody, 200, Carriage::Repeat(Some(hostile::OVERSIZED_BYTES))),
        (FaultKind::EndlessBody, 200, Carriage::Repeat(None)),
        (FaultKind::EmptyBody, 200, Carriage::Whole),
        (FaultKind::EntityBomb, 200, Carriage::Whole),
        (FaultKind::GzipBomb, 200, Carriage::Whole),
        (FaultKind::Redirect, 307, Carriage::Whole),
        (FaultKind::RefusedCredentials, 403, Carriage::Whole),
    ] {
        let fixture = Fixture::with(vec![Fault::always(kind)]);
        let answer = fixture.get();
        assert_eq!((answer.status, answer.carriage), (status, carriage), "{kind:?}");
        let counts = fixture.counts();
        assert_eq!((counts.requests, counts.answered, counts.injected()), (1, 0, 1), "{kind:?}");
        assert_eq!(counts.faults.get(&kind), Some(&1));
    }
}

#[tokio::test(start_paused = true)]
async fn faults_afterwards_spoil_the_providers_answer() {
    let good = Fixture::with(Vec::new()).get();
    for kind in [
        FaultKind::HangAfterHead,
        FaultKind::HangMidBody,
        FaultKind::TruncatedBody,
        FaultKind::SlowBody,
        FaultKind::WrongId,
        FaultKind::UnknownState,
        FaultKind::UnknownReason,
        FaultKind::WrongContentType,
        FaultKind::ManyHeaders,
    ] {
        let fixture = Fixture::with(vec![Fault::always(kind)]);
        let answer = fixture.get();
        let is_spoilt = answer.body != good.body
            || answer.carriage != Carriage::Whole
            || answer.header("content-type") != good.header("content-type")
            || answer.headers.len() > 10_000;
        assert!(is_spoilt, "{kind:?}");
        assert_eq!((fixture.counts().answered, fixture.counts().injected()), (1, 1), "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_skewed_provider_refuses_fresh_signatures() {
    let fixture = Fixture::with(vec![Fault::always(FaultKind::ClockSkew)]);
    let answer = fixture.get();
    assert_eq!(answer.status, 403);
    assert!(String::from_utf8_lossy(&answer.body).contains("InvalidRequestSignature"));
}

#[tokio::test(start_paused = true)]
async fn a_skewed_provider_shows_no_state_before_it_is_reached() {
    let day = SignedDuration::from_hours(24);
    let skew = Fault { skew_s: day.as_secs(), ..Fault::always(FaultKind::ClockSkew) };
    let fixture = Fixture::with(vec![skew]);
    let now = fixture.clock.now();
    let signed_by_its_clock = request(KEY, "na", "GET", &fixture.path, "", &[], now + day);
    let answer = fixture.simulator.answer(Incoming { at: now, ..signed_by_its_clock });
    let body = String::from_utf8_lossy(&answer.body);
    assert_eq!(
        (answer.status, answer.header("date")),
        (200, Some("Fri, 16 Jan 2026 12:34:56 GMT")),
        "{body}"
    );
    let state = fixture.simulator.planted()[0].truth.state.clone();
    assert!(body.contains(&format!("\"state\":\"{state}\"")), "it is {state}: {body}");
}

#[tokio::test(start_paused = true)]
async fn windows_open_and_close_and_calm_ends_all_faults() {
    let window = Fault {
        from: seconds(10),
        until: Some(seconds(20)),
        account: Some("shop".into()),
        ..Fault::always(FaultKind::ServerError500)
    };
    let fixture = Fixture::with(vec![window]);
    assert_eq!(fixture.get().status, 200);
    tokio::time::advance(seconds(10)).await;
    assert_eq!(fixture.get().status, 500);
    assert_eq!(fixture.get_as("SANDBOX-OTHER").status, 404);
    tokio::time::advance(seconds(10)).await;
    assert_eq!(fixture.get().status, 200);
    fixture.simulator.set_faults(vec![Fault::always(FaultKind::Hang)]);
    assert_eq!(fixture.get().carriage, Carriage::Hang);
    fixture.simulator.calm();
    assert_eq!(fixture.get().status, 200);
}

#[tokio::test(start_paused = true)]
async fn another_accounts_traffic_does_not_move_the_draws() {
    let half = || vec![Fault { share: 0.5, ..Fault::always(FaultKind::ServerError500) }];
    let alone = Fixture::with(half());
    let crowded = Fixture::with(half());
    for round in 0..30 {
        tokio::time::advance(seconds(1)).await;
        if round % 3 == 0 {
            crowded.get_as("SANDBOX-OTHER");
        }
        assert_eq!(alone.get().status, crowded.get().status, "round {round}");
    }
    let struck = alone.counts().injected();
    assert!((5..25).contains(&struck), "{struck}");
}

#[tokio::test(start_paused = true)]
async fn later_plantings_and_the_chat_are_part_of_the_world() {
    let fixture = Fixture::with(Vec::new());
    let plan = Plan {
        kind: "refund".into(),
        amount: "5.00".into(),
        currency: "USD".into(),
        merchant_reference: "late".into(),
        steps: Vec::new(),
        invisible_for: Duration::ZERO,
    };
    let id = fixture.simulator.plant("shop", &plan).expect("the plan is good");
    assert_eq!(fixture.simulator.planted().last().map(|planted| planted.truth.id.clone()), Some(id));
    assert!(fixture.simulator.plant("nobody", &plan).is_err());
    let mut message = request(KEY, "na", "POST", "/hooks/json", "{\"a\":1}", &[], fixture.clock.now());
    assert_eq!(fixture.simulator.answer(message.clone()).status, 200);
    assert_eq!(fixture.simulator.chat_messages().len(), 1);
    message.path = "/no/where".into();
    assert_eq!(fixture.simulator.answer(message.clone()).status, 404);
    message.path = "/v2/unicorns".into();
    assert_eq!(fixture.simulator.answer(message).status, 403);
    assert_eq!(fixture.simulator.counts().unrecognised, 2);
    assert_eq!(fixture.simulator.counts().chat.accepted, 1);
}

#[tokio::test(start_paused = true)]
async fn a_scenario_that_cannot_be_lived_says_why() {
    let clock = Arc::new(VirtualClock::starting_at(Timestamp::UNIX_EPOCH));
    let mut keyless = scenario(0, Vec::new());
    keyless.accounts[0].credentials = Credentials::PublicKey { id: KEY.into(), der: None };
    let error = Simulator::new(keyless, clock.clone()).expect_err("there is no key");
    assert!(error.to_string().contains("account `shop`.public_key_file: the account has no key"), "{error}");
    let mut odd = scenario(1, Vec::new());
    odd.populations[0].fates = Fates::new(vec![Fate {
        share: 1.0,
        steps: vec![FateStep {
            after_min: Duration::ZERO,
            after_max: Duration::ZERO,
            state: "Lost".into(),
            reason: None,
        }],
    }]);
    odd.populations[0].line = Some(7);
    let error = Simulator::new(odd, clock).expect_err("there is no such state");
    assert!(error.to_string().contains("line 7: population[0]: `Lost` is no documented state"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_shipped_example_comes_to_life() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mut example = Scenario::parse(crate::scenario::EXAMPLE, folder.path()).expect("it is good");
    example.generate_credentials(folder.path()).expect("the folder can be written");
    let clock = VirtualClock::starting_at(Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(9999));
    let simulator = Simulator::new(example, clock).expect("the example can be lived");
    assert_eq!((simulator.planted().len(), simulator.seed()), (162, 20_260_115));
}

#[tokio::test(start_paused = true)]
async fn faults_speak_the_language_of_the_provider_they_stand_in_for() {
    let mut world = scenario(0, vec![Fault::always(FaultKind::RefusedCredentials)]);
    world.accounts.push(Account {
        name: "old-shop".into(),
        api: Api::AmazonPayMws,
        credentials: Credentials::AccessKey { id: "AKIA".into(), secret: Some("secret".into()) },
        ..account("old-shop", "A9", "")
    });
    let fixture = Fixture::new(world);
    let mut incoming =
        request(KEY, "na", "GET", "/OffAmazonPayments_Sandbox/2013-01-01", "", &[], fixture.clock.now());
    incoming.query = "Action=GetAuthorizationDetails&SellerId=A9".into();
    let answer = fixture.simulator.answer(incoming);
    let body = String::from_utf8(answer.body).expect("it is text");
    assert_eq!(answer.status, 403);
    assert!(body.contains("<Code>InvalidAccessKeyId</Code>"), "{body}");
    let counts = fixture.simulator.counts();
    assert_eq!(counts.of_account("old-shop").injected(), 1);
    assert_eq!(counts.operations.len(), 1);
}

#[test]
fn people_find_every_id_at_the_root() {
    let fixture = Fixture::new(scenario(3, Vec::new()));
    let incoming = Incoming {
        method: "GET".into(),
        host: "127.0.0.1".into(),
        path: "/".into(),
        query: String::new(),
        headers: Vec::new(),
        body: Vec::new(),
        at: fixture.simulator.clock().now(),
    };
    let answer = fixture.simulator.answer(incoming);
    let text = String::from_utf8(answer.body).expect("it is text");
    assert_eq!((answer.status, text.lines().count()), (200, 1 + fixture.simulator.truths().len()));
    for planted in fixture.simulator.planted() {
        let truth = planted.truth;
        let kind = crate::plan::enrolled_kind("amazon-pay-v2", &truth.kind);
        let line = format!("amazon-pay-v2 {kind} {} {} ", truth.id, truth.state);
        assert!(text.contains(&line), "{line} is not in {text}");
    }
    assert_eq!(fixture.simulator.counts().unrecognised, 0);
}
