//! The answers that the dashboard needs besides those of the commands: its link, the present day, the published reports.
//!
//! Owns: what is said about each. Must never know: pages, tables, how reports are written.

use std::path::PathBuf;

use jiff::civil::Date;

use crate::access::Role;
use crate::access::sessions::LINK_LASTS;
use crate::control::messages::*;
use crate::control::problem::{Cause, Problem};
use crate::control::service::{Answer, Service, storage};
use crate::payments::delay::{BOUNDS_S, Delays};
use crate::payments::object::AccountName;
use crate::reports::DaySummary;
use crate::reports::day::Day;

/// The most days of a list of reports, and the default.
const DAYS: (usize, usize) = (400, 30);

const HOUR: u64 = 3_600;
/// The bounds of the groups of ages, in seconds. A last group has all that are older.
const AGES_S: [u64; 6] = [HOUR, 4 * HOUR, 24 * HOUR, 3 * 24 * HOUR, 7 * 24 * HOUR, 30 * 24 * HOUR];

impl Service {
    /// A link to the dashboard for who asks.
    pub fn dashboard_link(&self, request: &DashboardLink) -> Answer<DashboardLinked> {
        let (Some(sessions), Some(caller)) = (&self.sessions, &request.caller) else {
            let remedy = "add [control.tcp] with listen = \"127.0.0.1:8490\" to the configuration of the daemon, and \
                          restart it";
            return Err(Problem::new(Cause::Unprocessable, "the dashboard has no address", remedy));
        };
        let most = request.role.map_or(Role::Operate, Role::from);
        let secret = sessions.link(caller, most, self.clock.monotonic());
        let secret = secret.map_err(|error| Problem::new(Cause::Unavailable, error.to_string(), ""))?;
        Ok(DashboardLinked {
            url: format!("{}/login?token={secret}", sessions.base_url()),
            role: self.rooms().access.role_of(caller).min(most).as_str().to_owned(),
            valid_s: LINK_LASTS.as_secs(),
        })
    }

    /// What was decided today, and how old the moving objects are.
    pub async fn today(&self) -> Answer<Today> {
        let now = self.clock.now();
        let rooms = self.rooms();
        let zone = rooms.nightly.zone();
        let date = zone.to_datetime(now).date();
        let day = Day::new(date, &rooms.zone_name, zone)
            .map_err(|error| Problem::new(Cause::Internal, error.to_string(), "check the machine's clock"))?;
        let is_sandbox =
            |account: &AccountName| rooms.account(account).is_some_and(|account| account.is_sandbox);
        let counted = self.today.count(&self.store, &day, now, is_sandbox).await.map_err(storage)?;
        let tallies = self.reconcile.tallies();
        let delays = tallies.values().flat_map(|tally| tally.delays.values());
        let ages = self.store.moving_ages(now, &AGES_S).await.map_err(storage)?;
        let bounds = AGES_S.into_iter().map(Some).chain([None]);
        Ok(Today {
            date,
            zone: rooms.zone_name.clone(),
            is_whole: counted.is_whole,
            figures: counted.figures,
            ages: bounds.zip(ages).map(|(below_s, number)| AgeCount { below_s, number }).collect(),
            delay: delay(delays),
        })
    }

    /// The published reports.
    pub async fn report_figures(&self, request: &FiguresRequest) -> Answer<Vec<FiguresDay>> {
        let most = request.limit.unwrap_or(DAYS.1).clamp(1, DAYS.0);
        let days = self.rooms().reports.day_summaries(most).await;
        let days = days.map_err(|error| unreadable(&error))?;
        Ok(days.into_iter().map(figures_day).collect())
    }

    /// The path of a file of a published report, with its media type.
    ///
    /// # Errors
    /// When there is no such report, or it has no such file.
    pub async fn report_path(&self, date: Date, name: &str) -> Answer<(PathBuf, String)> {
        let day = self.rooms().reports.day_summary(date).await.map_err(|error| unreadable(&error))?;
        let unknown = || {
            let what = format!("there is no file {name} of {date}");
            Problem::new(Cause::NotFound, what, "the list of reports shows the files of each day")
        };
        let DaySummary { folder, files, .. } = day.ok_or_else(unknown)?;
        // Only a name that the manifest has is ever joined to the folder.
        let file = files.into_iter().find(|file| file.name == name).ok_or_else(unknown)?;
        Ok((folder.join(&file.name), file.media_type))
    }
}

fn unreadable(error: &std::io::Error) -> Problem {
    Problem::new(Cause::Unavailable, format!("the reports cannot be read: {error}"), "see reports.folder")
}

fn figures_day(day: DaySummary) -> FiguresDay {
    let file = |file: crate::reports::PublishedFile| FiguresFile {
        name: file.name,
        media_type: file.media_type,
        bytes: file.bytes,
        rows: file.rows,
        sha256: file.sha256,
    };
    FiguresDay {
        date: day.date,
        revision: day.revision,
        path: day.folder.display().to_string(),
        files: day.files.into_iter().map(file).collect(),
        figures: day.figures,
    }
}

/// How late final states were found, of these together.
pub(super) fn delay<'a>(all: impl Iterator<Item = &'a Delays>) -> DelayFigures {
    let mut delays = Delays::default();
    all.for_each(|more| delays.merge(more));
    let number = delays.within.iter().sum::<u64>() + delays.beyond;
    let within = |hundredths: u64| {
        let mut found = 0;
        let needed = number.saturating_mul(hundredths).div_ceil(100);
        let place = delays.within.iter().position(|count| {
            found += count;
            found >= needed
        });
        place.filter(|_| number > 0).map(|place| u64::from(BOUNDS_S[place]))
    };
    DelayFigures { number, half_within_s: within(50), most_within_s: within(95) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn delays_are_told_by_the_bounds_that_hold_for_half_and_for_most() {
        let mut delays = Delays::default();
        assert_eq!(delay([delays].iter()), DelayFigures::default());
        for _ in 0..94 {
            delays.add(Duration::from_secs(10));
        }
        for _ in 0..6 {
            delays.add(Duration::from_secs(7_000));
        }
        let told = DelayFigures { number: 100, half_within_s: Some(15), most_within_s: Some(7_200) };
        assert_eq!(delay([delays].iter()), told);
        for _ in 0..1_000 {
            delays.add(Duration::from_secs(400_000));
        }
        let told = delay([delays].iter());
        assert_eq!((told.half_within_s, told.most_within_s), (None, None));
    }
}
