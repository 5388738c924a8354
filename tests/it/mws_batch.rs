//! Batches in memory: the client's step machine against the simulator, killed at every step, with answers and
//! requests lost. No submission is doubled or lost, and every request is accounted for.

#![expect(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use amazon_pay_simulator::exchange::{Carriage, Incoming};
use amazon_pay_simulator::plan::{Plan, Step as LifeStep};
use amazon_pay_simulator::scenario::Credentials;
use amazon_pay_simulator::{Scenario, Simulator};
use jiff::Timestamp;
use reconciled::apis::amazon_pay_mws::ask::{Ask, Section};
use reconciled::apis::amazon_pay_mws::config::Settings;
use reconciled::apis::amazon_pay_mws::feeds::answer::{self, FeedRow, File, Reply};
use reconciled::apis::amazon_pay_mws::feeds::document::{self, Caps, Feed};
use reconciled::apis::amazon_pay_mws::feeds::fold::{RequestEnd, fold};
use reconciled::apis::amazon_pay_mws::feeds::request::{BatchOperation, BatchRequest};
use reconciled::apis::amazon_pay_mws::feeds::steps::{
    Ending, Outcome, Phase, State, Step, about_to, next_step, took,
};
use reconciled::apis::amazon_pay_mws::feeds::{self, result};
use reconciled::apis::amazon_pay_mws::kind::ObjectKind;
use reconciled::apis::amazon_pay_mws::operations::{Answer, Call};
use reconciled::apis::amazon_pay_mws::reports::{self, ReportType, rows};
use reconciled::apis::amazon_pay_mws::sign::SigningKey;
use reconciled::apis::amazon_pay_mws::{service_status, wire};
use reconciled::apis::config::{Endpoint, Environment, QuotaChoice, Region};
use reconciled::apis::reporting::windows;
use reconciled::clock::{Clock, SharedClock, VirtualClock};
use reconciled::http::{Response, TransportError};
use reconciled::payments::money::Money;
use reconciled::payments::object::ObjectId;

const SELLER: &str = "A3EXAMPLEUK";
const SECRET: &str = "exampleSecretKey/With+Chars=0123456789AB";

/// A seller with the simulator as provider.
struct Shop {
    clock: Arc<VirtualClock>,
    simulator: Simulator,
    settings: Settings,
}

