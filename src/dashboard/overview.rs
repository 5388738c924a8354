//! The first page: what needs somebody, what is open, what was decided.
//!
//! Owns: which figures it shows. Must never know: where they are counted.

use std::collections::BTreeMap;

use askama::Template;
use axum::response::Response;
use jiff::ToSpan;
use jiff::civil::Date;

use super::chart::{Chart, HEIGHT, WIDTH, chart};
use super::declines::{Card, cards};
use super::frame::Frame;
use super::reply::{self, Failure};
use super::view::{Badge, When, coarse, grouped, length, path};
use super::visitor::Visitor;
use crate::access::users::Users;
use crate::control::messages::*;
use crate::payments::lifecycle::Phase;
use crate::payments::object::{AccountName, Kind};

/// The charts show this many days before today.
const DAYS: u16 = 30;
/// The most open declines on this page.
const DECLINES: usize = 3;
/// Above this many accounts, only those with the lowest quota are shown.
const ACCOUNTS: usize = 8;
/// What is shown for each kind of object at most.
const KINDS: usize = 12;

/// A number with its name.
struct Tile {
    name: &'static str,
    value: String,
    /// More about it, line by line.
    notes: Vec<String>,
    tone: &'static str,
    link: String,
}

struct KindRow {
    account: AccountName,
    kind: Kind,
    moving: u64,
    resting: u64,
    quarantined: u64,
}

/// A bar beside a number.
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) text: String,
    /// Of 100.
    pub(super) width: u64,
    pub(super) tone: &'static str,
}

#[derive(Template)]
#[template(path = "dashboard/overview.html")]
struct Page {
    frame: Frame,
    complaints: Vec<String>,
    tiles: Vec<Tile>,
    declines: Vec<Card>,
    are_more_declines: bool,
    kinds: Vec<KindRow>,
    more_kinds: usize,
    ages: Vec<Bar>,
    quotas: Vec<Bar>,
    charts: [Chart; 2],
    days: Vec<DayRow>,
    first_day: String,
    environment: &'static str,
    schedules: Vec<ScheduleRow>,
    outbox: Vec<OutboxLine>,
    width: u64,
    height: u64,
    zone: String,
    is_whole: bool,
}

struct DayRow {
    date: Date,
    resolved: String,
    declined: String,
    money: String,
}

struct ScheduleRow {
    name: String,
    last: Option<When>,
    result: Badge,
    next: Option<When>,
}

struct OutboxLine {
    name: String,
    pending: u64,
    dead: u64,
    state: Badge,
    next: Option<When>,
}

pub(super) async fn page(visitor: Visitor) -> Result<Response, Failure> {
    let status = visitor.ask(StatusRequest {}).await?;
    let today = visitor.ask(TodayRequest {}).await?;
    let reports = visitor.ask(FiguresRequest { limit: Some(DAYS.into()) }).await?;
    let mut declines = visitor.ask(DeclineList::default()).await?;
    let are_more_declines = declines.items.len() > DECLINES || declines.next_cursor.is_some();
    declines.items.truncate(DECLINES);
    let environment = if is_all_sandbox(&status) { "sandbox" } else { "live" };
    let days = days(environment, &today, &reports);
    let resolved: Vec<_> =
        days.iter().map(|(date, day)| (*date, day.as_ref().map(DayFigures::resolved))).collect();
    let declined: Vec<_> =
        days.iter().map(|(date, day)| (*date, day.as_ref().map(|day| day.declined))).collect();
    let (kinds, more_kinds) = kinds(&status);
    let page = Page {
        frame: Frame::new(&visitor, "/", "Overview"),
        complaints: complaints(&status),
        tiles: tiles(&status, &today, environment),
        are_more_declines,
        declines: cards(declines.items, status.now, &Users::of_machine()),
        kinds,
        more_kinds,
        ages: ages(&today),
        quotas: quotas(&status),
        charts: [chart("resolved", "good", &resolved), chart("declined", "bad", &declined)],
        first_day: days.first().map(|(date, _)| date.to_string()).unwrap_or_default(),
        days: days.iter().rev().map(day_row).collect(),
        environment,
        schedules: schedules(&status),
        outbox: outbox(&status),
        width: WIDTH,
        height: HEIGHT,
        zone: today.zone.clone(),
        is_whole: today.is_whole,
    };
    Ok(reply::page(&page))
}

/// Whether there is no money at all in what is watched.
fn is_all_sandbox(status: &Status) -> bool {
    let mut accounts = status.health.accounts.iter().map(|account| account.environment == "sandbox");
    accounts.len() > 0 && accounts.all(|is_sandbox| is_sandbox)
}

