//! The accounts: their state, quota and backlog.
//!
//! Owns: what is shown of each. Must never know: how a quota is kept.

use askama::Template;
use axum::response::Response;

use super::frame::Frame;
use super::overview::{Bar, quota_bar};
use super::reply::{self, Failure};
use super::view::{Badge, When, grouped, length};
use super::visitor::Visitor;
use crate::control::messages::*;
use crate::payments::lifecycle::Phase;

/// How many accounts are shown with their quotas. The others are counted.
const SHOWN: usize = 100;

struct AccountCard {
    name: String,
    api: String,
    region: String,
    environment: Badge,
    state: Badge,
    detail: String,
    until: Option<When>,
    service: Option<Badge>,
    service_message: String,
    open: String,
    moving: String,
    quarantined: String,
    quotas: Vec<Bar>,
    backlogs: Vec<String>,
    hints: Option<String>,
}

#[derive(Template)]
#[template(path = "dashboard/accounts.html")]
struct Page {
    frame: Frame,
    accounts: Vec<AccountCard>,
    more: usize,
}

pub(super) async fn page(visitor: Visitor) -> Result<Response, Failure> {
    let status = visitor.ask(StatusRequest {}).await?;
    let accounts = &status.health.accounts;
    let page = Page {
        frame: Frame::new(&visitor, "/accounts", "Accounts"),
        accounts: accounts.iter().take(SHOWN).map(|account| card(account, &status)).collect(),
        more: accounts.len().saturating_sub(SHOWN),
    };
    Ok(reply::page(&page))
}

fn card(account: &AccountHealth, status: &Status) -> AccountCard {
    let sum = |keep: fn(&Count) -> bool| {
        let own = status.counts.iter().filter(|count| count.account == account.name && keep(count));
        grouped(own.map(|count| count.number).sum())
    };
    let (state, detail, until) = match &account.state {
        AccountState::Ok => (Badge::new("good", "well"), String::new(), None),
        AccountState::Held { until } => {
            (Badge::new("odd", "on hold"), "the provider asked for a pause".to_owned(), Some(*until))
        }
        AccountState::Refused { detail, next_try_at, .. } => {
            (Badge::new("bad", "refused"), detail.clone(), *next_try_at)
        }
        AccountState::NoSuccess { detail, .. } => (Badge::new("bad", "no answer"), detail.clone(), None),
        AccountState::Unknown => (Badge::new("plain", "not known"), String::new(), None),
        AccountState::Elsewhere => {
            (Badge::new("plain", "other host"), "another host works on it".to_owned(), None)
        }
    };
    let backlogs = status.backlogs.iter().filter(|backlog| backlog.account == account.name);
    let channel = status.notifications.iter().find(|channel| channel.account == account.name);
    AccountCard {
        name: account.name.to_string(),
        api: account.api.clone(),
        region: account.region.clone(),
        environment: Badge::new(
            if account.environment == "live" { "accent" } else { "calm" },
            &*account.environment,
        ),
        state,
        detail,
        until: When::some(until, status.now),
        service: account.service.as_ref().map(|service| {
            let tone = if service.word.starts_with("GREEN") { "good" } else { "odd" };
            Badge::new(tone, service.word.clone())
        }),
        service_message: account
            .service
            .as_ref()
            .and_then(|service| service.message.clone())
            .unwrap_or_default(),
        open: sum(|count| !count.finished),
        moving: sum(|count| !count.finished && count.phase == Phase::Moving),
        quarantined: sum(|count| count.quarantined),
        quotas: account.quotas.iter().map(|quota| quota_bar(&quota.operation, quota)).collect(),
        backlogs: backlogs
            .map(|backlog| {
                let (moving, round) = (grouped(backlog.moving), length(backlog.round_s));
                format!(
                    "{moving} moving objects; the quota of {} polls each every {round}",
                    backlog.operation
                )
            })
            .collect(),
        hints: channel.filter(|channel| channel.is_on).map(|channel| {
            let last = channel.last_hint_at.map(|at| When::new(at, status.now).words());
            last.map_or("no notification yet".to_owned(), |last| format!("last notification {last}"))
        }),
    }
}
