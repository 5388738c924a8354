//! The batches, and one with its rows.
//!
//! Owns: which columns there are. Must never know: the steps of a batch.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use jiff::Timestamp;

use super::frame::Frame;
use super::reply::{self, Failure};
use super::view::{Badge, When, escaped};
use super::visitor::Visitor;
use crate::control::messages::{BatchLine, BatchList, BatchRowShown, BatchShow};

/// Batches on the page, the newest first, and rows of one.
const ROWS: usize = 200;

struct Line {
    path: String,
    account: String,
    reference: String,
    stage: Badge,
    needs: String,
    is_poll: bool,
    submitted: When,
    next: Option<When>,
    rows: u64,
    waiting: u64,
    done: u64,
    declined: u64,
    open: u64,
    unknown: u64,
}

fn line(batch: &BatchLine, now: Timestamp) -> Line {
    let tone = match (&batch.needs, batch.is_ended, batch.stage.as_str()) {
        (Some(_), _, _) => "bad",
        (None, true, "finished") => "good",
        (None, true, _) => "odd",
        (None, false, _) => "plain",
    };
    Line {
        path: format!("/batches/{}", escaped(&batch.reference)),
        account: batch.account.to_string(),
        reference: batch.reference.clone(),
        stage: Badge::new(tone, batch.stage.clone()),
        needs: batch.needs.clone().unwrap_or_default(),
        is_poll: batch.is_poll,
        submitted: When::new(batch.submitted_at, now),
        next: When::due(batch.next_at, now),
        rows: batch.rows,
        waiting: batch.waiting,
        done: batch.done,
        declined: batch.declined,
        open: batch.open,
        unknown: batch.unknown,
    }
}

#[derive(Template)]
#[template(path = "dashboard/batches.html")]
struct ListPage {
    frame: Frame,
    batches: Vec<Line>,
    more: usize,
}

pub(super) async fn list(visitor: Visitor) -> Result<Response, Failure> {
    let mut batches = visitor.ask(BatchList::default()).await?;
    let now = visitor.pages.service.clock().now();
    // Those that wait for a person come first.
    batches.sort_by_key(|batch| (batch.needs.is_none(), std::cmp::Reverse(batch.submitted_at)));
    let page = ListPage {
        frame: Frame::new(&visitor, "/batches", "Batches"),
        more: batches.len().saturating_sub(ROWS),
        batches: batches.iter().take(ROWS).map(|batch| line(batch, now)).collect(),
    };
    Ok(reply::page(&page))
}

struct RowLine {
    row: BatchRowShown,
    fate: Badge,
    money: String,
}

#[derive(Template)]
#[template(path = "dashboard/batch.html")]
struct OnePage {
    frame: Frame,
    batch: Line,
    batch_id: String,
    rows: Vec<RowLine>,
    more: usize,
}

pub(super) async fn one(visitor: Visitor, Path(reference): Path<String>) -> Result<Response, Failure> {
    let shown = visitor.ask(BatchShow { reference }).await?;
    let now = visitor.pages.service.clock().now();
    let mut rows = shown.row_list;
    // What is not done comes first.
    rows.sort_by_key(|row| (row.fate == "done", row.line));
    let more = rows.len().saturating_sub(ROWS);
    let row = |row: BatchRowShown| RowLine {
        fate: Badge::new(
            match row.fate.as_str() {
                "done" => "good",
                "declined" => "bad",
                "unknown" => "odd",
                _ => "plain",
            },
            row.fate.clone(),
        ),
        money: [row.amount.clone(), row.currency.clone()].into_iter().flatten().collect::<Vec<_>>().join(" "),
        row,
    };
    let page = OnePage {
        frame: Frame::new(&visitor, "/batches", format!("Batch {}", shown.line.reference)),
        batch: line(&shown.line, now),
        batch_id: shown.batch_id.unwrap_or_default(),
        rows: rows.into_iter().take(ROWS).map(row).collect(),
        more,
    };
    Ok(reply::page(&page))
}
