//! What follows from a feed of which nothing more is sent: each request gets its end
//! (docs/src/reference/amazon-pay-batch.md, sections 5.2 and 5.4).
//!
//! Owns: what an answer means for a row, how requests without an answer are concluded about from what single
//! polls have seen. Must never know: the network, the store, files.
//!
//! A request without an answer is never sent again. Its subject is watched: the authorization of a capture, the
//! capture of a refund, the object that was to be looked at, closed or cancelled. What the subject and its
//! children show, seen after the feed had ended, tells; where nothing shows it, it stays unknown, and is told.
//!
//! So is a request whose answer is a refusal that an earlier sending may have brought about: its reference is in
//! use, or the feed may have arrived twice. The refusal is believed once a look shows nothing of the request.

use jiff::Timestamp;

use super::batch::{CHECK_EVERY, CHECKS_LAST, FeedBatch, Settling};
use super::document;
use super::fold::{RequestEnd, fold};
use super::request::{BatchOperation, BatchRequest};
use super::result;
use super::steps::Ending;
use crate::apis::amazon_pay_mws::kind::ObjectKind;
use crate::apis::amazon_pay_mws::lifecycle;
use crate::apis::amazon_pay_mws::md5::content_md5;
use crate::apis::batch::{self, Batch, Blocked, Fate, Row, Settlement, Shown};
use crate::payments::lifecycle::{Outcome, Phase};
use crate::payments::money::Money;
use crate::payments::object::{Kind, ObjectId};
use crate::payments::observation::Observation;
use crate::payments::record::{Details, Record};
use crate::time::later;

/// The most letters of a provider's code that are kept.
const LONGEST_CODE: usize = 120;

/// The object of a request names another amount than was asked for.
const OTHER_AMOUNT: &str = "OtherAmount";

type Requests = Vec<(u64, BatchRequest)>;

fn requests_of(batch: &FeedBatch, bytes: &[u8]) -> Result<Requests, Blocked> {
    let other = |why: String| Blocked { word: "other-file", why };
    if content_md5(bytes) != batch.document_md5 {
        return Err(other("the stored document is not the one that this batch was made for".to_owned()));
    }
    document::read_back(bytes).map(|(_, requests)| requests).map_err(|error| other(error.to_string()))
}

/// The rows as the document tells them: none has come back.
pub(in crate::apis) fn rows_of(
    batch: &FeedBatch,
    document: &[u8],
    lines: &[u64],
) -> Result<Vec<Row>, Blocked> {
    let requests = requests_of(batch, document)?;
    Ok(waiting(batch.operation, &requests, lines))
}

fn waiting(operation: BatchOperation, requests: &Requests, lines: &[u64]) -> Vec<Row> {
    let rows = requests.iter().enumerate().map(|(place, (number, request))| Row {
        line: *number,
        input_line: lines.get(place).copied().unwrap_or_default(),
        command: operation.name().to_owned(),
        about: Some(request.id.as_str().to_owned()),
        reference: request.reference_id.clone(),
        amount: request.amount.map(|amount| amount.amount_text()),
        currency: request.amount.map(|amount| amount.currency.to_string()),
        object: None,
        state: None,
        fate: Fate::Waiting,
        code: None,
        refusal: None,
        mark: None,
    });
    rows.collect()
}

/// Gives every request the end that the result tells, and says what is to be watched.
pub(in crate::apis) fn settle(
    batch: &FeedBatch,
    document: &[u8],
    lines: &[u64],
    result: Option<&[u8]>,
    now: Timestamp,
) -> Result<Settlement, Blocked> {
    let requests = requests_of(batch, document)?;
    let mut rows = waiting(batch.operation, &requests, lines);
    let result = result.filter(|bytes| Some(content_md5(bytes)) == batch.result_md5);
    let ending = batch.ending().cloned().unwrap_or(Ending::NoResult);
    let mut settlement = Settlement {
        batch: Batch::Feed(batch.clone()),
        rows: None,
        shown: Vec::new(),
        is_shown_watched: !batch.is_poll,
        asked_at: batch.state.last_sent_at,
        watch: Vec::new(),
        ask: Vec::new(),
    };
    if !ending.leaves_doubt() {
        let code = if ending == Ending::NeverSent { "NeverSent" } else { "NotTaken" };
        for row in &mut rows {
            (row.fate, row.code) = (Fate::Declined, Some(code.to_owned()));
        }
    } else {
        let answers = result.and_then(|bytes| result::read(bytes).ok()).map(|read| read.answers);
        let folded = fold(batch.operation, &requests, answers.unwrap_or_default());
        drop(requests);
        for (row, (_, end)) in rows.iter_mut().zip(folded.ends) {
            take(batch, row, end, &mut settlement.shown);
        }
        watch(batch, &rows, &mut settlement);
    }
    // Polling looks at what its feed did not show by itself.
    let has_questions = !batch.is_poll && rows.iter().any(|row| row.fate == Fate::Unknown);
    let settling = match has_questions {
        true => Settling::Checking { since: now, next_at: later(now, CHECK_EVERY) },
        false => Settling::Settled,
    };
    settlement.batch = Batch::Feed(FeedBatch { settling, ..batch.clone() });
    settlement.rows = Some(rows);
    Ok(settlement)
}

