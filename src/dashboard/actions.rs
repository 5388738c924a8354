//! The forms: each sends one verb, for a visitor with the role that the verb needs.
//!
//! Owns: which field of a form is which. Must never know: who may do what.

use axum::response::Response;

use super::reply::Failure;
use super::visitor::Posted;
use crate::control::messages::{
    Accept, AcknowledgeRequest, DeclineDone, Forget, PollRequest, Selector, SilenceEnd,
};
use crate::control::problem::{Cause, Problem};

fn object(posted: &Posted) -> Result<Selector, Problem> {
    let named = posted.field("object").parse();
    named.map_err(|bad: String| Problem::new(Cause::Malformed, bad, "send the form of a page"))
}

pub(super) async fn poll(posted: Posted) -> Result<Response, Failure> {
    let request = PollRequest { objects: vec![object(&posted)?], ..PollRequest::default() };
    posted.visitor.ask(request).await?;
    Ok(posted.done("polled"))
}

pub(super) async fn accept(posted: Posted) -> Result<Response, Failure> {
    posted.visitor.ask(Accept(object(&posted)?)).await?;
    Ok(posted.done("accepted"))
}

pub(super) async fn forget(posted: Posted) -> Result<Response, Failure> {
    posted.visitor.ask(Forget(object(&posted)?)).await?;
    Ok(posted.done("forgotten"))
}

pub(super) async fn acknowledge(posted: Posted) -> Result<Response, Failure> {
    let request = AcknowledgeRequest { keys: vec![posted.field("key").to_owned()], all: false };
    let acknowledged = posted.visitor.ask(request).await?;
    if let Some(key) = acknowledged.unknown.first() {
        return Err(Problem::new(
            Cause::NotFound,
            format!("there is no alert {key}"),
            "see the list of alerts",
        )
        .into());
    }
    let is_decline = posted.field("as") == "taken";
    Ok(posted.done(if is_decline { "taken" } else { "acknowledged" }))
}

pub(super) async fn decline(posted: Posted) -> Result<Response, Failure> {
    let done = posted.field("done") == "yes";
    posted.visitor.ask(DeclineDone { key: posted.field("key").to_owned(), done }).await?;
    Ok(posted.done(if done { "done" } else { "reopened" }))
}

pub(super) async fn end_silence(posted: Posted) -> Result<Response, Failure> {
    let number = posted.field("number").parse();
    let number =
        number.map_err(|_| Problem::new(Cause::Malformed, "that is not the number of a silence", ""))?;
    posted.visitor.ask(SilenceEnd { number }).await?;
    Ok(posted.done("silence-ended"))
}
