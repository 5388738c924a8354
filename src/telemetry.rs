//! Logs: readable on a terminal, with journal priorities under systemd, one JSON object a line otherwise.
//!
//! Owns: the form of a log line. Must never know: any room. Secrets and buyer data are kept out of the
//! types that could be logged, not filtered here.

use std::fmt;
use std::io::IsTerminal;

use serde::Deserialize;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{Format, Full, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Said to every filter: the store's engine tells of each page it looks at, and does so from ending
/// threads too, where a log line can no longer be written and the attempt aborts the process.
const QUIET: &str = "sled=info";

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// By where standard error goes.
    Auto,
    /// For people.
    Text,
    /// For the journal: a priority before each line, no time.
    Journal,
    /// For machines.
    Json,
}

impl LogFormat {
    fn resolved(self) -> LogFormat {
        match self {
            LogFormat::Auto if std::io::stderr().is_terminal() => LogFormat::Text,
            LogFormat::Auto if std::env::var_os("JOURNAL_STREAM").is_some() => LogFormat::Journal,
            LogFormat::Auto => LogFormat::Json,
            chosen => chosen,
        }
    }
}

/// Starts logging to standard error. `filter` is a level (`info`) or directives (`reconciled=debug,info`).
///
/// # Errors
/// When the filter cannot be read, or logging was started before.
pub fn start(format: LogFormat, filter: &str) -> Result<(), String> {
    let filter = read(filter)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match format.resolved() {
        LogFormat::Journal => builder.with_ansi(false).event_format(Journal::new()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text | LogFormat::Auto => builder
            .with_target(false)
            .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
            .try_init(),
    };
    started.map_err(|error| error.to_string())
}

fn read(filter: &str) -> Result<EnvFilter, String> {
    let wrong = |error: &dyn fmt::Display| format!("log filter {filter:?}: {error}");
    let quiet = QUIET.parse().map_err(|error| wrong(&error))?;
    Ok(EnvFilter::try_new(filter).map_err(|error| wrong(&error))?.add_directive(quiet))
}

/// A line as the journal takes it from standard error: `<priority>` first (sd-daemon(3)).
struct Journal {
    inner: Format<Full, ()>,
}

impl Journal {
    fn new() -> Journal {
        Journal {
            inner: tracing_subscriber::fmt::format().with_level(false).with_target(false).without_time(),
        }
    }
}

fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

impl<S, N> FormatEvent<S, N> for Journal
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        write!(writer, "<{}>", priority(*event.metadata().level()))?;
        self.inner.format_event(context, writer, event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_have_the_journals_priorities() {
        assert_eq!(
            [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE].map(priority),
            [3, 4, 6, 7, 7]
        );
    }

    #[test]
    fn the_engine_stays_quiet_whatever_is_asked_for() {
        for filter in ["trace", "sled=trace", "debug,sled=debug"] {
            let read = read(filter).expect("it is a filter").to_string();
            assert!(read.contains("sled=info") && read.matches("sled").count() == 1, "{filter}: {read}");
        }
    }

    #[test]
    fn a_bad_filter_is_an_error() {
        assert!(start(LogFormat::Json, "reconciled=loud").is_err());
    }
}
