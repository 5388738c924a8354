use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use super::feeds::document::Caps;
use super::*;
use crate::apis::calls::{Caller, Identity, Lookup, Repeat};
use crate::apis::config::{Endpoint, QuotaChoice, Region};
use crate::apis::pace::Quota;
use crate::apis::transport::{BoxFuture, Method, Request};
use crate::clock::VirtualClock;
use crate::secret::Secret;

const ID: &str = "S01-1234567-1234567-A012345";
const OPERATION: &str = "GetAuthorizationDetails";

/// Returns canned answers and records what was sent.
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

/// One account with its budget, an in-memory transport and a clock that moves only when told.
struct Stage {
    api: AmazonPayMws,
    transport: Arc<Canned>,
    pace: Pace,
    account: AccountName,
}

fn stage() -> Stage {
    let clock: SharedClock = VirtualClock::starting_at("2015-12-31T23:59:58Z".parse().unwrap());
    let transport = Arc::new(Canned::default());
    let settings = Settings {
        region: Region::Na,
        environment: Environment::Sandbox,
        seller_id: "A1EXAMPLESELLER".to_owned(),
        access_key_id: "AKIAEXAMPLEKEY000001".to_owned(),
        key: sign::SigningKey::new("exampleSecretKey/With+Chars=0123456789AB"),
        mws_auth_token: None,
        endpoint: Endpoint::of_host("mws.amazonservices.com"),
        marketplace_id: Some("A3BXB0YN3XH17H".to_owned()),
        is_service_followed: true,
        quota: QuotaChoice::Documented,
        deadline: Duration::from_secs(7),
        is_writing_allowed: true,
        batch_caps: Caps::ADVISED,
    };
    let pace = Pace::new(Arc::clone(&clock));
    let account = AccountName::new("shop").unwrap();
    let api = AmazonPayMws::new(settings, Arc::clone(&transport) as Arc<dyn Transport>, clock);
    api.set_quotas(&account, &pace);
    for kind in ObjectKind::ALL {
        pace.assume_full(&account, kind.operation());
    }
    Stage { api, transport, pace, account }
}

impl Stage {
    async fn fetch(&self, answer: Result<Response, TransportError>) -> Result<Observation, Failure> {
        self.transport.answers.lock().unwrap().push_back(answer);
        let permit = self.pace.take(&self.account, OPERATION).expect("the budget allows it");
        let (kind, id) = (ObjectKind::Authorization.kind(), ObjectId::new(ID).unwrap());
        self.api.fetch(&kind, &id, permit).await
    }

    /// Fetches once and returns how long the operation is held back afterwards.
    async fn held_after(&self, answer: Response) -> Duration {
        let _ = self.fetch(Ok(answer)).await;
        self.pace.level(&self.account, OPERATION).unwrap().held_for
    }