/// The last days and today, the oldest first; none where no report is published.
fn days(environment: &str, today: &Today, reports: &[FiguresDay]) -> Vec<(Date, Option<DayFigures>)> {
    let of = |figures: &BTreeMap<String, DayFigures>| figures.get(environment).cloned().unwrap_or_default();
    let published: BTreeMap<Date, DayFigures> =
        reports.iter().map(|day| (day.date, of(&day.figures))).collect();
    let before = (1..=i64::from(DAYS)).rev().filter_map(|days| today.date.checked_sub(days.days()).ok());
    let mut days: Vec<_> = before.map(|date| (date, published.get(&date).cloned())).collect();
    days.push((today.date, Some(of(&today.figures))));
    days
}

fn day_row((date, figures): &(Date, Option<DayFigures>)) -> DayRow {
    let text = |count: Option<u64>| count.map_or("no report".to_owned(), grouped);
    DayRow {
        date: *date,
        resolved: text(figures.as_ref().map(DayFigures::resolved)),
        declined: text(figures.as_ref().map(|figures| figures.declined)),
        money: figures.as_ref().map(|figures| figures.declined_texts().join(", ")).unwrap_or_default(),
    }
}

fn complaints(status: &Status) -> Vec<String> {
    let mut found = status.health.complaints.clone();
    if let Some(broken) = &status.store.broken {
        found.insert(0, format!("the store: {broken}"));
    }
    for account in &status.health.accounts {
        match &account.state {
            AccountState::Refused { detail, .. } => {
                found.push(format!("{}: the provider refuses it: {detail}", account.name));
            }
            AccountState::NoSuccess { detail, .. } => {
                found.push(format!("{}: no request succeeds: {detail}", account.name));
            }
            AccountState::Ok
            | AccountState::Held { .. }
            | AccountState::Unknown
            | AccountState::Elsewhere => {}
        }
    }
    for backlog in &status.backlogs {
        let (round, interval) = (length(backlog.round_s), length(backlog.interval_s));
        found.push(format!(
            "{}: the quota of {} polls each object every {round}, not every {interval}",
            backlog.account, backlog.operation
        ));
    }
    found
}

fn tiles(status: &Status, today: &Today, environment: &str) -> Vec<Tile> {
    let sum =
        |keep: fn(&&Count) -> bool| status.counts.iter().filter(keep).map(|count| count.number).sum::<u64>();
    let moving = sum(|count| !count.finished && count.phase == Phase::Moving);
    let quarantined = sum(|count| count.quarantined);
    let figures = today.figures.get(environment).cloned().unwrap_or_default();
    let declined_tone = if figures.declined > 0 { "bad" } else { "" };
    let oldest = status.oldest_moving.as_ref();
    let pending: u64 = status.outbox.iter().map(|row| row.pending).sum::<u64>()
        + status.events.iter().map(|row| row.pending).sum::<u64>();
    let dead = status.store.outbox_dead + status.events.iter().map(|row| row.dead).sum::<u64>();
    let tile = |name, value: String, notes: Vec<String>, tone, link: &str| {
        let link = link.to_owned();
        Tile { name, value, notes, tone, link }
    };
    let at_least = if today.is_whole { "" } else { "at least " };
    vec![
        tile(
            "Open",
            grouped(status.open),
            vec![format!("{} moving", grouped(moving)), format!("of {} watched", grouped(status.objects))],
            "",
            "/objects?show=open",
        ),
        tile(
            "Quarantined",
            grouped(quarantined),
            vec![
                if quarantined > 0 { "somebody should check them" } else { "nothing is in doubt" }.to_owned(),
            ],
            if quarantined > 0 { "odd" } else { "" },
            "/objects?show=quarantined",
        ),
        tile(
            "Declined today",
            format!("{at_least}{}", grouped(figures.declined)),
            match figures.declined_texts() {
                texts if texts.is_empty() => vec!["no money".to_owned()],
                texts => texts,
            },
            declined_tone,
            "/declines",
        ),
        tile(
            "Resolved today",
            format!("{at_least}{}", grouped(figures.resolved())),
            vec![
                format!("{} succeeded", grouped(figures.succeeded)),
                format!("{} closed, {} canceled", grouped(figures.closed), grouped(figures.canceled)),
            ],
            "",
            "/reports",
        ),
        tile(
            "Oldest moving",
            oldest.map_or("–".to_owned(), |oldest| coarse(oldest.age_s.unsigned_abs())),
            vec![oldest.map_or("nothing is moving".to_owned(), |oldest| oldest.object.id.to_string())],
            "",
            &oldest.map_or("/objects?show=moving".to_owned(), |oldest| path(&oldest.object)),
        ),
        tile(
            "Outbox",
            grouped(pending),
            vec![if dead > 0 {
                format!("{} given up", grouped(dead))
            } else {
                "nothing given up".to_owned()
            }],
            if dead > 0 { "odd" } else { "" },
            "/alerts",
        ),
        tile(
            "Found within",
            today.delay.half_within_s.map_or("–".to_owned(), length),
            match (today.delay.number, today.delay.most_within_s) {
                (0, _) => vec!["nothing was decided since the start".to_owned()],
                (_, Some(most)) => vec![format!("half; 95 % within {}", length(most))],
                (_, None) => vec!["half; some took more than three days".to_owned()],
            },
            "",
            "/accounts",
        ),
    ]
}

