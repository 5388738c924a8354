use std::collections::HashMap;

use super::batch::{CHECK_EVERY, CHECKS_LAST, FeedBatch, FeedNext, Settling};
use super::document::{self, Caps};
use super::request::{BatchOperation, BatchRequest};
use super::settle::{conclude, settle};
use super::steps::{Ending, Outcome, Phase as FeedPhase, State, Step};
use crate::apis::amazon_pay_mws::md5::content_md5;
use crate::apis::batch::{self, Batch, Fate, Papers, Row, own};
use crate::payments::lifecycle::Phase;
use crate::payments::money::Money;
use crate::payments::object::{Kind, ObjectId, ObjectRef};
use crate::payments::observation::{Child, Observation};
use crate::payments::record::{Details, Enrolment, Observed, Record};
use jiff::{SignedDuration, Timestamp};

const ORDER: &str = "P02-1234567-1234567";

fn at(minutes: i64) -> Timestamp {
    let start: Timestamp = "2027-01-15T06:00:00Z".parse().unwrap();
    start + SignedDuration::from_mins(minutes)
}

fn ended(operation: BatchOperation, ending: Ending) -> (FeedBatch, Vec<u8>) {
    let has_reference = operation.has_reference();
    let tail = match operation.subject().name() {
        "authorization" => "-A000001",
        "capture" => "-C000001",
        "refund" => "-R000001",
        _ => "",
    };
    let request = BatchRequest {
        id: ObjectId::new(format!("{ORDER}{tail}")).unwrap(),
        reference_id: has_reference.then(|| "mine".to_owned()),
        amount: has_reference.then(|| Money::parse("9.50", "GBP").unwrap()),
        text: None,
        soft_descriptor: None,
    };
    let feed = document::build(operation, "A3SHOP", [&request], 7, Caps::MOST).remove(0);
    let mut state = State::new(at(0));
    state.phase = FeedPhase::Finished { at: at(30), ending };
    state.last_sent_at = Some(at(1));
    let batch = FeedBatch {
        reference: "rcd-0123456789abcdef".to_owned(),
        operation,
        seller_id: "A3SHOP".to_owned(),
        is_poll: false,
        document_md5: feed.md5,
        first_request_id: 7,
        count: 1,
        state,
        feed_id: Some("500".to_owned()),
        result_md5: None,
        failures: 0,
        settling: Settling::Open,
    };
    (batch, feed.bytes.to_vec())
}

fn seen(kind: &str, id: &str, state: &str, at: Timestamp, change: impl FnOnce(&mut Observation)) -> Record {
    let object = ObjectRef {
        account: "uk".parse().unwrap(),
        kind: Kind::new(kind).unwrap(),
        id: ObjectId::new(id).unwrap(),
    };
    let mut record = Record::enrolled(Enrolment { object, details: Details::default() }, at);
    let mut observation: Observation = serde_json::from_value(serde_json::json!({
        "id": id, "state": state, "reasons": [], "updated_at": null, "created_at": null, "expires_at": null,
        "amount": null, "other_amounts": {}, "merchant_reference": null, "parent": null, "children": [],
        "evidence": {}, "request_id": null, "is_soft_decline": false,
    }))
    .unwrap();
    change(&mut observation);
    record.observed = Some(Observed { observation, phase: Phase::Resting, since: at, seen_at: at });
    record
}

fn papers<'a>(document: &'a [u8], result: Option<&'a [u8]>) -> Papers<'a> {
    Papers { document, lines: &[2], result }
}

/// Settles without a result, then concludes from these records at `now`. Returns the row and whether all is settled.
fn concluded(operation: BatchOperation, ending: Ending, records: Vec<Record>, now: Timestamp) -> (Row, bool) {
    let (batch, bytes) = ended(operation, ending);
    let settlement = settle(&batch, &papers(&bytes, None), at(30)).unwrap();
    let batch: FeedBatch = own::<FeedBatch>(&*settlement.batch).unwrap().clone();
    assert_eq!(batch.settling, Settling::Checking { since: at(30), next_at: at(30) + CHECK_EVERY });
    assert_eq!(settlement.watch.len(), 1, "what the request is about is watched from now on");
    let mut rows = settlement.rows.unwrap();
    assert_eq!((rows[0].fate, rows[0].input_line, rows[0].line), (Fate::Unknown, 2, 7));
    let known: HashMap<(Kind, ObjectId), Record> = records
        .into_iter()
        .map(|record| ((record.object.kind.clone(), record.object.id.clone()), record))
        .collect();
    let find = |kind: &Kind, id: &ObjectId| known.get(&(kind.clone(), id.clone())).cloned();
    let (batch, is_settled) = conclude(&batch, &mut rows, &find, now);
    assert_eq!(batch.settled().is_some(), is_settled);
    (rows.remove(0), is_settled)
}

