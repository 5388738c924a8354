//! What an operator may ask and see: the messages, the service that answers them, and the way between the daemon
//! and its commands (a Unix-domain socket; docs/src/reference/operations.md sections 8.1 to 8.4).
//!
//! Owns: verbs, messages, problems, the API under `/v1`. Must never know: tables, wire formats of
//! providers, who the host is.

pub mod batching;
pub mod calling;
pub mod fetching;
pub mod fields;
pub mod messages;
mod places;
pub mod problem;
pub mod wanted;

mod status;

pub mod host;
pub mod service;

mod alerting;
mod polling;

pub mod explain;
pub mod plan;

pub mod client;
mod routes;
pub mod server;

#[cfg(test)]
pub(crate) mod test_host;
#[cfg(test)]
mod tests;

pub use host::{Host, Later, Rate};
pub use service::Service;