impl Shop {
    fn new(conduct: &str) -> Shop {
        let clock = VirtualClock::starting_at("2026-03-01T12:00:00Z".parse().unwrap());
        let text = format!(
            "seed = 7\n[[account]]\nname = \"uk\"\napi = \"amazon-pay-mws\"\nmerchant_id = \"{SELLER}\"\n\
             region = \"eu\"\nenvironment = \"live\"\naccess_key_id = \"AKIAEXAMPLEUK\"\n\
             quota = [{{ operation = \"GetAuthorizationDetails\", capacity = 500, refill = 1, per_s = 1 }}]\n\
             {conduct}"
        );
        let mut scenario = Scenario::parse(&text, std::path::Path::new(".")).unwrap();
        let secret = Some(SECRET.to_owned());
        scenario.accounts[0].credentials = Credentials::AccessKey { id: "AKIAEXAMPLEUK".into(), secret };
        let simulator = Simulator::new(scenario, clock.clone() as SharedClock).unwrap();
        let settings = Settings {
            region: Region::Eu,
            environment: Environment::Live,
            seller_id: SELLER.to_owned(),
            access_key_id: "AKIAEXAMPLEUK".to_owned(),
            key: SigningKey::new(SECRET),
            mws_auth_token: None,
            endpoint: Endpoint::of_host("mws-eu.amazonservices.com"),
            marketplace_id: Some("AZAJMM36N6WQL".to_owned()),
            is_service_followed: true,
            quota: QuotaChoice::Documented,
            deadline: Duration::from_secs(30),
            is_writing_allowed: true,
            batch_caps: Caps::ADVISED,
        };
        Shop { clock, simulator, settings }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn ask(&self, ask: &Ask) -> Reply {
        let request = ask.sign(&self.settings, self.now());
        let (_, rest) = request.url.split_once("://").unwrap();
        let (host, rest) = rest.split_once('/').unwrap();
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let outgoing = self.simulator.answer(Incoming {
            method: request.method.as_str().to_owned(),
            host: host.to_owned(),
            path: format!("/{path}"),
            query: query.to_owned(),
            headers: request
                .headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect(),
            body: request.body,
            at: self.now(),
        });
        match outgoing.carriage {
            Carriage::Whole => {
                Ok(Response { status: outgoing.status, headers: outgoing.headers, body: outgoing.body })
            }
            _ => Err(TransportError::Broken("the answer did not arrive".to_owned())),
        }
    }

    /// Authorizations of 10.00 GBP that can be captured, and the requests to do so.
    fn captures(&self, count: usize) -> Vec<BatchRequest> {
        (0..count)
            .map(|number| {
                let open = LifeStep { after: Duration::ZERO, state: "Open".to_owned(), reason: None };
                let plan = Plan {
                    kind: "authorization".to_owned(),
                    amount: "10.00".to_owned(),
                    currency: "GBP".to_owned(),
                    merchant_reference: format!("auth-{number}"),
                    steps: vec![open],
                    invisible_for: Duration::ZERO,
                };
                BatchRequest {
                    id: ObjectId::new(self.simulator.plant("uk", &plan).unwrap()).unwrap(),
                    reference_id: Some(format!("capture-{number}")),
                    amount: Some(Money::parse("9.50", "GBP").unwrap()),
                    text: Some(format!("thanks & <regards> no. {number}")),
                    soft_descriptor: None,
                }
            })
            .collect()
    }

    fn feed(&self, requests: &[BatchRequest], first: u64) -> Feed {
        let mut feeds = document::build(BatchOperation::Capture, SELLER, requests, first, Caps::MOST);
        assert_eq!(feeds.len(), 1);
        feeds.remove(0)
    }

    /// How many feeds the provider has accepted, even if its answer was lost.
    fn taken(&self) -> u64 {
        let counts = self.simulator.counts();
        counts.operations.get(&("uk".to_owned(), "SubmitFeed".to_owned())).map_or(0, |count| count.succeeded)
    }
}

/// The trouble at one exchange, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mishap {
    /// Killed after the intention was stored, before anything was sent.
    KilledBeforeSending,
    /// Killed after the provider answered, before the answer was stored.
    KilledBeforeStoring,
    /// The answer never arrives.
    AnswerLost,
    /// The request never arrives, and the client cannot know.
    RequestLost,
}

/// Drives one batch, and is killed and cut off as planned.
struct Driver<'a> {
    shop: &'a Shop,
    feed: &'a Feed,
    mishaps: BTreeMap<usize, Mishap>,
    exchanges: Cell<usize>,
    /// The only thing that survives: the stored text.
    stored: String,
    result: Option<Vec<u8>>,
}

