//! The answers about nightly reports, the configuration and the API itself.
//!
//! Owns: which day is meant. Must never know: files, rows, how the configuration is read.

use std::io;

use jiff::ToSpan;
use jiff::civil::Date;

use crate::control::messages::{
    Listing, Reloaded, ReportDay, ReportFile, ReportFileRequest, ReportList, ReportMade,
};
use crate::control::openapi;
use crate::control::problem::{Cause, Problem};
use crate::control::service::{Answer, Service, rows};

/// The largest file that is sent.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

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

    /// One page of the published days, the newest first.
    pub async fn published_reports(&self, request: &ReportList) -> Answer<Listing<ReportDay>> {
        let limit = rows(request.limit);
        let days =
            self.rooms().reports.published(request.cursor, limit).await.map_err(|error| unread(&error))?;
        let next_cursor = days.last().filter(|_| days.len() == limit).map(|day| day.date.to_string());
        let items = days
            .into_iter()
            .map(|day| ReportDay { date: day.date, revision: day.revision, files: day.files })
            .collect();
        Ok(Listing { items, next_cursor })
    }

    /// A file of a published day.
    pub async fn report_file(&self, request: ReportFileRequest) -> Answer<ReportFile> {
        let ReportFileRequest { day, file } = request;
        let read = self.rooms().reports.file(day, file, FILE_BYTES_MAX).await;
        let nothing = || {
            let remedy = "see the names at /v1/reports";
            Problem::new(Cause::NotFound, format!("no such file was published for {day}"), remedy)
        };
        read.map_err(|error| unread(&error))?.map(ReportFile).ok_or_else(nothing)
    }

    /// The description of the API.
    pub fn api_description(&self) -> serde_json::Value {
        openapi::document()
    }

    /// Re-reads the configuration.
    pub async fn reload(&self, actor: &str) -> Reloaded {
        tracing::info!(actor, "reload of the configuration requested");
        self.process.reload().await
    }
}

fn unread(error: &io::Error) -> Problem {
    match error.kind() {
        io::ErrorKind::FileTooLarge => {
            let detail = format!("the file has more than {FILE_BYTES_MAX} bytes");
            Problem::new(Cause::Unprocessable, detail, "copy it from the folder of reports")
        }
        _ => Problem::new(
            Cause::Unavailable,
            format!("the reports cannot be read: {error}"),
            "see the daemon's log",
        ),
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