    fn body_sent(&self, number: usize) -> BTreeMap<String, String> {
        let sent = self.transport.sent.lock().unwrap();
        let body = std::str::from_utf8(&sent[number].body).unwrap();
        body.split('&')
            .map(|pair| pair.split_once('=').unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }
}

fn response(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
    Response {
        status,
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        body: body.as_bytes().to_vec(),
    }
}

fn authorization(state: &str) -> Response {
    response(
        200,
        &[("x-mws-request-id", "0a-from-header"), ("date", "Thu, 31 Dec 2015 23:59:48 GMT")],
        &format!(
            "<GetAuthorizationDetailsResponse xmlns=\"http://mws.amazonservices.com/schema/OffAmazonPayments/\
             2013-01-01\"><GetAuthorizationDetailsResult><AuthorizationDetails><AmazonAuthorizationId>{ID}\
             </AmazonAuthorizationId><AuthorizationStatus><State>{state}</State></AuthorizationStatus>\
             </AuthorizationDetails></GetAuthorizationDetailsResult></GetAuthorizationDetailsResponse>"
        ),
    )
}

fn error(status: u16, code: &str, headers: &[(&str, &str)]) -> Response {
    let body = format!("<ErrorResponse><Error><Code>{code}</Code></Error></ErrorResponse>");
    response(status, headers, &body)
}

#[tokio::test(start_paused = true)]
async fn the_request_is_the_one_of_vector_a() {
    let stage = stage();
    let seen = stage.fetch(Ok(authorization("Open"))).await.unwrap();
    assert_eq!((seen.id.as_str(), seen.state.as_str()), (ID, "Open"));
    assert_eq!(seen.request_id.as_deref(), Some("0a-from-header"));
    assert_eq!(stage.api.clock_offset(), Some(SignedDuration::from_secs(-10)));
    let sent = stage.transport.sent.lock().unwrap();
    let request = &sent[0];
    assert_eq!(request.method, Method::Post);
    assert_eq!(request.url, "https://mws.amazonservices.com/OffAmazonPayments_Sandbox/2013-01-01");
    assert_eq!(request.deadline, Duration::from_secs(7));
    assert_eq!(
        String::from_utf8_lossy(&request.body),
        format!(
            "AWSAccessKeyId=AKIAEXAMPLEKEY000001&Action=GetAuthorizationDetails&AmazonAuthorizationId={ID}\
             &SellerId=A1EXAMPLESELLER&SignatureMethod=HmacSHA256&SignatureVersion=2\
             &Timestamp=2015-12-31T23%3A59%3A58Z&Version=2013-01-01\
             &Signature=%2FNFHg5xwXgUHRZtI30jlPcgdtCwFiRpXrpXVqA5fIoQ%3D"
        )
    );
    let header =
        |name| request.headers.iter().find(|(known, _)| *known == name).map(|(_, text)| text.as_str());
    assert_eq!(header("content-type"), Some("application/x-www-form-urlencoded"));
    let agent = header("user-agent").unwrap();
    assert!(agent.starts_with("reconciled/") && agent.contains(" (Language=Rust/"), "{agent}");
}

#[tokio::test(start_paused = true)]
async fn every_request_is_signed_anew_and_carries_the_token() {
    let mut stage = stage();
    stage.api.settings.mws_auth_token = Some(Secret::new("amzn.mws.4ea3".to_owned()));
    stage.fetch(Ok(authorization("Pending"))).await.unwrap();
    tokio::time::advance(Duration::from_secs(61)).await;
    stage.fetch(Ok(authorization("Pending"))).await.unwrap();
    let (first, second) = (stage.body_sent(0), stage.body_sent(1));
    assert_eq!(first["MWSAuthToken"], "amzn.mws.4ea3");
    assert_eq!(second["Timestamp"], "2016-01-01T00%3A00%3A59Z");
    assert_ne!(first["Signature"], second["Signature"]);
    assert!(!format!("{:?}", stage.api).contains("4ea3"));
}

#[tokio::test(start_paused = true)]
async fn a_decline_is_a_sight_and_an_outage_says_nothing() {
    let stage = stage();
    assert_eq!(stage.fetch(Ok(authorization("Declined"))).await.unwrap().state, "Declined");
    let html = response(502, &[], "<html>Bad gateway</html>");
    assert_eq!(stage.fetch(Ok(html)).await.unwrap_err().class(), "transient");
    let broken = Err(TransportError::Timeout);
    assert_eq!(stage.fetch(broken).await.unwrap_err().class(), "transient");
    let other = authorization("Open");
    let other =
        Response { body: String::from_utf8(other.body).unwrap().replace("-A0", "-A9").into(), ..other };
    assert_eq!(stage.fetch(Ok(other)).await.unwrap_err().class(), "garbled");
}

#[tokio::test(start_paused = true)]
async fn throttles_and_quota_headers_hold_the_operation_back() {
    let wait = |seconds| Duration::from_secs(seconds);
    let asked = error(503, "RequestThrottled", &[("retry-after", "7")]);
    assert_eq!(stage().held_after(asked).await, wait(7));
    let silent = stage();
    assert!(silent.held_after(error(503, "RequestThrottled", &[])).await > Duration::ZERO);
    assert_eq!(silent.pace.used(&silent.account, OPERATION).throttled, 1);
    let reset = [("x-mws-quota-remaining", "0.0"), ("x-mws-quota-resetson", "2016-01-01T00:04:58.000Z")];
    assert_eq!(stage().held_after(error(503, "QuotaExceeded", &reset)).await, wait(300));
    assert_eq!(stage().held_after(error(503, "QuotaExceeded", &[])).await, wait(300));
    let spent = Response { headers: error(200, "", &reset).headers, ..authorization("Open") };
    assert_eq!(stage().held_after(spent).await, wait(300));
    let reset_in_an_hour = ("x-mws-quota-resetson", "2016-01-01T00:58:58.000Z");
    for contradictory in [
        [("x-mws-quota-max", "0"), ("x-mws-quota-remaining", "0"), reset_in_an_hour],
        [("x-mws-quota-max", "60.0"), ("x-mws-quota-remaining", "0"), reset_in_an_hour],
        [
            ("x-mws-quota-max", "3600"),
            ("x-mws-quota-remaining", "0"),
            ("x-mws-quota-resetson", "2099-01-01T00:00:00.000Z"),
        ],
    ] {
        let spent = Response { headers: error(200, "", &contradictory).headers, ..authorization("Open") };
        assert_eq!(stage().held_after(spent).await, wait(60), "{contradictory:?}");
    }
    let absurd = error(503, "RequestThrottled", &[("retry-after", "Thu, 01 Jan 2099 00:00:00 GMT")]);
    assert_eq!(stage().held_after(absurd).await, wait(60));
    let of_one_object = error(404, "InvalidTransactionId", &[("retry-after", "3600")]);
    assert_eq!(stage().held_after(of_one_object).await, wait(0), "it says nothing about the others");
    let left = [("x-mws-quota-remaining", "78.0"), ("x-mws-quota-resetson", "2016-01-01T00:04:58.000Z")];
    let left = Response { headers: error(200, "", &left).headers, ..authorization("Open") };
    assert_eq!(stage().held_after(left).await, wait(0));
    let outage = response(503, &[("retry-after", "20")], "");
    assert_eq!(stage().held_after(outage).await, wait(20));
    assert_eq!(stage().held_after(response(503, &[], "")).await, wait(0));
}

#[tokio::test(start_paused = true)]
async fn the_documented_budget_is_kept_for_each_operation_by_itself() {
    let mut stage = stage();
    let spend = |stage: &Stage, operation: &str| {
        let mut taken = 0;
        let wait = loop {
            match stage.pace.take(&stage.account, operation) {
                Ok(permit) => drop(permit),
                Err(wait) => break wait,
            }
            taken += 1;
        };
        (taken, wait)
    };
    assert_eq!(spend(&stage, OPERATION), (5, Duration::from_secs(1)));
    assert_eq!(spend(&stage, "GetCaptureDetails"), (5, Duration::from_secs(1)));
    stage.api.settings.environment = Environment::Live;
    let documented = Quota { burst: 20, per: Duration::from_millis(500) };
    assert!(stage.api.settings.quotas()[..5].iter().all(|(_, quota)| *quota == documented));
    stage.api.set_quotas(&stage.account, &stage.pace);
    stage.pace.assume_full(&stage.account, OPERATION);
    assert_eq!(spend(&stage, OPERATION), (20, Duration::from_millis(500)));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_while_the_clock_is_wrong_is_about_the_clock() {
    let expired = |date| error(400, "InvalidParameterValue", &[("date", date)]);
    let near = stage().fetch(Ok(expired("Thu, 31 Dec 2015 23:50:00 GMT"))).await.unwrap_err();
    assert!(matches!(near, Failure::Refused { is_whole_account: false, .. }), "{near:?}");
    let far = stage().fetch(Ok(expired("Fri, 01 Jan 2016 00:29:58 GMT"))).await.unwrap_err();
    assert!(matches!(far, Failure::Refused { is_whole_account: true, .. }), "{far:?}");
    assert!(far.to_string().contains("clock is 1800 s behind the provider's"), "{far}");
}

#[tokio::test(start_paused = true)]
async fn kinds_and_ids_are_told_apart() {
    let stage = stage();
    let api: &dyn Api = &stage.api;
    for name in api.kinds() {
        let kind = Kind::new(*name).unwrap();
        assert!(api.lifecycle(&kind).is_some() && api.operation(&kind).is_some());
    }
    let (kind, id) = (ObjectKind::Authorization.kind(), ObjectId::new(ID).unwrap());
    assert_eq!(api.kind_of(&id), Some(kind.clone()));
    assert_eq!(api.accepts(&kind, &id), Ok(()));
    assert!(api.accepts(&kind, &ObjectId::new("P01-1234567-1234567-A012345").unwrap()).is_err());
    assert!(api.accepts(&ObjectKind::Refund.kind(), &id).is_err());
    let charge = Kind::new("charge").unwrap();
    assert!(api.accepts(&charge, &id).is_err() && api.lifecycle(&charge).is_none());
    let permit = stage.pace.take(&stage.account, OPERATION).unwrap();
    assert_eq!(api.fetch(&charge, &id, permit).await.unwrap_err().class(), "refused");
    assert_eq!(api.where_to_look(), "https://sellercentral.amazon.com/");
}

/// Valid parameters of a capture.
fn capture_pairs() -> BTreeMap<String, String> {
    let pairs = [
        ("AmazonAuthorizationId", ID),
        ("CaptureReferenceId", "cap-1"),
        ("CaptureAmount.Amount", "9.50"),
        ("CaptureAmount.CurrencyCode", "USD"),
        ("SellerCaptureNote", "for the order"),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn captured(reference: &str) -> Response {
    let body = format!(
        "<CaptureResponse xmlns=\"http://mws.amazonservices.com/schema/OffAmazonPayments/2013-01-01\"><CaptureResult>\
         <CaptureDetails><AmazonCaptureId>S01-1234567-1234567-C000001</AmazonCaptureId><CaptureReferenceId>\
         {reference}</CaptureReferenceId><SellerCaptureNote>canary</SellerCaptureNote><CaptureStatus><State>Completed\
         </State></CaptureStatus></CaptureDetails></CaptureResult></CaptureResponse>"
    );
    response(200, &[], &body)
}

#[tokio::test(start_paused = true)]
async fn a_capture_is_planned_sent_and_read() {
    let stage = stage();
    let planned = Caller::plan(&stage.api, "Capture", &capture_pairs()).unwrap();
    assert_eq!(planned.identity, Some(Identity::Once("cap-1".to_owned())));
    assert_eq!(planned.amount.unwrap().to_string(), "9.50 USD");
    let lookup = planned.when_lost.lookup.clone().unwrap();
    assert!(matches!(&lookup, Lookup::Child { reference, .. } if reference == "cap-1"), "{lookup:?}");
    let line = "POST https://mws.amazonservices.com/OffAmazonPayments_Sandbox/2013-01-01";
    assert_eq!(planned.shown.line, line);
    tokio::time::advance(Duration::from_secs(2)).await;
    stage.transport.answers.lock().unwrap().push_back(Ok(captured("cap-1")));
    let permit = stage.pace.take(&stage.account, "Capture").unwrap();
    let reply = Caller::carry_out(&stage.api, &planned, permit).await.unwrap();
    assert_eq!(reply.created[0].id.as_str(), "S01-1234567-1234567-C000001");
    assert!(!format!("{reply:?}").contains("canary"));
    let sent = stage.body_sent(0);
    assert_eq!((sent["Action"].as_str(), sent["CaptureReferenceId"].as_str()), ("Capture", "cap-1"));
    assert_eq!(sent["SellerCaptureNote"], "for%20the%20order");
}

#[tokio::test(start_paused = true)]
async fn of_a_call_only_a_whole_no_says_that_nothing_was_done() {
    let outcomes = [
        (Err(TransportError::Connect("connection refused".to_owned())), "not sent"),
        (Err(TransportError::Timeout), "lost"),
        (Ok(error(500, "InternalServerError", &[])), "lost"),
        (Ok(response(502, &[], "<html>bad gateway</html>")), "lost"),
        (Ok(response(200, &[], "")), "lost"),
        (Ok(error(200, "InvalidParameterValue", &[])), "lost"),
        (Ok(captured("another")), "lost"),
        (Ok(error(503, "RequestThrottled", &[])), "throttled"),
        (Ok(error(400, "DuplicateReferenceId", &[])), "duplicate"),
        (Ok(error(400, "DuplicateRequest", &[])), "duplicate"),
        (Ok(error(404, "InvalidTransactionId", &[])), "refused"),
        (Ok(error(403, "SignatureDoesNotMatch", &[])), "whole account"),
    ];
    let stage = stage();
    let planned = Caller::plan(&stage.api, "Capture", &capture_pairs()).unwrap();
    for (answer, expected) in outcomes {
        tokio::time::advance(Duration::from_secs(120)).await;
        let shown = format!("{answer:?}");
        stage.transport.answers.lock().unwrap().push_back(answer);
        let permit = stage.pace.take(&stage.account, "Capture").unwrap();
        let told = match Caller::carry_out(&stage.api, &planned, permit).await.unwrap_err() {
            CallFailure::NotSent { .. } => "not sent",
            CallFailure::Lost { .. } => "lost",
            CallFailure::Throttled { .. } => "throttled",
            CallFailure::Refused { is_whole_account: true, .. } => "whole account",
            CallFailure::Refused { is_duplicate: true, .. } => "duplicate",
            CallFailure::Refused { .. } => "refused",
        };
        assert_eq!(told, expected, "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_buyers_token_is_not_shown() {
    let stage = stage();
    let pairs = [("AmazonOrderReferenceId", "S01-1234567-1234567"), ("AccessToken", "canary")];
    let pairs = pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let planned = Caller::plan(&stage.api, "GetOrderReferenceDetails", &pairs).unwrap();
    assert!(planned.identity.is_none() && !planned.is_write);
    assert!(!format!("{:?}{planned:?}", planned.shown).contains("canary"));
}

/// The trace that each operation leaves.
#[tokio::test(start_paused = true)]
async fn every_operation_that_changes_something_says_how_a_lost_answer_is_found_out() {
    let stage = stage();
    let word = |operation: &str| {
        let known = operations::find(operation).unwrap();
        let given = known.parameters.iter().filter(|parameter| parameter.is_required).map(|parameter| {
            let value = match parameter.value {
                operations::Value::Amount => "1.00",
                operations::Value::Currency => "USD",
                operations::Value::Id(ObjectKind::OrderReference) => "S01-1234567-1234567",
                operations::Value::Id(ObjectKind::Authorization) => ID,
                operations::Value::Id(ObjectKind::Capture) => "S01-1234567-1234567-C012345",
                operations::Value::Id(_) => "C01-1234567-1234567",
                operations::Value::OneOf(words) => words[0],
                _ => "reference-1",
            };
            (parameter.name.to_owned(), value.to_owned())
        });
        let mut given: BTreeMap<String, String> = given.collect();
        match operation {
            "SetOrderAttributes" => drop(given.insert("OrderAttributes.PlatformId".into(), "x".into())),
            "SetBillingAgreementDetails" => {
                drop(given.insert("BillingAgreementAttributes.PlatformId".into(), "x".into()));
            }
            _ => {}
        }
        let planned =
            Caller::plan(&stage.api, operation, &given).unwrap_or_else(|problems| panic!("{problems:?}"));
        assert_eq!(planned.is_write, planned.identity.is_some(), "{operation}");
        match (planned.when_lost.lookup, planned.when_lost.repeat) {
            (Some(Lookup::Child { .. }), Repeat::Safe) => "child",
            (Some(Lookup::State { .. }), Repeat::Safe) => "state",
            (None, Repeat::Safe) => "same again",
            (None, Repeat::Never) => "a person",
            other => panic!("{operation}: {other:?}"),
        }
    };
    for (operation, expected) in [
        ("Authorize", "child"),
        ("Capture", "child"),
        ("Refund", "child"),
        ("ConfirmOrderReference", "state"),
        ("CancelOrderReference", "state"),
        ("CloseOrderReference", "state"),
        ("CloseAuthorization", "state"),
        ("ConfirmBillingAgreement", "state"),
        ("CloseBillingAgreement", "state"),
        ("SetOrderReferenceDetails", "same again"),
        ("SetOrderAttributes", "same again"),
        ("SetBillingAgreementDetails", "same again"),
        ("AuthorizeOnBillingAgreement", "same again"),
        ("CreateOrderReferenceForId", "a person"),
        ("ValidateBillingAgreement", "same again"),
        ("GetCaptureDetails", "same again"),
    ] {
        assert_eq!(word(operation), expected, "{operation}");
    }
}
