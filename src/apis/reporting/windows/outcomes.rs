//! What follows from a step: the next state of a pull after each outcome.
//!
//! Owns: what is concluded from an answer, or from its absence. Must never know: the network, storage, the clock.

use jiff::{SignedDuration, Timestamp};

use super::{LOOK_EVERY, MOST_SPOILT, Outcome, Phase, Pull, Window};
use crate::apis::reporting::{ReportRow, RequestRow, RequestStatus};
use crate::time::later;

/// The pull to store after a step was taken.
#[must_use]
pub fn took(mut pull: Pull, outcome: Outcome, now: Timestamp) -> Pull {
    let wait = |seconds: Option<u64>| {
        let asked = seconds.and_then(|seconds| i64::try_from(seconds).ok()).map(SignedDuration::from_secs);
        later(
            now,
            asked.unwrap_or(LOOK_EVERY).clamp(SignedDuration::from_secs(1), SignedDuration::from_hours(1)),
        )
    };
    match outcome {
        Outcome::Requested { window, row } => {
            if let Some(window) = requesting(&mut pull, window) {
                window.phase = Phase::Requested { request_id: row.id, next_at: later(now, LOOK_EVERY) };
            }
        }
        Outcome::NotNow { window, retry_after_s } => {
            if let Some(window) = requesting(&mut pull, window) {
                window.phase = Phase::Owed;
                pull.next_request_at = wait(retry_after_s);
            }
        }
        Outcome::Refused { window, detail } => {
            if let Some(window) = requesting(&mut pull, window) {
                window.phase = Phase::Failed { why: detail, report_id: None };
            }
        }
        Outcome::Searched(rows) => searched(&mut pull, &rows, now),
        Outcome::Seen(rows) => seen(&mut pull, &rows, now),
        Outcome::Named { window, report_id } => named(&mut pull, window, report_id, now),
        Outcome::Fetched { window } => {
            if let Some(phase) = phase(&mut pull, window)
                && let Phase::Ready { report_id, .. } = phase
            {
                *phase = Phase::Fetched { report_id: std::mem::take(report_id) };
            }
        }
        Outcome::Spoilt { window } => {
            if let Some(phase) = phase(&mut pull, window)
                && let Phase::Ready { spoilt, report_id, .. } = phase
            {
                *spoilt += 1;
                if *spoilt >= MOST_SPOILT {
                    let why = "its bytes do not match the promised MD5".to_owned();
                    *phase = Phase::Failed { why, report_id: Some(std::mem::take(report_id)) };
                }
            }
        }
        Outcome::Never { window, code } => {
            if let Some(phase) = phase(&mut pull, window) {
                *phase = Phase::Failed { why: code, report_id: report_id(phase) };
            }
        }
        Outcome::Listed(rows) => listed(&mut pull, rows, now),
        Outcome::GaveUp => {
            for window in pull.windows.iter_mut().filter(|window| !window.phase.is_over()) {
                let report_id = report_id(&window.phase);
                window.phase = Phase::Failed { why: "not ready after three days".to_owned(), report_id };
            }
            if let Some(listing) = &mut pull.listing {
                listing.next_at = None;
            }
        }
        Outcome::Failed { retry_after_s } => {
            let at = wait(retry_after_s);
            if let Some(next_at) = pull.listing.as_mut().and_then(|listing| listing.next_at.as_mut()) {
                *next_at = at.max(*next_at);
            }
            for window in &mut pull.windows {
                match &mut window.phase {
                    Phase::Requested { next_at, .. }
                    | Phase::Unnamed { next_at, .. }
                    | Phase::Ready { next_at, .. } => *next_at = at.max(*next_at),
                    // It is searched for again after the usual time.
                    Phase::Requesting { since } => *since = now.max(*since),
                    _ => {}
                }
            }
        }
    }
    pull
}

fn phase(pull: &mut Pull, window: usize) -> Option<&mut Phase> {
    pull.windows.get_mut(window).map(|window| &mut window.phase)
}

fn requesting(pull: &mut Pull, window: usize) -> Option<&mut Window> {
    pull.windows.get_mut(window).filter(|window| matches!(window.phase, Phase::Requesting { .. }))
}

