//! The pages about objects: a list with filters, and everything about one.
//!
//! Owns: which columns and filters there are. Must never know: how objects are found.

use askama::Template;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::http::header::{HeaderValue, LOCATION};
use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;

use super::frame::Frame;
use super::reply::{self, Failure, plain};
use super::view::{self, Badge, Pager, When, tone};
use super::visitor::Visitor;
use crate::control::messages::*;
use crate::control::problem::{Cause, Problem};
use crate::payments::lifecycle::Phase;
use crate::payments::object::Kind;
use crate::payments::record::Transition;

/// Rows on a page.
const ROWS: usize = 50;

/// The views of the list: word and name.
const VIEWS: [(&str, &str); 5] = [
    ("open", "Open"),
    ("moving", "Moving"),
    ("quarantined", "Quarantined"),
    ("finished", "Finished"),
    ("all", "All"),
];

/// What the address of the list says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ListQuery {
    /// An id, or `account/kind/id`.
    q: String,
    show: String,
    account: String,
    kind: String,
    state: String,
    cursor: String,
}

struct Row {
    path: String,
    id: String,
    account: String,
    kind: String,
    state: Badge,
    quarantine: Option<String>,
    money: String,
    reference: String,
    age: When,
    next: Option<When>,
}

#[derive(Template)]
#[template(path = "dashboard/objects.html")]
struct ListPage {
    frame: Frame,
    query: ListQuery,
    /// Word, name, and whether it is shown.
    views: Vec<(&'static str, &'static str, bool)>,
    accounts: Vec<String>,
    kinds: Vec<String>,
    rows: Vec<Row>,
    /// How many objects match, on all pages.
    total: String,
    pager: Pager,
}

