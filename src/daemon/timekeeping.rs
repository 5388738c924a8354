//! How the process handles its clock: it reports when the machine's clock is off, saves the confirmed time, and makes
//! objects due now if a clock that was ahead gave them a later due time.
//!
//! Owns: the texts, and the name under which the last time is stored. Must never know: how a clock is judged.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::ahead::{self, Which};
use crate::clock::judge::{Break, NEAR, Trust};
use crate::clock::{Clock, JudgedClock, Standing};
use crate::control::messages::{ClockHealth, ClockTrust};
use crate::documents;
use crate::payments::alert::{Alert, AlertKind, Recipient, Routes, Severity};
use crate::payments::object::AccountName;
use crate::store::{OwedAlert, Store, StoreError};
use crate::task::{Done, Round, Work};
use crate::time::later;

/// The name under which the last time is stored.
const LAST_TIME: &str = "clock/last";
/// The time between two saves.
const KEEP_EVERY: Duration = Duration::from_secs(3600);
/// The least time between two searches because of other hosts' dates.
const SEARCH_EVERY: Duration = Duration::from_secs(120);

/// The last time, as saved for the next start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct LastTime {
    /// The latest confirmed time: the real time is later than this.
    confirmed: Option<Timestamp>,
    /// The latest time in use: dates in the store may be as late as this.
    used: Option<Timestamp>,
    /// Since when the machine's clock has been off.
    off_since: Option<Timestamp>,
}

/// The name under which it is stored. Each host has its own clock, so each of several hosts has its own name.
fn last_time(store: &Store) -> String {
    store.fleet().map_or_else(|| LAST_TIME.to_owned(), |fleet| format!("{LAST_TIME}/{}", fleet.host()))
}

async fn recall(store: &Store) -> Result<LastTime, StoreError> {
    Ok(documents::read_if_sound(store, &last_time(store)).await?.unwrap_or_default())
}

/// Passes on to a clock what was confirmed before this start.
///
/// # Errors
/// The store's.
pub(super) async fn greet(store: &Store, clock: &JudgedClock) -> Result<(), StoreError> {
    if let Some(confirmed) = recall(store).await?.confirmed {
        clock.was_confirmed(confirmed);
    }
    Ok(())
}

/// Watches the clock.
pub(super) struct Timekeeping {
    store: Store,
    clock: Arc<JudgedClock>,
    routes: Routes,
    /// The accounts, each with whether it is a sandbox.
    accounts: Vec<(AccountName, bool)>,
    state: Mutex<Option<State>>,
    /// How far a search has come.
    progress: AtomicU64,
}

/// The state of the loop.
#[derive(Debug, Clone, Copy)]
struct State {
    last: LastTime,
    /// When `last` was saved, in monotonic time.
    kept_at: Option<Duration>,
    /// Whether objects with dates in the future were searched for since the start, or since the clock last went back.
    is_searched: bool,
    /// The latest date in facts from other hosts since the last search.
    copied: Option<Timestamp>,
    /// When objects were last searched for, in monotonic time.
    searched_at: Option<Duration>,
}

impl Timekeeping {
    pub(super) fn new(
        store: Store,
        clock: Arc<JudgedClock>,
        routes: Routes,
        accounts: Vec<(AccountName, bool)>,
    ) -> Timekeeping {
        Timekeeping { store, clock, routes, accounts, state: Mutex::new(None), progress: AtomicU64::new(0) }
    }

    async fn round(&self) -> Result<String, StoreError> {
        let known = *self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = match known {
            Some(state) => state,
            None => State {
                last: recall(&self.store).await?,
                kept_at: None,
                is_searched: false,
                copied: None,
                searched_at: None,
            },
        };
        let breaks = self.clock.take_breaks();
        for one in &breaks {
            log(*one);
        }
        let standing = self.clock.standing();
        for one in &breaks {
            if let Break::Moved { by } = one
                && by.is_negative()
            {
                let used = standing.now.checked_sub(*by).unwrap_or(Timestamp::MAX);
                state.last.used = Some(state.last.used.map_or(used, |known| known.max(used)));
                state.is_searched = false;
            }
        }
        state.copied = state.copied.max(self.store.take_copied_date());
        self.search(&mut state, &standing, &breaks).await?;
        let off_since = self.tell(&standing, &breaks, state.last.off_since).await?;
        let is_turn = off_since != state.last.off_since || !breaks.is_empty();
        state.last.off_since = off_since;
        // A time that was in use stays recorded until it is known that nothing is dated by it.
        state.last.used = Some(state.last.used.map_or(standing.now, |used| used.max(standing.now)));
        if standing.trust == Trust::Confirmed {
            state.last.confirmed = Some(standing.now);
        }
        let at = self.clock.monotonic();
        let is_old = state.kept_at.is_none_or(|kept_at| at.saturating_sub(kept_at) >= KEEP_EVERY);
        let is_first_confirmed =
            standing.trust == Trust::Confirmed && known.is_none_or(|known| known.last.confirmed.is_none());
        if is_turn || is_old || is_first_confirmed {
            keep(&self.store, &state.last).await?;
            state.kept_at = Some(at);
        }
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = Some(state);
        Ok(words(&standing))
    }

