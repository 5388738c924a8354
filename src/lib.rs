//! `reconciled` sees every Amazon Pay transaction through to its final state.

pub mod alerts;
pub mod apis;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod daemon;
pub mod payments;
pub mod reconcile;
pub mod reports;
pub mod simulator;
pub mod store;
pub mod task;
pub mod telemetry;
pub mod timetable;
