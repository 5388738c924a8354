//! What an operator may request and see: the messages, the verbs, their answers, and the connection between the
//! daemon and its commands (a Unix-domain socket; docs/src/reference/operations.md sections 8.1 to 8.4).
//!
//! Owns: verbs, messages, answers, problems, the API under `/v1`. Must never know: tables, wire formats of providers.
//!
//! In reading order: `messages` (requests and answers), `verbs` (every verb once), `service` (what answers work on),
//! `answers` (one file per subject), `audit` (who did what), `routes` and `server` (the daemon's end of the socket),
//! `client` (a command's end), `tcp` and `gate` (the same for programs that have a token), `conditions` (what a request
//! expects), `enrol_lines` (enrolments as they arrive), `live` (changes as they happen), `openapi` (the description of
//! it all), `link` (the page behind an alert's link).

pub mod enrolment_request;
pub mod fields;
pub mod messages;
pub mod problem;
pub mod watched;

pub mod explain;
pub mod plan;

mod answers;
pub mod audit;
pub mod service;
mod today;
pub mod verbs;

pub mod client;
mod conditions;
mod enrol_lines;
mod gate;
mod link;
mod live;
pub mod openapi;
mod places;
mod routes;
pub mod server;
pub mod tcp;

#[cfg(test)]
pub(crate) mod test_service;
#[cfg(test)]
mod tests;

pub use service::{Later, Service, Usage};
pub use today::TodayCount;
