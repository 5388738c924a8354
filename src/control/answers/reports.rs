//! The answers about nightly reports and the configuration.
//!
//! Owns: which day is meant. Must never know: files, rows, how the configuration is read.

use jiff::ToSpan;
use jiff::civil::Date;

use crate::control::messages::{Reloaded, ReportMade};
use crate::control::problem::{Cause, Problem};
use crate::control::service::{Answer, Service};

impl Service {
    /// Makes the report of a day; by default, of the last finished day.
    pub async fn report(&self, date: Option<Date>) -> Answer<ReportMade> {
        let rooms = self.rooms();
        let date = date.unwrap_or_else(|| {
            let today = rooms.nightly.zone().to_datetime(self.clock.now()).date();
            today.checked_sub(1.day()).unwrap_or(today)
        });
        let made = rooms.reports.make(date).await;
        let made = made.map_err(|error| Problem::new(Cause::Unprocessable, chain(&error), ""))?;
        Ok(ReportMade { date, path: made.folder.display().to_string(), was_there: made.was_there })
    }

    /// Re-reads the configuration.
    pub async fn reload(&self, actor: &str) -> Reloaded {
        tracing::info!(actor, "reload of the configuration requested");
        self.process.reload().await
    }
}

/// An error with all its sources, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}
