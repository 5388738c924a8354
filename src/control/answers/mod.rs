//! What each verb does, one file a subject. Every answer is a method of [`super::Service`].
//!
//! Owns: nothing itself. Must never know: sockets, terminals, how answers travel.

mod accounts;
mod alerts;
mod batches;
mod calls;
mod enrol;
mod objects;
mod poll;
mod provider_reports;
mod reports;
mod status;
mod store;