/// What one answer makes of its row.
fn take(batch: &FeedBatch, row: &mut Row, end: RequestEnd, shown: &mut Vec<Shown>) {
    let operation = batch.operation;
    match end {
        RequestEnd::Done { observation: Some(observation) } => {
            saw(operation, row, &observation);
            let kind = operation.shows().map(ObjectKind::kind);
            if let (Some(kind), Ok(id)) = (kind, ObjectId::new(observation.id.as_str())) {
                let details = Details {
                    amount: asked_amount(row),
                    merchant_reference: row.reference.clone(),
                    ..Details::default()
                };
                shown.push(Shown { kind, id, details, observation: *observation });
            }
        }
        RequestEnd::Done { observation: None } => row.fate = Fate::Done,
        RequestEnd::Failed { code, .. } => {
            let code: String = code.chars().take(LONGEST_CODE).collect();
            if operation.is_write() && (batch.state.may_be_double() || is_duplicate(&code)) {
                (row.fate, row.refusal) = (Fate::Unknown, Some(code.clone()));
            } else {
                row.fate = Fate::Declined;
            }
            row.code = Some(code);
        }
        RequestEnd::Unknown { why } => {
            (row.fate, row.code) = (Fate::Unknown, Some(format!("{why:?}")));
        }
    }
}

/// Whether a code says that the reference was used before (docs/src/reference/amazon-pay-mws.md, section 6.3:
/// `DuplicateReferenceId`, `DuplicateRequest`): perhaps by this very request.
fn is_duplicate(code: &str) -> bool {
    code.starts_with("Duplicate")
}

/// What the request asks to move.
fn asked_amount(row: &Row) -> Option<Money> {
    Money::parse(row.amount.as_deref()?, row.currency.as_deref()?).ok()
}

/// The object of a request was seen: what its state means for the request. Another amount than was asked for
/// leaves it open.
fn saw(operation: BatchOperation, row: &mut Row, seen: &Observation) {
    row.object = Some(seen.id.clone());
    row.state = Some(seen.state.clone());
    row.code = seen.reasons.first().map(|code| code.chars().take(LONGEST_CODE).collect());
    let facts = operation.shows().and_then(|kind| lifecycle::of(kind).state(&seen.state));
    row.fate = match facts {
        _ if !operation.is_write() => Fate::Done,
        Some(facts) if facts.outcome == Outcome::Declined => Fate::Declined,
        Some(facts) if facts.phase == Phase::Moving => Fate::Open,
        Some(_) => Fate::Done,
        // Nobody knows what it means; its object is set apart and told.
        None => Fate::Open,
    };
    if asked_amount(row).is_some_and(|asked| seen.amount.is_some_and(|amount| amount != asked)) {
        (row.fate, row.code) = (Fate::Open, Some(OTHER_AMOUNT.to_owned()));
    }
}

/// What is watched from now on: the subjects of requests without an answer. What was closed or cancelled is looked
/// at, if it is watched.
fn watch(batch: &FeedBatch, rows: &[Row], settlement: &mut Settlement) {
    if batch.is_poll {
        return;
    }
    let kind = batch.operation.subject().kind();
    for row in rows {
        let Some(id) = row.about.as_deref().and_then(|id| ObjectId::new(id).ok()) else { continue };
        if row.fate == Fate::Unknown {
            settlement.watch.push((kind.clone(), id.clone(), Details::default()));
        }
        if row.fate == Fate::Unknown || batch.operation.shows().is_none() {
            settlement.ask.push((kind.clone(), id));
        }
    }
}

/// The object whose record tells what became of a row without an answer.
pub(in crate::apis) fn subject(batch: &FeedBatch, row: &Row) -> Option<(Kind, ObjectId)> {
    let id = row.about.as_deref().and_then(|id| ObjectId::new(id).ok())?;
    (row.fate == Fate::Unknown).then(|| (batch.operation.subject().kind(), id))
}

