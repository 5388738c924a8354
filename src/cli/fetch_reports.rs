//! `reconciled fetch-reports ACCOUNT --from D --to D`

use std::cell::Cell;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;

use super::connection::{Action, Connection};
use super::exit::{Ended, Exit, Failed};
use super::progress;
use super::screen::{Screen, Table, Tone};
use crate::clock::SharedClock;
use crate::control::messages::{DownloadLine, FetchAnswer, FetchBegin, FetchGo};
use crate::payments::object::AccountName;
use crate::store;
use crate::time::between;

/// `fetch-reports`
#[derive(Debug, Args)]
pub struct FetchReportsArguments {
    /// The account's name in the configuration.
    pub account: AccountName,
    /// The first day, UTC.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub from: Date,
    /// The last day, UTC. It must be over.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub to: Date,
    /// Only this type, such as capture, refund or settlement; may be given several times. By default, all types.
    #[arg(long = "type", value_name = "TYPE")]
    pub types: Vec<String>,
    /// Fetch days again that are already kept, and read their files again.
    #[arg(long)]
    pub again: bool,
    /// Only request the reports; the daemon fetches them.
    #[arg(long)]
    pub no_wait: bool,
    /// Write JSON, one type of report per line.
    #[arg(long)]
    pub json: bool,
}

/// The time between two checks of the daemon's progress. Without a daemon, the longest wait between two of our own
/// steps.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Requests reports and waits until they are there. Code 75 when some cannot be fetched now, 65 when a fetched file
/// cannot be read.
pub(super) async fn fetch_reports(
    options: FetchReportsArguments,
    connection: &Connection,
    clock: &SharedClock,
    screen: &mut Screen<'_>,
) -> Ended {
    let account = options.account.clone();
    let begun = connection
        .ask(FetchBegin {
            account: account.clone(),
            types: options.types,
            from: options.from,
            to: options.to,
            again: options.again,
        })
        .await?;
    connection.say(Action::Wrote, screen)?;
    if options.no_wait {
        let who =
            if begun.is_daemon { "the daemon fetches them" } else { "the daemon fetches them when it runs" };
        screen.note(&format!("requested; {who}; run the same command again to see the progress"))?;
        return Ok(Exit::Ok);
    }
    let progress = Cell::new((0, 0));
    let work = follow(&begun, connection, clock, &progress);
    let look = async || {
        let (done, total) = progress.get();
        Some(store::Progress { step: "fetching provider reports".to_owned(), done, total })
    };
    let ended = progress::watch(work, look, clock, screen).await??;
    show(&ended, options.json, screen)
}

/// Waits until all requested downloads are over.
async fn follow(
    begun: &FetchAnswer,
    connection: &Connection,
    clock: &SharedClock,
    progress: &Cell<(u64, u64)>,
) -> Result<FetchAnswer, Failed> {
    let Some(account) = begun.errands.first().map(|errand| errand.account.clone()) else {
        return Ok(begun.clone());
    };
    loop {
        let mut answer = connection.ask(FetchGo { account: account.clone() }).await?;
        answer.errands.retain(|line| begun.errands.iter().any(|wanted| wanted.is_same(line)));
        let settled = |line: &DownloadLine| line.done + u64::try_from(line.failed.len()).unwrap_or(u64::MAX);
        progress.set((
            answer.errands.iter().map(settled).sum(),
            answer.errands.iter().map(|line| line.days).sum(),
        ));
        if answer.errands.iter().all(|line| line.is_over) {
            return Ok(answer);
        }
        clock.sleep(answer.next_at.map_or(LOOK_EVERY, |next| until(clock.now(), next))).await;
    }
}

/// Short enough for the display, but never a busy loop.
fn until(now: Timestamp, at: Timestamp) -> Duration {
    between(now, at).clamp(Duration::from_millis(1), Duration::from_secs(5))
}

fn show(answer: &FetchAnswer, is_json: bool, screen: &mut Screen<'_>) -> Ended {
    let is_failed = answer.errands.iter().any(|line| !line.failed.is_empty());
    let exit = match (is_failed, answer.errands.iter().any(|line| line.unreadable > 0)) {
        (_, true) => Exit::Data,
        (true, false) => Exit::TryLater,
        (false, false) => Exit::Ok,
    };
    if is_json {
        answer.errands.iter().try_for_each(|line| screen.json_line(line))?;
        return Ok(exit);
    }
    let mut table = Table::new(&[
        "report",
        "days>",
        "done>",
        "empty>",
        "failed>",
        "unread>",
        "rows>",
        "bad rows>",
        "compared>",
        "differing>",
        "unknown>",
        "enrolled>",
    ]);
    for line in &answer.errands {
        let numbers = [
            line.days,
            line.done,
            line.empty,
            u64::try_from(line.failed.len()).unwrap_or(u64::MAX),
            line.unreadable,
            line.rows,
            line.rejected,
            line.compared,
            line.differing,
            line.unknown,
            line.enrolled,
        ];
        let cells = std::iter::once(line.report.clone()).chain(numbers.iter().map(u64::to_string));
        let is_bad = line.is_failed() || line.differing > 0;
        let tone = match (is_bad, line.rejected > 0) {
            (true, _) => Tone::Bad,
            (false, true) => Tone::Warning,
            (false, false) => Tone::Plain,
        };
        table.row(cells.collect(), tone);
    }
    table.write(screen, true)?;
    for line in &answer.errands {
        for day in &line.failed {
            let date = day.from.strftime("%Y-%m-%d");
            screen.toned(&format!("! {} of {date}: {}", line.report, day.why), Tone::Bad)?;
        }
        for file in &line.unread {
            let date = file.from.strftime("%Y-%m-%d");
            let text = format!("! {} of {date} was fetched and cannot be read: {}", line.report, file.why);
            screen.toned(&text, Tone::Bad)?;
            screen.toned(&format!("  nothing in it was compared; it is kept at {}", file.file), Tone::Bad)?;
        }
    }
    screen.note("rows are counted as they are fetched: files that were already kept are not read again")?;
    screen.line(&answer.folder)?;
    if is_failed {
        screen.note("run the same command again to request what failed")?;
    }
    Ok(exit)
}
