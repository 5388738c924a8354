//! Shows the progress of a long enrolment, or of long work on the store: a bar on a terminal, otherwise a plain line
//! every few seconds.
//!
//! Owns: the bar. Must never know: what is being read.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::screen::Screen;
use crate::clock::SharedClock;
use crate::store;

/// The time between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// The time between two checks of work that is done elsewhere.
const LOOK_EVERY: Duration = Duration::from_millis(250);
const STEP_STYLE: &str = "{bar:30} {human_pos} of {human_len}  {elapsed}  {msg}";

/// The display.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    clock: SharedClock,
    last_line: Duration,
}

impl Progress {
    /// Starts the display. `bytes_total` is none for a pipe.
    pub(super) fn start(is_watched: bool, bytes_total: Option<u64>, clock: &SharedClock) -> Progress {
        let bar = is_watched.then(|| match bytes_total {
            Some(total) => ProgressBar::new(total)
                .with_style(style("{bar:30} {percent:>3} %  {bytes_per_sec}  {eta} left  {msg}")),
            None => ProgressBar::new_spinner().with_style(style("{spinner} {bytes}  {bytes_per_sec}  {msg}")),
        });
        Progress { bar, clock: clock.clone(), last_line: clock.monotonic() }
    }

    /// Updates the progress.
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

    /// Writes a note without breaking the bar.
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

/// Shows the progress of work until it ends. `look` returns the current progress.
pub(super) async fn watch<T>(
    work: impl Future<Output = T>,
    look: impl AsyncFn() -> Option<store::Progress>,
    clock: &SharedClock,
    screen: &mut Screen<'_>,
) -> std::io::Result<T> {
    let bar = screen.is_watched.then(|| ProgressBar::new(0).with_style(style(STEP_STYLE)));
    let mut last_line = clock.monotonic();
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            ended = &mut work => {
                if let Some(bar) = bar {
                    bar.finish_and_clear();
                }
                return Ok(ended);
            }
            () = clock.sleep(LOOK_EVERY) => {}
        }
        let Some(progress) = look().await else { continue };
        match &bar {
            Some(bar) => {
                bar.set_length(progress.total);
                bar.set_position(progress.done);
                bar.set_message(progress.step);
            }
            None if clock.monotonic().saturating_sub(last_line) >= LINE_EVERY => {
                last_line = clock.monotonic();
                screen.note(&in_words(&progress))?;
            }
            None => {}
        }
    }
}

/// `reading the journal: 45 %`, or only the number when the end is not known.
fn in_words(progress: &store::Progress) -> String {
    match progress.done.saturating_mul(100).checked_div(progress.total) {
        Some(percent) => format!("{}: {} %", progress.step, percent.min(100)),
        None => format!("{}: {}", progress.step, progress.done),
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

    #[tokio::test(start_paused = true)]
    async fn work_that_somebody_else_does_is_told_in_words() {
        let clock: SharedClock = VirtualClock::starting_at(jiff::Timestamp::UNIX_EPOCH);
        let looks = std::sync::atomic::AtomicU64::new(0);
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut screen = Screen { out: &mut out, err: &mut err, has_colour: false, is_watched: false };
        let look = async || {
            let done = looks.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let total = if done < 60 { 0 } else { 160 };
            Some(store::Progress { step: "reading".to_owned(), done, total })
        };
        let ended = watch(clock.sleep(Duration::from_secs(25)), look, &clock, &mut screen).await;
        assert!(ended.is_ok());
        let told = String::from_utf8(err).unwrap();
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines.len(), 2, "{told}");
        assert!(lines[0].starts_with("reading: 3") && !lines[0].ends_with('%'), "{told}");
        assert!(lines[1].starts_with("reading: 4") && lines[1].ends_with(" %"), "{told}");
    }
}
