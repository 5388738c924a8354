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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::screen::tests::written;
    use crate::clock::VirtualClock;

    #[tokio::test(start_paused = true)]
    async fn without_a_terminal_a_line_comes_every_ten_seconds() {
        let clock: SharedClock = VirtualClock::starting_at(jiff::Timestamp::UNIX_EPOCH);
        let mut progress = Progress::start(false, Some(100), &clock);
        let mut told = String::new();
        for step in 0..25 {
            let (_, note) = written(|screen| progress.tell(step, &format!("at {step}"), screen).unwrap());
            told.push_str(&note);
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        progress.end();
        assert_eq!(told, "at 10\nat 20\n");
    }
}
