//! Whether an account may be asked at all. After a few refusals of its credentials it may not, but for
//! a rare probe: a refused key is not hammered, and one message is enough. Pure.

use std::time::Duration;

use jiff::Timestamp;

use crate::payments::alert::{Alert, Severity};
use crate::payments::object::AccountName;
use crate::payments::schedule::later;

/// Refusals in a row after which the account is left alone.
const REFUSALS_BEFORE_CLOSING: u32 = 3;
/// Between probes of a refused account.
const PROBE_EVERY: Duration = Duration::from_secs(30 * 60);

/// The state of one account's credentials, as its provider sees them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Gate {
    refusals: u32,
    closed_since: Option<Timestamp>,
    next_probe_at: Option<Timestamp>,
}

/// What a poll's end did to the gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Turn {
    Same,
    /// Refused too often: somebody must be told.
    Closed {
        since: Timestamp,
    },
    /// Accepted again after having been closed.
    Opened {
        since: Timestamp,
    },
}

impl Gate {
    /// A gate that was closed when the process last stopped: the first question is a probe.
    pub(super) fn closed_before(since: Timestamp) -> Gate {
        Gate { refusals: REFUSALS_BEFORE_CLOSING, closed_since: Some(since), next_probe_at: Some(since) }
    }

    /// Since when the account is left alone, if it is.
    pub(super) fn closed_since(&self) -> Option<Timestamp> {
        self.closed_since
    }

    /// When a closed gate lets the next probe through.
    pub(super) fn next_probe_at(&self) -> Option<Timestamp> {
        self.next_probe_at
    }

    /// How many polls may be under way at once (`most` when open), or when the next probe is due.
    pub(super) fn room(&self, most: usize, now: Timestamp) -> Result<usize, Timestamp> {
        match self.next_probe_at {
            Some(probe_at) if probe_at > now => Err(probe_at),
            Some(_) => Ok(1),
            None if self.refusals > 0 => Ok(1),
            None => Ok(most),
        }
    }

    /// The provider refused the account.
    pub(super) fn refused(&mut self, now: Timestamp) -> Turn {
        self.refusals = self.refusals.saturating_add(1);
        if self.refusals < REFUSALS_BEFORE_CLOSING {
            return Turn::Same;
        }
        self.next_probe_at = Some(later(now, PROBE_EVERY));
        match self.closed_since {
            Some(_) => Turn::Same,
            None => {
                self.closed_since = Some(now);
                Turn::Closed { since: now }
            }
        }
    }

    /// The provider took the credentials, whatever it said about the object.
    pub(super) fn accepted(&mut self) -> Turn {
        let closed_since = self.closed_since;
        *self = Gate::default();
        closed_since.map_or(Turn::Same, |since| Turn::Opened { since })
    }
}

/// The message that a turn of the gate is worth.
pub(super) fn notice(
    account: &AccountName,
    turn: &Turn,
    detail: &str,
    look: &str,
    now: Timestamp,
) -> Option<Alert> {
    let (kind, severity, since, headline, explanation, advice) = match turn {
        Turn::Same => return None,
        Turn::Closed { since } => (
            "credentials-refused",
            Severity::Critical,
            since,
            format!("The provider refuses the credentials of account {account}"),
            format!(
                "{REFUSALS_BEFORE_CLOSING} requests in a row were refused ({detail}). Nothing of this account is watched until that ends."
            ),
            "Check the key, its environment and region, the account's standing and this machine's clock. It is tried again every 30 minutes, and at once after a restart or reload.",
        ),
        Turn::Opened { since } => (
            "credentials-accepted",
            Severity::Info,
            since,
            format!("The provider accepts the credentials of account {account} again"),
            format!("They had been refused since {since}."),
            "Nothing to do: what is overdue is asked about now.",
        ),
    };
    Some(Alert {
        key: format!("{kind}/{account}/{since}"),
        kind: kind.to_owned(),
        severity,
        account: account.clone(),
        object: None,
        merchant_reference: None,
        amount: None,
        amounts: Default::default(),
        state: None,
        reason: None,
        headline,
        explanation,
        advice: advice.to_owned(),
        look: look.to_owned(),
        occurred_at: now,
        found_at: now,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + minutes * 60).unwrap()
    }

    #[test]
    fn a_refused_account_is_told_once_and_probed_rarely() {
        let mut gate = Gate::default();
        assert_eq!(gate.room(8, at(0)), Ok(8));
        assert_eq!(gate.refused(at(0)), Turn::Same);
        assert_eq!(gate.room(8, at(0)), Ok(1));
        assert_eq!(gate.refused(at(1)), Turn::Same);
        assert_eq!(gate.refused(at(2)), Turn::Closed { since: at(2) });
        assert_eq!(gate.room(8, at(3)), Err(at(32)));
        assert_eq!(gate.room(8, at(32)), Ok(1));
        assert_eq!(gate.refused(at(32)), Turn::Same);
        assert_eq!(gate.room(8, at(33)), Err(at(62)));
        assert_eq!(gate.accepted(), Turn::Opened { since: at(2) });
        assert_eq!(gate.room(8, at(63)), Ok(8));
    }

    #[test]
    fn a_single_refusal_is_forgotten_by_a_success() {
        let mut gate = Gate::default();
        gate.refused(at(0));
        gate.refused(at(1));
        assert_eq!(gate.accepted(), Turn::Same);
        assert_eq!(gate.refused(at(2)), Turn::Same);
    }

    #[test]
    fn a_restart_probes_at_once_and_does_not_tell_again() {
        let mut gate = Gate::closed_before(at(0));
        assert_eq!(gate.room(8, at(5)), Ok(1));
        assert_eq!(gate.refused(at(5)), Turn::Same);
        assert_eq!(gate.closed_since(), Some(at(0)));
    }
}
