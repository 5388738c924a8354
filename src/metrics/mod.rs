//! What monitoring can read: each figure once, with its unit and its meaning; from the same list come the answer to a
//! scrape, the alert rules for Prometheus, the dashboard for Grafana and the page of the documentation.
//!
//! Owns: names, units, texts, and these forms (docs/src/reference/operations.md, section 6). Must never know: where a
//! figure comes from.
//!
//! In reading order: `list` (every figure), `exposition` (a scrape), `rules` (what to be alerted about), `dashboard`.

pub mod dashboard;
mod exposition;
pub mod list;
pub mod rules;

pub use exposition::{CONTENT_TYPE, text};

/// How a figure behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// It only grows, until the process ends.
    Counter,
    /// It goes up and down.
    Gauge,
    /// How often something took how long.
    Histogram,
}

/// A figure that is measured, for each combination of its labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name, with its unit and without `_total`.
    pub name: &'static str,
    /// How it behaves.
    pub sort: Sort,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it means, in one sentence without its full stop.
    pub help: &'static str,
}

impl Metric {
    /// The name under which Prometheus stores it.
    pub fn series(&self) -> String {
        match self.sort {
            Sort::Counter => format!("{}_total", self.name),
            Sort::Gauge | Sort::Histogram => self.name.to_owned(),
        }
    }
}

/// What was measured.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Of a counter or a gauge.
    Number(f64),
    /// Of a histogram: the sum of all, and how many were at most each bound. The last bound is infinite.
    Distribution {
        /// The sum.
        sum: f64,
        /// The bounds, each with how many lie between the one before and it.
        buckets: Vec<(f64, u64)>,
    },
}

/// One figure, measured now.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Which.
    pub metric: &'static Metric,
    /// The values of its labels, in their order.
    pub labels: Vec<String>,
    /// What was measured.
    pub value: Value,
}
