//! Whether any of an account's requests succeed: an account whose requests only fail is not healthy. Pure.

use std::time::Duration;

use jiff::Timestamp;

use crate::time::later;

/// An account is not healthy if none of its requests succeeded for this long, although requests were due.
pub const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// What has happened to an account's requests since the last success.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Success {
    failing_since: Option<Timestamp>,
    failures: u32,
    detail: String,
    /// It was reported that nothing has succeeded since this time.
    reported: Option<Timestamp>,
}

impl Success {
    /// The state as the last process left it.
    pub(super) fn restored(reported: Option<Timestamp>) -> Success {
        Success { failing_since: reported, reported, ..Success::default() }
    }

    /// Since when nothing has succeeded, once that has been reported.
    pub(super) fn reported(&self) -> Option<Timestamp> {
        self.reported
    }

    /// How the last request failed.
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    /// Records a failed request.
    pub(super) fn failed(&mut self, detail: &str, now: Timestamp) {
        // A clock that was set back must not delay the alert.
        self.failing_since = Some(self.failing_since.map_or(now, |since| since.min(now)));
        self.failures = self.failures.saturating_add(1);
        detail.clone_into(&mut self.detail);
    }

    /// Records a successful request. If it had been reported that none succeeded, returns since when.
    pub(super) fn succeeded(&mut self) -> Option<Timestamp> {
        std::mem::take(self).reported
    }

    /// Returns, once, since when nothing has succeeded. A single failure does not count: nothing was requested since.
    pub(super) fn overdue(&mut self, now: Timestamp) -> Option<Timestamp> {
        let since = self.failing_since.filter(|since| later(*since, PATIENCE) <= now)?;
        if self.reported.is_some() || self.failures < 2 {
            return None;
        }
        self.reported = Some(since);
        Some(since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + minutes * 60).unwrap()
    }

    #[test]
    fn a_quarter_of_an_hour_without_success_is_told_once_and_ends_with_one() {
        let mut success = Success::default();
        assert_eq!(success.overdue(at(0)), None, "having nothing to request is not a failure");
        success.failed("HTTP 503", at(0));
        assert_eq!(success.overdue(at(20)), None, "nothing was requested since");
        success.failed("time-out", at(21));
        assert_eq!(success.overdue(at(21)), Some(at(0)));
        assert_eq!((success.overdue(at(22)), success.detail()), (None, "time-out"));
        assert_eq!(success.succeeded(), Some(at(0)));
        success.failed("HTTP 503", at(30));
        success.failed("HTTP 503", at(44));
        assert_eq!(success.overdue(at(44)), None);
        assert_eq!(success.overdue(at(45)), Some(at(30)));
        let mut restarted = Success::restored(success.reported());
        restarted.failed("HTTP 503", at(50));
        restarted.failed("HTTP 503", at(90));
        assert_eq!(restarted.overdue(at(90)), None, "a restart does not report it again");
        assert_eq!(restarted.succeeded(), Some(at(30)));
        assert_eq!(Success::default().succeeded(), None);
    }
}
