//! The forms: each sends one verb, for a visitor with the role that the verb needs.
//!
//! Owns: which field of a form is which. Must never know: who may do what.

use axum::response::Response;

use super::reply::Failure;
use super::visitor::Posted;
use crate::control::messages::{
    Accept, AcknowledgeRequest, DeclineDone, Forget, Matchers, PollRequest, Selector, SilenceAdd, SilenceEnd,
    parse_money,
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

pub(super) async fn add_silence(posted: Posted) -> Result<Response, Failure> {
    posted.visitor.ask(silence(&posted)?).await?;
    Ok(posted.done("silence-added"))
}

fn silence(posted: &Posted) -> Result<SilenceAdd, Problem> {
    let malformed = |what: String| Problem::new(Cause::Malformed, what, "go back and correct it");
    let given = |name: &str| Some(posted.field(name).trim()).filter(|text| !text.is_empty());
    let one = |name: &str| given(name).map(str::to_owned).into_iter().collect();
    let severity = given("min_severity").map(|word| serde_json::from_value(word.into())).transpose();
    let label = given("label").map(|text| text.split_once('=').ok_or(text)).transpose();
    let label = label.map_err(|text| malformed(format!("{text:?} is not a label: write NAME=VALUE")))?;
    let hours = given("hours").map(str::parse::<u32>).transpose();
    let hours = hours.map_err(|_| malformed("the duration is not a number of hours".to_owned()))?;
    Ok(SilenceAdd {
        matchers: Matchers {
            accounts: one("account"),
            environments: one("environment"),
            kinds: one("kind"),
            object_kinds: one("object_kind"),
            reasons: one("code"),
            min_severity: severity.map_err(|_| malformed("the severity is not known".to_owned()))?,
            min_amount: given("min_amount").map(parse_money).transpose().map_err(malformed)?,
            labels: label.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect(),
        },
        reason: posted.field("reason").to_owned(),
        for_s: hours.map(|hours| u64::from(hours) * 3_600),
        until: None,
        until_resolved: posted.field("until_resolved") == "yes",
    })
}

pub(super) async fn end_silence(posted: Posted) -> Result<Response, Failure> {
    let number = posted.field("number").parse();
    let number =
        number.map_err(|_| Problem::new(Cause::Malformed, "that is not the number of a silence", ""))?;
    posted.visitor.ask(SilenceEnd { number }).await?;
    Ok(posted.done("silence-ended"))
}
