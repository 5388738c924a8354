//! Cron expressions in an IANA time zone, and what is due by them.
//!
//! Owns: which moments an expression names, and that each runs once. Must never know: the present time (it is
//! an argument), what runs at those moments, any room.
//!
//! A local time inside the spring gap runs at the first valid instant after it; a time that happens twice in
//! autumn runs once, the first time. Missed moments are made up by a single run.

use chrono::{DateTime, Datelike, Timelike, Utc};
use croner::Cron;
use croner::parser::{CronParser, Seconds};
use jiff::civil;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan};

/// A cron expression of five fields, read in a time zone.
#[derive(Debug, Clone)]
pub struct Timetable {
    expression: String,
    cron: Cron,
    zone: TimeZone,
}

/// An expression or zone that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTimetable {
    /// Not a cron expression of five fields.
    #[error("{expression:?} is not a cron expression (minute hour day month weekday): {reason}")]
    Expression {
        /// As given.
        expression: String,
        /// What the parser says.
        reason: String,
    },
    /// Not in the time zone database.
    #[error("time zone {0:?} is not in the IANA database; write it as Europe/Berlin or UTC")]
    Zone(String),
    /// It names no moment at all.
    #[error("{0:?} never happens")]
    Never(String),
}

/// Finds a zone by its IANA name.
pub fn zone(name: &str) -> Result<TimeZone, BadTimetable> {
    TimeZone::get(name).map_err(|_| BadTimetable::Zone(name.chars().take(60).collect()))
}

impl Timetable {
    /// Reads `expression` (five fields; names of months and weekdays allowed) for `zone`.
    pub fn new(expression: &str, zone: TimeZone) -> Result<Timetable, BadTimetable> {
        let bad = |reason: String| BadTimetable::Expression { expression: expression.to_owned(), reason };
        if expression.split_whitespace().count() != 5 && !expression.starts_with('@') {
            return Err(bad("it does not have five fields".to_owned()));
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).build();
        let cron = parser.parse(expression).map_err(|error| bad(error.to_string()))?;
        let timetable = Timetable { expression: expression.to_owned(), cron, zone };
        match timetable.after(Timestamp::UNIX_EPOCH) {
            Some(_) => Ok(timetable),
            None => Err(BadTimetable::Never(expression.to_owned())),
        }
    }

    /// The expression as written.
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// The zone that it is read in.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The latest moment at or before `now`.
    pub fn newest(&self, now: Timestamp) -> Option<Timestamp> {
        // Start beyond any clock change: the local time may be up to a day ahead of its instant.
        let mut local = naive(self.civil(now).checked_add(1.day()).ok()?)?;
        loop {
            local = self.cron.find_previous_occurrence(&local, false).ok()?;
            let instant = self.instant(local)?;
            if instant <= now {
                return Some(instant);
            }
        }
    }

    /// The first moment after `now`.
    pub fn after(&self, now: Timestamp) -> Option<Timestamp> {
        let mut local = naive(self.civil(now).checked_sub(1.day()).ok()?)?;
        loop {
            local = self.cron.find_next_occurrence(&local, false).ok()?;
            let instant = self.instant(local)?;
            if instant > now {
                return Some(instant);
            }
        }
    }

    /// The moment to run now, if any: the latest one, unless it was done. However many were missed, it
    /// returns one. A `last_done` in the future came from a clock that was ahead, and is ignored.
    pub fn due(&self, last_done: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        let newest = self.newest(now)?;
        match last_done {
            Some(done) if done >= newest && done <= now => None,
            _ => Some(newest),
        }
    }

    fn civil(&self, at: Timestamp) -> civil::DateTime {
        self.zone.to_datetime(at)
    }

    fn instant(&self, local: DateTime<Utc>) -> Option<Timestamp> {
        let date_time = civil::DateTime::new(
            i16::try_from(local.year()).ok()?,
            i8::try_from(local.month()).ok()?,
            i8::try_from(local.day()).ok()?,
            i8::try_from(local.hour()).ok()?,
            i8::try_from(local.minute()).ok()?,
            0,
            0,
        )
        .ok()?;
        let ambiguous = self.zone.to_ambiguous_timestamp(date_time);
        match ambiguous.offset() {
            // The gap's end is the first valid instant. Read with the offset before the gap, the local time
            // lies as far after that instant as it lies inside the gap.
            AmbiguousOffset::Gap { before, .. } => {
                let inside = before.to_timestamp(date_time).ok()?;
                let before_gap = inside.checked_sub(SignedDuration::from_hours(26)).ok()?;
                self.zone
                    .following(before_gap)
                    .map(|change| change.timestamp())
                    .find(|at| *at > before_gap && *at <= inside)
            }
            _ => ambiguous.earlier().ok(),
        }
    }
}

