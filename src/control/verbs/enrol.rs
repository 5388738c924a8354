//! The verbs that enrol: JSON Lines, or one object that the path names.
//!
//! Owns: which line was unreadable and why. Must never know: which accounts there are, the outcome of a line.

use serde::Serialize;

use super::{CSV, Form, Incoming, JSON_LINES, OBJECT, Outgoing, Reply, Role, Spec, Verb, wire};
use crate::control::audit::Subject;
use crate::control::enrolment_request::{EnrolmentRequest, LINE_BYTES_MAX, from_json, texts_of};
use crate::control::fields::Field;
use crate::control::messages::{Enrol, EnrolOne, EnrolOutcome, EnrolResult, Selector, TableReading};
use crate::control::problem::{Cause, Problem};
use crate::control::service::{Answer, Service};

impl Verb for Enrol {
    type Answer = Vec<EnrolResult>;
    const SPEC: Spec = Spec::post("/v1/tracked:batch", Role::Enrol)
        .command("enrol", "Watch one object, or every object of a file.")
        .refuses(&[Cause::Unprocessable])
        .repeated()
        .body_bytes_max(4 * 1024 * 1024);

    fn subject(&self) -> Subject {
        let first = self.lines.iter().take(3).map(named).collect();
        let rows =
            self.table.iter().map(|(table, _)| table.split(|byte| *byte == b'\n').count()).sum::<usize>();
        let number = self.lines.len() + self.unreadable.len() + rows.saturating_sub(1);
        Subject { objects: first, number: u64::try_from(number).unwrap_or(u64::MAX), how: String::new() }
    }

    fn failure(results: &Self::Answer) -> Option<&'static str> {
        let is_bad =
            |result: &EnrolResult| matches!(result.outcome, EnrolOutcome::Bad | EnrolOutcome::Conflict);
        results.iter().any(is_bad).then_some("bad lines")
    }

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        let enrol = match &self.table {
            None => self,
            Some((table, reading)) => (service.read_table)(table, *reading).map_err(|why| {
                Problem::new(Cause::Unprocessable, why, "correct the table and send it again")
            })?,
        };
        service.enrol_lines(enrol).await
    }

    fn form() -> Form {
        Form::of::<Enrol>()
            .query::<TableReading>()
            .body::<EnrolmentRequest>(&[JSON_LINES, CSV])
            .answer::<EnrolResult>(JSON_LINES)
    }

    fn write(&self) -> Outgoing {
        let body = write(&self.lines);
        Outgoing { path: Self::SPEC.path.to_owned(), query: Vec::new(), media_type: JSON_LINES, body }
    }

    fn read(incoming: &Incoming) -> Answer<Enrol> {
        match incoming.media_type.as_str() {
            CSV => {
                let reading = wire::pairs(Vec::new(), &incoming.query, "see POST /v1/tracked:batch")?;
                Ok(Enrol { table: Some((incoming.body.clone(), reading)), ..Enrol::default() })
            }
            _ => Ok(read(&incoming.body)),
        }
    }

    fn reply(answer: &Self::Answer) -> Reply {
        Reply::new(200, JSON_LINES, write(answer))
    }

    fn understand(body: &[u8]) -> Result<Self::Answer, String> {
        let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).map_err(|bad| bad.to_string())).collect()
    }
}

/// 201 for a new object, 200 for the same or an enriched one, 409 for a contradiction, 422 for one that cannot be
/// accepted.
impl Verb for EnrolOne {
    type Answer = EnrolResult;
    const SPEC: Spec = Spec::put(OBJECT, Role::Enrol)
        .command("enrol", "Watch one object; the body has its details.")
        .operation("enrol-one")
        .conditional()
        .refuses(&[Cause::Conflict, Cause::Unprocessable])
        .repeated();

    fn subject(&self) -> Subject {
        Subject::one(named(&self.0))
    }

    async fn answer(self, service: &Service, _actor: &str) -> Answer<EnrolResult> {
        service.enrol_one(self.0).await
    }

    fn form() -> Form {
        Form::of::<EnrolOne>().statuses(&[200, 201])
    }

    fn read(incoming: &Incoming) -> Answer<EnrolOne> {
        read_one(wire::named::<EnrolOne>(incoming)?, &incoming.body)
    }

    fn reply(answer: &EnrolResult) -> Reply {
        let status = if answer.outcome == EnrolOutcome::New { 201 } else { 200 };
        Reply { status, ..wire::reply::<EnrolOne>(answer) }
    }
}

/// The object as far as the request names it.
fn named(request: &EnrolmentRequest) -> String {
    let selector =
        Selector { account: request.account.clone(), kind: request.kind.clone(), id: request.id.clone() };
    selector.to_string()
}

/// One JSON object per line.
fn write(lines: &[impl Serialize]) -> Vec<u8> {
    let mut body = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut body, line).expect("messages have text keys only");
        body.push(b'\n');
    }
    body
}

/// The inverse, for lines of any origin. Lines that cannot be read are reported in their place.
fn read(body: &[u8]) -> Enrol {
    let mut enrol = Enrol::default();
    for (line, text) in (1u64..).zip(body.split(|byte| *byte == b'\n')) {
        let text = text.trim_ascii();
        if text.is_empty() {
            continue;
        }
        match read_line(text, line) {
            Ok(enrolment_request) => enrol.lines.push(enrolment_request),
            Err(reason) => enrol.add_unreadable(line, reason),
        }
    }
    enrol
}

fn read_line(text: &[u8], line: u64) -> Result<EnrolmentRequest, String> {
    if text.len() > LINE_BYTES_MAX {
        return Err(format!("the line is longer than {LINE_BYTES_MAX} bytes"));
    }
    from_json(text, line)
}

/// The object that the path names, with the details from the body.
fn read_one(named: Vec<(&'static str, String)>, body: &[u8]) -> Answer<EnrolOne> {
    let details: serde_json::Map<String, serde_json::Value> =
        wire::body(body, "send the object's details as JSON, or nothing")?;
    let read = || {
        let (mut texts, _) = texts_of(&details)?;
        for (name, text) in named {
            let field = Field::ALL.into_iter().find(|field| field.name() == name);
            texts.set(field.ok_or_else(|| format!("{name} is not a field"))?, &text)?;
        }
        texts.read(0)
    };
    read()
        .map(EnrolOne)
        .map_err(|reason: String| Problem::new(Cause::Unprocessable, reason, "correct it and send it again"))
}
