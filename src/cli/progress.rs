//! How far a long enrolment is: a bar on a terminal, else a plain line now and then.
//!
//! Owns: the bar. Must never know: what is being read.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::screen::Screen;
use crate::clock::SharedClock;

/// Between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// The display.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    clock: SharedClock,
    last_line: Duration,
}

impl Progress {
    /// Starts it; `bytes_total` is none for a pipe.
    pub(super) fn start(is_watched: bool, bytes_total: Option<u64>, clock: &SharedClock) -> Progress {
        let bar = is_watched.then(|| match bytes_total {
            Some(total) => ProgressBar::new(total)
                .with_style(style("{bar:30} {percent:>3} %  {bytes_per_sec}  {eta} left  {msg}")),
            None => ProgressBar::new_spinner().with_style(style("{spinner} {bytes}  {bytes_per_sec}  {msg}")),
        });
        Progress { bar, clock: clock.clone(), last_line: clock.monotonic() }
    }

    /// Says how far it is.
    pub(super) fn tell(&mut self, bytes: u64, message: &str, screen: &mut Screen<'_>) -> std::io::Result<()> {
        if let Some(bar) = &self.bar {
            bar.set_position(bytes);
            bar.set_message(message.to_owned());
            return Ok(());
        }
        let now = self.clock.monotonic();
        if now.saturating_sub(self.last_line) >= LINE_EVERY {
            self.last_line = now;
            screen.note(message)?;
        }
        Ok(())
    }

    /// Writes a note without tearing the bar.
    pub(super) fn note(&self, text: &str, screen: &mut Screen<'_>) -> std::io::Result<()> {
        match &self.bar {
            Some(bar) => bar.suspend(|| screen.note(text)),
            None => screen.note(text),
        }
    }

    /// Removes the bar.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
