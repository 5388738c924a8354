//! Replays a past of objects under one polling policy after another: how soon each end is noticed, what that
//! costs, what is missed.
//!
//! Owns: synthetic pasts, the reader of a real one, a server that counts, models of other people's policies,
//! and the measures. Must never know: files, terminals, the network, the store's engine.
//!
//! Our own policies are not modelled. The code that runs is the daemon's: [`crate::payments::decide`] with
//! its schedule and jitter, the states of the APIs, the store's order of service, and the budgets of
//! [`crate::apis::pace`] on a clock set by hand. Other policies are small models ([`Rhythm::peers`]); each
//! names its assumptions. One seed decides everything that looks like chance.
//!
//! In reading order: `past` (objects), `course` (their states), `workload` (synthetic pasts), `rhythm` (the
//! policies by name), `scene` (what a policy sees), `engine` (time and events), `server`, `ours`, `learning`, `peers`, `measure`,
//! `bound` (what no policy can beat), `long` (pasts of many days), `goals` (what adaptive polls must reach), `parallel`.

mod bound;
mod course;
mod draws;
mod engine;
mod goals;
mod learning;
mod long;
mod measure;
mod ours;
mod parallel;
mod past;
mod peers;
mod rhythm;
mod scene;
mod server;
#[cfg(test)]
mod tests;
mod workload;

pub use engine::run;
pub use goals::{Point, Reached, curve, goals};
pub use long::LONG_PASTS;
pub use measure::{CaughtUp, Measured, Quantiles, span};
pub use past::{Columns, Past, merge, past_of_json};
pub use rhythm::Rhythm;
pub use workload::{Outage, WORKLOADS, Workload};

pub use crate::apis::pace::Quota;
