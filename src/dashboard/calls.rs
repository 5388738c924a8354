//! The single operations that operators have called.
//!
//! Owns: which columns there are. Must never know: how a call is sent.

use askama::Template;
use axum::response::Response;

use super::frame::Frame;
use super::reply::{self, Failure};
use super::view::{Badge, When};
use super::visitor::Visitor;
use crate::control::messages::{CallAttempt, CallList};

/// Calls on the page.
const ROWS: usize = 200;

struct Line {
    account: String,
    attempt: String,
    standing: Badge,
    about: String,
    money: String,
    begun: When,
    changed: When,
    sent: u32,
    detail: String,
}

#[derive(Template)]
#[template(path = "dashboard/calls.html")]
struct Page {
    frame: Frame,
    calls: Vec<Line>,
    more: usize,
}

pub(super) async fn page(visitor: Visitor) -> Result<Response, Failure> {
    let mut calls = visitor.ask(CallList { account: None, all: true }).await?;
    let now = visitor.pages.service.clock().now();
    // Those in doubt come first.
    calls.sort_by_key(|call| (call.standing != "in doubt", std::cmp::Reverse(call.begun_at)));
    let line = |call: CallAttempt| Line {
        account: call.account.to_string(),
        standing: Badge::new(
            match call.standing.as_str() {
                "in doubt" => "bad",
                "done" => "good",
                "refused" => "odd",
                _ => "plain",
            },
            call.standing,
        ),
        about: call.about.unwrap_or_default(),
        money: call.amount.map(|money| money.to_string()).unwrap_or_default(),
        begun: When::new(call.begun_at, now),
        changed: When::new(call.changed_at, now),
        sent: call.sent,
        detail: call.detail.unwrap_or_default(),
        attempt: call.attempt,
    };
    let page = Page {
        frame: Frame::new(&visitor, "/calls", "Calls"),
        more: calls.len().saturating_sub(ROWS),
        calls: calls.into_iter().take(ROWS).map(line).collect(),
    };
    Ok(reply::page(&page))
}
