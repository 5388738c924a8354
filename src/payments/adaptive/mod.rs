//! Polling by learnt ages: polls are sent where an end is likeliest, for the requests that a fixed interval would need.
//!
//! Owns: what is learnt about ages ([`hazard`]), the cheapest plan of polls for a price ([`plan`]), the price at which
//! an account spends what it may ([`account`]), what it may spend ([`Budget`]), and what happens when the quota is exhausted. Must never know: what a state means, storage, the clock.
//!
//! What is learnt decides only when to poll, never what is true. docs/src/adaptive.md explains the rule and its sources.

pub mod account;
pub mod hazard;
pub mod plan;
mod pressure;
mod price;
mod spend;

pub use account::{Adaptive, AgeRange, AnsweredPoll, Curve, End, Ledger, Overview, Terms};
pub use hazard::{Learner, Piece};
pub use plan::{Cost, Plan, Plans, Terrain};
pub use spend::{Budget, FACTORS};
