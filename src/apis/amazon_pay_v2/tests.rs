use std::sync::Mutex;
use std::time::Duration;

use aws_lc_rs::signature::{RSA_PSS_2048_8192_SHA256, RsaParameters, RsaPssSaltLength, UnparsedPublicKey};
use base64::Engine;

use super::*;
use crate::apis::calls::{Caller, Identity};
use crate::apis::pace::{Pace, Quota};
use crate::apis::transport::{BoxFuture, TransportError};
use crate::clock::{Clock, VirtualClock};
use crate::payments::object::AccountName;

const CHARGE_ID: &str = "S01-1234567-1234567-C123456";
static SALT_32: RsaParameters = RSA_PSS_2048_8192_SHA256.with_pss_salt_length(RsaPssSaltLength::Custom(32));

/// Answers from memory and records the requests.
struct Memory {
    asked: Mutex<Vec<Request>>,
    answers: Mutex<Vec<Result<Response, TransportError>>>,
}

impl Transport for Memory {
    fn send<'a>(&'a self, request: Request) -> BoxFuture<'a, Result<Response, TransportError>> {
        self.asked.lock().unwrap().push(request);
        let answer = self.answers.lock().unwrap().remove(0);
        Box::pin(std::future::ready(answer))
    }
}

struct Scene {
    api: AmazonPayV2,
    memory: Arc<Memory>,
    clock: Arc<VirtualClock>,
    pace: Pace,
    public_key: Vec<u8>,
}

fn shop() -> AccountName {
    AccountName::new("shop").unwrap()
}

/// A sandbox account whose transport returns these answers in this order. Call it inside a runtime.
fn scene(public_key_id: &str, answers: Vec<Result<Response, TransportError>>) -> Scene {
    let (_directory, secrets, public_key) = config::tests::credentials();
    let section = config::AccountSection {
        region: Some("na".to_owned()),
        environment: Some("sandbox".to_owned()),
        public_key_id: Some(public_key_id.to_owned()),
        private_key: Some("credential:key".into()),
        ..config::AccountSection::default()
    };
    let settings = section.resolve("account.shop", &secrets).unwrap();
    let clock = VirtualClock::starting_at("2026-01-15T12:34:56Z".parse().unwrap());
    let pace = Pace::new(clock.clone());
    for (operation, _) in settings.quotas() {
        pace.set_quota(&shop(), operation, Quota::LIVE);
        pace.assume_full(&shop(), operation);
    }
    let memory = Arc::new(Memory { asked: Mutex::new(Vec::new()), answers: Mutex::new(answers) });
    let api = AmazonPayV2::new(settings, memory.clone(), clock.clone());
    Scene { api, memory, clock, pace, public_key }
}

impl Scene {
    async fn fetch(&self) -> Result<Observation, Failure> {
        let (kind, id) = (Kind::new("charge").unwrap(), ObjectId::new(CHARGE_ID).unwrap());
        let permit = self.pace.take(&shop(), self.api.operation(&kind).unwrap()).unwrap();
        self.api.fetch(&kind, &id, permit).await
    }
}

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Result<Response, TransportError> {
    let headers = headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    Ok(Response { status, headers, body: body.as_bytes().to_vec() })
}

fn charge(state: &str) -> Result<Response, TransportError> {
    let body = format!(r#"{{"chargeId":"{CHARGE_ID}","statusDetails":{{"state":"{state}"}}}}"#);
    answer(200, &[("date", "Thu, 15 Jan 2026 12:35:01 GMT"), ("x-amz-pay-request-id", "r-1")], &body)
}

fn header<'a>(request: &'a Request, name: &str) -> &'a str {
    request.headers.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
}

