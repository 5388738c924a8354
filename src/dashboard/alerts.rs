//! The alerts with their deliveries, and the silences.
//!
//! Owns: which columns and filters there are. Must never know: which alert goes where.

use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use serde::Deserialize;

use super::frame::Frame;
use super::reply::{self, Failure};
use super::view::{self, Badge, Pager, When, who};
use super::visitor::Visitor;
use crate::access::users::Users;
use crate::control::messages::*;
use crate::control::problem::{Cause, Problem};
use crate::payments::alert::AlertKind;

/// Alerts on a page.
const ROWS: usize = 50;

/// The states of deliveries, to filter by: word and name.
const STATES: [(&str, &str); 5] = [
    ("pending", "with a pending delivery"),
    ("delivered", "delivered"),
    ("dead", "given up"),
    ("silenced", "silenced"),
    ("withheld", "not sent"),
];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AlertQuery {
    state: String,
    kind: String,
    cursor: String,
}

/// How long a silence of the form lasts: hours and name.
const SPANS: [(&str, &str); 6] = [
    ("1", "1 hour"),
    ("4", "4 hours"),
    ("24", "1 day"),
    ("72", "3 days"),
    ("168", "7 days"),
    ("720", "30 days"),
];

struct Line {
    key: String,
    severity: Badge,
    kind: String,
    headline: String,
    account: String,
    object: Option<(String, String)>,
    found: When,
    deliveries: Vec<Badge>,
    acknowledged: Option<(String, When)>,
}

struct SilenceLine {
    number: u64,
    matches: String,
    reason: String,
    by: String,
    until: When,
    until_resolved: bool,
    held_back: u64,
    is_active: bool,
}

#[derive(Template)]
#[template(path = "dashboard/alerts.html")]
struct Page {
    frame: Frame,
    query: AlertQuery,
    states: [(&'static str, &'static str); 5],
    kinds: Vec<String>,
    spans: [(&'static str, &'static str); 6],
    lines: Vec<Line>,
    silences: Vec<SilenceLine>,
    pager: Pager,
}

pub(super) async fn page(visitor: Visitor, Query(query): Query<AlertQuery>) -> Result<Response, Failure> {
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let state = given(&query.state).map(|word| serde_json::from_value(word.into())).transpose();
    let state = state.map_err(|_| {
        Problem::new(Cause::Malformed, format!("{:?} is not the state of a delivery", query.state), "")
    })?;
    let request = AlertsRequest {
        state,
        kind: given(&query.kind),
        cursor: given(&query.cursor),
        limit: Some(ROWS),
        ..AlertsRequest::default()
    };
    let listing = visitor.ask(request).await?;
    let silences = visitor.ask(SilenceList::default()).await?;
    let now = visitor.pages.service.clock().now();
    let users = Users::of_machine();
    let line = |row: AlertRow| Line {
        severity: Badge::of_severity(row.alert.severity),
        deliveries: view::deliveries(&row),
        kind: row.alert.kind.to_string(),
        headline: row.alert.headline,
        account: row.alert.account.to_string(),
        object: row.alert.object.map(|object| (object.to_string(), view::path(&object))),
        found: When::new(row.alert.found_at, now),
        acknowledged: row.acknowledged.map(|by| (who(&users, &by.by), When::new(by.at, now))),
        key: row.alert.key,
    };
    let silence = |row: SilenceRow| SilenceLine {
        number: row.silence.number,
        matches: row.silence.matchers.words(),
        until: When::new(row.silence.end(), now),
        until_resolved: row.silence.until_resolved,
        by: who(&users, &row.silence.by),
        reason: row.silence.reason,
        held_back: row.held_back,
        is_active: row.is_active,
    };
    let fields = [("state", &*query.state), ("kind", &*query.kind)];
    let page = Page {
        frame: Frame::new(&visitor, "/alerts", "Alerts and silences"),
        states: STATES,
        spans: SPANS,
        kinds: AlertKind::ALL.iter().map(AlertKind::to_string).collect(),
        lines: listing.items.into_iter().map(line).collect(),
        silences: silences.into_iter().map(silence).collect(),
        pager: Pager::new("/alerts", &fields, &query.cursor, listing.next_cursor),
        query,
    };
    Ok(reply::page(&page))
}