/// One page of the list. A search for an id leads to its object.
pub(super) async fn list(visitor: Visitor, Query(query): Query<ListQuery>) -> Result<Response, Failure> {
    if !query.q.trim().is_empty() {
        let selector: Selector = query.q.parse().map_err(malformed)?;
        let shown = visitor.ask(Show(selector)).await?;
        let mut response = plain(StatusCode::SEE_OTHER, "text/plain; charset=utf-8", Vec::new());
        let path = HeaderValue::from_str(&view::path(&shown.object.object()));
        response.headers_mut().insert(LOCATION, path.unwrap_or(HeaderValue::from_static("/objects")));
        return Ok(response);
    }
    let now = visitor.pages.service.clock().now();
    let request = request(&query)?;
    let status = visitor.ask(StatusRequest {}).await?;
    let total = matching(&status.counts, &request);
    // Looking through a million objects for none would take long.
    let listing = match total {
        0 => Listing { items: Vec::new(), next_cursor: None },
        _ => visitor.ask(request).await?,
    };
    let mut kinds: Vec<String> = status.counts.iter().map(|count| count.kind.to_string()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let fields: [(&str, &str); 4] =
        [("show", &query.show), ("account", &query.account), ("kind", &query.kind), ("state", &query.state)];
    let shown = if query.show.is_empty() { "open" } else { &query.show };
    let page = ListPage {
        frame: Frame::new(&visitor, "/objects", "Objects"),
        views: VIEWS.iter().map(|(word, name)| (*word, *name, *word == shown)).collect(),
        accounts: status.health.accounts.iter().map(|account| account.name.to_string()).collect(),
        kinds,
        rows: listing.items.iter().map(|object| row(object, now)).collect(),
        total: view::grouped(total),
        pager: Pager::new("/objects", &fields, &query.cursor, listing.next_cursor),
        query,
    };
    Ok(reply::page(&page))
}

fn malformed(what: impl ToString) -> Problem {
    Problem::new(Cause::Malformed, what.to_string(), "the list of objects shows their names")
}

fn request(query: &ListQuery) -> Result<ListRequest, Problem> {
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let mut request = ListRequest {
        account: given(&query.account).map(|name| name.parse()).transpose().map_err(malformed)?,
        kind: given(&query.kind).map(|kind| kind.parse::<Kind>()).transpose().map_err(malformed)?,
        state: given(&query.state),
        cursor: given(&query.cursor),
        limit: Some(ROWS),
        ..ListRequest::default()
    };
    match query.show.as_str() {
        "all" => {}
        "moving" => (request.finished, request.phase) = (Some(false), Some(Phase::Moving)),
        "quarantined" => request.quarantined = Some(true),
        "finished" => request.finished = Some(true),
        _ => request.finished = Some(false),
    }
    Ok(request)
}

/// How many objects match, by the counters that the store keeps.
fn matching(counts: &[Count], request: &ListRequest) -> u64 {
    let matches = |count: &&Count| {
        request.account.as_ref().is_none_or(|account| count.account == *account)
            && request.kind.as_ref().is_none_or(|kind| count.kind == *kind)
            && request.phase.is_none_or(|phase| count.phase == phase)
            && request.state.as_ref().is_none_or(|state| count.state.as_ref() == Some(state))
            && request.quarantined.is_none_or(|quarantined| count.quarantined == quarantined)
            && request.finished.is_none_or(|finished| count.finished == finished)
    };
    counts.iter().filter(matches).map(|count| count.number).sum()
}

fn row(object: &WatchedObject, now: Timestamp) -> Row {
    Row {
        path: view::path(&object.object()),
        id: object.id.to_string(),
        account: object.account.to_string(),
        kind: object.kind.to_string(),
        state: Badge::of_object(object),
        quarantine: object.quarantine.as_ref().map(|quarantine| quarantine.cause.clone()),
        money: object.money_text().unwrap_or_default(),
        reference: object.reference.clone().unwrap_or_default(),
        age: When::new(object.made_at, now),
        next: When::due(object.due_at, now),
    }
}

/// One row of the history.
struct Step {
    seen: When,
    happened: Option<When>,
    state: Badge,
    from: Option<String>,
    reasons: String,
    money: String,
    note: String,
}

struct AlertLine {
    severity: Badge,
    headline: String,
    found: When,
    deliveries: Vec<Badge>,
}

#[derive(Template)]
#[template(path = "dashboard/object.html")]
struct OnePage {
    frame: Frame,
    object: WatchedObject,
    name: String,
    state: Badge,
    phase: &'static str,
    money: String,
    told: Explanation,
    /// Name and value.
    facts: Vec<(&'static str, String)>,
    times: Vec<(&'static str, When)>,
    steps: Vec<Step>,
    alerts: Vec<AlertLine>,
}

/// Everything about one object.
pub(super) async fn one(
    visitor: Visitor,
    Path((account, kind, id)): Path<(String, String, String)>,
) -> Result<Response, Failure> {
    let selector: Selector = format!("{account}/{kind}/{id}").parse().map_err(malformed)?;
    let shown = visitor.ask(Show(selector.clone())).await?;
    let told = visitor.ask(Explain(selector)).await?;
    let now = visitor.pages.service.clock().now();
    let object = shown.object;
    let alert = |row: &AlertRow| AlertLine {
        severity: Badge::of_severity(row.alert.severity),
        headline: row.alert.headline.clone(),
        found: When::new(row.alert.found_at, now),
        deliveries: view::deliveries(row),
    };
    let page = OnePage {
        frame: Frame::new(&visitor, "/objects", format!("{} {}", object.kind, object.id)),
        name: object.object().to_string(),
        state: Badge::of_object(&object),
        phase: view::phase(object.phase),
        money: object.money_text().unwrap_or_default(),
        facts: facts(
            &object,
            &shown.observed.map(|observed| observed.observation.request_id).unwrap_or_default(),
        ),
        times: times(&object, now),
        steps: shown.history.iter().rev().map(|row| step(row, now)).collect(),
        alerts: shown.alerts.iter().map(alert).collect(),
        told,
        object,
    };
    Ok(reply::page(&page))
}

fn facts(object: &WatchedObject, request_id: &Option<String>) -> Vec<(&'static str, String)> {
    let amount = |money: Option<crate::payments::money::Money>| money.map(|money| money.to_string());
    let known = [
        ("Account", Some(object.account.to_string())),
        ("Environment", object.environment.clone()),
        ("Order", object.reference.clone()),
        ("Parent", object.parent.clone()),
        ("Reason", (!object.reason_codes.is_empty()).then(|| object.reason_codes.join(", "))),
        ("Authorized", amount(object.amounts.authorized)),
        ("Captured", amount(object.amounts.captured)),
        ("Refunded", amount(object.amounts.refunded)),
        ("Polls", Some(view::grouped(object.polls))),
        ("Last failure", object.last_failure.clone()),
        ("Provider's request", request_id.clone()),
    ];
    known.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn times(object: &WatchedObject, now: Timestamp) -> Vec<(&'static str, When)> {
    let known = [
        ("Created", Some(object.made_at)),
        ("Enrolled", Some(object.enrolled_at)),
        ("State seen", object.state_seen_at),
        ("State changed", object.state_changed_at),
        ("Last poll", object.polled_at),
        ("Deadline", object.deadline),
    ];
    let known = known.into_iter().filter_map(|(name, at)| Some((name, When::new(at?, now))));
    known.chain(When::due(object.due_at, now).map(|due| ("Next poll", due))).collect()
}

fn step(row: &Transition, now: Timestamp) -> Step {
    Step {
        seen: When::new(row.seen_at, now),
        happened: (row.happened_at != row.seen_at).then(|| When::new(row.happened_at, now)),
        state: Badge::new(tone(row.outcome), row.to.clone()),
        from: row.from.clone(),
        reasons: row.reasons.join(", "),
        money: row.amount.map(|money| money.to_string()).unwrap_or_default(),
        note: row.note.clone(),
    }
}
