//! `summary.html`: the day at a glance, on one self-contained page.
//!
//! Owns: the page and its charts (docs/src/reference/operations.md, section 7.3). Must never know: the store.
//! There is no script and nothing to load; the template escapes markup from outside, harmful characters are
//! escaped on the whole page, and every chart has a table beside it.

use askama::Template;
use rust_decimal::Decimal;

use super::channels::ChannelDay;
use super::columns::Frame;
use super::day::utc;
use super::day_files::{AGES, Figures, Filed};
use super::detection::Delays;
use super::lists::List;
use super::money::{Account, Sums};
use super::summary::Check;
use super::totals::sum_text;
use crate::payments::adaptive::{AgeRange, Curve, Overview};
use crate::payments::object::AccountName;
use crate::text;

/// Height of the column chart, in its own units.
const CHART_HEIGHT: u64 = 120;
/// Width of one column with its gap.
const COLUMN_WIDTH: u64 = 24;
/// Width of the longest bar.
const BAR_WIDTH: u64 = 360;

/// A rectangle of a chart.
struct Rectangle {
    class: &'static str,
    x: u64,
    y: u64,
    width: u64,
    height: u64,
    title: String,
}

struct HourRow {
    label: String,
    succeeded: u64,
    closed: u64,
    canceled: u64,
    declined: u64,
    /// The position of its label; only every third hour has one.
    label_x: Option<u64>,
}

struct AgeRow {
    label: &'static str,
    count: u64,
    y: u64,
    width: u64,
}

struct TotalRow {
    file: &'static str,
    account: String,
    environment: &'static str,
    kind: String,
    state: String,
    /// What a code means.
    meaning: &'static str,
    currency: String,
    count: u64,
    amount: String,
}

/// One line of the money table: a type, or all types of an account.
struct MoneyRow {
    account: String,
    environment: &'static str,
    kind: String,
    currency: String,
    is_total: bool,
    /// Authorized, captured, refunded, net, declined, canceled, open.
    amounts: [String; 7],
}

/// `open at start + new - final = open at end`, in money.
struct ValueRow {
    account: String,
    environment: &'static str,
    kind: String,
    currency: String,
    amounts: [String; 4],
}

struct MovementRow {
    account: String,
    environment: &'static str,
    kind: String,
    numbers: [u64; 6],
}

struct DelayRow {
    account: String,
    kind: String,
    ends: usize,
    p50: String,
    p95: String,
}

/// What is learnt about one kind in one state.
struct RhythmChart {
    heading: String,
    spent: String,
    height: u64,
    rows: Vec<RhythmRow>,
}

struct RhythmRow {
    label: String,
    ends_percent: String,
    hazard_per_h: String,
    polls: u64,
    y: u64,
    width: f64,
}

#[derive(Template)]
#[template(path = "nightly.html")]
struct Page<'a> {
    date: String,
    zone: &'a str,
    start: String,
    end: String,
    hours_long: usize,
    tiles: Vec<(&'static str, &'static str, u64)>,
    is_balanced: bool,
    /// Rows that the workbook has no room for.
    rows_left_out: u64,
    checks: &'a [Check],
    chart_width: u64,
    hour_rectangles: Vec<Rectangle>,
    hours: Vec<HourRow>,
    ages: Vec<AgeRow>,
    totals: Vec<TotalRow>,
    money: Vec<MoneyRow>,
    value: Vec<ValueRow>,
    movement: Vec<MovementRow>,
    channels: &'a [ChannelDay],
    delays: Vec<DelayRow>,
    rhythms: Vec<RhythmChart>,
    lists: Vec<List>,
}