/// The local time as if it were UTC: the cron library gets no zones here.
fn naive(local: civil::DateTime) -> Option<DateTime<Utc>> {
    let as_utc = local.to_zoned(TimeZone::UTC).ok()?.timestamp();
    DateTime::from_timestamp(as_utc.as_second(), 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table(expression: &str, zone_name: &str) -> Timetable {
        Timetable::new(expression, zone(zone_name).unwrap()).unwrap()
    }

    fn after(expression: &str, zone_name: &str, now: &str) -> String {
        table(expression, zone_name).after(now.parse().unwrap()).unwrap().to_string()
    }

    #[test]
    fn local_times_follow_the_zones_rules() {
        let berlin = |now| after("10 0 * * *", "Europe/Berlin", now);
        assert_eq!(berlin("2027-01-10T12:00:00Z"), "2027-01-10T23:10:00Z");
        assert_eq!(berlin("2027-03-28T12:00:00Z"), "2027-03-28T22:10:00Z");
        assert_eq!(berlin("2027-10-31T12:00:00Z"), "2027-10-31T23:10:00Z");
    }

    #[test]
    fn a_time_in_the_gap_runs_at_the_first_valid_instant_and_a_doubled_one_once() {
        assert_eq!(after("30 2 * * *", "Europe/Berlin", "2027-03-27T12:00:00Z"), "2027-03-28T01:00:00Z");
        assert_eq!(after("30 2 * * *", "Europe/Berlin", "2027-03-28T01:00:00Z"), "2027-03-29T00:30:00Z");
        assert_eq!(after("30 2 * * *", "Europe/Berlin", "2027-10-30T12:00:00Z"), "2027-10-31T00:30:00Z");
        assert_eq!(after("30 2 * * *", "Europe/Berlin", "2027-10-31T00:30:00Z"), "2027-11-01T01:30:00Z");
    }

    #[test]
    fn missed_moments_are_made_up_once() {
        let table = table("10 0 * * *", "UTC");
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let due = |done: Option<&str>, now| table.due(done.map(at), at(now)).map(|due| due.to_string());
        assert_eq!(due(None, "2027-01-10T12:00:00Z").as_deref(), Some("2027-01-10T00:10:00Z"));
        assert_eq!(
            due(Some("2027-01-03T00:10:00Z"), "2027-01-10T12:00:00Z").as_deref(),
            Some("2027-01-10T00:10:00Z")
        );
        assert_eq!(due(Some("2027-01-10T00:10:00Z"), "2027-01-10T12:00:00Z"), None);
        // A moment done by a clock that was ahead does not count; otherwise it would never run until that
        // time.
        for ahead in ["2027-01-09T21:10:00Z", "2027-01-10T00:10:00Z", "2028-02-14T00:10:00Z"] {
            assert_eq!(
                due(Some(ahead), "2027-01-09T12:00:00Z").as_deref(),
                Some("2027-01-09T00:10:00Z"),
                "{ahead}"
            );
        }
    }

    #[test]
    fn bad_expressions_say_what_is_wrong() {
        for bad in ["", "* * * *", "61 0 * * *", "0 0 31 2 *", "a b c d e", "* * * * * *"] {
            assert!(Timetable::new(bad, TimeZone::UTC).is_err(), "{bad:?}");
        }
        assert!(zone("Europe/Atlantis").is_err());
    }

    proptest! {
        #[test]
        fn newest_and_next_enclose_now(second in 1_600_000_000i64..2_200_000_000, which in 0usize..4, minute in 0u8..60, hour in 0u8..24) {
            let zone_name = ["Europe/Berlin", "America/New_York", "Asia/Tokyo", "Australia/Lord_Howe"][which];
            let table = table(&format!("{minute} {hour} * * *"), zone_name);
            let now = Timestamp::from_second(second).unwrap();
            let (newest, next) = (table.newest(now).unwrap(), table.after(now).unwrap());
            prop_assert!(newest <= now && now < next);
            prop_assert_eq!(table.newest(next).unwrap(), next);
            prop_assert_eq!(table.after(newest).unwrap(), next);
            let gap_hours = next.duration_since(newest).as_hours();
            prop_assert!((22..=26).contains(&gap_hours), "{} hours", gap_hours);
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,30}") {
            let _ = Timetable::new(&text, TimeZone::UTC);
        }
    }
}
