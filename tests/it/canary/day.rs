//! A day in which everything goes wrong, with a canary in every place that holds a secret.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use amazon_pay_simulator::credentials::write_secret;
use amazon_pay_simulator::scenario::Scenario;
use amazon_pay_simulator::{Simulator, amazon_pay_v2};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reconciled::clock::{Clock, SharedClock, SystemClock, VirtualClock};
use reconciled::config::{self, Config, Surroundings};
use reconciled::control::enrolment_request::EnrolmentRequest;
use reconciled::control::messages::{AlertsRequest, ListRequest, PollRequest, Selector};
use reconciled::daemon::{Daemon, Outside, problem_lines};

use super::hunt::{Canary, contents};
use super::tap::{HEADER, MESSAGE, PERSONAL, Tap};
use crate::memory::Memory;
use crate::world::configuration;

/// The prefix of the merchant references. It is no secret, so it must be found wherever it belongs.
pub const MARKER: &str = "MARKER-OF-THE-SHOP-";

const TOKEN: &str = "amzn.mws.canary-of-a-token-0c9e17";
const CHAT_PATH: &str = "services/T0/B0/canaryOfTheChat5a90";
const HOOK_PATH: &str = "hooks/json/canary-of-the-hook-77b3?key=canary-in-a-query-1d2f";
const WEBHOOK_KEY: &[u8] = b"canary of a webhook's key 3c-5e8";

/// Every kind of fault; those that affect few answers come while there are many requests.
pub const FAULTS: [&str; 25] = [
    "unknown_reason",
    "entity_bomb",
    "gzip_bomb",
    "server_error_500",
    "server_error_502",
    "server_error_503",
    "server_error_504",
    "html_error_page",
    "throttle",
    "hang",
    "hang_after_head",
    "hang_mid_body",
    "reset",
    "truncated_body",
    "oversized_body",
    "endless_body",
    "empty_body",
    "wrong_id",
    "unknown_state",
    "redirect",
    "refused_credentials",
    "clock_skew",
    "wrong_content_type",
    "many_headers",
    "slow_body",
];

/// Two accounts with accepted credentials, and a solution provider's whose credentials are always refused.
fn scenario(faults: &str) -> String {
    let mut text = format!(
        r#"
seed = 11
[[account]]
name = "shop"
api = "amazon-pay-v2"
merchant_id = "A1SHOP"
region = "eu"
environment = "live"
public_key_id = "LIVE-ASHOPKEY"
[[account]]
name = "old-shop"
api = "amazon-pay-mws"
merchant_id = "A2OLDSHOP"
region = "na"
environment = "live"
access_key_id = "AKIAOLDSHOP000000000"
[[account]]
name = "partner"
api = "amazon-pay-mws"
merchant_id = "A3PARTNER"
region = "na"
environment = "live"
access_key_id = "AKIAPARTNER000000000"
[chat]
failure_share = 0.2
throttled_share = 0.1
retry_after_s = 5
{faults}
"#
    );
    let declined =
        |reason: &str| format!("[{{ after_s = [60, 80000], state = \"Declined\", reason = \"{reason}\" }}]");
    for (account, kind, steps) in [
        ("shop", "authorization", declined("HardDeclined")),
        ("shop", "capture", "[{ after_s = 4000, state = \"Captured\" }]".to_owned()),
        ("shop", "refund", declined("AmazonRejected")),
        ("shop", "charge-permission", "[]".to_owned()),
        ("old-shop", "authorization", declined("AmazonRejected")),
        ("old-shop", "refund", declined("AmazonRejected")),
        ("old-shop", "order-reference", "[{ after_s = 0, state = \"Open\" }]".to_owned()),
        ("old-shop", "billing-agreement", "[{ after_s = 0, state = \"Open\" }]".to_owned()),
        ("partner", "capture", "[]".to_owned()),
    ] {
        text.push_str(&format!(
            "[[population]]\naccount = \"{account}\"\nkind = \"{kind}\"\ncount = 4\n\
             reference_prefix = \"{MARKER}\"\ncurrencies = [{{ code = \"USD\", amount = [\"5.00\", \"90.00\"] }}]\n\
             outcome = [{{ steps = {steps} }}]\n"
        ));
    }
    text
}

/// A day of faults, each for three quarters of an hour.
fn faults_in_turn() -> String {
    let one = |(number, kind): (usize, &&str)| {
        let from = 600 + number * 2700;
        let to = from + 2700;
        format!("[[fault]]\nkind = \"{kind}\"\nshare = 0.5\nfrom_s = {from}\nto_s = {to}\n")
    };
    FAULTS.iter().enumerate().map(one).collect()
}

