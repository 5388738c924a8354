//! The options of `metrics`, with their help.
//!
//! Owns: names and help. Must never know: how any of it is carried out.

use clap::Args;

/// `metrics`
#[derive(Debug, Args)]
pub struct MetricsArguments {
    /// Print alert rules for Prometheus. Needs no daemon.
    #[arg(long, conflicts_with = "dashboard")]
    pub rules: bool,
    /// Print a dashboard for Grafana. Needs no daemon.
    #[arg(long)]
    pub dashboard: bool,
}
