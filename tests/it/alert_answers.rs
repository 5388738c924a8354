//! What alert targets answer, at any moment and in their own words: scripts for the twins of all targets that take HTTP
//! requests. A real store and deliverer in virtual time; e-mail and commands have stories on real sockets and processes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use amazon_pay_simulator::chat::{Effect, MailStage, Script, ScriptedAnswer, WaitHint};
use amazon_pay_simulator::credentials::write_secret;
use amazon_pay_simulator::scenario::Scenario;
use amazon_pay_simulator::{ChatMessage, Simulator};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use reconciled::alerts::Deliverer;
use reconciled::clock::{SharedClock, VirtualClock};
use reconciled::config::{self, Surroundings};
use reconciled::control::messages::DeliveryStatus;
use reconciled::payments::alert::{Alert, AlertKind, Severity};
use reconciled::payments::money::Money;
use reconciled::store::{Options, OwedAlert, Store};

use crate::alert_targets::{TARGETS, sections};
use crate::memory::Memory;

const BASE: &str = "http://127.0.0.1:9";
/// Targets that recognise a repetition.
const WITH_KEY: [&str; 4] = ["pagerduty", "opsgenie", "alertmanager", "webhook"];

/// All targets with their twins.
struct Scene {
    clock: SharedClock,
    simulator: Arc<Simulator>,
    store: Store,
    folder: tempfile::TempDir,
    memory: Memory,
}

impl Scene {
    async fn new(group_over: u32) -> Scene {
        let folder = tempfile::tempdir().unwrap();
        let clock: SharedClock = VirtualClock::starting_at("2027-01-15T06:00:00Z".parse().unwrap());
        let scenario = Scenario::parse("seed = 1\n", folder.path()).unwrap();
        let simulator = Arc::new(Simulator::new(scenario, clock.clone()).unwrap());
        let shown = folder.path().display();
        write_secret(&folder.path().join("secret-key"), "0123456789012345678901234567890123456789").unwrap();
        let config = format!(
            "[store]\nfolder = \"{shown}/store\"\n[reports]\nfolder = \"{shown}/reports\"\ntime_zone = \"UTC\"\n\
             [alerting]\ngroup_over = {group_over}\nstorm_over = 1000\n\
             [[account]]\nname = \"shop\"\napi = \"amazon-pay-mws\"\nregion = \"na\"\nenvironment = \"live\"\n\
             seller_id = \"A2SHOP\"\naccess_key_id = \"AKIASHOP000000000000\"\n\
             secret_key = \"file:{shown}/secret-key\"\nendpoint = \"{BASE}\"\n{}",
            sections(folder.path(), BASE)
        );
        std::fs::write(folder.path().join("config.toml"), config).unwrap();
        let options = Options { folder: folder.path().join("store"), ..Options::default() };
        let (store, _) = Store::open(options, clock.now()).await.unwrap();
        let memory = Memory::new(Arc::clone(&simulator), clock.clone(), Duration::from_millis(40));
        Scene { clock, simulator, store, folder, memory }
    }

    /// A deliverer as after a start.
    fn deliverer(&self) -> Deliverer {
        let config = config::load(&self.folder.path().join("config.toml"), &Surroundings::default()).unwrap();
        let transport = Arc::new(self.memory.clone());
        Deliverer::new(self.store.clone(), self.clock.clone(), transport, config.alerts)
    }

    /// The answers to the next messages for a target.
    fn script(&self, kind: &str, answers: Vec<ScriptedAnswer>) {
        let (target, path) = match kind {
            "webhook" => ("json", Some("/hooks/json/office".to_owned())),
            "template" => ("json", Some("/hooks/json/tickets".to_owned())),
            twin => (twin, None),
        };
        self.simulator.script_chat(Script { target: target.to_owned(), path, answers: answers.into() });
    }

    /// A decline of an object for every target.
    async fn decline(&self, number: usize, object: u32) {
        let (account, now) = ("shop".parse().unwrap(), self.clock.now());
        let alert = Alert {
            object: Some(format!("shop/capture/S01-0000000-0000000-C{object:06}").parse().unwrap()),
            merchant_reference: Some(mark(number)),
            amount: Some(Money::parse("14.00", "EUR").unwrap()),
            state: Some("Declined".to_owned()),
            reason: Some("AmazonRejected".to_owned()),
            headline: format!("14.00 EUR for {} was declined", mark(number)),
            explanation: "The payment method was refused for good.".to_owned(),
            advice: "Cancel the order.".to_owned(),
            ..Alert::new(AlertKind::Declined, &format!("shop/{number}"), Severity::Critical, &account, now)
        };
        let targets = TARGETS.iter().map(|(kind, ..)| format!("to-{kind}").as_str().into()).collect();
        self.store.raise(vec![OwedAlert { alert, targets }]).await.unwrap();
    }

