//! What each verb does, one file per subject. Every answer is a method of [`super::Service`].
//!
//! Owns: nothing of its own. Must never know: sockets, terminals, how answers travel.

mod accounts;
mod alert_route;
mod alerts;
mod audit;
mod backlog;
mod batches;
mod calls;
mod dashboard;
mod declines;
mod enrol;
mod events;
mod hosts;
mod metrics;
mod notifications;
mod objects;
mod poll;
mod provider_reports;
mod reports;
mod rhythm;
mod silences;
mod status;
mod store;