/// The input of the hunt.
pub struct Day {
    pub canaries: Vec<Canary>,
    /// Places where no canary may be, and where the marker must be.
    pub places: Vec<(&'static str, Vec<u8>)>,
    /// The network traffic, where the canaries must be.
    pub traffic: Vec<u8>,
}

struct Stage {
    folder: PathBuf,
    simulator: Arc<Simulator>,
    outside: Outside,
    tap: Tap,
}

/// The whole day in virtual time and in memory.
pub async fn in_memory(folder: &Path) -> Day {
    let clock: SharedClock = VirtualClock::starting_at("2027-01-15T00:30:00Z".parse().unwrap());
    let (simulator, config) = prepare(folder, clock.clone(), &scenario(&faults_in_turn()));
    furnish(folder, config, "http://127.0.0.1:9", "http://127.0.0.1:9");
    let memory = Memory::new(Arc::clone(&simulator), clock.clone(), Duration::from_millis(40));
    let tap = Tap::new(Arc::new(memory));
    let stage = Stage::new(folder, simulator, clock, tap);
    let daemon = stage.start().await;
    stage.enrol(&daemon).await;
    stage.pass(&daemon, 8).await;
    let mut answers = stage.bad_reloads(&daemon).await;
    daemon.stop().await.unwrap();
    let daemon = stage.start().await;
    stage.pass(&daemon, 26).await;
    answers += &stage.ask_everything(&daemon).await;
    daemon.stop().await.unwrap();
    let struck = stage.simulator.counts().total().faults;
    assert_eq!(struck.len(), FAULTS.len(), "every kind of fault struck: {struck:?}");
    stage.leave(answers)
}

/// A few moments on real sockets, for the logs of the libraries.
pub async fn over_sockets(folder: &Path) -> Day {
    use amazon_pay_simulator::{ThrowAwayAuthority, serve};
    use reconciled::http::HttpClient;

    let clock = SystemClock::shared();
    let faults: String =
        ["server_error_503", "many_headers", "wrong_content_type", "redirect", "truncated_body"]
            .iter()
            .map(|kind| format!("[[fault]]\nkind = \"{kind}\"\nshare = 0.1\n"))
            .collect();
    let quick = scenario(&faults)
        .replace("after_s = [60, 80000]", "after_s = 0")
        .replace("count = 4", "count = 1")
        .replace("failure_share = 0.2\nthrottled_share = 0.1", "");
    let (simulator, config) = prepare(folder, clock.clone(), &quick);
    let authority = ThrowAwayAuthority::generate(&["localhost"]).unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let any = "127.0.0.1:0".parse().unwrap();
    let secure = serve(Arc::clone(&simulator), any, Some(authority.clone()), stop.clone()).await.unwrap();
    let plain = serve(Arc::clone(&simulator), any, None, stop.clone()).await.unwrap();
    let endpoint = format!("https://localhost:{}", secure.address.port());
    furnish(folder, config, &endpoint, &format!("http://{}", plain.address));
    let transport = HttpClient::new(Some(authority.authority_pem().as_bytes())).unwrap();
    let tap = Tap::new(Arc::new(transport));
    let stage = Stage::new(folder, simulator, clock, tap);
    let daemon = stage.start().await;
    stage.enrol(&daemon).await;
    for _ in 0..200 {
        let counts = stage.simulator.counts();
        if counts.total().requests >= 9 && counts.chat.accepted >= 2 {
            break;
        }
        stage.clock().sleep(Duration::from_millis(50)).await;
    }
    let answers = stage.ask_everything(&daemon).await;
    daemon.stop().await.unwrap();
    stop.cancel();
    stage.leave(answers)
}

fn prepare(folder: &Path, clock: SharedClock, scenario: &str) -> (Arc<Simulator>, String) {
    let mut scenario = Scenario::parse(scenario, folder).unwrap();
    scenario.generate_credentials(folder).unwrap();
    let config = configuration(folder, &scenario, "[poll]\ninterval = \"20m\"\n");
    (Arc::new(Simulator::new(scenario, clock).unwrap()), config)
}

/// Writes the configuration, and the secrets that no simulator creates.
fn furnish(folder: &Path, config: String, endpoint: &str, chat: &str) {
    let shown = folder.display();
    for (file, secret) in [
        ("chat-url", format!("{chat}/{CHAT_PATH}")),
        ("back-office-url", format!("{chat}/{HOOK_PATH}")),
        ("back-office-secret", format!("whsec_{}", STANDARD.encode(WEBHOOK_KEY))),
        ("partner.token", TOKEN.to_owned()),
    ] {
        write_secret(&folder.join(file), &secret).unwrap();
    }
    let config = config
        .replace("endpoint = \"http://127.0.0.1:9\"", &format!("endpoint = \"{endpoint}\""))
        .replace(
            &format!("secret_key = \"file:{shown}/partner.secret-key\"\n"),
            &format!(
                "secret_key = \"file:{shown}/partner.secret-key\"\nmws_auth_token = \"file:{shown}/partner.token\"\n"
            ),
        )
        .replace(
            "name = \"back-office\"\n",
            &format!("name = \"back-office\"\nsecret = \"file:{shown}/back-office-secret\"\n"),
        );
    assert!(config.contains("mws_auth_token") && config.contains("back-office-secret"));
    std::fs::write(folder.join("config.toml"), config).unwrap();
}

impl Stage {
    fn new(folder: &Path, simulator: Arc<Simulator>, clock: SharedClock, tap: Tap) -> Stage {
        let outside = Outside {
            clock,
            transport: Arc::new(tap.clone()),
            surroundings: Surroundings::default(),
            database: None,
        };
        Stage { folder: folder.to_owned(), simulator, outside, tap }
    }