/// The page.
pub(super) fn page(
    frame: &Frame,
    filed: &[Filed],
    figures: &Figures,
    accounts: &[Account],
    (delays, checks): (&[Delays<'_>], &[Check]),
    rows_left_out: u64,
) -> String {
    let count =
        |sort: &str| filed.iter().find(|file| file.sort == sort).map_or(0, |file| file.totals.count());
    let page = Page {
        date: frame.day.date.to_string(),
        zone: &frame.day.zone_name,
        start: utc(frame.day.start),
        end: utc(frame.day.end),
        hours_long: frame.day.hours(),
        tiles: vec![
            ("declined", "bad", count("declined")),
            ("resolved", "good", count("resolved")),
            ("still pending", "calm", count("pending")),
            ("quarantined", "odd", count("quarantined")),
        ],
        is_balanced: checks.iter().all(|check| check.is_ok),
        rows_left_out,
        checks,
        chart_width: (figures.hours.len() as u64 * COLUMN_WIDTH).max(COLUMN_WIDTH),
        hour_rectangles: hour_rectangles(figures),
        hours: hour_rows(frame, figures),
        ages: age_rows(figures),
        totals: total_rows(frame, filed),
        money: accounts.iter().flat_map(money_rows).collect(),
        value: value_rows(frame, figures),
        movement: movement_rows(frame, figures),
        channels: &frame.channels,
        delays: delays.iter().map(delay_row).collect(),
        rhythms: frame.rhythms.iter().flat_map(rhythm_charts).collect(),
        lists: figures.listed.lists(&frame.meanings),
    };
    // A template over plain values cannot fail; a page with an error is better than no report.
    let page = page.render();
    let page = page.unwrap_or_else(|error| format!("<!doctype html><title>report</title><p>{error}</p>"));
    text::lines(&page).into_owned()
}

fn hour_rectangles(figures: &Figures) -> Vec<Rectangle> {
    let most =
        figures.hours.iter().map(|hour| hour.succeeded + hour.closed + hour.canceled + hour.declined).max();
    let most = most.unwrap_or(0).max(1);
    let mut rectangles = Vec::new();
    for (number, hour) in figures.hours.iter().enumerate() {
        let mut top = CHART_HEIGHT;
        for (class, word, count) in [
            ("good", "succeeded", hour.succeeded),
            ("plain", "closed", hour.closed),
            ("calm", "canceled", hour.canceled),
            ("bad", "declined", hour.declined),
        ] {
            if count == 0 {
                continue;
            }
            // At least one unit, so that a single decline in a busy day is visible.
            let height = (count * CHART_HEIGHT / most).max(1).min(top);
            top -= height;
            rectangles.push(Rectangle {
                class,
                x: number as u64 * COLUMN_WIDTH + 2,
                y: top,
                width: COLUMN_WIDTH - 4,
                height,
                title: format!("hour {}: {count} {word}", number + 1),
            });
        }
    }
    rectangles
}

fn hour_rows(frame: &Frame, figures: &Figures) -> Vec<HourRow> {
    let row = |(number, hour): (usize, &super::day_files::Hour)| {
        let offset_s = i64::try_from(number).unwrap_or(0) * 3600;
        let begins = frame.day.start + jiff::SignedDuration::from_secs(offset_s);
        HourRow {
            label: begins.to_zoned(frame.day.zone.clone()).strftime("%H:%M").to_string(),
            succeeded: hour.succeeded,
            closed: hour.closed,
            canceled: hour.canceled,
            declined: hour.declined,
            label_x: number.is_multiple_of(3).then_some(number as u64 * COLUMN_WIDTH + 2),
        }
    };
    figures.hours.iter().enumerate().map(row).collect()
}

fn age_rows(figures: &Figures) -> Vec<AgeRow> {
    let most = figures.ages.iter().copied().max().unwrap_or(0).max(1);
    let row = |(number, (label, _)): (usize, &(&'static str, i64))| AgeRow {
        label,
        count: figures.ages[number],
        y: number as u64 * 24,
        width: if figures.ages[number] == 0 { 0 } else { (figures.ages[number] * BAR_WIDTH / most).max(2) },
    };
    AGES.iter().enumerate().map(row).collect()
}

fn delay_row(delays: &Delays<'_>) -> DelayRow {
    DelayRow {
        account: delays.account.to_string(),
        kind: delays.kind.to_string(),
        ends: delays.ends,
        p50: text::span(delays.p50_s.into()),
        p95: text::span(delays.p95_s.into()),
    }
}

fn rhythm_charts((account, overview): &(AccountName, Overview)) -> Vec<RhythmChart> {
    let chart = |curve: &Curve| {
        let most = curve.ages.iter().map(|range| range.ends_percent).fold(0.1, f64::max);
        let row = |(number, range): (usize, &AgeRange)| RhythmRow {
            label: format!("{} to {}", text::span(range.from_s), text::span(range.to_s)),
            ends_percent: format!("{:.1}", range.ends_percent),
            hazard_per_h: format!("{:.2}", range.hazard_per_h),
            polls: range.polls,
            y: number as u64 * 24,
            width: (range.ends_percent / most * BAR_WIDTH as f64).round(),
        };
        RhythmChart {
            heading: format!(
                "{account}: {} in {}, learnt from {}",
                curve.kind,
                curve.state,
                text::count(curve.ends, "end")
            ),
            spent: overview.ledger.words().unwrap_or_default(),
            height: curve.ages.len() as u64 * 24,
            rows: curve.ages.iter().enumerate().map(row).collect(),
        }
    };
    overview.curves.iter().map(chart).collect()
}

fn total_rows(frame: &Frame, filed: &[Filed]) -> Vec<TotalRow> {
    let mut rows = Vec::new();
    for file in filed {
        for (group, total) in &file.totals.0 {
            rows.push(TotalRow {
                file: file.sort,
                account: group.account.to_string(),
                environment: frame.environment(&group.account).as_str(),
                kind: group.kind.to_string(),
                state: group.state.clone(),
                meaning: frame.meanings.state(&group.account, &group.kind, &group.state),
                currency: group.currency.map(|currency| currency.to_string()).unwrap_or_default(),
                count: total.count,
                amount: group.currency.map(|currency| sum_text(total.sum, currency)).unwrap_or_default(),
            });
        }
    }
    rows
}

fn money_rows(entry: &Account) -> Vec<MoneyRow> {
    let text = |sum| sum_text(sum, entry.currency);
    let row = |kind: String, sums: &Sums, is_total: bool| {
        let own = |sum| if is_total { String::new() } else { text(sum) };
        MoneyRow {
            account: entry.account.to_string(),
            environment: entry.environment.as_str(),
            kind,
            currency: entry.currency.to_string(),
            is_total,
            amounts: [
                text(sums.authorized),
                text(sums.captured),
                text(Decimal::ZERO - sums.refunded),
                text(sums.net),
                own(sums.declined),
                own(sums.canceled),
                own(sums.open),
            ],
        }
    };
    let by_type = entry.by_type.iter().map(|(kind, sums)| row(kind.to_string(), sums, false));
    by_type.chain([row("all".to_owned(), &entry.all, true)]).collect()
}

fn value_rows(frame: &Frame, figures: &Figures) -> Vec<ValueRow> {
    let rows = figures.value.iter().map(|((account, kind, currency), value)| {
        let text = |sum: Option<Decimal>| sum.map(|sum| sum_text(sum, *currency)).unwrap_or_default();
        ValueRow {
            account: account.to_string(),
            environment: frame.environment(account).as_str(),
            kind: kind.to_string(),
            currency: currency.to_string(),
            amounts: [Some(value.opening), value.came(), value.went(), Some(value.closing)].map(text),
        }
    });
    rows.collect()
}

fn movement_rows(frame: &Frame, figures: &Figures) -> Vec<MovementRow> {
    let rows = figures.movement.iter().map(|((account, kind), movement)| MovementRow {
        account: account.to_string(),
        environment: frame.environment(account).as_str(),
        kind: kind.to_string(),
        numbers: [
            movement.opening,
            movement.entered,
            movement.reopened,
            movement.closed,
            movement.forgotten,
            movement.closing,
        ],
    });
    rows.collect()
}