/// What single polls have brought about rows without an answer; true when each has its end.
pub(in crate::apis) fn conclude(
    batch: &FeedBatch,
    rows: &mut [Row],
    known: batch::Known<'_>,
    now: Timestamp,
) -> (FeedBatch, bool) {
    let Settling::Checking { since, .. } = batch.settling else { return (batch.clone(), true) };
    let is_over = now >= later(since, CHECKS_LAST);
    let mut is_settled = true;
    for row in rows.iter_mut().filter(|row| row.fate == Fate::Unknown) {
        match found(batch, row, known, since) {
            Found::Later if !is_over => is_settled = false,
            Found::Later => row.code = Some("NotSeen".to_owned()),
            Found::Object(seen) => saw(batch.operation, row, &seen),
            Found::Wished(state) => (row.fate, row.state, row.code) = (Fate::Done, Some(state), None),
            Found::Nothing => nothing_found(batch, row),
        }
    }
    let settling = match is_settled {
        true => Settling::Settled,
        false => Settling::Checking { since, next_at: later(now, CHECK_EVERY) },
    };
    (FeedBatch { settling, ..batch.clone() }, is_settled)
}

/// A fresh look shows nothing of a request. Only a word of the provider's that it was not carried out makes it a
/// refusal, and only where no other sending may have been carried out.
fn nothing_found(batch: &FeedBatch, row: &mut Row) {
    let may_be_double = batch.state.may_be_double();
    match (row.refusal.clone(), batch.ending()) {
        // The reference is in use, and nothing shows where.
        (Some(code), _) if may_be_double && is_duplicate(&code) => {}
        (Some(code), _) => refused(row, &code),
        (None, Some(Ending::Rejected)) if !may_be_double => refused(row, "FeedRejected"),
        (None, Some(Ending::Cancelled)) if !may_be_double => refused(row, "FeedCancelled"),
        (None, _) => row.code = Some("NoTrace".to_owned()),
    }
}

fn refused(row: &mut Row, code: &str) {
    (row.fate, row.code) = (Fate::Declined, Some(code.to_owned()));
}

/// What the records tell about a request.
enum Found {
    /// They were not looked at yet since the feed ended.
    Later,
    /// The object that it made or was to show.
    Object(Box<Observation>),
    /// The subject is in the state that was wished for.
    Wished(String),
    /// Its subject was looked at and shows nothing of it.
    Nothing,
}

fn found(batch: &FeedBatch, row: &Row, known: batch::Known<'_>, since: Timestamp) -> Found {
    let Some((kind, id)) = subject(batch, row) else { return Found::Nothing };
    let fresh = |record: Record| record.sight.filter(|sight| sight.seen_at >= since);
    let Some(subject) = known(&kind, &id) else { return Found::Later };
    let Some(sight) = fresh(subject) else { return Found::Later };
    let seen = sight.observation;
    let is = |state: &str| seen.state.eq_ignore_ascii_case(state);
    match batch.operation {
        BatchOperation::GetCaptureDetails | BatchOperation::GetRefundDetails => Found::Object(Box::new(seen)),
        BatchOperation::CancelOrderReference if is("Canceled") => Found::Wished(seen.state),
        BatchOperation::CloseOrderReference | BatchOperation::CloseAuthorization if is("Closed") => {
            Found::Wished(seen.state)
        }
        BatchOperation::CancelOrderReference
        | BatchOperation::CloseOrderReference
        | BatchOperation::CloseAuthorization => Found::Nothing,
        BatchOperation::Capture | BatchOperation::Refund => {
            let mut is_whole = true;
            for child in seen.children.iter().filter(|child| Some(&child.kind) == made(batch).as_ref()) {
                match known(&child.kind, &child.id).and_then(|record| record.sight) {
                    None => is_whole = false,
                    Some(sight) if sight.observation.merchant_reference == row.reference => {
                        return Found::Object(Box::new(sight.observation));
                    }
                    Some(_) => {}
                }
            }
            if is_whole { Found::Nothing } else { Found::Later }
        }
    }
}

fn made(batch: &FeedBatch) -> Option<Kind> {
    batch.operation.shows().map(ObjectKind::kind)
}

impl FeedBatch {
    /// How it ended, once every request has its end.
    pub fn settled(&self) -> Option<batch::Ending> {
        if self.settling != Settling::Settled {
            return None;
        }
        Some(match self.ending()? {
            Ending::Collected => batch::Ending::Finished,
            Ending::NoResult => batch::Ending::Unanswered,
            Ending::Rejected => {
                batch::Ending::NotProcessed("the provider did not accept the document".to_owned())
            }
            Ending::NotTaken { detail } => {
                batch::Ending::NotProcessed(format!("the provider did not take it: {detail}"))
            }
            Ending::Cancelled | Ending::NeverSent => batch::Ending::Cancelled,
            Ending::InDoubt { detail } => batch::Ending::InDoubt(format!(
                "a sending whose answer was lost may have arrived, and it is not sent again: {detail}"
            )),
        })
    }
}