    /// Delivers as the daemon does, until nothing is pending or the time is over.
    async fn pass(&self, deliverer: &Deliverer, limit: Duration) {
        let until = self.clock.monotonic() + limit;
        while self.clock.monotonic() < until {
            let round = deliverer.round().await.unwrap();
            if round.is_unfinished {
                continue;
            }
            let Some(next_at) = round.next_at else { return };
            let wait = Duration::try_from(next_at.duration_since(self.clock.now())).unwrap_or_default();
            let left = until.saturating_sub(self.clock.monotonic());
            self.clock.sleep(wait.max(Duration::from_millis(1)).min(left)).await;
        }
    }

    /// What a target has taken, in order.
    fn taken(&self, kind: &str) -> Vec<ChatMessage> {
        let is_meant = |message: &ChatMessage| match kind {
            "webhook" => message.path == "/hooks/json/office",
            "template" => message.path == "/hooks/json/tickets",
            twin => message.target == twin,
        };
        self.simulator.chat_messages().into_iter().filter(is_meant).collect()
    }
}

/// The order number, which no target has to escape.
fn mark(number: usize) -> String {
    format!("order{number}x")
}

/// By what a target recognises a repetition.
fn key_of(message: &ChatMessage) -> Option<String> {
    let header = message.headers.iter().find(|(name, _)| name == "webhook-id");
    message.key.clone().or_else(|| header.map(|(_, value)| value.clone()))
}

fn in_virtual_time<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().start_paused(true).build().unwrap().block_on(future)
}

/// An answer after which the target must be tried again. `kept`: the message arrived nevertheless.
fn any_answer() -> impl Strategy<Value = ScriptedAnswer> {
    let hint = prop_oneof![
        Just(WaitHint::Own),
        Just(WaitHint::Body),
        Just(WaitHint::Header),
        Just(WaitHint::Seconds),
        Just(WaitHint::Date),
        Just(WaitHint::None),
    ];
    let throttle = (0u64..4_000, hint)
        .prop_map(|(wait_s, hint)| ScriptedAnswer::Throttle { wait: Duration::from_secs(wait_s), hint });
    let refuse = proptest::sample::select(vec![500u16, 502, 503, 504])
        .prop_map(|status| ScriptedAnswer::Refuse { status, body: None, stage: MailStage::Message });
    prop_oneof![
        3 => throttle,
        2 => refuse,
        1 => any::<bool>().prop_map(|is_kept| ScriptedAnswer::Hang { is_kept }),
        1 => any::<bool>().prop_map(|is_kept| ScriptedAnswer::Reset { is_kept }),
        1 => Just(ScriptedAnswer::Accept),
    ]
}