fn authorization(children: &[&str], at: Timestamp) -> Record {
    let id = format!("{ORDER}-A000001");
    seen("authorization", &id, "Open", at, |seen| {
        let child =
            |id: &&str| Child { kind: Kind::new("capture").unwrap(), id: ObjectId::new(*id).unwrap() };
        seen.children = children.iter().map(child).collect();
    })
}

fn capture(id: &str, reference: &str, state: &str) -> Record {
    seen("capture", id, state, at(31), |seen| seen.merchant_reference = Some(reference.to_owned()))
}

#[test]
fn a_capture_without_an_answer_is_found_by_its_reference_among_its_authorizations_captures() {
    let of = |records, now| concluded(BatchOperation::Capture, Ending::Collected, records, now);
    let children = ["P02-1234567-1234567-C000001", "P02-1234567-1234567-C000002"];
    let (row, is_settled) = of(vec![], at(40));
    assert_eq!((row.fate, is_settled), (Fate::Unknown, false), "nothing has been polled yet");
    let (_, is_settled) = of(vec![authorization(&children, at(29))], at(40));
    assert!(!is_settled, "a poll from before the end says nothing");
    let other = capture(children[0], "other", "Completed");
    let (_, is_settled) = of(vec![authorization(&children, at(31)), other.clone()], at(40));
    assert!(!is_settled, "one of the captures was not polled yet");
    for (state, fate) in [
        ("Completed", Fate::Done),
        ("Pending", Fate::Open),
        ("Declined", Fate::Declined),
        ("Odd", Fate::Open),
    ] {
        let mine = capture(children[1], "mine", state);
        let (row, is_settled) = of(vec![authorization(&children, at(31)), other.clone(), mine], at(40));
        assert_eq!((row.fate, row.object.as_deref(), is_settled), (fate, Some(children[1]), true), "{state}");
    }
    let (row, is_settled) = of(vec![authorization(&children[..1], at(31)), other], at(40));
    assert_eq!((row.fate, row.code.as_deref(), is_settled), (Fate::Unknown, Some("NoTrace"), true));
    let (row, is_settled) = of(vec![], at(30) + CHECKS_LAST);
    assert_eq!((row.fate, row.code.as_deref(), is_settled), (Fate::Unknown, Some("NotSeen"), true));
}

#[test]
fn a_feed_that_was_refused_or_cancelled_and_left_no_trace_moved_no_money() {
    for (ending, code) in [(Ending::Rejected, "FeedRejected"), (Ending::Cancelled, "FeedCancelled")] {
        let (row, _) =
            concluded(BatchOperation::Capture, ending.clone(), vec![authorization(&[], at(31))], at(40));
        assert_eq!((row.fate, row.code.as_deref()), (Fate::Declined, Some(code)));
        let mine = capture("P02-1234567-1234567-C000002", "mine", "Completed");
        let records = vec![authorization(&["P02-1234567-1234567-C000002"], at(31)), mine];
        let (row, _) = concluded(BatchOperation::Capture, ending, records, at(40));
        assert_eq!(row.fate, Fate::Done, "a capture that exists was carried out, whatever the feed says");
    }
}

#[test]
fn a_feed_that_may_have_arrived_twice_and_left_no_trace_stays_unknown() {
    for ending in [Ending::Rejected, Ending::Cancelled, Ending::InDoubt { detail: "400".to_owned() }] {
        let (mut batch, bytes) = ended(BatchOperation::Capture, ending.clone());
        batch.state.sendings = 2;
        let settlement = settle(&batch, &papers(&bytes, None), at(30)).unwrap();
        let batch: FeedBatch = own::<FeedBatch>(&*settlement.batch).unwrap().clone();
        let mut rows = settlement.rows.unwrap();
        let authorization = authorization(&[], at(31));
        let (batch, is_settled) = conclude(&batch, &mut rows, &|_, _| Some(authorization.clone()), at(40));
        let told = (rows[0].fate, rows[0].code.as_deref());
        assert_eq!((told, is_settled), ((Fate::Unknown, Some("NoTrace")), true), "{ending:?}");
        let end = batch.settled().unwrap();
        let is_doubt = matches!(end, batch::Ending::InDoubt(_));
        assert_eq!(is_doubt, matches!(ending, Ending::InDoubt { .. }), "{end:?}");
    }
}

