//! Parses Amazon's answers into what we keep (docs/src/reference/amazon-pay-v2.md, sections 3 to 6 and 8).
//!
//! Owns: which fields are read, and what an answer without an object means. Must never know: how the
//! answer was transported, the time, what a state means. Pure.
//!
//! Only fields on an allow-list are read. Everything that describes the buyer or was written to the buyer (names,
//! addresses, payment instruments, notes, descriptors) is not on it, so it cannot be kept. Unknown fields are skipped
//! and unknown words are kept: Amazon adds both without a new version.

mod object;
mod scalar;
#[cfg(test)]
mod tests;

use jiff::Timestamp;

use crate::apis::decoding::decode;
use crate::apis::marks::Marks;
use crate::apis::transport::{Response, failure_of_status};
use crate::payments::observation::{Failure, Observation};
use crate::text::sha256;

use scalar::Object;

/// The kinds of objects that this API shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// `GET charges/{id}`
    Charge,
    /// `GET refunds/{id}`
    Refund,
    /// `GET chargePermissions/{id}`
    ChargePermission,
}

/// Reads the answer to a request for `id`. `now` is needed only for `Retry-After` dates.
pub fn read(
    object_kind: ObjectKind,
    id: &str,
    response: &Response,
    now: Timestamp,
) -> Result<Observation, Failure> {
    let request_id = request_id(response);
    if !(200..=299).contains(&response.status) {
        return Err(refusal(response, request_id.as_deref(), now));
    }
    let mut observation = object::read(object_kind, &response.body).map_err(garbled)?;
    if !observation.id.eq_ignore_ascii_case(id) {
        return Err(garbled("the answer is about another object".to_owned()));
    }
    // Keep the id as it was enrolled, which may differ in case.
    id.clone_into(&mut observation.id);
    observation.request_id = request_id;
    observation.answer_sha256 = Some(sha256(&response.body));
    Ok(observation)
}

/// Reads the answer to a creating call. If the new object names its parent, that must be `parent`. `now` is needed
/// only for `Retry-After` dates.
pub fn read_made(
    object_kind: ObjectKind,
    parent: &str,
    response: &Response,
    now: Timestamp,
) -> Result<Observation, Failure> {
    let request_id = request_id(response);
    if !(200..=299).contains(&response.status) {
        return Err(refusal(response, request_id.as_deref(), now));
    }
    let mut observation = object::read(object_kind, &response.body).map_err(garbled)?;
    if observation.parent.as_deref().is_some_and(|told| told != parent) {
        return Err(garbled("the answer is about another object".to_owned()));
    }
    observation.request_id = request_id;
    observation.answer_sha256 = Some(sha256(&response.body));
    Ok(observation)
}

fn garbled(detail: String) -> Failure {
    Failure::Garbled { detail }
}

/// Amazon's id of this exchange (section 8.1), if it looks like an id.
fn request_id(response: &Response) -> Option<String> {
    let text = response.header("x-amz-pay-request-id")?.trim();
    is_word(text).then(|| text.to_owned())
}

/// The failure of an answer without a 2xx status. The status decides and the code is reported. The message is not
/// reported, because it repeats values.
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

/// The code in an error body, if the body is JSON and the code looks like one.
pub(super) fn reason_code(body: &[u8]) -> Option<String> {
    let text = decode(body, None).text;
    let body: Object<'_> = serde_json::from_str(text.trim_start_matches('\u{feff}')).ok()?;
    let code = body.get("reasonCode", &mut Marks::default())?.text("reasonCode").ok()??;
    is_word(&code).then_some(code)
}

/// Whether a text is a single machine-readable word. Nothing else may get into a log this way.
fn is_word(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, b'-' | b'_' | b'.'))
}
