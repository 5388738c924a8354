//! Who did what: the audit log.
//!
//! Owns: which columns there are. Must never know: how an entry is written.

use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use serde::Deserialize;

use super::frame::Frame;
use super::reply::{self, Failure};
use super::view::{self, Badge, Pager, When};
use super::visitor::Visitor;
use crate::control::messages::{AuditEntry, AuditOutcome, AuditRequest};

/// Entries on a page.
const ROWS: usize = 50;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AuditQuery {
    object: String,
    cursor: String,
}

struct Line {
    at: When,
    who: String,
    verb: String,
    how: String,
    objects: String,
    outcome: Badge,
    times: u64,
}

#[derive(Template)]
#[template(path = "dashboard/audit.html")]
struct Page {
    frame: Frame,
    query: AuditQuery,
    lines: Vec<Line>,
    pager: Pager,
}

pub(super) async fn page(visitor: Visitor, Query(query): Query<AuditQuery>) -> Result<Response, Failure> {
    let given = |text: &str| (!text.trim().is_empty()).then(|| text.trim().to_owned());
    let request = AuditRequest {
        object: given(&query.object),
        cursor: given(&query.cursor),
        limit: Some(ROWS),
        ..AuditRequest::default()
    };
    let listing = visitor.ask(request).await?;
    let now = visitor.pages.service.clock().now();
    let line = |entry: AuditEntry| Line {
        at: When::new(entry.at, now),
        who: entry.who(),
        outcome: outcome(&entry),
        objects: objects(&entry),
        verb: entry.verb,
        how: entry.how,
        times: entry.times,
    };
    let page = Page {
        frame: Frame::new(&visitor, "/audit", "Audit log"),
        lines: listing.items.into_iter().map(line).collect(),
        pager: Pager::new("/audit", &[("object", &query.object)], &query.cursor, listing.next_cursor),
        query,
    };
    Ok(reply::page(&page))
}

fn outcome(entry: &AuditEntry) -> Badge {
    let (tone, word) = match entry.outcome {
        AuditOutcome::Begun => ("odd", "begun"),
        AuditOutcome::Done => ("good", "done"),
        AuditOutcome::Refused => ("bad", "refused"),
        AuditOutcome::Failed => ("odd", "failed"),
    };
    let cause = entry.cause.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default();
    Badge::new(tone, format!("{word}{cause}"))
}

fn objects(entry: &AuditEntry) -> String {
    let named = entry.objects.join(", ");
    let more = entry.number.saturating_sub(u64::try_from(entry.objects.len()).unwrap_or(u64::MAX));
    if more > 0 { format!("{named} and {} more", view::grouped(more)) } else { named }
}
