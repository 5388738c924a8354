//! The declines as a work list: what happened, what to do, who does it, what is done.
//!
//! Owns: how a decline is shown. Must never know: what to do about one.

use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;

use super::frame::Frame;
use super::reply::{self, Failure};
use super::view::{self, Pager, When, who};
use super::visitor::Visitor;
use crate::access::users::Users;
use crate::control::messages::{DeclineList, DeclineRow};

/// Declines on a page.
const ROWS: usize = 25;

/// One decline.
pub(super) struct Card {
    pub(super) key: String,
    pub(super) money: String,
    pub(super) headline: String,
    pub(super) reason: String,
    pub(super) explanation: String,
    pub(super) advice: String,
    pub(super) where_to_look: String,
    pub(super) reference: String,
    pub(super) account: String,
    /// Name and path of the object.
    pub(super) object: Option<(String, String)>,
    pub(super) found: When,
    /// Who has taken it, and when.
    pub(super) taken: Option<(String, When)>,
    pub(super) done: Option<(String, When)>,
    pub(super) recovered: Option<When>,
}

/// Each decline as it is shown.
pub(super) fn cards(rows: Vec<DeclineRow>, now: Timestamp, users: &Users) -> Vec<Card> {
    let card = |row: DeclineRow| {
        let DeclineRow { row, done, recovered_at } = row;
        let alert = row.alert;
        let by = |mark: crate::store::Acknowledgement| (who(users, &mark.by), When::new(mark.at, now));
        Card {
            money: alert.amount.map(|money| money.to_string()).unwrap_or_default(),
            headline: alert.headline,
            reason: alert.reason.or(alert.state).unwrap_or_default(),
            explanation: alert.explanation,
            advice: alert.advice,
            where_to_look: alert.where_to_look,
            reference: alert.merchant_reference.unwrap_or_default(),
            account: alert.account.to_string(),
            object: alert.object.map(|object| (object.to_string(), view::path(&object))),
            found: When::new(alert.found_at, now),
            taken: row.acknowledged.map(by),
            done: done.map(by),
            recovered: When::some(recovered_at, now),
            key: alert.key,
        }
    };
    rows.into_iter().map(card).collect()
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct DeclineQuery {
    show: String,
    cursor: String,
}

#[derive(Template)]
#[template(path = "dashboard/declines.html")]
struct Page {
    frame: Frame,
    declines: Vec<Card>,
    is_all: bool,
    pager: Pager,
}

pub(super) async fn page(visitor: Visitor, Query(query): Query<DeclineQuery>) -> Result<Response, Failure> {
    let is_all = query.show == "all";
    let cursor = Some(query.cursor.clone()).filter(|cursor| !cursor.is_empty());
    let listing = visitor.ask(DeclineList { all: is_all, cursor, limit: Some(ROWS) }).await?;
    let now = visitor.pages.service.clock().now();
    let page = Page {
        frame: Frame::new(&visitor, "/declines", "Declines"),
        declines: cards(listing.items, now, &Users::of_machine()),
        is_all,
        pager: Pager::new("/declines", &[("show", &query.show)], &query.cursor, listing.next_cursor),
    };
    Ok(reply::page(&page))
}
