//! What Amazon answers, read into what we keep (docs/src/reference/amazon-pay-v2.md, sections 3 to 6 and 8).
//!
//! Owns: which fields are read, and what an answer that is no object means. Must never know: how the
//! answer travelled, the time, what a state means. Pure.
//!
//! Fields are read from an allow-list. Whatever describes the buyer or was written to the buyer (names,
//! addresses, payment instruments, notes, descriptors) has no line here, so it cannot be kept.
//! Unknown fields are passed over, unknown words kept: Amazon adds both without a new version.

mod object;
mod scalar;
#[cfg(test)]
mod tests;

use jiff::Timestamp;

use crate::apis::decoding::decode;
use crate::apis::marks::Marks;
use crate::apis::transport::{Response, failure_of_status};
use crate::payments::observation::{Failure, Observation};

use scalar::Object;

/// The kinds of objects that this API shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing {
    /// `GET charges/{id}`
    Charge,
    /// `GET refunds/{id}`
    Refund,
    /// `GET chargePermissions/{id}`
    ChargePermission,
}

/// What an answer to a question about `id` says. `now` is for `Retry-After` dates alone.
pub fn read(thing: Thing, id: &str, response: &Response, now: Timestamp) -> Result<Observation, Failure> {
    let request_id = request_id(response);
    if !(200..=299).contains(&response.status) {
        return Err(refusal(response, request_id.as_deref(), now));
    }
    let mut observation = object::read(thing, &response.body).map_err(garbled)?;
    if !observation.id.eq_ignore_ascii_case(id) {
        return Err(garbled("the answer is about another object".to_owned()));
    }
    // An object that was enrolled in another case keeps its name here.
    id.clone_into(&mut observation.id);
    observation.request_id = request_id;
    Ok(observation)
}

/// What the answer to a creating call says; the new object must belong to `parent`, where it says to what it
/// belongs. `now` is for `Retry-After` dates alone.
pub fn read_made(
    thing: Thing,
    parent: &str,
    response: &Response,
    now: Timestamp,
) -> Result<Observation, Failure> {
    let request_id = request_id(response);
    if !(200..=299).contains(&response.status) {
        return Err(refusal(response, request_id.as_deref(), now));
    }
    let mut observation = object::read(thing, &response.body).map_err(garbled)?;
    if observation.parent.as_deref().is_some_and(|told| told != parent) {
        return Err(garbled("the answer is about another object".to_owned()));
    }
    observation.request_id = request_id;
    Ok(observation)
}

fn garbled(detail: String) -> Failure {
    Failure::Garbled { detail }
}

/// Amazon's id of this exchange (section 8.1), when it looks like one.
fn request_id(response: &Response) -> Option<String> {
    let text = response.header("x-amz-pay-request-id")?.trim();
    is_word(text).then(|| text.to_owned())
}

/// An answer without 2xx: the status decides, the code is told. The message is not: it repeats values.
fn refusal(response: &Response, request_id: Option<&str>, now: Timestamp) -> Failure {
    let code = reason_code(&response.body);
    let request = request_id.map(|id| format!("(request {id})"));
    let words = [Some(format!("HTTP {}", response.status)), code.clone(), request];
    let detail = words.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let retry_after = response.retry_after(now);
    let is_throttled = matches!(code.as_deref(), Some("TooManyRequests" | "RequestThrottled"));
    if is_throttled {
        Failure::Throttled { retry_after, detail }
    } else {
        failure_of_status(response.status, retry_after, detail)
    }
}

/// The code of an error body, if there is a body, it is JSON, and the code looks like one.
pub(super) fn reason_code(body: &[u8]) -> Option<String> {
    let text = decode(body, None).text;
    let body: Object<'_> = serde_json::from_str(text.trim_start_matches('\u{feff}')).ok()?;
    let code = body.get("reasonCode", &mut Marks::default())?.text("reasonCode").ok()??;
    is_word(&code).then_some(code)
}

/// One word of a machine's vocabulary: nothing else may enter a log by this way.
fn is_word(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, b'-' | b'_' | b'.'))
}