/// What is open by account and kind, the most first, and how many rows are left out.
fn kinds(status: &Status) -> (Vec<KindRow>, usize) {
    let mut rows: BTreeMap<(AccountName, Kind), KindRow> = BTreeMap::new();
    for count in status.counts.iter().filter(|count| !count.finished) {
        let row = rows.entry((count.account.clone(), count.kind.clone())).or_insert_with(|| KindRow {
            account: count.account.clone(),
            kind: count.kind.clone(),
            moving: 0,
            resting: 0,
            quarantined: 0,
        });
        match (count.quarantined, count.phase) {
            (true, _) => row.quarantined += count.number,
            (false, Phase::Moving) => row.moving += count.number,
            (false, Phase::Resting | Phase::Final) => row.resting += count.number,
        }
    }
    let mut rows: Vec<KindRow> = rows.into_values().collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.moving + row.resting + row.quarantined));
    let more = rows.len().saturating_sub(KINDS);
    rows.truncate(KINDS);
    (rows, more)
}

fn ages(today: &Today) -> Vec<Bar> {
    let most = today.ages.iter().map(|age| age.number).max().unwrap_or(0).max(1);
    let mut last = None;
    let bar = |age: &AgeCount| {
        let name = match (age.below_s, last) {
            (Some(below), _) => format!("under {}", length(below)),
            (None, Some(last)) => format!("over {}", length(last)),
            (None, None) => "all".to_owned(),
        };
        last = age.below_s;
        let width = if age.number == 0 { 0 } else { (age.number * 100 / most).max(1) };
        Bar { name, text: grouped(age.number), width, tone: "accent" }
    };
    today.ages.iter().map(bar).collect()
}

/// The lowest quota of each account, the emptiest first.
fn quotas(status: &Status) -> Vec<Bar> {
    let mut bars: Vec<Bar> = status
        .health
        .accounts
        .iter()
        .filter_map(|account| {
            let lowest = account.quotas.iter().min_by_key(|quota| share(quota));
            lowest.map(|quota| quota_bar(&format!("{} {}", account.name, quota.operation), quota))
        })
        .collect();
    bars.sort_by_key(|bar| bar.width);
    bars.truncate(ACCOUNTS);
    bars
}

/// How full a bucket is, of 100.
fn share(quota: &QuotaHealth) -> u64 {
    let burst = u64::from(quota.burst).max(1);
    quota.available.map_or(100, |available| u64::from(available) * 100 / burst).min(100)
}

/// A bar for the quota of an operation.
pub(super) fn quota_bar(name: &str, quota: &QuotaHealth) -> Bar {
    let text = match quota.available {
        Some(available) => format!("{} of {}", grouped(available.into()), grouped(quota.burst.into())),
        None => "not known".to_owned(),
    };
    let width = share(quota);
    let tone = match width {
        _ if quota.held_until.is_some() => "bad",
        0..10 => "odd",
        _ => "accent",
    };
    Bar { name: name.to_owned(), text, width, tone }
}

fn schedules(status: &Status) -> Vec<ScheduleRow> {
    let row = |schedule: &ScheduleHealth| ScheduleRow {
        name: schedule.name.clone(),
        last: When::some(schedule.last_at, status.now),
        result: Badge::new("plain", schedule.last_result.clone().unwrap_or_else(|| "not yet".to_owned())),
        next: When::due(schedule.next_at, status.now),
    };
    status.health.schedules.iter().map(row).collect()
}

fn outbox(status: &Status) -> Vec<OutboxLine> {
    let targets = status.outbox.iter().map(|row| OutboxLine {
        name: row.target.clone(),
        pending: row.pending,
        dead: 0,
        state: Badge::new("plain", "alerts"),
        next: When::due(row.next_at.filter(|_| row.pending > 0), status.now),
    });
    let events = status.events.iter().map(|row| OutboxLine {
        name: row.receiver.clone(),
        pending: row.pending,
        dead: row.dead,
        state: match (row.disabled_since, &row.last_error) {
            (Some(_), _) => Badge::new("bad", "disabled"),
            (None, Some(error)) => Badge::new("odd", error.clone()),
            (None, None) => Badge::new("plain", "events"),
        },
        next: When::due(row.next_at.filter(|_| row.pending > 0), status.now),
    });
    targets.chain(events).collect()
}
