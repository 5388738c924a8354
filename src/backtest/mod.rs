//! A past of objects, lived through again under one polling policy after another: how long until each end is
//! seen, what that costs, what is never seen.
//!
//! Owns: the made-up pasts, the reading of a real one, a server that counts, the models of other people's
//! policies, and the measures. Must never know: files, terminals, the network, the store's engine.
//!
//! Our own policies are not modelled. What runs is what the daemon runs: [`crate::payments::decide`] with its
//! schedule and jitter, the states of the APIs, the order of service of the store, the budgets of
//! [`crate::apis::pace`] on a clock that is set by hand. Other policies are small models ([`Rhythm::peers`]), each
//! with the assumptions that it rests on in its own words. One seed decides everything that looks like chance.
//!
//! In reading order: `past` (objects), `course` (which states they go through), `workload` (made-up pasts),
//! `rhythm` (the policies by name), `scene` (what both sides see), `engine` (time and events), `server`, `ours`, `peers`, `measure`.

mod course;
mod engine;
mod measure;
mod ours;
mod past;
mod peers;
mod rhythm;
mod scene;
mod server;
#[cfg(test)]
mod tests;
mod workload;

pub use engine::run;
pub use measure::{CaughtUp, Measured, Quantiles, span};
pub use past::{Columns, Past, merge, past_of_json};
pub use rhythm::Rhythm;
pub use workload::{Outage, WORKLOADS, Workload};

pub use crate::apis::pace::Quota;