/// Declines of three objects, each after some seconds, while each target answers by its script.
async fn play(
    declines: Vec<(u64, u32)>,
    scripts: Vec<Vec<ScriptedAnswer>>,
    has_restart: bool,
    group_over: u32,
) -> Result<(), TestCaseError> {
    let scene = Scene::new(group_over).await;
    for ((kind, ..), answers) in TARGETS.iter().zip(scripts) {
        scene.script(kind, answers);
    }
    let mut deliverer = scene.deliverer();
    for (number, (pause_s, object)) in declines.iter().enumerate() {
        scene.decline(number, *object).await;
        scene.pass(&deliverer, Duration::from_secs(*pause_s)).await;
        if has_restart {
            deliverer = scene.deliverer();
        }
    }
    scene.pass(&deliverer, Duration::from_secs(60 * 3600)).await;
    prop_assert_eq!(scene.store.outbox_pending(), 0);
    for (kind, ..) in TARGETS {
        let taken = scene.taken(kind);
        let places = |number: usize| -> Vec<usize> {
            (0..taken.len()).filter(|place| taken[*place].body.to_string().contains(&mark(number))).collect()
        };
        for (number, (_, object)) in declines.iter().enumerate() {
            let own = places(number);
            prop_assert!(!own.is_empty(), "{} lost {}", kind, number);
            if WITH_KEY.contains(kind) {
                let keys: BTreeSet<_> = own.iter().map(|place| key_of(&taken[*place])).collect();
                prop_assert!(keys.len() == 1 && !keys.contains(&None), "{}: {} has {:?}", kind, number, keys);
            }
            if WITH_KEY[..3].contains(kind) {
                let new = own.iter().filter(|place| taken[**place].effect == Effect::New).count();
                prop_assert_eq!(new, 1, "{} shows {} once", kind, number);
            }
            for earlier in (0..number).filter(|earlier| declines[*earlier].1 == *object) {
                prop_assert!(places(earlier)[0] < own[0], "{}: {} before {}", kind, earlier, number);
            }
        }
    }
    prop_assert_eq!(scene.simulator.counts().chat.refused, 0);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_each_target_answers_it_gets_every_decline_in_order_and_by_its_key_once(
        declines in proptest::collection::vec((0u64..90, 0u32..3), 1..5),
        scripts in proptest::collection::vec(proptest::collection::vec(any_answer(), 0..7), TARGETS.len()),
        has_restart in any::<bool>(),
        group_over in proptest::sample::select(vec![1u32, 2, 1000]),
    ) {
        in_virtual_time(play(declines, scripts, has_restart, group_over))?;
    }
}

/// How long each target waits after it was asked to wait for 900 seconds in some way.
fn waits(hint: WaitHint) -> BTreeMap<&'static str, u64> {
    in_virtual_time(async {
        let scene = Scene::new(1000).await;
        for (kind, ..) in TARGETS {
            let wait = Duration::from_secs(900);
            scene.script(kind, vec![ScriptedAnswer::Throttle { wait, hint }]);
        }
        let began = scene.clock.now();
        scene.decline(0, 0).await;
        scene.pass(&scene.deliverer(), Duration::from_secs(7200)).await;
        let waited = |kind: &str| {
            let taken = scene.taken(kind);
            assert_eq!(taken.len(), 1, "{kind}");
            u64::try_from(taken[0].at.duration_since(began).as_secs()).unwrap()
        };
        TARGETS.iter().map(|(kind, ..)| (*kind, waited(kind))).collect()
    })
}

#[test]
fn each_target_is_left_alone_for_as_long_as_it_asks_in_each_of_its_ways() {
    // Those whose manuals have no such hint are asked in a way that does not exist: they get their usual waits.
    for (hint, obeying) in [
        (
            WaitHint::Own,
            &[
                "slack",
                "teams",
                "discord",
                "mattermost",
                "rocket-chat",
                "telegram",
                "alertmanager",
                "webhook",
                "template",
            ][..],
        ),
        (WaitHint::Body, &["discord", "telegram"]),
        (WaitHint::Header, &["discord", "mattermost", "rocket-chat"]),
        (WaitHint::None, &[]),
    ] {
        for (kind, waited) in waits(hint) {
            let usual = if ["pagerduty", "ntfy"].contains(&kind) { 60..=67 } else { 5..=7 };
            let expected = if obeying.contains(&kind) { 899..=910 } else { usual };
            assert!(expected.contains(&waited), "{kind} waits for {waited} s after {hint:?}");
        }
    }
    for hint in [WaitHint::Seconds, WaitHint::Date] {
        for (kind, waited) in waits(hint) {
            assert!((899..=910).contains(&waited), "{kind} waits for {waited} s after {hint:?}");
        }
    }
}

#[test]
fn a_success_code_with_a_failure_in_it_is_no_success_at_any_target() {
    in_virtual_time(async {
        let scene = Scene::new(1000).await;
        let with_such_an_answer = ["slack", "rocket-chat", "telegram"];
        for kind in with_such_an_answer {
            scene.script(kind, vec![ScriptedAnswer::ErrorIn200]);
        }
        scene.decline(0, 0).await;
        let deliverer = scene.deliverer();
        deliverer.round().await.unwrap();
        let row = scene.store.alert("declined/shop/0").await.unwrap().unwrap();
        for delivery in row.deliveries {
            let kind = delivery.target.strip_prefix("to-").unwrap();
            let is_delivered = delivery.status == DeliveryStatus::Delivered;
            assert_eq!(is_delivered, !with_such_an_answer.contains(&kind), "{delivery:?}");
        }
    });
}
