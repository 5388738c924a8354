//! What follows once nothing more is sent for a feed: each request gets its outcome
//! (docs/src/reference/amazon-pay-batch.md, sections 5.2 and 5.4).
//!
//! Owns: what an answer means for a row, and how requests without an answer are settled from what individual polls have
//! observed. Must never know: the network, the store, files.
//!
//! A request without an answer is never sent again. Its subject is watched: the authorization of a capture, the capture
//! of a refund, the object that was to be read, closed or cancelled. What the subject and its children show after the
//! feed has ended decides. If nothing shows the request, it stays unknown and is reported.
//!
//! The same holds for a refusal that an earlier submission may have caused: the request's reference is in use, or the
//! feed may have arrived twice. The refusal is believed once a poll shows no trace of the request.

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
use crate::apis::batch::{self, Blocked, Fate, Papers, Row, Settlement, Shown};
use crate::payments::lifecycle::{Outcome, Phase};
use crate::payments::money::Money;
use crate::payments::object::{Kind, ObjectId};
use crate::payments::observation::Observation;
use crate::payments::record::{Details, Record};
use crate::time::later;

/// The longest code of the provider that is kept, in characters.
const LONGEST_CODE: usize = 120;

/// The object of a request shows a different amount from the requested one.
const OTHER_AMOUNT: &str = "OtherAmount";

type Requests = Vec<(u64, BatchRequest)>;

fn requests_of(batch: &FeedBatch, bytes: &[u8]) -> Result<Requests, Blocked> {
    let other = |why: String| Blocked { word: "other-file", why };
    if content_md5(bytes) != batch.document_md5 {
        return Err(other("the stored document is not the one that this batch was made for".to_owned()));
    }
    document::read_back(bytes).map(|(_, requests)| requests).map_err(|error| other(error.to_string()))
}

/// The rows as the document describes them, before any answer.
pub(super) fn rows_of(batch: &FeedBatch, papers: &Papers<'_>) -> Result<Vec<Row>, Blocked> {
    let requests = requests_of(batch, papers.document)?;
    Ok(waiting(batch.operation, &requests, papers.lines))
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

/// Gives every request the outcome that the result shows, and says what must be watched.
pub(super) fn settle(batch: &FeedBatch, papers: &Papers<'_>, now: Timestamp) -> Result<Settlement, Blocked> {
    let requests = requests_of(batch, papers.document)?;
    let mut rows = waiting(batch.operation, &requests, papers.lines);
    let result = papers.result.filter(|bytes| Some(content_md5(bytes)) == batch.result_md5);
    let ending = batch.ending().cloned().unwrap_or(Ending::NoResult);
    let mut settlement = Settlement {
        batch: Box::new(batch.clone()),
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
    // Polling handles what its own feed did not show.
    let has_questions = !batch.is_poll && rows.iter().any(|row| row.fate == Fate::Unknown);
    let settling = match has_questions {
        true => Settling::Checking { since: now, next_at: later(now, CHECK_EVERY) },
        false => Settling::Settled,
    };
    settlement.batch = Box::new(FeedBatch { settling, ..batch.clone() });
    settlement.rows = Some(rows);
    Ok(settlement)
}

/// Applies one answer to its row.
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

/// Whether a code says that the reference was used before, perhaps by this very request
/// (docs/src/reference/amazon-pay-mws.md, section 6.3: `DuplicateReferenceId`, `DuplicateRequest`).
fn is_duplicate(code: &str) -> bool {
    code.starts_with("Duplicate")
}

/// The amount that the request is to move.
fn asked_amount(row: &Row) -> Option<Money> {
    Money::parse(row.amount.as_deref()?, row.currency.as_deref()?).ok()
}

/// The object of a request was observed: what its state means for the request. An amount other than the requested one
/// leaves the request open.
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
        // The state is not known; the object is quarantined and reported.
        None => Fate::Open,
    };
    if asked_amount(row).is_some_and(|asked| seen.amount.is_some_and(|amount| amount != asked)) {
        (row.fate, row.code) = (Fate::Open, Some(OTHER_AMOUNT.to_owned()));
    }
}

/// What is watched from now on: the subjects of requests without an answer. Objects that were closed or cancelled are
/// polled if they are watched.
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

/// The object whose record decides a row without an answer.
pub(super) fn subject(batch: &FeedBatch, row: &Row) -> Option<(Kind, ObjectId)> {
    let id = row.about.as_deref().and_then(|id| ObjectId::new(id).ok())?;
    (row.fate == Fate::Unknown).then(|| (batch.operation.subject().kind(), id))
}

/// Settles rows without an answer from what individual polls have observed; true once every row is settled.
pub(super) fn conclude(
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

/// A fresh poll shows no trace of a request. The row counts as declined if its answer refused it, unless the reference
/// is in use and the feed may have arrived twice. It also counts as declined if the whole feed was rejected or
/// cancelled and can have arrived only once.
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

/// What the records show about a request.
enum Found {
    /// They have not been polled since the feed ended.
    Later,
    /// The object that it created or was to show.
    Object(Box<Observation>),
    /// The subject is in the requested state.
    Wished(String),
    /// Its subject was polled and shows no trace of it.
    Nothing,
}

fn found(batch: &FeedBatch, row: &Row, known: batch::Known<'_>, since: Timestamp) -> Found {
    let Some((kind, id)) = subject(batch, row) else { return Found::Nothing };
    let fresh = |record: Record| record.observed.filter(|observed| observed.seen_at >= since);
    let Some(subject) = known(&kind, &id) else { return Found::Later };
    let Some(observed) = fresh(subject) else { return Found::Later };
    let seen = observed.observation;
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
                match known(&child.kind, &child.id).and_then(|record| record.observed) {
                    None => is_whole = false,
                    Some(observed) if observed.observation.merchant_reference == row.reference => {
                        return Found::Object(Box::new(observed.observation));
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
    /// How it ended, once every request is settled.
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
                batch::Ending::NotProcessed(format!("the provider did not accept it: {detail}"))
            }
            Ending::Cancelled | Ending::NeverSent => batch::Ending::Cancelled,
            Ending::InDoubt { detail } => batch::Ending::InDoubt(format!(
                "a submission whose answer was lost may have arrived, and it is not sent again: {detail}"
            )),
        })
    }
}