    fn clock(&self) -> &dyn Clock {
        &*self.outside.clock
    }

    fn config(&self) -> Config {
        config::load(&self.folder.join("config.toml"), &Surroundings::default())
            .unwrap_or_else(|error| panic!("{}", problem_lines(error).join("\n")))
    }

    async fn start(&self) -> Arc<Daemon> {
        Daemon::start(self.config(), self.outside.clone()).await.unwrap()
    }

    async fn enrol(&self, daemon: &Arc<Daemon>) {
        let kind = |kind: &str, is_v2: bool| match kind {
            "authorization" | "capture" if is_v2 => "charge".to_owned(),
            kind => kind.to_owned(),
        };
        let enrolment_request = |planted: amazon_pay_simulator::Planted| {
            let kind = kind(&planted.truth.kind, planted.api == "amazon-pay-v2");
            let object = format!("{}/{kind}/{}", planted.account, planted.truth.id).parse().unwrap();
            let mut enrolment_request = EnrolmentRequest::plain(object);
            enrolment_request.details.merchant_reference = Some(planted.truth.merchant_reference);
            enrolment_request
        };
        let lines: Vec<EnrolmentRequest> =
            self.simulator.planted().into_iter().map(enrolment_request).collect();
        for result in daemon.service().enrol(lines).await.unwrap() {
            assert_eq!(result.reason, None);
        }
    }

    /// Passes this many times three quarters of an hour; an operator requests everything in each.
    async fn pass(&self, daemon: &Arc<Daemon>, times: u32) {
        let all = PollRequest { all: true, ..PollRequest::default() };
        for _ in 0..times {
            self.clock().sleep(Duration::from_secs(1350)).await;
            daemon.service().poll(&all).await.unwrap();
            self.clock().sleep(Duration::from_secs(1350)).await;
        }
    }

    /// An operator who writes the secrets into the wrong places, in every way that comes to mind.
    async fn bad_reloads(&self, daemon: &Arc<Daemon>) -> String {
        let file = self.folder.join("config.toml");
        let good = std::fs::read_to_string(&file).unwrap();
        let read = |name: &str| std::fs::read_to_string(self.folder.join(name)).unwrap();
        let (pem, key) = (read("shop.private-key.pem"), read("old-shop.secret-key"));
        let webhook_key = read("back-office-secret");
        let url = format!("https://chat.example/{CHAT_PATH}");
        let mut answers = String::new();
        for (reference, secret) in [
            ("private_key = ", format!("\"\"\"{pem}\"\"\"")),
            ("private_key = ", format!("[\"\"\"{pem}\"\"\"]")),
            ("private_key = ", format!("{{ pem = \"\"\"{pem}\"\"\" }}")),
            ("private_key = ", pem.clone()),
            ("secret_key = ", format!("\"{key}\"")),
            ("secret_key = ", key.clone()),
            ("secret_key = ", format!("\"file:{key}\"")),
            // A secret may begin with a slash, and then looks like a path.
            ("secret_key = ", format!("\"file:/{key}\"")),
            ("secret_key = ", format!("\"credential:{key}\"")),
            ("mws_auth_token = ", format!("\"{TOKEN}\"")),
            ("mws_auth_token = ", TOKEN.to_owned()),
            ("url = ", format!("\"{url}\"")),
            ("url = ", url.clone()),
            ("url = ", format!("[\"{url}\"]")),
            ("secret = ", format!("\"{webhook_key}\"")),
            ("secret = ", format!("\"file:/{webhook_key}\"")),
            ("url = ", format!("\"file:/{CHAT_PATH}\"")),
            ("secret = ", format!("[\"{webhook_key}\"]")),
            ("secret = ", format!("{{ key = \"{webhook_key}\" }}")),
        ] {
            let bad = |line: &str| match line.starts_with(reference) {
                true => format!("{reference}{secret}\n"),
                false => format!("{line}\n"),
            };
            std::fs::write(&file, good.lines().map(bad).collect::<String>()).unwrap();
            let reloaded = daemon.service().reload("uid:0").await;
            assert!(!reloaded.is_applied, "{reference}");
            answers.push_str(&format!("{reloaded:?}\n"));
            let error = config::load(&file, &Surroundings::default()).unwrap_err();
            answers.push_str(&format!("{error} {error:?}\n"));
        }
        std::fs::write(&file, good).unwrap();
        assert!(daemon.service().reload("uid:0").await.is_applied);
        answers
    }

