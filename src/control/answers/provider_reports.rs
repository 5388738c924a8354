//! The answers about provider reports, from the `provider_reports` room.
//!
//! Owns: the progress of a download, in numbers. Must never know: steps, files.

use std::sync::Arc;

use jiff::Timestamp;

use crate::apis::registry;
use crate::apis::reporting::windows::Phase;
use crate::control::messages::{DownloadLine, FailedDay, FetchAnswer, FetchBegin, FetchGo, UnreadFile};
use crate::control::problem::{Cause, Problem};
use crate::control::service::{Answer, Reporter, Service};
use crate::payments::object::AccountName;
use crate::provider_reports::{self, Download, DownloadError, Ports, Wanted};

impl Service {
    /// Requests reports. The same request again continues the downloads in progress.
    pub async fn begin_fetch(&self, request: FetchBegin) -> Answer<FetchAnswer> {
        let FetchBegin { account, types, from, to, again } = request;
        let rooms = self.rooms();
        let reporter = find(&rooms.reporters, &account)?;
        let _at_work = self.at_work_on(&account).await?;
        let wanted = Wanted { words: types, from, to, is_anew: again };
        let begun = self.downloads.begin(&reporter.account, &wanted).await.map_err(problem)?;
        Ok(self.fetched(reporter, &begun, None))
    }

    /// The progress of all downloads of an account. Without a daemon, this also takes their next step first.
    pub async fn go_on_fetching(&self, request: &FetchGo) -> Answer<FetchAnswer> {
        let rooms = self.rooms();
        let reporter = find(&rooms.reporters, &request.account)?;
        let mut next_at = None;
        if !self.is_daemon() {
            self.process.restore_budgets().await.map_err(|error| problem(error.into()))?;
            let _at_work = self.at_work_on(&request.account).await?;
            let ports =
                Ports { routes: Arc::clone(&self.routes), accepted: Arc::clone(&self.reconcile).accepted() };
            let round = self.downloads.round(&reporter.account, &ports).await.map_err(problem)?;
            next_at = round.next_at;
            if next_at.is_none() {
                self.process.save_budgets().await.map_err(|error| problem(error.into()))?;
            }
        }
        let found = self.downloads.list(&reporter.account).await.map_err(problem)?;
        Ok(self.fetched(reporter, &found, next_at))
    }

    fn fetched(
        &self,
        reporter: &Reporter,
        downloads: &[Download],
        next_at: Option<Timestamp>,
    ) -> FetchAnswer {
        FetchAnswer {
            errands: downloads.iter().map(line).collect(),
            folder: provider_reports::shown_folder(&reporter.account),
            is_daemon: self.is_daemon(),
            next_at,
        }
    }
}

fn find<'a>(reporters: &'a [Arc<Reporter>], account: &AccountName) -> Result<&'a Arc<Reporter>, Problem> {
    reporters.iter().find(|reporter| reporter.account.name == *account).ok_or_else(|| {
        let known: Vec<&str> = reporters.iter().map(|reporter| reporter.account.name.as_str()).collect();
        let remedy = match known.as_slice() {
            [] => {
                format!("reports need an account with api = {}", registry::names_with_reports().join(" or "))
            }
            known => format!("known accounts: {}", known.join(", ")),
        };
        let detail = DownloadError::NoReports(account.clone()).to_string();
        Problem::new(Cause::Unprocessable, detail, remedy)
    })
}

fn line(download: &Download) -> DownloadLine {
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let (progress, tally) = (download.pull.progress(), download.tally);
    let windows = download.pull.windows.iter();
    let failed = windows.clone().filter_map(|window| match &window.phase {
        Phase::Failed { why, .. } => Some(FailedDay { from: window.from, why: why.clone() }),
        _ => None,
    });
    DownloadLine {
        account: download.account.clone(),
        report: download.word.clone(),
        from: download.from,
        until: download.until,
        is_nightly: download.is_nightly,
        is_over: download.is_closed,
        days: count(progress.days),
        done: count(progress.done),
        empty: count(windows.clone().filter(|window| window.phase == Phase::Empty).count()),
        failed: failed.collect(),
        files: tally.files,
        unreadable: tally.unreadable,
        unread: download.unread.iter().map(unread_file).collect(),
        rows: tally.rows,
        rejected: tally.rejected,
        compared: tally.compared,
        differing: tally.differing,
        unknown: tally.unknown,
        enrolled: tally.enrolled,
    }
}

fn unread_file(unread: &provider_reports::Unread) -> UnreadFile {
    UnreadFile {
        from: unread.from,
        report_id: unread.report_id.clone(),
        why: unread.why.clone(),
        file: format!("{}.csv", unread.kept_at),
    }
}

fn problem(error: DownloadError) -> Problem {
    let (cause, remedy) = match &error {
        DownloadError::Store(_) | DownloadError::File(_) => {
            (Cause::Unavailable, "see the log; you may repeat the request")
        }
        DownloadError::Unreadable { .. } => (Cause::Internal, "see the log, and do not change the store"),
        DownloadError::UnknownType { .. } => (Cause::Unprocessable, "name one with --type, or omit --type"),
        DownloadError::NoReports(_) => (Cause::Unprocessable, "name another account"),
        DownloadError::Range(_) => {
            (Cause::Unprocessable, "name past UTC days: at most 30 at once, at most 90 days old")
        }
    };
    Problem::new(cause, error.to_string(), remedy)
}
