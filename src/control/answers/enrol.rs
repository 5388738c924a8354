//! The answer to an enrolment: settle account and kind, then store the objects.
//!
//! Owns: the result of each line. Must never know: files, sockets, states.

use crate::control::enrolment_request::EnrolmentRequest;
use crate::control::messages::*;
use crate::control::problem::{Cause, Problem};
use crate::control::service::{Answer, Rooms, Service, storage};
use crate::payments::object::ObjectRef;
use crate::payments::record::Enrolment;
use crate::store::Enrolled;

impl Service {
    /// Like [`Service::enrol`], but also reports the lines that could not be read, as bad and in their place.
    pub(in crate::control) async fn enrol_lines(&self, lines: Vec<EnrolLine>) -> Answer<Vec<EnrolResult>> {
        let (mut requests, mut unreadable) = (Vec::with_capacity(lines.len()), Vec::new());
        for (place, line) in lines.into_iter().enumerate() {
            match line {
                Ok(request) => requests.push(request),
                Err(result) => unreadable.push((place, result)),
            }
        }
        let mut results = self.enrol(requests).await?;
        for (place, result) in unreadable {
            results.insert(place, result);
        }
        Ok(results)
    }

    /// Starts to watch one object. Fails when it cannot be accepted or contradicts what is stored.
    pub(in crate::control) async fn enrol_one(
        &self,
        enrolment_request: EnrolmentRequest,
    ) -> Answer<EnrolResult> {
        let result = self.enrol(vec![enrolment_request]).await?.pop();
        let result = result.ok_or_else(|| Problem::new(Cause::Internal, "no result", ""))?;
        let (cause, remedy) = match result.outcome {
            EnrolOutcome::New | EnrolOutcome::Enriched | EnrolOutcome::Same => return Ok(result),
            EnrolOutcome::Conflict => {
                (Cause::Conflict, "forget it and enrol it again if the new details are right")
            }
            EnrolOutcome::Bad => (Cause::Unprocessable, "correct it and send it again"),
        };
        Err(Problem::new(cause, result.reason.unwrap_or_default(), remedy))
    }

    /// Starts to watch objects; one result per line, in order. Fails when there are more than [`BATCH_LINES_MAX`]
    /// lines or when the store fails. Then nothing is guaranteed, and the client may send all of them again.
    pub async fn enrol(&self, lines: Vec<EnrolmentRequest>) -> Answer<Vec<EnrolResult>> {
        if lines.len() > BATCH_LINES_MAX {
            let detail = format!("{} lines are more than the {BATCH_LINES_MAX} of one batch", lines.len());
            return Err(Problem::new(Cause::TooLarge, detail, "send them in several batches"));
        }
        let rooms = self.rooms();
        let mut results = Vec::with_capacity(lines.len());
        let mut places = Vec::new();
        let mut enrolments = Vec::new();
        for enrolment_request in lines {
            let line = enrolment_request.line;
            let (object, outcome, reason) = match settled(&rooms, enrolment_request) {
                Ok(enrolment) => {
                    let object = enrolment.object.clone();
                    places.push(results.len());
                    enrolments.push(enrolment);
                    (Some(object), EnrolOutcome::Same, None)
                }
                Err(reason) => (None, EnrolOutcome::Bad, Some(reason)),
            };
            results.push(EnrolResult { line, outcome, object, reason });
        }
        if enrolments.is_empty() {
            return Ok(results);
        }
        let became = self.store.enrol(enrolments, self.clock.now()).await.map_err(storage)?;
        for (place, became) in places.into_iter().zip(became) {
            let result = &mut results[place];
            result.outcome = match became {
                Enrolled::New => EnrolOutcome::New,
                Enrolled::Enriched => EnrolOutcome::Enriched,
                Enrolled::Same => EnrolOutcome::Same,
                Enrolled::Conflict(conflict) => {
                    result.reason = Some(conflict.to_string());
                    EnrolOutcome::Conflict
                }
            };
        }
        Ok(results)
    }
}

/// Settles account and kind, and checks with the account that they match the id.
fn settled(rooms: &Rooms, enrolment_request: EnrolmentRequest) -> Result<Enrolment, String> {
    if enrolment_request.id.is_folded_in_paths() {
        return Err(format!(
            "{} is a relative path segment in a URL, not an object id",
            enrolment_request.id
        ));
    }
    let EnrolmentRequest { account, kind, id, details, .. } = enrolment_request;
    let object = match (account, kind) {
        (Some(account), Some(kind)) => ObjectRef { account, kind, id },
        (account, kind) => {
            let mut found = rooms.candidates(&id, account.as_ref(), kind.as_ref());
            match found.len() {
                1 => found.remove(0),
                0 => {
                    return Err(format!(
                        "the format of id {id} fits no configured account and kind; name both, or check the \
                         configuration"
                    ));
                }
                _ => {
                    let names: Vec<String> = found.iter().map(ToString::to_string).collect();
                    return Err(format!("it could be {}; name the account and kind", names.join(" or ")));
                }
            }
        }
    };
    rooms.check_enrolment(Enrolment { object, details })
}
