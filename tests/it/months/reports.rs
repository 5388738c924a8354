//! Checks the nightly reports against the traffic on the wire.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, ToSpan};
use rust_decimal::Decimal;

use super::judge::Seen;
use super::model::{is_decline, is_final};
use super::world::Remains;

/// Rows of one file, by the object's id: state, amount, currency.
type Rows = BTreeMap<String, Vec<(String, String, String)>>;

/// The files of one day.
struct Day {
    date: Date,
    end: Timestamp,
    declined: Rows,
    resolved: Rows,
    pending: Rows,
    summary: serde_json::Value,
}

/// Everything that is wrong with the reports of a world.
pub fn judge(remains: &Remains, seen: &[Seen]) -> Vec<String> {
    let mut wrong = Vec::new();
    let zone = &remains.zone;
    let first = remains.start.to_zoned(zone.clone()).date();
    let end = remains.start + SignedDuration::try_from(remains.ended_at).expect("short");
    let last = end.to_zoned(zone.clone()).date();
    let midnight = |date: Date| date.to_zoned(zone.clone()).expect("in range").timestamp();
    // What was observed while the clock was far off is dated by it, and need not be in the true day's report.
    let is_right = |at: std::time::Duration, wall: Timestamp| {
        let truth = remains.start + SignedDuration::try_from(at).expect("short");
        wall.duration_since(truth).abs() < SignedDuration::from_hours(3)
    };
    let acknowledged = seen.iter().filter_map(|seen| seen.acknowledged_at);
    let acknowledged = acknowledged.filter(|(at, wall)| is_right(*at, *wall));
    let first_owed = acknowledged.map(|(_, wall)| wall.to_zoned(zone.clone()).date()).min();
    let mut days = Vec::new();
    let mut date = first;
    while date < last {
        let next = date.checked_add(1.day()).expect("in range");
        match read_day(&remains.folder.path().join("reports"), date, midnight(next)) {
            Ok(day) => days.push(day),
            // Before the first acknowledgement the daemon may never have been up.
            Err(_) if first_owed.is_none_or(|owed| date < owed) => {}
            Err(error) => wrong.push(format!("the report of {date}: {error}")),
        }
        date = next;
    }
    wrong.extend(check_whole(&remains.folder.path().join("reports")));
    for day in &days {
        wrong.extend(check_totals(day));
    }
    for (place, seen) in seen.iter().enumerate() {
        wrong.extend(check_object(remains, place, seen, &days, &midnight));
    }
    wrong
}

fn read_day(root: &Path, date: Date, end: Timestamp) -> Result<Day, String> {
    let folder = newest(root, date).ok_or("is missing")?;
    let words = |error: std::io::Error| error.to_string();
    let summary = std::fs::read(folder.join("summary.json")).map_err(words)?;
    Ok(Day {
        date,
        end,
        declined: rows(&folder, "declined", date)?,
        resolved: rows(&folder, "resolved", date)?,
        pending: rows(&folder, "pending", date)?,
        summary: serde_json::from_slice(&summary).map_err(|error| error.to_string())?,
    })
}

/// The newest revision of a day's folder.
fn newest(root: &Path, date: Date) -> Option<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if !path.is_dir() {
                continue;
            }
            let name = entry.file_name().to_string_lossy().into_owned();
            match name.contains(&date.to_string()) && path.join("manifest.json").exists() {
                true => found.push((name.len(), name, path)),
                false => open.push(path),
            }
        }
    }
    found.sort();
    found.pop().map(|(_, _, path)| path)
}

/// Every folder named after a day is whole: each file has the checksum in the list, and there is no other
/// file.
fn check_whole(root: &Path) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            let is_day = name.get(..10).is_some_and(|date| date.parse::<Date>().is_ok());
            match (path.is_dir(), is_day) {
                (true, true) => wrong.extend(flaw(&path).map(|flaw| format!("the report {name} {flaw}"))),
                // Left by a crash; it does not look like a report.
                (true, false) if name.starts_with('.') => {}
                (true, false) => open.push(path),
                (false, _) => wrong.push(format!("{name} is among the reports")),
            }
        }
    }
    wrong
}

/// What is wrong with a day's folder.
fn flaw(folder: &Path) -> Option<String> {
    let Ok(sums) = std::fs::read_to_string(folder.join("SHA256SUMS")) else {
        return Some("has no list of sums".to_owned());
    };
    let sums: BTreeMap<String, String> = sums
        .lines()
        .filter_map(|line| line.split_once("  "))
        .map(|(sum, name)| (name.to_owned(), sum.to_owned()))
        .collect();
    if !sums.contains_key("manifest.json") {
        return Some("has an empty list of sums".to_owned());
    }
    for (name, sum) in &sums {
        let bytes = std::fs::read(folder.join(name)).unwrap_or_default();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes);
        let found: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        if found != *sum {
            return Some(format!("is not whole: {name} does not match its checksum"));
        }
    }
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let strange = files.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut strange = strange.filter(|name| name != "SHA256SUMS" && !sums.contains_key(name));
    strange.next().map(|name| format!("has {name}, which is not in the list of sums"))
}

