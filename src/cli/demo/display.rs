//! Shows the demo's progress: a bar on a terminal, otherwise a plain line every few seconds.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;

use super::verdict::Verdict;
use crate::clock::SharedClock;
use crate::text::count;

/// The time between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(3);

pub(super) struct Display {
    bar: Option<ProgressBar>,
    clock: SharedClock,
    next_line: Duration,
}

impl Display {
    pub(super) fn start(clock: &SharedClock) -> Display {
        let style = ProgressStyle::with_template("{bar:20} {pos}/{len}  {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = std::io::stderr().is_terminal().then(|| ProgressBar::new(1).with_style(style));
        Display { bar, clock: clock.clone(), next_line: Duration::ZERO }
    }

    pub(super) fn show(&mut self, verdict: &Verdict, now: Timestamp) {
        let line = format!(
            "{}  {}, {} declined, {} pending",
            now.strftime("%H:%M:%S"),
            count(verdict.polls, "poll"),
            verdict.declined,
            count(verdict.owed, "message")
        );
        if let Some(bar) = &self.bar {
            bar.set_length(verdict.enrolled_seen());
            bar.set_position(verdict.settled());
            bar.set_message(line);
        } else if self.clock.monotonic() >= self.next_line {
            self.next_line = self.clock.monotonic() + LINE_EVERY;
            super::say(format_args!("{line}, {} of {} settled", verdict.settled(), verdict.enrolled_seen()));
        }
    }

    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
