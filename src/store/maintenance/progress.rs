//! The progress of long work, for those who wait for it.
//!
//! Owns: the gauge. Must never know: what the work is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

use crate::store::mutex::locked;

/// How far long work has come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Progress {
    /// What is being done, in a few words.
    pub step: String,
    /// How much of it is done: rows or bytes.
    pub done: u64,
    /// How much there is in all; 0 if that is not known in advance.
    pub total: u64,
}

/// A gauge for a self-check, a backup, a replay and so on. Cheap to clone; all clones show the same.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<Gauge>);

#[derive(Debug, Default)]
struct Gauge {
    step: Mutex<Option<&'static str>>,
    done: AtomicU64,
    total: AtomicU64,
    /// Grows with every step and every advance of any work.
    ticks: AtomicU64,
}

impl Meter {
    /// A number that grows while any work makes progress, so that the watchdog can tell slow from stuck.
    pub fn ticks(&self) -> u64 {
        self.0.ticks.load(Ordering::Relaxed)
    }

    /// What is being done; none if nothing is.
    pub fn progress(&self) -> Option<Progress> {
        let step = (*locked(&self.0.step))?;
        let (done, total) = (self.0.done.load(Ordering::Relaxed), self.0.total.load(Ordering::Relaxed));
        Some(Progress { step: step.to_owned(), done, total })
    }

    /// Begins a step of `total` rows or bytes; 0 if that is not known.
    pub(crate) fn begin(&self, step: &'static str, total: u64) {
        self.0.ticks.fetch_add(1, Ordering::Relaxed);
        self.0.done.store(0, Ordering::Relaxed);
        self.0.total.store(total, Ordering::Relaxed);
        *locked(&self.0.step) = Some(step);
    }

    /// Adds to what is done.
    pub(crate) fn advance(&self, by: u64) {
        self.0.ticks.fetch_add(1, Ordering::Relaxed);
        self.0.done.fetch_add(by, Ordering::Relaxed);
    }

    /// Ends the work: nothing is being done any more.
    pub(crate) fn end(&self) {
        *locked(&self.0.step) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_clone_shows_the_same() {
        let (meter, seen) = (Meter::default(), Progress { step: "reading".to_owned(), done: 7, total: 9 });
        let other = meter.clone();
        assert_eq!(other.progress(), None);
        meter.begin("reading", 9);
        meter.advance(3);
        meter.advance(4);
        assert_eq!(other.ticks(), 3);
        assert_eq!(other.progress(), Some(seen));
        meter.end();
        assert_eq!(other.progress(), None);
    }
}