/// A feed whose result refuses its only request with this code. Returns the row after settling and after polling.
fn refused_with(code: &str, sendings: u32, records: Vec<Record>) -> (Row, Row) {
    let (mut batch, bytes) = ended(BatchOperation::Capture, Ending::Collected);
    batch.state.sendings = sendings;
    let result = format!(
        "<R><I><SellerRequestId>7</SellerRequestId><ErrorResponse><Error><Code>{code}</Code></Error>\
         </ErrorResponse></I></R>"
    );
    batch.result_md5 = Some(content_md5(result.as_bytes()));
    let settlement = settle(&batch, &papers(&bytes, Some(result.as_bytes())), at(30)).unwrap();
    let batch: FeedBatch = own::<FeedBatch>(&*settlement.batch).unwrap().clone();
    let mut rows = settlement.rows.unwrap();
    let first = rows[0].clone();
    let find = |kind: &Kind, id: &ObjectId| {
        records.iter().find(|record| record.object.kind == *kind && record.object.id == *id).cloned()
    };
    conclude(&batch, &mut rows, &find, at(40));
    (first, rows.remove(0))
}

#[test]
fn a_refusal_that_an_earlier_sending_may_have_brought_about_is_looked_up_before_it_is_believed() {
    const CHILD: &str = "P02-1234567-1234567-C000002";
    let nothing = || vec![authorization(&[], at(31))];
    let made = || vec![authorization(&[CHILD], at(31)), capture(CHILD, "mine", "Completed")];
    // (code, submissions, what polling finds, final fate)
    let duplicate = "DuplicateReferenceId";
    for (code, sendings, records, fate) in [
        (duplicate, 2, made(), Fate::Done),
        (duplicate, 1, made(), Fate::Done),
        ("DuplicateRequest", 2, made(), Fate::Done),
        // The first submission closed the authorization.
        ("InvalidAuthorizationStatus", 2, made(), Fate::Done),
        ("TransactionAmountExceeded", 2, made(), Fate::Done),
        // The reference is in use, and nothing shows where: never "declined".
        (duplicate, 2, nothing(), Fate::Unknown),
        // Another program used the reference, and this was the only submission.
        (duplicate, 1, nothing(), Fate::Declined),
        ("InvalidAuthorizationStatus", 2, nothing(), Fate::Declined),
    ] {
        let (first, row) = refused_with(code, sendings, records);
        assert_eq!((first.fate, first.code.as_deref()), (Fate::Unknown, Some(code)), "{code} {sendings}");
        assert_eq!(row.fate, fate, "{code} {sendings}: {row:?}");
        if fate != Fate::Done {
            assert_eq!(row.code.as_deref(), Some(code));
        }
    }
    let (first, _) = refused_with("InvalidAuthorizationStatus", 1, nothing());
    assert_eq!(first.fate, Fate::Declined, "it was sent once, so the provider's refusal is believed");
}

#[test]
fn what_has_the_reference_and_another_amount_is_not_done() {
    const CHILD: &str = "P02-1234567-1234567-C000002";
    let of = |amount: &str| {
        let mut child = capture(CHILD, "mine", "Completed");
        child.observed.as_mut().unwrap().observation.amount = Some(Money::parse(amount, "GBP").unwrap());
        vec![authorization(&[CHILD], at(31)), child]
    };
    let (_, row) = refused_with("DuplicateRequest", 2, of("9.50"));
    assert_eq!(row.fate, Fate::Done);
    let (_, row) = refused_with("DuplicateRequest", 2, of("4.50"));
    let told = (row.fate, row.code.as_deref(), row.object.as_deref());
    assert_eq!(told, (Fate::Open, Some("OtherAmount"), Some(CHILD)));
}

#[test]
fn closing_and_cancelling_are_told_by_the_state_of_their_object() {
    let check = |operation: BatchOperation, kind: &str, tail: &str, state: &str, fate| {
        let record = seen(kind, &format!("{ORDER}{tail}"), state, at(31), |_| {});
        let (row, is_settled) = concluded(operation, Ending::NoResult, vec![record], at(40));
        assert_eq!((row.fate, is_settled), (fate, true), "{operation:?} {state}");
    };
    check(BatchOperation::CloseAuthorization, "authorization", "-A000001", "Closed", Fate::Done);
    check(BatchOperation::CloseAuthorization, "authorization", "-A000001", "Open", Fate::Unknown);
    check(BatchOperation::CloseOrderReference, "order-reference", "", "Closed", Fate::Done);
    check(BatchOperation::CancelOrderReference, "order-reference", "", "Canceled", Fate::Done);
    check(BatchOperation::CancelOrderReference, "order-reference", "", "Open", Fate::Unknown);
    check(BatchOperation::GetRefundDetails, "refund", "-R000001", "Pending", Fate::Done);
}

