use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use super::batch::Rules;
use super::config::{Addresses, DEFAULT_QUOTA};
use super::sign::{Algorithm, Signer};
use super::*;
use crate::apis::config::Environment;
use crate::apis::pace::Quota;
use crate::apis::transport::BoxFuture;
use crate::clock::VirtualClock;
use crate::secret::Secret;

/// The account of the documented CHECK_STATUS sample.
pub(super) fn settings() -> Settings {
    let signer = |phrase: &str| Signer::new(Algorithm::Sha256, Secret::new(phrase.to_owned()));
    Settings {
        environment: Environment::Sandbox,
        access_code: "zx0IPmPy5jp1vAz8Kpg7".to_owned(),
        merchant_identifier: "CycHZxVj".to_owned(),
        request_signer: signer("PASS"),
        response_signer: signer("RESP"),
        unsigned: Default::default(),
        language: "en",
        currency: "AED".parse().ok(),
        addresses: Addresses::below("https://sbpaymentservices.payfort.com"),
        quota: DEFAULT_QUOTA,
        deadline: Duration::from_secs(7),
        is_writing_allowed: true,
        batch: Rules::default(),
    }
}

/// Answers from memory and records the requests.
#[derive(Default)]
struct Canned {
    answers: Mutex<VecDeque<Result<Response, TransportError>>>,
    sent: Mutex<Vec<Request>>,
}

impl Transport for Canned {
    fn send<'a>(&'a self, request: Request) -> BoxFuture<'a, Result<Response, TransportError>> {
        self.sent.lock().unwrap().push(request);
        let answer = self.answers.lock().unwrap().pop_front().expect("an answer for every request");
        Box::pin(async move { answer })
    }
}

struct Stage {
    api: Aps,
    transport: Arc<Canned>,
    pace: Pace,
    account: AccountName,
}

impl Stage {
    fn new(settings: Settings) -> Stage {
        let clock: SharedClock = VirtualClock::starting_at("2026-01-15T12:00:00Z".parse().unwrap());
        let transport = Arc::new(Canned::default());
        let pace = Pace::new(Arc::clone(&clock));
        let account = AccountName::new("shop").unwrap();
        let api = Aps::new(settings, Arc::clone(&transport) as Arc<dyn Transport>, clock);
        api.set_quotas(&account, &pace);
        pace.assume_full(&account, OPERATION);
        Stage { api, transport, pace, account }
    }

    fn will(&self, answer: Result<(u16, &str), TransportError>) {
        let answer = answer.map(|(status, body)| Response {
            status,
            headers: vec![("retry-after".to_owned(), "40".to_owned())],
            body: body.as_bytes().to_vec(),
        });
        self.transport.answers.lock().unwrap().push_back(answer);
    }

    fn permit(&self) -> Permit {
        self.pace.take(&self.account, OPERATION).expect("the bucket is full")
    }

    async fn look(&self) -> Result<Observation, Failure> {
        let kind = Kind::new(ORDER).unwrap();
        self.api.fetch(&kind, &ObjectId::new("XYZ9239-yu898").unwrap(), self.permit()).await
    }
}

#[tokio::test(start_paused = true)]
async fn one_look_is_one_signed_post() {
    let stage = Stage::new(settings());
    stage.will(Ok((
        200,
        r#"{"merchant_reference":"XYZ9239-yu898","response_code":"12000","transaction_code":"14000"}"#,
    )));
    assert_eq!(stage.look().await.unwrap().state, "14");
    let sent = stage.transport.sent.lock().unwrap();
    assert_eq!(sent[0].url, "https://sbpaymentservices.payfort.com/FortAPI/paymentApi");
    assert_eq!((sent[0].method, sent[0].deadline), (Method::Post, Duration::from_secs(7)));
    assert!(String::from_utf8_lossy(&sent[0].body).contains("8e3322d2e4b5"));
}

#[tokio::test(start_paused = true)]
async fn once_signed_answers_were_seen_an_unsigned_one_is_refused() {
    let bare = r#"{"merchant_reference":"XYZ9239-yu898","response_code":"12000","transaction_code":"14000"}"#;
    let signed = String::from_utf8(wire::tests::body(&[])).unwrap();
    let looks = async |unsigned: Unsigned, learnt: &str| {
        let stage =
            Stage::new(Settings { unsigned, quota: Quota { burst: 9, ..DEFAULT_QUOTA }, ..settings() });
        stage.api.remind(learnt);
        let mut seen = Vec::new();
        for body in [bare, signed.as_str(), bare] {
            stage.will(Ok((200, body)));
            seen.push(stage.look().await.map(|seen| seen.marks.len()).ok());
        }
        (seen, stage.api.learnt())
    };
    assert_eq!(looks(Unsigned::UntilSigned, "").await, (vec![Some(1), Some(0), None], Some("signed")));
    assert_eq!(looks(Unsigned::UntilSigned, "signed").await, (vec![None, Some(0), None], Some("signed")));
    assert_eq!(looks(Unsigned::Accept, "signed").await.0, [Some(1), Some(0), Some(1)]);
    assert_eq!(looks(Unsigned::Refuse, "").await.0, [None, Some(0), None]);
}

