//! Which answer belongs to which request, and what that means for the request (docs/src/reference/amazon-pay-batch.md,
//! section 5.4).
//!
//! Owns: the matching by `SellerRequestId`, else by natural keys; never by position. Must never know: the document's
//! layout, storage.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::request::{BatchOperation, BatchRequest};
use super::result::{Answered, Said};
use crate::payments::observation::Observation;

/// The outcome of one request, as far as the result shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RequestEnd {
    /// It was carried out. A capture or refund that is still pending must stay watched.
    Done {
        /// The object that it created or showed.
        observation: Option<Box<Observation>>,
    },
    /// It was not carried out.
    Failed {
        /// The provider's code.
        code: String,
        /// The provider's id of the exchange.
        request_id: Option<String>,
    },
    /// The result says nothing credible about it: it must be checked individually.
    Unknown {
        /// Why.
        why: Doubt,
    },
}

/// Why a result does not decide a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Doubt {
    /// No row is about it.
    NoRow,
    /// The row cannot be read, or is an error without a code.
    Unreadable,
    /// Several rows say different things.
    Contradiction,
    /// The row's id names one request, its content another.
    Mismatch,
}

/// A result, matched with its requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folded {
    /// One for each request, in the order of the requests.
    pub ends: Vec<(u64, RequestEnd)>,
    /// Rows that belong to no request of this batch. They may come from the result of another one.
    pub strangers: usize,
    /// Rows that only repeat another.
    pub repeats: usize,
}

impl Folded {
    /// How many requests must be checked individually.
    pub fn unknown(&self) -> usize {
        self.ends.iter().filter(|(_, end)| matches!(end, RequestEnd::Unknown { .. })).count()
    }
}

/// Matches the answers of a result with the requests of its batch.
pub fn fold(operation: BatchOperation, requests: &[(u64, BatchRequest)], answers: Vec<Answered>) -> Folded {
    let by_id: BTreeMap<u64, usize> =
        requests.iter().enumerate().map(|(place, (id, _))| (*id, place)).collect();
    let by_key: BTreeMap<&str, usize> = requests
        .iter()
        .enumerate()
        .map(|(place, (_, request))| (key_of(operation, request), place))
        .collect();
    let mut found: Vec<Option<RequestEnd>> = vec![None; requests.len()];
    let (mut strangers, mut repeats) = (0, 0);
    for answered in answers {
        if answered.operation.is_some_and(|of| of != operation) {
            strangers += 1;
            continue;
        }
        let by_content = key_in(operation, &answered).and_then(|key| by_key.get(key.as_str()).copied());
        let named = answered.seller_request_id.and_then(|id| by_id.get(&id).copied());
        let (place, end) = match (named, by_content) {
            (Some(named), Some(content)) if named != content => {
                // Neither match can be believed.
                note(&mut found, content, RequestEnd::Unknown { why: Doubt::Mismatch }, &mut repeats);
                (named, RequestEnd::Unknown { why: Doubt::Mismatch })
            }
            (Some(place), None) if is_about_another(operation, &answered, &requests[place].1) => {
                (place, RequestEnd::Unknown { why: Doubt::Mismatch })
            }
            (Some(place), _) | (None, Some(place)) => (place, end_of(answered.said)),
            (None, None) => {
                strangers += 1;
                continue;
            }
        };
        note(&mut found, place, end, &mut repeats);
    }
    let ends = requests
        .iter()
        .zip(found)
        .map(|((id, _), end)| (*id, end.unwrap_or(RequestEnd::Unknown { why: Doubt::NoRow })));
    Folded { ends: ends.collect(), strangers, repeats }
}

/// What identifies a request in its answer. The answers to cancelling and closing show nothing, so their rows can only
/// be matched by `SellerRequestId`.
fn key_of(operation: BatchOperation, request: &BatchRequest) -> &str {
    match operation.has_reference() {
        true => request.reference_id.as_deref().unwrap_or_default(),
        false => request.id.as_str(),
    }
}

fn key_in(operation: BatchOperation, answered: &Answered) -> Option<String> {
    match &answered.said {
        Said::Object(observation) if operation.has_reference() => observation.merchant_reference.clone(),
        Said::Object(observation) => Some(observation.id.clone()),
        _ => None,
    }
}

/// Whether a row that was matched by id shows an object whose key is not that of its request.
fn is_about_another(operation: BatchOperation, answered: &Answered, request: &BatchRequest) -> bool {
    key_in(operation, answered).is_some_and(|key| key != key_of(operation, request))
}

fn end_of(said: Said) -> RequestEnd {
    match said {
        Said::Object(observation) => RequestEnd::Done { observation: Some(observation) },
        Said::Done => RequestEnd::Done { observation: None },
        Said::Error { code: Some(code), request_id } => RequestEnd::Failed { code, request_id },
        Said::Error { code: None, .. } | Said::Unreadable => RequestEnd::Unknown { why: Doubt::Unreadable },
    }
}

fn note(found: &mut [Option<RequestEnd>], place: usize, end: RequestEnd, repeats: &mut usize) {
    let slot = &mut found[place];
    match slot {
        None => *slot = Some(end),
        Some(known) if says_the_same(known, &end) => *repeats += 1,
        // A mismatch stays one, whatever other rows say.
        Some(RequestEnd::Unknown { why: Doubt::Mismatch }) => {}
        Some(known) => *known = RequestEnd::Unknown { why: Doubt::Contradiction },
    }
}

/// Whether two rows differ at most in the id of their exchange.
fn says_the_same(one: &RequestEnd, other: &RequestEnd) -> bool {
    match (one, other) {
        (RequestEnd::Failed { code, .. }, RequestEnd::Failed { code: other, .. }) => code == other,
        (RequestEnd::Done { observation: Some(one) }, RequestEnd::Done { observation: Some(other) }) => {
            let without_exchange = |observation: &Observation| Observation {
                request_id: None,
                answer_sha256: None,
                ..observation.clone()
            };
            without_exchange(one) == without_exchange(other)
        }
        _ => one == other,
    }
}
