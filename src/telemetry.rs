//! Logs: readable on a terminal, with journal priorities under systemd, one JSON object a line otherwise.
//!
//! Owns: the form of a log line, and that an event is one safe line, whatever it contains. Must never know:
//! any room. Secrets and buyer data are kept out of all types that could be logged, not filtered here.

pub mod traces;

use std::fmt;
use std::io::IsTerminal;

use serde::Deserialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::{Format, Full, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::text;

/// Added to every filter. The store's engine logs each page it reads, even from ending threads, where a log
/// line can no longer be written and the attempt aborts the process.
const QUIET: &str = "sled=info";

/// Added as well, unless the filter names it: what this library says at its start means nothing to an operator.
const SCHEDULER: &str = "tokio_cron_scheduler";

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// Depends on where standard error goes.
    Auto,
    /// For people.
    Text,
    /// For the journal: each line begins with a priority and has no time.
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
        LogFormat::Journal => {
            builder.with_ansi(false).fmt_fields(Fields).event_format(Journal::new()).try_init()
        }
        LogFormat::Json => builder.json().flatten_event(true).map_event_format(SafeJson).try_init(),
        LogFormat::Text | LogFormat::Auto => builder
            .fmt_fields(Fields)
            .with_target(false)
            .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
            .try_init(),
    };
    started.map_err(|error| error.to_string())
}

fn read(filter: &str) -> Result<EnvFilter, String> {
    let wrong = |error: &dyn fmt::Display| format!("log filter {filter:?}: {error}");
    let quiet = QUIET.parse().map_err(|error| wrong(&error))?;
    let read = EnvFilter::try_new(filter).map_err(|error| wrong(&error))?.add_directive(quiet);
    if filter.contains(SCHEDULER) {
        return Ok(read);
    }
    let scheduler = format!("{SCHEDULER}=warn").parse().map_err(|error| wrong(&error))?;
    Ok(read.add_directive(scheduler))
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

/// Message and fields (`message name=value …`), each escaped: an event is one line, and cannot control a
/// terminal.
struct Fields;

impl<'writer> FormatFields<'writer> for Fields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut line = Line { writer, is_first: true, written: Ok(()) };
        fields.record(&mut line);
        line.written
    }
}

struct Line<'writer> {
    writer: Writer<'writer>,
    is_first: bool,
    written: fmt::Result,
}

impl Line<'_> {
    fn add(&mut self, field: &Field, value: &str) -> fmt::Result {
        if !std::mem::take(&mut self.is_first) {
            self.writer.write_char(' ')?;
        }
        let value = text::line(value);
        match field.name() {
            "message" => self.writer.write_str(&value),
            name => write!(self.writer, "{}={value}", name.trim_start_matches("r#")),
        }
    }
}

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // A library's record repeats its source location in fields.
        if self.written.is_ok() && !field.name().starts_with("log.") {
            self.written = self.add(field, &format!("{value:?}"));
        }
    }
}

/// One JSON object a line, also free of characters that are harmful outside of JSON.
struct SafeJson<F>(F);

impl<S, N, F> FormatEvent<S, N> for SafeJson<F>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        writer.write_str(&text::json(&line))
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Kept {
        type Writer = Kept;

        fn make_writer(&self) -> Kept {
            self.clone()
        }
    }

    /// A provider's state that tries to start its own log line and to control a terminal.
    const HOSTILE: &str = "Captured\n<2>the store failed\u{1b}[2J\u{9b}\u{202e}\u{2028}";

    fn logged(subscriber: impl Subscriber + Send + Sync, kept: &Kept) -> String {
        tracing::subscriber::with_default(subscriber, || {
            let error = io::Error::other(HOSTILE);
            tracing::warn!(to = %HOSTILE, plain = HOSTILE, debug = ?HOSTILE, %error, number = 7, "seen {HOSTILE}");
        });
        String::from_utf8(kept.0.lock().unwrap().clone()).unwrap()
    }

    #[track_caller]
    fn check(line: &str) {
        let line = line.strip_suffix('\n').expect("a line ends");
        assert!(!line.chars().any(text::is_harmful), "{line:?}");
        assert!(line.contains("the store failed") && line.contains("202e"), "{line}");
    }

    #[test]
    fn an_event_is_one_safe_line_in_every_format() {
        let kept = Kept::default();
        let builder = tracing_subscriber::fmt().with_writer(kept.clone()).with_ansi(false);
        let line = logged(builder.fmt_fields(Fields).event_format(Journal::new()).finish(), &kept);
        check(&line);
        let safe = text::line(HOSTILE);
        assert!(line.starts_with(&format!("<4>seen {safe} to={safe} plain=\"Captured\\n<2>")), "{line}");
        assert!(line.ends_with(&format!("error={safe} number=7\n")), "{line}");

        let kept = Kept::default();
        let builder = tracing_subscriber::fmt().with_writer(kept.clone()).with_ansi(false);
        check(&logged(builder.fmt_fields(Fields).with_target(false).finish(), &kept));

        let kept = Kept::default();
        let builder = tracing_subscriber::fmt().with_writer(kept.clone());
        let json = builder.json().flatten_event(true).map_event_format(SafeJson).finish();
        let line = logged(json, &kept);
        check(&line);
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["to"], HOSTILE, "a program reads it word for word");
    }

    #[test]
    fn levels_have_the_journals_priorities() {
        assert_eq!(
            [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE].map(priority),
            [3, 4, 6, 7, 7]
        );
    }

    #[test]
    fn the_engine_stays_quiet_whatever_the_filter_says() {
        for filter in ["trace", "sled=trace", "debug,sled=debug"] {
            let read = read(filter).expect("it is a filter").to_string();
            assert!(read.contains("sled=info") && read.matches("sled").count() == 1, "{filter}: {read}");
        }
    }

    #[test]
    fn the_scheduler_says_nothing_unless_it_is_asked() {
        let read = |filter: &str| read(filter).expect("it is a filter").to_string();
        assert!(read("info").contains("tokio_cron_scheduler=warn"));
        assert!(read("info,tokio_cron_scheduler=debug").contains("tokio_cron_scheduler=debug"));
    }

    #[test]
    fn a_bad_filter_is_an_error() {
        assert!(start(LogFormat::Json, "reconciled=loud").is_err());
    }
}
