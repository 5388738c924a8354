//! The answer to an enrolment: account and kind are settled, then the store has the objects.
//!
//! Owns: what each line becomes. Must never know: files, sockets, states.

use crate::control::messages::*;
use crate::control::problem::{Cause, Problem};
use crate::control::service::{Answer, Rooms, Service, storage};
use crate::control::wanted::Wanted;
use crate::payments::object::ObjectRef;
use crate::payments::record::Enrolment;
use crate::store::Enrolled;

impl Service {
    /// As [`Service::enrol`]; lines that could not be read are reported as bad in their place.
    pub(in crate::control) async fn enrol_lines(&self, enrol: Enrol) -> Answer<Vec<EnrolResult>> {
        let mut results = self.enrol(enrol.lines).await?;
        for (place, result) in enrol.unreadable {
            results.insert(place, result);
        }
        Ok(results)
    }

    /// Starts to watch one object. Errors when it cannot be taken or contradicts what is known.
    pub(in crate::control) async fn enrol_one(&self, wanted: Wanted) -> Answer<EnrolResult> {
        let result = self.enrol(vec![wanted]).await?.pop();
        let result = result.ok_or_else(|| Problem::new(Cause::Internal, "no result", ""))?;
        let (cause, remedy) = match result.outcome {
            EnrolOutcome::New | EnrolOutcome::Enriched | EnrolOutcome::Same => return Ok(result),
            EnrolOutcome::Conflict => {
                (Cause::Conflict, "forget it and enrol it again if the new details are right")
            }
            EnrolOutcome::Bad => (Cause::Unprocessable, "mend it and send it again"),
        };
        Err(Problem::new(cause, result.reason.unwrap_or_default(), remedy))
    }

    /// Starts to watch objects; one result a line, in order. Errors when there are more than
    /// [`BATCH_LINES_MAX`], or when the store fails: then none is promised, and all may be sent again.
    pub async fn enrol(&self, lines: Vec<Wanted>) -> Answer<Vec<EnrolResult>> {
        if lines.len() > BATCH_LINES_MAX {
            let detail = format!("{} lines are more than the {BATCH_LINES_MAX} of one batch", lines.len());
            return Err(Problem::new(Cause::TooLarge, detail, "send them in several batches"));
        }
        let rooms = self.rooms();
        let mut results = Vec::with_capacity(lines.len());
        let mut places = Vec::new();
        let mut enrolments = Vec::new();
        for wanted in lines {
            let line = wanted.line;
            let (object, outcome, reason) = match settled(&rooms, wanted) {
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

/// Settles account and kind, and asks the account whether they suit.
fn settled(rooms: &Rooms, wanted: Wanted) -> Result<Enrolment, String> {
    if wanted.id.is_folded_in_paths() {
        return Err(format!("object id {} is a step between folders in an address, no id", wanted.id));
    }
    let Wanted { account, kind, id, details, .. } = wanted;
    let object = match (account, kind) {
        (Some(account), Some(kind)) => ObjectRef { account, kind, id },
        (account, kind) => {
            let mut found = rooms.candidates(&id, account.as_ref(), kind.as_ref());
            match found.len() {
                1 => found.remove(0),
                0 => {
                    return Err(format!(
                        "no configured account and kind suits the form of id {id}; name both, or look at the \
                         configuration"
                    ));
                }
                _ => {
                    let names: Vec<String> = found.iter().map(ToString::to_string).collect();
                    return Err(format!("it could be {}; name account and kind", names.join(" or ")));
                }
            }
        }
    };
    rooms.check_enrolment(Enrolment { object, details })
}
