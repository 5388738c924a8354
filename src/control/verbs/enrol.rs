//! The verbs that enrol: JSON Lines, or one object that the path names.
//!
//! Owns: which line was unreadable and why. Must never know: which accounts there are, the outcome of a line.

use std::io::BufRead;

use serde::Serialize;

use super::{CSV, Form, Incoming, JSON_LINES, OBJECT, Outgoing, Reply, Role, Spec, Verb, wire};
use crate::control::audit::Subject;
use crate::control::enrolment_request::{EnrolmentRequest, from_json, texts_of};
use crate::control::fields::Field;
use crate::control::messages::{
    Enrol, EnrolLine, EnrolOne, EnrolOutcome, EnrolResult, Selector, TableReading,
};
use crate::control::problem::{Cause, Problem};
use crate::control::service::{Answer, Service};
use crate::delimited::{self, Form as TextForm, Text, too_long};

/// The cause in the audit log of an enrolment that failed in part.
pub(in crate::control) const BAD_LINES: &str = "bad lines";

impl Verb for Enrol {
    type Answer = Vec<EnrolResult>;
    const SPEC: Spec = Spec::post("/v1/tracked:batch", Role::Enrol)
        .command("enrol", "Watch one object, or every object of a file.")
        .refuses(&[Cause::Unprocessable])
        .repeated();

    fn subject(&self) -> Subject {
        subject(self.lines.iter(), self.lines.len())
    }

    fn failure(results: &Self::Answer) -> Option<&'static str> {
        let is_bad =
            |result: &EnrolResult| matches!(result.outcome, EnrolOutcome::Bad | EnrolOutcome::Conflict);
        results.iter().any(is_bad).then_some(BAD_LINES)
    }

    /// For files that the daemon finds and for commands without a daemon. A request over HTTP is enrolled line by line
    /// (`control::enrol_lines`).
    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        service.enrol(self.lines).await
    }

    fn form() -> Form {
        Form::of::<Enrol>()
            .query::<TableReading>()
            .body::<EnrolmentRequest>(&[JSON_LINES, CSV])
            .answer::<EnrolResult>(JSON_LINES)
    }

    fn write(&self) -> Outgoing {
        let body = written_lines(&self.lines);
        Outgoing { path: Self::SPEC.path.to_owned(), query: Vec::new(), media_type: JSON_LINES, body }
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

/// What an enrolment of lines is about.
pub(in crate::control) fn subject<'a>(
    lines: impl Iterator<Item = &'a EnrolmentRequest>,
    number: usize,
) -> Subject {
    let number = u64::try_from(number).unwrap_or(u64::MAX);
    Subject { objects: lines.take(3).map(named).collect(), number, how: String::new() }
}

/// One JSON object per line.
pub(in crate::control) fn written_lines(lines: &[impl Serialize]) -> Vec<u8> {
    let mut body = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut body, line).expect("messages have text keys only");
        body.push(b'\n');
    }
    body
}

/// Reads JSON Lines and passes on each line, to the end or until `take` returns false. The error says why the body is
/// not text.
pub(in crate::control) fn read_json_lines(
    source: &mut dyn BufRead,
    take: &mut dyn FnMut(EnrolLine) -> bool,
) -> Result<(), String> {
    let text = delimited::open(source, Some(TextForm::JsonLines)).map_err(|bad| bad.to_string())?;
    let Text::JsonLines(mut lines) = text else { return Ok(()) };
    while let Some(line) = lines.next().map_err(|error| error.to_string())? {
        if line.is_blank() {
            continue;
        }
        let read =
            if line.is_cut { Err(too_long()) } else { from_json(line.bytes.trim_ascii(), line.number) };
        if !take(read.map_err(|reason| EnrolResult::unreadable(line.number, reason))) {
            break;
        }
    }
    Ok(())
}

/// How a body is read as a table. None: it is read as JSON Lines.
pub(in crate::control) fn table_reading(media_type: &str, query: &str) -> Answer<Option<TableReading>> {
    match media_type {
        CSV => wire::pairs(Vec::new(), query, "see POST /v1/tracked:batch").map(Some),
        _ => Ok(None),
    }
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
