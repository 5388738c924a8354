//! What an object is, what a state means, what a new observation implies, and when to poll again.
//!
//! Owns: the decisions. Must never know: HTTP, JSON, XML, storage, async, the clock (time is an
//! argument), a provider's name.

mod accept;
pub mod adaptive;
pub mod alert;
pub mod already_ended;
pub mod change;
pub mod decide;
mod decision;
pub mod delay;
mod doubt;
pub mod environment;
pub mod event;
pub mod history;
mod notice;
pub mod schedule;
pub mod tail;
mod trouble;

pub use accept::{NotAcceptable, accept};
pub use notice::age;
pub mod lifecycle;
pub mod money;
pub mod object;
pub mod observation;
pub mod provider_health;
pub mod record;