#[test]
fn a_feed_that_never_left_is_settled_at_once_and_another_document_is_refused() {
    for (ending, code) in
        [(Ending::NeverSent, "NeverSent"), (Ending::NotTaken { detail: "400".to_owned() }, "NotTaken")]
    {
        let (batch, bytes) = ended(BatchOperation::Refund, ending);
        let settlement = settle(&batch, &papers(&bytes, None), at(30)).unwrap();
        let rows = settlement.rows.unwrap();
        assert_eq!((rows[0].fate, rows[0].code.as_deref()), (Fate::Declined, Some(code)));
        assert!(settlement.batch.ending().is_some() && settlement.watch.is_empty());
    }
    let (batch, mut bytes) = ended(BatchOperation::Refund, Ending::NoResult);
    bytes.push(b' ');
    assert_eq!(settle(&batch, &papers(&bytes, None), at(30)).unwrap_err().word, "other-file");
}

#[test]
fn a_result_counts_only_when_its_sum_is_the_stored_one() {
    let (mut batch, bytes) = ended(BatchOperation::CloseOrderReference, Ending::Collected);
    let result = b"<R><I><SellerRequestId>7</SellerRequestId><CloseOrderReferenceResponse/></I></R>";
    let fate = |batch: &FeedBatch| {
        settle(batch, &papers(&bytes, Some(&result[..])), at(30)).unwrap().rows.unwrap()[0].fate
    };
    assert_eq!(fate(&batch), Fate::Unknown, "no result was recorded");
    batch.result_md5 = Some(content_md5(result));
    assert_eq!(fate(&batch), Fate::Done);
}

#[test]
fn feeds_of_a_seller_leave_one_at_a_time_and_twenty_minutes_apart() {
    let (mut mine, _) = ended(BatchOperation::Capture, Ending::NoResult);
    mine.state = State::new(at(0));
    let mut other = mine.clone();
    let next = |mine: &FeedBatch, other: &FeedBatch, now| mine.next([other].into_iter(), now);
    assert_eq!(next(&mine, &other, at(0)), FeedNext::Act(Step::Submit));
    other = other.about_to(&Step::Submit, at(0));
    assert_eq!(next(&mine, &other, at(10)), FeedNext::Behind, "the other's submission is in doubt");
    assert_eq!(
        next(&FeedBatch { seller_id: "A4".to_owned(), ..mine.clone() }, &other, at(10)),
        FeedNext::Act(Step::Submit)
    );
    let answer = super::answer::Submission::Accepted { feed_id: "501".to_owned() };
    other = other.took(Outcome::Submitted(answer), at(0));
    assert_eq!(other.known_ids().last(), Some("501"));
    assert_eq!(next(&mine, &other, at(10)), FeedNext::Wait(at(20)));
    assert_eq!(next(&mine, &other, at(20)), FeedNext::Act(Step::Submit));
}

#[test]
fn what_needs_a_person_is_told_and_what_only_fails_is_told_after_a_while() {
    let (mut batch, _) = ended(BatchOperation::Capture, Ending::NoResult);
    batch.state.phase = FeedPhase::Held { candidates: vec!["1".to_owned(), "2".to_owned()] };
    let trouble = Batch::trouble(&batch, at(0)).unwrap();
    assert!(trouble.is_critical && trouble.what.contains("1, 2"));
    assert!(trouble.advice.contains("release rcd-0123456789abcdef --adopt"), "{}", trouble.advice);
    batch.state.phase = FeedPhase::Collecting {
        feed_id: "1".to_owned(),
        since: at(0),
        next_at: at(0),
        fetches: 0,
        spoilt: 0,
        is_cancelled: false,
    };
    for minute in 0..20 {
        batch = batch.took(Outcome::Failed { retry_after_s: None }, at(minute));
    }
    assert_eq!(batch.trouble(at(20)).unwrap().0, "failing");
    let refused = batch.took(Outcome::AccountRefused { detail: "HTTP 403 AccessDenied".into() }, at(48 * 60));
    assert_eq!(refused.ending(), None, "the time in which the account is refused does not count");
    assert_eq!(refused.trouble(at(48 * 60)).unwrap().0, "account-refused");
    let given_up = batch.took(Outcome::Failed { retry_after_s: None }, at(24 * 60 + 1));
    assert_eq!(given_up.ending(), Some(&Ending::NoResult), "a fetch that keeps failing ends, too");
    assert!(matches!(given_up.next(std::iter::empty(), at(24 * 60 + 2)), FeedNext::Settle));
    assert_eq!(Batch::ending(&given_up), None, "its requests are not settled yet");
}