fn rows(folder: &Path, sort: &str, date: Date) -> Result<Rows, String> {
    let path = folder.join(format!("{sort}_{date}.csv"));
    let mut reader = csv::Reader::from_path(&path).map_err(|error| error.to_string())?;
    let headers = reader.headers().map_err(|error| error.to_string())?.clone();
    let place =
        |name: &str| headers.iter().position(|known| known == name).ok_or(format!("no column {name}"));
    let (id, state) = (place("amazon_transaction_id")?, place("state")?);
    let (amount, currency) = (place("amount")?, place("currency")?);
    let mut found = Rows::new();
    for record in reader.records() {
        let record = record.map_err(|error| error.to_string())?;
        let cell = |place: usize| record.get(place).unwrap_or_default().to_owned();
        found.entry(cell(id)).or_default().push((cell(state), cell(amount), cell(currency)));
    }
    Ok(found)
}

/// The summary's totals must equal the sums of the files' rows, and its own checks must hold.
fn check_totals(day: &Day) -> Vec<String> {
    let mut wrong = Vec::new();
    for check in day.summary["checks"].as_array().into_iter().flatten() {
        if check["ok"] != true {
            wrong.push(format!("the report of {} says of itself that it is wrong: {check}", day.date));
        }
    }
    for (sort, rows) in [("declined", &day.declined), ("resolved", &day.resolved), ("pending", &day.pending)]
    {
        let count: usize = rows.values().map(Vec::len).sum();
        if day.summary["rows"][sort] != count {
            wrong.push(format!(
                "{}: {count} rows of {sort}, the summary says {}",
                day.date, day.summary["rows"][sort]
            ));
        }
        let mut sums: BTreeMap<String, Decimal> = BTreeMap::new();
        for (_, amount, currency) in rows.values().flatten().filter(|(_, amount, _)| !amount.is_empty()) {
            *sums.entry(currency.clone()).or_default() += amount.parse::<Decimal>().unwrap_or_default();
        }
        let mut told: BTreeMap<String, Decimal> = BTreeMap::new();
        let totals = day.summary["totals"].as_array().into_iter().flatten();
        for total in totals.filter(|total| total["file"] == sort && total["currency"].is_string()) {
            let amount = total["amount"].as_str().unwrap_or_default().parse::<Decimal>().unwrap_or_default();
            *told.entry(total["currency"].as_str().unwrap_or_default().to_owned()).or_default() += amount;
        }
        if sums != told {
            wrong.push(format!("{}: {sort} adds up to {sums:?}, the summary has {told:?}", day.date));
        }
    }
    wrong
}

/// The object's end must be in the file of the day on which it was observed, once, with its amount; until
/// then the object must be among the pending ones.
fn check_object(
    remains: &Remains,
    place: usize,
    seen: &Seen,
    days: &[Day],
    midnight: &dyn Fn(Date) -> Timestamp,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let life = &remains.lives[place];
    let Some((_, acknowledged)) = seen.acknowledged_at else { return wrong };
    let mut filed = Vec::new();
    for day in days {
        for (rows, is_declined) in [(&day.declined, true), (&day.resolved, false)] {
            for (state, amount, currency) in rows.get(&life.id).into_iter().flatten() {
                filed.push(day.date);
                let is_same = amount.parse::<Decimal>().ok() == life.booked(state).parse::<Decimal>().ok();
                if !is_same || *currency != life.currency || is_decline(state) != is_declined {
                    wrong.push(format!("{}: {} is filed as {state} {amount} {currency}", day.date, life.id));
                }
            }
        }
    }
    let has_ended = seen.beliefs.certain().is_some_and(|state| is_final(life.kind, state));
    // The day is that of the daemon's clock when the end was observed; near a crash it may be a later
    // observation. After a clock was set back, it may be as late as the clock had been before.
    let ahead = if remains.has_jumps { SignedDuration::from_mins(130) } else { SignedDuration::ZERO };
    // An answer may itself correct a clock that was minutes ahead.
    let behind = ahead / 6;
    let dated = seen.ends.iter().flat_map(|at| [*at - behind, *at, *at + ahead]);
    let candidates: BTreeSet<Date> = dated.map(|at| at.to_zoned(remains.zone.clone()).date()).collect();
    match filed.as_slice() {
        [] if has_ended => wrong.push(format!("the end of {} is in no report", life.id)),
        [] => {}
        [day] if candidates.contains(day) => {}
        [day] => wrong.push(format!("the end of {} is in {day}, it was observed on {candidates:?}", life.id)),
        several => wrong.push(format!("the end of {} is in several reports: {several:?}", life.id)),
    }
    for day in days {
        let is_pending = day.pending.contains_key(&life.id);
        let was_open = filed.first().is_none_or(|end| *end > day.date);
        let was_watched = acknowledged + ahead < day.end && midnight(day.date) <= day.end;
        if was_watched && was_open && !is_pending {
            wrong.push(format!(
                "{} was open at the end of {} and is not among the pending",
                life.id, day.date
            ));
        }
        if is_pending && !was_open {
            wrong.push(format!("{} had ended by the end of {} and is among the pending", life.id, day.date));
        }
    }
    wrong
}