impl<'a> Driver<'a> {
    fn new(shop: &'a Shop, feed: &'a Feed, mishaps: impl IntoIterator<Item = (usize, Mishap)>) -> Driver<'a> {
        let stored = serde_json::to_string(&State::new(shop.now())).unwrap();
        let mishaps = mishaps.into_iter().collect();
        Driver { shop, feed, mishaps, exchanges: Cell::new(0), stored, result: None }
    }

    fn state(&self) -> State {
        serde_json::from_str(&self.stored).unwrap()
    }

    fn store(&mut self, state: &State) {
        self.stored = serde_json::to_string(state).unwrap();
    }

    /// Runs until nothing is left to do.
    async fn run(&mut self) -> State {
        for _ in 0..2_000 {
            let state = self.state();
            match next_step(&state, self.shop.now()) {
                Step::Nothing | Step::AskAPerson => return state,
                Step::WaitUntil(at) => {
                    let wait = Duration::try_from(at.duration_since(self.shop.now())).unwrap();
                    tokio::time::advance(wait + Duration::from_millis(1)).await;
                }
                step => self.take(state, &step),
            }
        }
        panic!("it never ends: {}", self.stored);
    }

    fn take(&mut self, state: State, step: &Step) {
        let intended = about_to(state, step, self.shop.now());
        self.store(&intended);
        let number = self.exchanges.replace(self.exchanges.get() + 1);
        let mishap = self.mishaps.get(&number).copied();
        if mishap == Some(Mishap::KilledBeforeSending) {
            return;
        }
        let outcome = self.outcome(step, mishap);
        if mishap == Some(Mishap::KilledBeforeStoring) {
            return;
        }
        self.store(&took(intended, outcome, self.shop.now()));
    }

    fn reply(&self, ask: &Ask, mishap: Option<Mishap>) -> Reply {
        match mishap {
            Some(Mishap::RequestLost) => Err(TransportError::Timeout),
            Some(Mishap::AnswerLost) => {
                let _ = self.shop.ask(ask);
                Err(TransportError::Timeout)
            }
            _ => self.shop.ask(ask),
        }
    }

    fn rows(&self, action: &str, ask: &Ask, mishap: Option<Mishap>) -> Option<Vec<FeedRow>> {
        let now = self.shop.now();
        let mut page = answer::list(action, &self.reply(ask, mishap), now).ok()?;
        let mut rows = std::mem::take(&mut page.rows);
        while let Some(token) = page.next_token.take() {
            let next = feeds::next_page(&token);
            page = answer::list(next.action, &self.shop.ask(&next), now).ok()?;
            rows.append(&mut page.rows);
        }
        Some(rows)
    }

    fn outcome(&mut self, step: &Step, mishap: Option<Mishap>) -> Outcome {
        let now = self.shop.now();
        let failed = Outcome::Failed { retry_after_s: None };
        match step {
            Step::Submit => {
                let ask = feeds::submit(self.feed.bytes.clone(), "AZAJMM36N6WQL");
                Outcome::Submitted(answer::submission(&self.reply(&ask, mishap), now))
            }
            Step::Search { from } => {
                let rows = self.rows("GetFeedSubmissionList", &feeds::search(*from), mishap);
                rows.map_or(failed, Outcome::Listed)
            }
            Step::Look { feed_id } => {
                let ask = feeds::list_by_ids(&[feed_id]).unwrap();
                self.rows("GetFeedSubmissionList", &ask, mishap).map_or(failed, Outcome::Seen)
            }
            Step::Cancel { feed_id } => {
                let rows = self.rows("CancelFeedSubmissions", &feeds::cancel(feed_id), mishap);
                rows.map_or(failed, Outcome::CancelAnswered)
            }
            Step::FetchResult { feed_id } => {
                match answer::file(self.reply(&feeds::result_of(feed_id), mishap), now) {
                    File::Whole { bytes, .. } => {
                        let read = result::read(&bytes).unwrap();
                        let outcome = Outcome::Collected {
                            answers: read.answers.len(),
                            is_rejection: read.is_rejection(),
                        };
                        self.result = Some(bytes);
                        outcome
                    }
                    File::NotReady => Outcome::NotReady,
                    File::Spoilt => Outcome::Spoilt,
                    File::Never { .. } => Outcome::Never,
                    File::Failed(_) => failed,
                }
            }
            other => panic!("no story has {other:?}"),
        }
    }

    /// Every request must be done exactly once, according to the result or to its authorization.
    fn check_all_done(&self, requests: &[BatchRequest]) -> usize {
        let (operation, sent) = document::read_back(&self.feed.bytes).unwrap();
        assert!(
            sent.iter().map(|(_, request)| request).eq(requests),
            "the stored document shows what was sent"
        );
        let answers = result::read(self.result.as_ref().unwrap()).unwrap().answers;
        let folded = fold(operation, &sent, answers);
        assert_eq!(folded.strangers, 0);
        let mut captures = BTreeSet::new();
        for ((number, request), (ended, end)) in sent.iter().zip(&folded.ends) {
            assert_eq!(number, ended);
            match end {
                RequestEnd::Done { observation: Some(seen) } => {
                    assert_eq!(seen.merchant_reference, request.reference_id);
                    assert_eq!(seen.amount, request.amount);
                    assert!(captures.insert(seen.id.clone()), "{} stands for two requests", seen.id);
                }
                RequestEnd::Unknown { .. } => {
                    let found = self.capture_of(&request.id);
                    assert!(captures.insert(found.clone()), "{found} stands for two requests");
                }
                other => panic!("request {number} ended as {other:?}"),
            }
        }
        let made = self.shop.simulator.truths().into_iter().filter(|truth| truth.kind == "capture").count();
        assert_eq!((captures.len(), made), (requests.len(), requests.len()));
        folded.unknown()
    }

    fn capture_of(&self, authorization_id: &ObjectId) -> String {
        let name = ObjectKind::Authorization.id_name().to_owned();
        let given = BTreeMap::from([(name, authorization_id.as_str().to_owned())]);
        let call = Call::build("GetAuthorizationDetails", &given).unwrap();
        let mut ask = Ask::new(Section::Payments, call.operation().name);
        ask.parameters = call.parameters().clone();
        let response = self.shop.ask(&ask).unwrap();
        let Answer::Object { observation, .. } = Answer::read(&call, &response.body, None).unwrap() else {
            panic!("a lookup shows an object");
        };
        observation.children[0].id.as_str().to_owned()
    }
}