fn searched(pull: &mut Pull, rows: &[RequestRow], now: Timestamp) {
    let kind = pull.report_type.clone();
    let taken: Vec<String> = pull.windows.iter().filter_map(|window| request_id(&window.phase)).collect();
    for window in &mut pull.windows {
        if !matches!(window.phase, Phase::Requesting { .. }) {
            continue;
        }
        let found = rows.iter().find(|row| {
            row.report_type.as_deref() == Some(kind.as_str())
                && (row.from, row.until) == (Some(window.from), Some(window.until))
                && !taken.contains(&row.id)
                && row.status != RequestStatus::Cancelled
        });
        match found {
            Some(row) => advance(window, row, now),
            // It never arrived. A second request costs quota, but does no harm.
            None => window.phase = Phase::Owed,
        }
    }
}

fn seen(pull: &mut Pull, rows: &[RequestRow], now: Timestamp) {
    for window in &mut pull.windows {
        let Phase::Requested { request_id, next_at } = &mut window.phase else { continue };
        match rows.iter().find(|row| row.id == *request_id) {
            Some(row) => advance(window, row, now),
            None if *next_at <= now => *next_at = later(now, LOOK_EVERY),
            None => {}
        }
    }
}

/// New reports become windows of zero length, ready to be fetched.
fn listed(pull: &mut Pull, rows: Vec<ReportRow>, now: Timestamp) {
    for row in rows {
        let is_ours = row.report_type.as_deref().is_none_or(|kind| kind == pull.report_type);
        let is_known = pull
            .windows
            .iter()
            .any(|window| report_id(&window.phase).is_some_and(|report_id| report_id == row.id));
        if is_ours && !is_known {
            let at = row.available_at.unwrap_or(now);
            let phase = Phase::Ready { report_id: row.id, next_at: now, spoilt: 0 };
            pull.windows.push(Window { from: at, until: at, phase, cancelled: 0 });
        }
    }
    pull.windows.sort_by_key(|window| window.from);
    if let Some(listing) = &mut pull.listing {
        listing.next_at = None;
    }
}

/// The report of a window, once it is known.
pub(super) fn report_id(phase: &Phase) -> Option<String> {
    match phase {
        Phase::Ready { report_id, .. } | Phase::Fetched { report_id } => Some(report_id.clone()),
        Phase::Failed { report_id, .. } => report_id.clone(),
        _ => None,
    }
}

fn request_id(phase: &Phase) -> Option<String> {
    match phase {
        Phase::Requested { request_id, .. } | Phase::Unnamed { request_id, .. } => Some(request_id.clone()),
        _ => None,
    }
}

fn advance(window: &mut Window, row: &RequestRow, now: Timestamp) {
    window.phase = match (&row.status, &row.report_id) {
        (RequestStatus::DoneWithoutData, _) => Phase::Empty,
        (RequestStatus::Done, Some(report_id)) => {
            Phase::Ready { report_id: report_id.clone(), next_at: now, spoilt: 0 }
        }
        (RequestStatus::Done, None) => Phase::Unnamed { request_id: row.id.clone(), next_at: now },
        // At most one more request for a day whose request the provider cancelled (section 9).
        (RequestStatus::Cancelled, _) if window.cancelled == 0 => {
            window.cancelled = 1;
            Phase::Owed
        }
        (RequestStatus::Cancelled, _) => {
            Phase::Failed { why: "cancelled by the provider twice".to_owned(), report_id: None }
        }
        (RequestStatus::Submitted | RequestStatus::InProgress | RequestStatus::Unknown(_), _) => {
            Phase::Requested { request_id: row.id.clone(), next_at: later(now, LOOK_EVERY) }
        }
    };
}

fn named(pull: &mut Pull, window: usize, report_id: Option<String>, now: Timestamp) {
    let Some(phase) = phase(pull, window) else { return };
    let Phase::Unnamed { next_at, .. } = phase else { return };
    match report_id {
        Some(report_id) => *phase = Phase::Ready { report_id, next_at: now, spoilt: 0 },
        None => *next_at = later(now, LOOK_EVERY),
    }
}
