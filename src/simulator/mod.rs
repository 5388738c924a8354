//! A pretend Amazon Pay, written from the providers' manuals alone.
//!
//! Owns: how the providers behave. Must never know: any other room but `clock`; it must not share our
//! code for the wire, or both would be wrong together.

pub mod exchange;
pub mod fate;
pub mod plan;
pub mod provider;

pub mod chat;
pub mod counts;
pub mod credentials;
pub mod fault;
pub mod scenario;

pub mod amazon_pay_mws;
pub mod amazon_pay_v2;
pub mod aps;

pub mod authority;
pub mod bucket;
mod delivery;
pub mod hostile;
mod server;
mod world;

pub use authority::ThrowAwayAuthority;
pub use chat::ChatMessage;
pub use counts::{Counts, OperationCounts};
pub use scenario::{Scenario, ScenarioError};
pub use server::{Serving, serve};
pub use world::{Planted, Simulator};