#[tokio::test(start_paused = true)]
async fn a_wish_to_wait_is_obeyed() {
    let stage = Stage::new(settings());
    stage.will(Ok((429, "")));
    assert!(matches!(stage.look().await, Err(Failure::Throttled { .. })));
    assert_eq!(stage.pace.level(&stage.account, OPERATION).unwrap().held_for, Duration::from_secs(40));
}

#[tokio::test(start_paused = true)]
async fn the_network_says_nothing_about_a_payment() {
    let stage = Stage::new(settings());
    stage.will(Err(TransportError::Timeout));
    assert!(matches!(stage.look().await, Err(Failure::Transient { .. })));
    let stage = Stage::new(settings());
    stage.will(Ok((404, "")));
    assert!(matches!(stage.look().await, Err(Failure::Refused { is_whole_account: true, .. })));
}

fn batch_and_file(api: &Aps) -> (Batch, Vec<u8>) {
    let usual = batch::row::Usual { language: "en", amounts: file::AmountForm::Minor };
    let input = b"command,merchant_reference,amount,currency\nCAPTURE,order-1,10000,AED\n";
    let rows = batch::input::read(input, usual).unwrap();
    let planned = file::plan(rows, &api.settings().batch, "today").remove(0);
    (Batch::new(&planned, api.clock.now()), planned.bytes)
}

#[tokio::test(start_paused = true)]
async fn what_surely_was_not_sent_is_told_apart_from_what_may_have_been() {
    let check = async |answer: Result<(u16, &str), TransportError>, expected: fn(&Reply) -> bool| {
        let stage = Stage::new(settings());
        let (batch, bytes) = batch_and_file(&stage.api);
        stage.will(answer);
        let reply = stage.api.carry_out(&batch, Step::Upload, &bytes, stage.permit()).await.unwrap();
        assert!(expected(&reply), "{reply:?}");
    };
    check(Err(TransportError::Connect("refused".to_owned())), |reply| *reply == Reply::Unsent).await;
    check(Err(TransportError::Timeout), |reply| *reply == Reply::Doubtful).await;
    check(Ok((503, "")), |reply| *reply == Reply::Doubtful).await;
    check(Ok((200, "<html>")), |reply| *reply == Reply::Doubtful).await;
    let good = "{\"response_code\":\"50000\"}";
    check(Ok((200, good)), |reply| matches!(reply, Reply::Answered(_))).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_without_leave_or_with_another_file() {
    let stage = Stage::new(Settings { is_writing_allowed: false, ..settings() });
    let (batch, bytes) = batch_and_file(&stage.api);
    for step in [Step::Upload, Step::Process] {
        let outcome = stage.api.carry_out(&batch, step, &bytes, stage.permit()).await;
        assert_eq!(outcome, Err(NotSent::WritesForbidden));
    }
    let stage = Stage::new(settings());
    let outcome = stage.api.carry_out(&batch, Step::Upload, b"other", stage.permit()).await;
    assert_eq!(outcome, Err(NotSent::OtherFile));
    let misnamed = Batch { file_name: "a/b.csv".to_owned(), ..batch };
    let outcome = stage.api.carry_out(&misnamed, Step::Upload, &bytes, stage.permit()).await;
    assert!(matches!(outcome, Err(NotSent::UnfitFile(_))));
    assert!(stage.transport.sent.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn ids_are_merchant_references() {
    let stage = Stage::new(settings());
    let kind = Kind::new(ORDER).unwrap();
    let accepts = |id: &str| stage.api.accepts(&kind, &ObjectId::new(id).unwrap());
    assert!(accepts("XYZ9239-yu898").is_ok());
    assert!(accepts(&"x".repeat(41)).is_err() && accepts("a~b").is_err());
    assert!(stage.api.accepts(&Kind::new("charge").unwrap(), &ObjectId::new("a").unwrap()).is_err());
    assert_eq!(stage.api.kind_of(&ObjectId::new("a").unwrap()), Some(kind));
}