#[tokio::test(start_paused = true)]
async fn a_question_is_signed_as_in_example_1_and_anew_each_time() {
    let scene = scene("SANDBOX-KEY", vec![charge("Authorized"), charge("Captured")]);
    let seen = scene.fetch().await.unwrap();
    assert_eq!((seen.state.as_str(), seen.request_id.as_deref()), ("Authorized", Some("r-1")));
    assert_eq!(scene.api.clock_offset(), Some(SignedDuration::from_secs(5)));
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(scene.fetch().await.unwrap().state, "Captured");

    let asked = scene.memory.asked.lock().unwrap();
    let request = &asked[0];
    assert_eq!(request.method, Method::Get);
    assert_eq!(request.url, format!("https://pay-api.amazon.com/v2/charges/{CHARGE_ID}"));
    assert!(request.body.is_empty());
    let text = "AMZN-PAY-RSASSA-PSS-V2\nf0468c724785d977d0a4306f2c01b287c19b7f98c00f45beebad45a2eaa9047d";
    let expected = "AMZN-PAY-RSASSA-PSS-V2 PublicKeyId=SANDBOX-KEY, SignedHeaders=accept;content-type;\
                    x-amz-pay-date;x-amz-pay-host;x-amz-pay-region, Signature=";
    let signature = header(request, "authorization").strip_prefix(expected).unwrap();
    let signature = base64::engine::general_purpose::STANDARD.decode(signature).unwrap();
    let key = UnparsedPublicKey::new(&SALT_32, &scene.public_key);
    assert!(key.verify(text.as_bytes(), &signature).is_ok());
    assert_eq!(header(request, "x-amz-pay-date"), "20260115T123456Z");
    assert_eq!(header(&asked[1], "x-amz-pay-date"), "20260115T123506Z");
    assert!(header(request, "user-agent").starts_with("reconciled/"));
}