async fn story(conduct: &str, count: usize, mishaps: &[(usize, Mishap)]) -> (usize, usize) {
    let shop = Shop::new(conduct);
    let requests = shop.captures(count);
    let feed = shop.feed(&requests, 501);
    let mut driver = Driver::new(&shop, &feed, mishaps.iter().copied());
    let state = driver.run().await;
    assert!(
        matches!(state.phase, Phase::Finished { ending: Ending::Collected, .. }),
        "{mishaps:?}: {state:?}"
    );
    assert_eq!(shop.taken(), 1, "{mishaps:?}: the provider has the batch exactly once");
    let unknown = driver.check_all_done(&requests);
    (driver.exchanges.get(), unknown)
}

#[tokio::test(start_paused = true)]
async fn a_batch_survives_a_kill_and_every_loss_at_every_step() {
    let (exchanges, unknown) = story("", 5, &[]).await;
    assert!(exchanges >= 4, "submitting, polling, fetching");
    assert_eq!(unknown, 0);
    for number in 0..exchanges {
        for mishap in [
            Mishap::KilledBeforeSending,
            Mishap::KilledBeforeStoring,
            Mishap::AnswerLost,
            Mishap::RequestLost,
        ] {
            story("", 3, &[(number, mishap)]).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn three_losses_in_a_row_double_nothing_even_when_the_list_lags() {
    let lag = "[[mws]]\naccount = \"uk\"\nfeed_list_lag_s = 400\n";
    for first in [Mishap::AnswerLost, Mishap::RequestLost, Mishap::KilledBeforeStoring] {
        for second in [Mishap::AnswerLost, Mishap::KilledBeforeStoring, Mishap::KilledBeforeSending] {
            for conduct in ["", lag] {
                let mishaps = [(0, first), (1, second), (2, Mishap::AnswerLost)];
                story(conduct, 2, &mishaps).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn missing_repeated_and_nameless_rows_lose_no_request() {
    let conduct = "[[mws]]\naccount = \"uk\"\nmissing_row_share = 0.1\nrepeated_row_share = 0.2\n\
                   row_without_id_share = 0.3\n";
    let (_, unknown) = story(conduct, 400, &[(2, Mishap::AnswerLost)]).await;
    assert!((1..150).contains(&unknown), "{unknown} had no row");
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_hits_its_own_feed_and_no_other() {
    let shop = Shop::new("");
    let requests = shop.captures(4);
    let (mine, other) = (shop.feed(&requests[..2], 1), shop.feed(&requests[2..], 3));
    let mut others = Driver::new(&shop, &other, []);
    others.take(others.state(), &Step::Submit);
    let mut driver = Driver::new(&shop, &mine, [(1, Mishap::AnswerLost)]);
    driver.take(driver.state(), &Step::Submit);
    driver.store(&took(driver.state(), Outcome::CancelWanted, shop.now()));
    let state = driver.run().await;
    assert!(matches!(state.phase, Phase::Finished { ending: Ending::Cancelled, .. }), "{state:?}");
    let state = others.run().await;
    assert!(matches!(state.phase, Phase::Finished { ending: Ending::Collected, .. }), "{state:?}");
    let captures = shop.simulator.truths().into_iter().filter(|truth| truth.kind == "capture").count();
    assert_eq!(captures, 2, "only the other batch was carried out");
}

#[tokio::test(start_paused = true)]
async fn a_refused_document_ends_the_batch_and_a_wrong_checksum_is_never_accepted() {
    let shop = Shop::new("");
    let requests = shop.captures(2);
    let mut feed = shop.feed(&requests, 1);
    let text =
        std::str::from_utf8(&feed.bytes).unwrap().replace("<Product>Amazon Payments", "<Product>Amazon");
    feed.bytes = text.into_bytes().into();
    let mut driver = Driver::new(&shop, &feed, []);
    let state = driver.run().await;
    assert!(matches!(state.phase, Phase::Finished { ending: Ending::Rejected, .. }), "{state:?}");

    let mut ask = feeds::submit(feed.bytes.clone(), "AZAJMM36N6WQL");
    ask.document = Some(b"<Batch/>".to_vec().into());
    let refused = answer::submission(&shop.ask(&ask), shop.now());
    assert!(
        matches!(&refused, answer::Submission::NotNow { detail, .. } if detail.contains("ContentMD5DoesNotMatch"))
    );
    let elsewhere = feeds::submit(feed.bytes.clone(), "ATVPDKIKX0DER");
    let refused = answer::submission(&shop.ask(&elsewhere), shop.now());
    assert!(matches!(refused, answer::Submission::Refused { .. }), "a retail marketplace: {refused:?}");
    assert_eq!(shop.taken(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pull_of_reports_brings_every_state_of_every_day() {
    let shop = Shop::new("[[mws]]\naccount = \"uk\"\nunnamed_report_share = 0.5\n");
    let begin = shop.now();
    let requests = shop.captures(3);
    let feed = shop.feed(&requests, 1);
    Driver::new(&shop, &feed, []).run().await;
    tokio::time::advance(Duration::from_secs(5 * 86_400)).await;
    let until = begin + jiff::SignedDuration::from_hours(4 * 24);
    let mut pull = windows::Pull::of_days(ReportType::Capture.name(), begin, until, shop.now()).unwrap();
    assert_eq!(pull.windows.len(), 4);
    let mut files = Vec::new();
    loop {
        let step = windows::next_step(&pull, shop.now());
        let stored = serde_json::to_string(&windows::about_to(pull, &step, shop.now())).unwrap();
        pull = serde_json::from_str(&stored).unwrap();
        let now = shop.now();
        let outcome = match step {
            windows::Step::Nothing => break,
            windows::Step::WaitUntil(at) => {
                tokio::time::advance(Duration::try_from(at.duration_since(now)).unwrap()).await;
                tokio::time::advance(Duration::from_millis(1)).await;
                continue;
            }
            // The second request's answer is lost: the request is found by its days.
            windows::Step::Request { window: 1 } if files.is_empty() => {
                let day = &pull.windows[1];
                let _ = shop.ask(&reports::request(ReportType::Capture, day.from, day.until, None));
                files.push(Vec::new());
                continue;
            }
            windows::Step::Request { window } => {
                let day = &pull.windows[window];
                let reply = shop.ask(&reports::request(ReportType::Capture, day.from, day.until, None));
                let row = reports::answer::requested(&reply, now).unwrap();
                windows::Outcome::Requested { window, row }
            }
            windows::Step::Search { from } => {
                let reply = shop.ask(&reports::search(ReportType::Capture, from));
                windows::Outcome::Searched(
                    reports::answer::requests("GetReportRequestList", &reply, now).unwrap().rows,
                )
            }
            windows::Step::Look { request_ids } => {
                let ids: Vec<&str> = request_ids.iter().map(String::as_str).collect();
                let reply = shop.ask(&reports::list_by_ids(&ids).unwrap());
                windows::Outcome::Seen(
                    reports::answer::requests("GetReportRequestList", &reply, now).unwrap().rows,
                )
            }
            windows::Step::Name { window, request_id } => {
                let reply = shop.ask(&reports::list_of_request(&request_id));
                let page = reports::answer::reports("GetReportList", &reply, now).unwrap();
                windows::Outcome::Named { window, report_id: page.rows.first().map(|row| row.id.clone()) }
            }
            windows::Step::Fetch { window, report_id } => {
                match answer::file(shop.ask(&reports::fetch(&report_id)), now) {
                    File::Whole { bytes, content_type } => {
                        files.push(bytes.clone());
                        assert_eq!(content_type.as_deref(), Some("text/plain;charset=UTF-8"));
                        windows::Outcome::Fetched { window }
                    }
                    other => panic!("{other:?}"),
                }
            }
            other => panic!("no day asks for {other:?}"),
        };
        pull = windows::took(pull, outcome, now);
    }
    assert_eq!(pull.progress(), windows::Progress { days: 4, done: 4, failed: 0 });
    let counts = shop.simulator.counts();
    let asked = counts.operations[&("uk".to_owned(), "RequestReport".to_owned())].succeeded;
    assert_eq!(asked, 4, "the lost answer was found, not asked for again");
    files.retain(|file| !file.is_empty());
    assert_eq!(files.len(), 1, "money moved on one day only");
    let read = rows::transactions(ReportType::Capture, &files[0], None).unwrap();
    assert!(read.quarantined.is_empty(), "{:?}", read.quarantined);
    let completed = read.rows.iter().filter(|row| row.state == "Completed").count();
    assert_eq!(completed, 3);
    check_settlement(&shop);
}

/// The settlement report exists without a request; its rows add up.
fn check_settlement(shop: &Shop) {
    let now = shop.now();
    let from = now - jiff::SignedDuration::from_hours(24 * 20);
    let reply = shop.ask(&reports::list(ReportType::Settlement, from, now));
    let page = reports::answer::reports("GetReportList", &reply, now).unwrap();
    let File::Whole { bytes, .. } = answer::file(shop.ask(&reports::fetch(&page.rows[0].id)), now) else {
        panic!("the settlement is there");
    };
    let settlement = rows::settlement(&bytes, None).unwrap();
    assert_eq!(settlement.seller_id.as_deref(), Some(SELLER));
    assert!(settlement.quarantined.is_empty() && settlement.rows.iter().all(rows::SettlementRow::adds_up));
    assert_eq!(settlement.rows.iter().filter(|row| row.transaction_type == "Capture").count(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_service_status_follows_the_scenario() {
    let conduct =
        "[[mws]]\naccount = \"uk\"\nservice_status = [{ status = \"RED\", from_s = 600, to_s = 1200 }]\n";
    let shop = Shop::new(conduct);
    for (wait_s, word) in [(0, "GREEN"), (700, "RED"), (700, "GREEN")] {
        tokio::time::advance(Duration::from_secs(wait_s)).await;
        let reply = shop.ask(&Ask::new(Section::Payments, "GetServiceStatus")).unwrap();
        assert_eq!(service_status::read(&reply.body).unwrap().word, word);
        assert!(reply.body.len() < wire::LONGEST_BODY_BYTES);
    }
}
