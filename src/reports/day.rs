//! A business day: from one local midnight to the next, by the zone's rules.
//!
//! Owns: its bounds and how times are written. Must never know: what happens in it.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// One day in one zone: `[start, end)` in UTC. It has 23 or 25 hours where clocks change, and none where a
/// zone skipped it.
#[derive(Debug, Clone)]
pub struct Day {
    /// The local date.
    pub date: Date,
    /// The zone's IANA name.
    pub zone_name: String,
    /// The zone's rules.
    pub zone: TimeZone,
    /// Its first moment.
    pub start: Timestamp,
    /// The first moment of the next day.
    pub end: Timestamp,
}

impl Day {
    /// The day with this date.
    ///
    /// # Errors
    /// When the date is so far away that it has no next day.
    pub fn new(date: Date, zone_name: &str, zone: &TimeZone) -> Result<Day, jiff::Error> {
        let start = first_moment(date, zone)?;
        let end = first_moment(date.checked_add(1.day())?, zone)?;
        Ok(Day { date, zone_name: zone_name.to_owned(), zone: zone.clone(), start, end })
    }

    /// Whether a moment is in it.
    pub fn contains(&self, at: Timestamp) -> bool {
        self.start <= at && at < self.end
    }

    /// Local time with its offset: `2026-01-15T10:30:00+01:00`.
    pub fn local(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }

    /// How many hours it has, rounded up.
    pub fn hours(&self) -> usize {
        let seconds = self.end.duration_since(self.start).as_secs();
        usize::try_from(seconds.max(0)).unwrap_or(0).div_ceil(3600)
    }

    /// The index of the hour that a moment lies in, by elapsed time, so that a repeated local hour is counted
    /// apart.
    pub fn hour_of(&self, at: Timestamp) -> usize {
        usize::try_from(at.duration_since(self.start).as_secs().max(0) / 3600).unwrap_or(0)
    }
}

/// A missing midnight is replaced by the first moment after it; of a repeated one, the first counts.
fn first_moment(date: Date, zone: &TimeZone) -> Result<Timestamp, jiff::Error> {
    Ok(date.to_zoned(zone.clone())?.timestamp())
}

/// UTC: `2026-01-15T09:30:00Z`.
pub fn utc(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn day(date: &str, zone: &str) -> Day {
        Day::new(date.parse().unwrap(), zone, &TimeZone::get(zone).unwrap()).unwrap()
    }

    #[test]
    fn days_with_a_clock_change_have_23_or_25_hours() {
        for (date, zone, start, end, hours) in [
            ("2027-03-27", "Europe/Berlin", "2027-03-26T23:00:00Z", "2027-03-27T23:00:00Z", 24),
            ("2027-03-28", "Europe/Berlin", "2027-03-27T23:00:00Z", "2027-03-28T22:00:00Z", 23),
            ("2027-10-31", "Europe/Berlin", "2027-10-30T22:00:00Z", "2027-10-31T23:00:00Z", 25),
            ("2027-03-14", "America/New_York", "2027-03-14T05:00:00Z", "2027-03-15T04:00:00Z", 23),
            ("2027-11-07", "America/New_York", "2027-11-07T04:00:00Z", "2027-11-08T05:00:00Z", 25),
            ("2026-01-15", "Asia/Tokyo", "2026-01-14T15:00:00Z", "2026-01-15T15:00:00Z", 24),
            ("2018-11-04", "America/Sao_Paulo", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z", 23),
            ("2011-12-30", "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z", 0),
        ] {
            let day = day(date, zone);
            assert_eq!((utc(day.start).as_str(), utc(day.end).as_str()), (start, end), "{date} {zone}");
            assert_eq!(day.hours(), hours, "{date} {zone}");
        }
    }

    #[test]
    fn a_repeated_local_hour_is_counted_apart() {
        let day = day("2027-10-31", "Europe/Berlin");
        let first: Timestamp = "2027-10-31T00:30:00Z".parse().unwrap();
        let second: Timestamp = "2027-10-31T01:30:00Z".parse().unwrap();
        assert_eq!(day.local(first), "2027-10-31T02:30:00+02:00");
        assert_eq!(day.local(second), "2027-10-31T02:30:00+01:00");
        assert_eq!((day.hour_of(first), day.hour_of(second)), (2, 3));
    }

    proptest! {
        #[test]
        fn days_tile_time_without_gap_or_overlap(
            zone in proptest::sample::select(vec![
                "Etc/UTC", "Europe/Berlin", "America/New_York", "America/Los_Angeles", "Asia/Tokyo",
                "Asia/Kolkata", "Australia/Lord_Howe", "America/Sao_Paulo", "America/Havana",
                "Africa/Casablanca", "Pacific/Apia", "Pacific/Chatham", "Asia/Tehran", "Europe/Lisbon",
            ]),
            offset_days in 0i32..25_000, second in 0i64..2_100_000_000,
        ) {
            let rules = TimeZone::get(zone).unwrap();
            let date: Date = "1971-01-01".parse::<Date>().unwrap().checked_add(offset_days.days()).unwrap();
            let one = Day::new(date, zone, &rules).unwrap();
            let next = Day::new(date.tomorrow().unwrap(), zone, &rules).unwrap();
            prop_assert_eq!(one.end, next.start);
            prop_assert!(one.start <= one.end);

            let at = Timestamp::from_second(second).unwrap();
            let local = Day::new(rules.to_datetime(at).date(), zone, &rules).unwrap();
            prop_assert!(local.contains(at), "{} {} {:?}", zone, at, local);
        }
    }
}
