//! `summary.json`: control totals and the equations that they must satisfy.
//!
//! Owns: its form, the checks. Must never know: how rows were created.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::SCHEMA_VERSION;
use super::columns::Frame;
use super::day::utc;
use super::day_files::{Figures, Filed};
use super::detection::Delays;
use super::money::Account;
use super::totals::{Movement, sum_text};
use crate::text;

/// A statement about the figures, true or false.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    /// In words.
    pub(super) name: String,
    /// Whether it holds.
    pub(super) is_ok: bool,
    /// The numbers behind it.
    pub(super) detail: String,
}

/// All checks of a day.
pub(super) fn checks(filed: &[Filed], figures: &Figures, accounts: &[Account]) -> Vec<Check> {
    let mut found = Vec::new();
    for ((account, kind), movement) in &figures.movement {
        let Movement { opening, entered, reopened, closed, forgotten, closing } = *movement;
        found.push(Check {
            name: format!("{account} {kind}: what was there and came is what went and stayed"),
            is_ok: movement.is_balanced(),
            detail: format!(
                "{opening} open + {entered} enrolled + {reopened} reopened = {closed} final + {forgotten} forgotten + {closing} open"
            ),
        });
    }
    for ((account, kind, currency), value) in &figures.value {
        let text = |sum| sum_text(sum, *currency);
        found.push(Check {
            name: format!(
                "{account} {kind} {currency}: the money that was open and came is what went and stayed"
            ),
            is_ok: value.is_balanced(),
            detail: format!(
                "{} open + {} enrolled + {} reopened + {} changed = {} final + {} forgotten + {} open",
                text(value.opening),
                text(value.entered),
                text(value.reopened),
                text(value.changed),
                text(value.closed),
                text(value.forgotten),
                text(value.closing)
            ),
        });
    }
    for Account { account, environment, currency, all, .. } in accounts {
        let text = |sum| sum_text(sum, *currency);
        found.push(Check {
            name: format!(
                "{account} {} {currency}: captured less refunded in the files is the net of the objects' totals",
                environment.as_str()
            ),
            is_ok: all.is_balanced(),
            detail: format!(
                "{} captured - {} refunded = {} net",
                text(all.captured),
                text(all.refunded),
                text(all.net)
            ),
        });
    }
    let closed: BTreeMap<_, u64> = figures
        .movement
        .iter()
        .filter(|(_, movement)| movement.closed > 0)
        .map(|(key, movement)| (key.clone(), movement.closed))
        .collect();
    found.push(Check {
        name: "ends in the files are the ends of the objects' histories".to_owned(),
        is_ok: closed == figures.closed_in_files,
        detail: format!(
            "{} in the files, {} in the histories",
            figures.closed_in_files.values().sum::<u64>(),
            closed.values().sum::<u64>()
        ),
    });
    let pending = filed.iter().find(|file| file.sort == "pending").map_or(0, |file| file.totals.count());
    let closing: u64 = figures.movement.values().map(|movement| movement.closing).sum();
    found.push(Check {
        name: "rows of the pending file are the objects still open".to_owned(),
        is_ok: pending == closing,
        detail: format!("{pending} rows, {closing} objects"),
    });
    found
}

/// The file.
pub(super) fn json(
    frame: &Frame,
    filed: &[Filed],
    figures: &Figures,
    money_of_accounts: &Value,
    (delays, checks): (&[Delays<'_>], &[Check]),
) -> Vec<u8> {
    let totals: Vec<Value> = filed
        .iter()
        .flat_map(|file| {
            file.totals.0.iter().map(|(group, total)| {
                json!({
                    "file": file.sort,
                    "account": group.account,
                    "environment": frame.environment(&group.account).as_str(),
                    "transaction_type": group.kind,
                    "state": group.state,
                    "outcome": group.outcome.as_str(),
                    "currency": group.currency,
                    "count": total.count,
                    "amount": group.currency.map(|currency| sum_text(total.sum, currency)),
                })
            })
        })
        .collect();
    let movement: Vec<Value> = figures
        .movement
        .iter()
        .map(|((account, kind), movement)| {
            json!({
                "account": account,
                "environment": frame.environment(account).as_str(),
                "transaction_type": kind,
                "open_at_start": movement.opening,
                "enrolled": movement.entered,
                "reopened": movement.reopened,
                "became_final": movement.closed,
                "forgotten": movement.forgotten,
                "open_at_end": movement.closing,
            })
        })
        .collect();
    let money: Vec<Value> = figures
        .value
        .iter()
        .map(|((account, kind, currency), value)| {
            json!({
                "account": account,
                "environment": frame.environment(account).as_str(),
                "transaction_type": kind,
                "currency": currency,
                "open_at_start": sum_text(value.opening, *currency),
                "enrolled": sum_text(value.entered, *currency),
                "reopened": sum_text(value.reopened, *currency),
                "changed": sum_text(value.changed, *currency),
                "became_final": sum_text(value.closed, *currency),
                "forgotten": sum_text(value.forgotten, *currency),
                "open_at_end": sum_text(value.closing, *currency),
            })
        })
        .collect();
    let checks: Vec<Value> = checks
        .iter()
        .map(|check| json!({"check": check.name, "ok": check.is_ok, "detail": check.detail}))
        .collect();
    let channels: Vec<Value> = frame
        .channels
        .iter()
        .map(|channel| {
            json!({
                "account": channel.account,
                "environment": frame.environment(&channel.account).as_str(),
                "final_states": channel.finals,
                "announced": channel.announced,
                "was_silent": !channel.silent.is_empty(),
                "silent_types": channel.silent,
            })
        })
        .collect();
    let detection: Vec<Value> = delays
        .iter()
        .map(|delays| {
            json!({
                "account": delays.account,
                "environment": frame.environment(delays.account).as_str(),
                "transaction_type": delays.kind,
                "ends": delays.ends,
                "p50_s": delays.p50_s,
                "p95_s": delays.p95_s,
            })
        })
        .collect();
    let mut whole = json!({
        "schema": format!("reconciled-nightly-summary/{SCHEMA_VERSION}"),
        "business_date": frame.day.date.to_string(),
        "time_zone": frame.day.zone_name,
        "start_utc": utc(frame.day.start),
        "end_utc": utc(frame.day.end),
        "rows": filed.iter().map(|file| (file.sort.to_owned(), json!(file.totals.count())))
            .collect::<serde_json::Map<String, Value>>(),
        "totals": totals,
        "money": money_of_accounts,
        "movement": movement,
        "movement_in_money": money,
        "checks": checks,
    });
    // Left out where the provider dates no end.
    if !detection.is_empty() {
        whole["detection_delay"] = Value::Array(detection);
    }
    // Left out where nothing is notified.
    if !channels.is_empty() {
        whole["notifications"] = Value::Array(channels);
    }
    pretty(&whole)
}

/// Indented by two spaces, with a line end at the end. Characters that could harm a screen are escaped, which means
/// the same.
pub(super) fn pretty(value: &Value) -> Vec<u8> {
    text::json(&format!("{value:#}\n")).into_owned().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_harm_a_screen_is_escaped_and_means_the_same() {
        let value = json!({ "state": "De\u{9b}cli\u{202e}ned\u{1b}" });
        let text = String::from_utf8(pretty(&value)).unwrap();
        assert_eq!(text, "{\n  \"state\": \"De\\u009bcli\\u202ened\\u001b\"\n}\n");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