    /// Searches for objects that wait for a date that is ahead of the present.
    async fn search(
        &self,
        state: &mut State,
        standing: &Standing,
        breaks: &[Break],
    ) -> Result<(), StoreError> {
        let at = self.clock.monotonic();
        let is_ahead =
            |date: Option<Timestamp>| date.is_some_and(|date| date.duration_since(standing.now) > NEAR);
        let may_search = state.searched_at.is_none_or(|last| at.saturating_sub(last) >= SEARCH_EVERY);
        let has_copied = is_ahead(state.copied) && may_search;
        if standing.trust == Trust::Unconfirmed {
            // A clock that was set back may be right now. Only an answer can tell, and perhaps nothing is due that would
            // bring one.
            let is_back = |one: &Break| matches!(one, Break::Jumped { by } if by.is_negative());
            let has_gone_back = breaks.iter().any(is_back) && is_ahead(state.last.used);
            if has_gone_back || has_copied {
                let found = self.pull_in(standing, Which::OneOfEachAccount).await?;
                state.searched_at = Some(at);
                state.copied = state.copied.filter(|_| found > 0);
            }
            return Ok(());
        }
        let is_own = !state.is_searched && is_ahead(state.last.used);
        if is_own || has_copied {
            self.pull_in(standing, Which::All).await?;
            (state.searched_at, state.copied) = (Some(at), None);
        }
        if is_own {
            state.last.used = None;
        }
        state.is_searched = true;
        Ok(())
    }

    /// Raises the alert that the clock is off, once until it is right again, and then the alert that it is right.
    async fn tell(
        &self,
        standing: &Standing,
        breaks: &[Break],
        off_since: Option<Timestamp>,
    ) -> Result<Option<Timestamp>, StoreError> {
        let is_off = standing.machine_is_off_by.is_some() || !breaks.is_empty();
        let is_right = standing.trust == Trust::Confirmed && standing.machine_is_off_by.is_none();
        let (since, is_over) = match off_since {
            None if is_off => (standing.now, false),
            Some(since) if is_right && breaks.is_empty() => (since, true),
            unchanged => return Ok(unchanged),
        };
        let Some((account, _)) = self.accounts.first() else { return Ok(Some(since).filter(|_| !is_over)) };
        let alert = alert(account, standing, breaks, since, is_over);
        if is_over {
            tracing::info!("the machine's clock agrees with other clocks again");
        }
        let targets = heard_by_any(&self.routes, &self.accounts, &alert);
        self.store.raise(vec![OwedAlert { alert, targets }]).await?;
        Ok(Some(since).filter(|_| !is_over))
    }

    /// Makes objects due that wait for a date which another clock has written.
    async fn pull_in(&self, standing: &Standing, which: Which) -> Result<usize, StoreError> {
        ahead::pull_in(&self.store, standing.now, which, &self.progress).await
    }

    /// Saves the time for the next start.
    pub(super) async fn leave(store: &Store, clock: &JudgedClock) -> Result<(), StoreError> {
        let standing = clock.standing();
        let mut last = recall(store).await?;
        last.used = Some(last.used.map_or(standing.now, |used| used.max(standing.now)));
        if standing.trust == Trust::Confirmed {
            last.confirmed = Some(standing.now);
        }
        keep(store, &last).await
    }
}

/// The targets that receive alerts about any of these accounts, each with whether it is a sandbox: for an alert about the
/// machine. A target that gets it at once for one account does not wait for another.
pub(super) fn heard_by_any(
    routes: &Routes,
    accounts: &[(AccountName, bool)],
    alert: &Alert,
) -> Vec<Recipient> {
    let heard = |(account, is_sandbox): &(AccountName, bool)| {
        routes(&Alert { account: account.clone(), ..alert.clone() }, *is_sandbox)
    };
    let (mut recipients, later): (Vec<Recipient>, Vec<Recipient>) =
        accounts.iter().flat_map(heard).partition(|recipient| matches!(recipient, Recipient::Now(_)));
    recipients.extend(later);
    let mut named = BTreeSet::new();
    recipients.retain(|recipient| named.insert(recipient.target().to_owned()));
    recipients
}

async fn keep(store: &Store, last: &LastTime) -> Result<(), StoreError> {
    match serde_json::to_string(last) {
        Ok(text) => store.remember(&last_time(store), &text).await,
        Err(_) => Ok(()),
    }
}