    /// Everything that the control socket can answer.
    async fn ask_everything(&self, daemon: &Arc<Daemon>) -> String {
        let service = daemon.service();
        let mut answers = String::new();
        let mut keep = |answer: String| {
            answers.push_str(&answer);
            answers.push('\n');
        };
        let listing =
            service.list(&ListRequest { limit: Some(1000), ..ListRequest::default() }).await.unwrap();
        assert!(listing.items.len() >= 9, "{}", listing.items.len());
        for record in &listing.items {
            let selector = Selector::from(record.object());
            let shown = service.show(&selector).await.unwrap();
            keep(serde_json::to_string(&shown).unwrap());
            keep(format!("{shown:?}"));
            keep(serde_json::to_string(&service.explain(&selector).await.unwrap()).unwrap());
        }
        let alerts = AlertsRequest { limit: Some(1000), ..AlertsRequest::default() };
        keep(serde_json::to_string(&listing).unwrap());
        keep(serde_json::to_string(&service.alerts(&alerts).await.unwrap()).unwrap());
        keep(serde_json::to_string(&service.status().await.unwrap()).unwrap());
        keep(format!("{:?}", service.test_alerts(&Default::default()).await));
        keep(format!("{:?}", service.report(None).await));
        let all = PollRequest { all: true, dry_run: true, ..PollRequest::default() };
        keep(format!("{:?}", service.poll(&all).await));
        service.check_store().await.unwrap();
        daemon.store().backup(self.folder.join("backup")).await.unwrap();
        answers
    }

    /// What is left at the end. It ends in a panic that shows all reachable values.
    fn leave(&self, answers: String) -> Day {
        let config = self.config();
        let show = || panic!("{MARKER}panic {config:#?} {config:?}");
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(show));
        assert!(panic.is_err());
        let told = self.simulator.chat_messages();
        let told = told.iter().map(|message| message.body.to_string()).collect::<Vec<_>>().join("\n");
        let places = vec![
            ("answers", answers.into_bytes()),
            ("alerts", told.into_bytes()),
            ("store", contents(&self.folder.join("store"))),
            ("backup", contents(&self.folder.join("backup"))),
            ("reports", contents(&self.folder.join("reports"))),
        ];
        Day { canaries: self.canaries(), places, traffic: self.tap.traffic() }
    }

    fn canaries(&self) -> Vec<Canary> {
        let mut all = self.tap.canaries();
        let read = |name: &str| std::fs::read_to_string(self.folder.join(name)).unwrap();
        let pem = read("shop.private-key.pem");
        let body: Vec<&str> = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        all.extend(
            body.iter().filter(|line| line.len() > 20).map(|line| Canary::new("the private key's PEM", line)),
        );
        // The first bytes of such a key are the same for all.
        let key = STANDARD.decode(body.concat()).unwrap();
        for piece in key[64..].chunks_exact(24) {
            all.extend(Canary::bytes("the private key", piece));
        }
        for file in ["old-shop.secret-key", "partner.secret-key", "back-office-secret"] {
            all.extend(Canary::dressed(file, &read(file)));
        }
        all.extend(Canary::bytes("the webhook's key", WEBHOOK_KEY));
        for (name, text) in [
            ("the token", TOKEN),
            ("the chat's address", CHAT_PATH.rsplit('/').next().unwrap()),
            ("the hook's address", "canary-of-the-hook-77b3"),
            ("the hook's query", "canary-in-a-query-1d2f"),
            ("a header", HEADER),
            ("an error text", MESSAGE),
        ] {
            all.extend(Canary::dressed(name, text));
        }
        for word in amazon_pay_v2::PERSONAL_DATA.iter().filter(|word| word.len() > 5) {
            all.extend(Canary::dressed("the buyer", word));
        }
        for word in ["Musterstraße 17", "Mustermann", "Söhne", "+49 30 12345678", "amzn1.account."] {
            all.extend(Canary::dressed("the buyer", word));
        }
        for (_, word) in PERSONAL {
            all.extend(Canary::dressed("the buyer's place", word));
        }
        all
    }
}