#[tokio::test(start_paused = true)]
async fn an_id_that_would_be_folded_is_never_sent_and_closes_no_account() {
    let scene = scene("SANDBOX-KEY", Vec::new());
    for id in [".", ".."] {
        let (kind, id) = (Kind::new("charge").unwrap(), ObjectId::new(id).unwrap());
        let permit = scene.pace.take(&shop(), GET_CHARGE).unwrap();
        let failure = scene.api.fetch(&kind, &id, permit).await.unwrap_err();
        assert!(matches!(failure, Failure::Refused { is_whole_account: false, .. }), "{failure:?}");
    }
    assert!(scene.memory.asked.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_object_that_was_enrolled_in_small_letters_is_the_same_object() {
    let scene = scene("SANDBOX-KEY", vec![charge("Captured")]);
    let (kind, id) = (Kind::new("charge").unwrap(), ObjectId::new(CHARGE_ID.to_ascii_lowercase()).unwrap());
    let permit = scene.pace.take(&shop(), GET_CHARGE).unwrap();
    let seen = scene.api.fetch(&kind, &id, permit).await.unwrap();
    assert_eq!((seen.state.as_str(), seen.id.as_str()), ("Captured", id.as_str()));
    assert_eq!(scene.api.canonical(&id).as_str(), CHARGE_ID);
}

#[tokio::test(start_paused = true)]
async fn a_key_without_prefix_names_its_environment_in_the_path() {
    let scene = scene("AHLQPQ2NG3", vec![charge("Authorized")]);
    scene.fetch().await.unwrap();
    let asked = scene.memory.asked.lock().unwrap();
    assert_eq!(asked[0].url, format!("https://pay-api.amazon.com/sandbox/v2/charges/{CHARGE_ID}"));
}

#[tokio::test(start_paused = true)]
async fn a_creating_call_signs_its_idempotency_key_and_body() {
    let scene = scene("SANDBOX-KEY", Vec::new());
    let call = Call {
        method: Method::Post,
        path: "refunds",
        parameters: &[("a b", "c")],
        body: b"{}".to_vec(),
        idempotency_key: Some("AVLo5tI10BHgEk2jEXAMPLEKEY"),
    };
    let request = scene.api.signed(call, crate::clock::Clock::now(&*scene.clock)).unwrap();
    assert_eq!(request.url, "https://pay-api.amazon.com/v2/refunds?a%20b=c");
    assert!(header(&request, "authorization").contains(";x-amz-pay-idempotency-key;x-amz-pay-region,"));
    assert_eq!(header(&request, "x-amz-pay-idempotency-key"), "AVLo5tI10BHgEk2jEXAMPLEKEY");
    assert_eq!(request.body, b"{}");
}

/// The refund of example 2 (docs/src/reference/amazon-pay-v2.md, section 2.6).
fn example_2() -> std::collections::BTreeMap<String, String> {
    let pairs = [
        ("chargeId", CHARGE_ID),
        ("refundAmount.amount", "14.00"),
        ("refundAmount.currencyCode", "USD"),
        ("softDescriptor", "Descriptor"),
        ("idempotencyKey", "AVLo5tI10BHgEk2jEXAMPLEKEY"),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn refund(charge_id: &str) -> Result<Response, TransportError> {
    let body = format!(
        r#"{{"refundId":"S01-1234567-1234567-R000001","chargeId":"{charge_id}","statusDetails":{{"state":"RefundInitiated"}},"buyer":{{"name":"canary"}}}}"#
    );
    answer(201, &[("x-amz-pay-request-id", "r-2")], &body)
}

#[tokio::test(start_paused = true)]
async fn a_refund_is_sent_and_signed_as_in_example_2() {
    let scene = scene("SANDBOX-KEY", vec![refund(CHARGE_ID)]);
    let planned = scene.api.plan("CreateRefund", &example_2()).unwrap();
    assert!(planned.is_write && !scene.api.may_write());
    assert_eq!(planned.identity, Some(Identity::Once("AVLo5tI10BHgEk2jEXAMPLEKEY".to_owned())));
    assert_eq!(planned.shown.line, "POST https://pay-api.amazon.com/v2/refunds");
    let permit = scene.pace.take(&shop(), planned.operation).unwrap();
    let reply = scene.api.carry_out(&planned, permit).await.unwrap();
    let (kind, seen) = reply.seen.unwrap();
    assert_eq!((kind.as_str(), seen.state.as_str()), ("refund", "RefundInitiated"));
    assert_eq!(reply.created[0].id.as_str(), "S01-1234567-1234567-R000001");
    assert!(!format!("{seen:?}{planned:?}").contains("canary"));
    let asked = scene.memory.asked.lock().unwrap();
    let request = &asked[0];
    assert_eq!((request.method, request.body.len()), (Method::Post, 127));
    let text = "AMZN-PAY-RSASSA-PSS-V2\n6a0dd96fb8696b4444083c1937dfc5fd58e82654eff9b9c6a1ca40a106769d86";
    let (_, signature) = header(request, "authorization").split_once("Signature=").unwrap();
    let signature = base64::engine::general_purpose::STANDARD.decode(signature).unwrap();
    let key = UnparsedPublicKey::new(&SALT_32, &scene.public_key);
    assert!(key.verify(text.as_bytes(), &signature).is_ok());
}

#[tokio::test(start_paused = true)]
async fn only_what_surely_did_nothing_is_told_as_not_done() {
    let error = |status, code: &str| answer(status, &[], &format!(r#"{{"reasonCode":"{code}"}}"#));
    let outcomes = [
        (Err(TransportError::Connect("connection refused".to_owned())), "not sent"),
        (Err(TransportError::Timeout), "lost"),
        (Err(TransportError::Broken("connection reset".to_owned())), "lost"),
        (error(500, "ProcessingFailure"), "lost"),
        (error(503, "ServiceUnavailable"), "lost"),
        (error(408, "RequestTimeout"), "lost"),
        (answer(200, &[], "{}"), "lost"),
        (refund("S01-1234567-1234567-C999999"), "lost"),
        (error(429, "TooManyRequests"), "throttled"),
        (error(404, "ResourceNotFound"), "refused"),
        (error(422, "TransactionAmountExceeded"), "refused"),
        (error(400, "DuplicateIdempotencyKey"), "duplicate"),
        (error(403, "InvalidRequestSignature"), "whole account"),
    ];
    let answers = outcomes.iter().map(|(answer, _)| answer.clone()).collect();
    let scene = scene("SANDBOX-KEY", answers);
    let planned = scene.api.plan("CreateRefund", &example_2()).unwrap();
    for (answer, expected) in &outcomes {
        scene.clock.sleep(Duration::from_secs(120)).await;
        let permit = scene.pace.take(&shop(), planned.operation).unwrap();
        let told = match scene.api.carry_out(&planned, permit).await.unwrap_err() {
            CallFailure::NotSent { .. } => "not sent",
            CallFailure::Lost { .. } => "lost",
            CallFailure::Throttled { .. } => "throttled",
            CallFailure::Refused { is_whole_account: true, .. } => "whole account",
            CallFailure::Refused { is_duplicate: true, .. } => "duplicate",
            CallFailure::Refused { .. } => "refused",
        };
        assert_eq!(told, *expected, "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn throttling_and_retry_after_hold_the_pace() {
    let scene = scene(
        "SANDBOX-KEY",
        vec![
            answer(429, &[("retry-after", "7")], r#"{"reasonCode":"TooManyRequests"}"#),
            answer(503, &[("retry-after", "11")], ""),
            answer(500, &[], ""),
            charge("Captured"),
        ],
    );
    let held_for = || scene.pace.level(&shop(), GET_CHARGE).unwrap().held_for.as_secs();
    assert_eq!(scene.fetch().await.unwrap_err().class(), "throttled");
    assert_eq!(held_for(), 7);
    assert_eq!(scene.pace.used(&shop(), GET_CHARGE).throttled, 1);
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(scene.fetch().await.unwrap_err().class(), "transient");
    assert_eq!(held_for(), 11);
    tokio::time::advance(Duration::from_secs(11)).await;
    assert_eq!(scene.fetch().await.unwrap_err().class(), "transient");
    assert_eq!(held_for(), 0);
    scene.fetch().await.unwrap();
    assert_eq!(scene.pace.level(&shop(), GET_CHARGE).unwrap().in_flight, 0);
    assert_eq!(scene.pace.used(&shop(), GET_CHARGE).sent, 4);
}

#[tokio::test(start_paused = true)]
async fn what_goes_wrong_on_the_way_is_classed() {
    let failures = [
        (TransportError::Timeout, "transient"),
        (TransportError::Connect("connection refused".to_owned()), "transient"),
        (TransportError::Tls("the certificate has expired".to_owned()), "transient"),
        (TransportError::Broken("connection reset".to_owned()), "transient"),
        (TransportError::TooLarge { longest_body: LONGEST_BODY }, "garbled"),
        (TransportError::Unsendable("its address is not valid"), "refused"),
    ];
    let answers = failures.iter().map(|(error, _)| Err(error.clone())).collect();
    let scene = scene("SANDBOX-KEY", answers);
    for (error, class) in &failures {
        assert_eq!(scene.fetch().await.unwrap_err().class(), *class, "{error}");
    }
    assert_eq!(scene.api.clock_offset(), None);
}

#[tokio::test(start_paused = true)]
async fn it_answers_for_its_kinds_and_no_others() {
    let scene = scene("SANDBOX-KEY", Vec::new());
    let api = &scene.api;
    for word in api.kinds() {
        let kind = Kind::new(*word).unwrap();
        assert!(api.lifecycle(&kind).is_some());
        assert!(operations::find(api.operation(&kind).unwrap()).is_some());
    }
    let (strange, id) = (Kind::new("capture").unwrap(), ObjectId::new(CHARGE_ID).unwrap());
    assert!(api.lifecycle(&strange).is_none() && api.operation(&strange).is_none());
    assert!(api.accepts(&strange, &id).unwrap_err().contains("charge, refund, charge-permission"));
    assert_eq!(api.kind_of(&id).unwrap().as_str(), "charge");
    assert!(api.accepts(&Kind::new("charge").unwrap(), &id).is_ok());
    let permit = scene.pace.take(&shop(), GET_CHARGE).unwrap();
    assert_eq!(api.fetch(&strange, &id, permit).await.unwrap_err().class(), "refused");
    assert!(scene.memory.asked.lock().unwrap().is_empty());
    assert!(api.where_to_look().starts_with("https://sellercentral"));
    assert!(!format!("{api:?}").contains("SANDBOX-KEY"));
}