impl Work for Timekeeping {
    fn activate(&self) -> Round<'_> {
        Box::pin(async {
            let summary = self.round().await.map_err(|error| error.to_string())?;
            Ok(Done { summary, again_in: None })
        })
    }

    fn progress(&self) -> u64 {
        self.progress.load(Ordering::Relaxed)
    }
}

fn log(one: Break) {
    match one {
        Break::Jumped { by } => tracing::warn!(by = amount(by), "the machine's clock jumped"),
        Break::Moved { by } => tracing::warn!(by = amount(by), "the time in use was changed"),
    }
}

/// `9h ahead`, `2d 3h behind`.
pub(super) fn off_by(by: SignedDuration) -> String {
    let direction = if by.is_negative() { "behind" } else { "ahead" };
    let size = Duration::from_secs(by.unsigned_abs().as_secs());
    format!("{} {direction}", crate::payments::age(Timestamp::UNIX_EPOCH, later(Timestamp::UNIX_EPOCH, size)))
}

fn amount(by: SignedDuration) -> String {
    let (size, direction) = match off_by(by).rsplit_once(' ') {
        Some((size, direction)) => (size.to_owned(), direction.to_owned()),
        None => (String::new(), String::new()),
    };
    format!("{}{size}", if direction == "behind" { "-" } else { "+" })
}

fn words(standing: &Standing) -> String {
    match (standing.trust, standing.machine_is_off_by) {
        (Trust::Confirmed, Some(by)) => format!("the machine's clock is {}", off_by(by)),
        (Trust::Confirmed, None) => "confirmed".to_owned(),
        (Trust::Settled, _) => "not confirmed, but steady for hours".to_owned(),
        (Trust::Unconfirmed, _) => "not confirmed yet".to_owned(),
    }
}

/// The clock's state for the status page.
pub(super) fn health(clock: &JudgedClock) -> ClockHealth {
    let standing = clock.standing();
    ClockHealth {
        trust: match standing.trust {
            Trust::Unconfirmed => ClockTrust::Unconfirmed,
            Trust::Settled => ClockTrust::Settled,
            Trust::Confirmed => ClockTrust::Confirmed,
        },
        confirmed_at: standing.confirmed_at,
        machine_ahead_s: standing.machine_is_off_by.map_or(0, |by| by.as_secs()),
    }
}

/// The complaint for the status page, if there is one.
pub(super) fn complaint(clock: &JudgedClock) -> Option<String> {
    let by = clock.standing().machine_is_off_by?;
    Some(format!(
        "this machine's clock is {}; the time that providers confirm is used instead: set the clock (timedatectl)",
        off_by(by)
    ))
}

fn alert(
    account: &AccountName,
    standing: &Standing,
    breaks: &[Break],
    since: Timestamp,
    is_over: bool,
) -> Alert {
    let jumps: Vec<String> = breaks
        .iter()
        .map(|one| match one {
            Break::Jumped { by } => format!("The machine's clock jumped by {}.", amount(*by)),
            Break::Moved { by } => format!("The time in use was changed by {}.", amount(*by)),
        })
        .collect();
    let (kind, severity, headline, explanation, advice) = match (is_over, standing.machine_is_off_by) {
        (true, _) => (
            AlertKind::ClockRight,
            Severity::Info,
            "This machine's clock is right again".to_owned(),
            format!("It had been off since {since}."),
            "Nothing to do.",
        ),
        (false, Some(by)) => (
            AlertKind::ClockWrong,
            Severity::Warning,
            format!("This machine's clock is {}", off_by(by)),
            format!(
                "{} The time that providers confirm is used instead, for requests, dates and days.",
                jumps.join(" ")
            ),
            "Set the clock, and check that a time service is running: timedatectl",
        ),
        (false, None) => (
            AlertKind::ClockWrong,
            Severity::Warning,
            "This machine's clock jumped".to_owned(),
            format!("{} No day is closed until a provider confirms the time.", jumps.join(" ")),
            "Check that a time service is running: timedatectl",
        ),
    };
    Alert {
        headline,
        explanation: explanation.trim_start().to_owned(),
        advice: advice.to_owned(),
        where_to_look: "reconciled status".to_owned(),
        occurred_at: since,
        ..Alert::new(kind, &since.to_string(), severity, account, standing.now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_a_clock_is_off_is_said_in_words() {
        for (seconds, expected, signed) in [
            (9 * 3600, "9h 0m ahead", "+9h 0m"),
            (-2 * 365 * 86_400, "730d 0h behind", "-730d 0h"),
            (180, "3m ahead", "+3m"),
        ] {
            let by = SignedDuration::from_secs(seconds);
            assert_eq!((off_by(by).as_str(), amount(by).as_str()), (expected, signed));
        }
    }
}
