//! What an object is, what a state means, what a new sight of it implies, when to look again.
//!
//! Owns: the decisions. Must never know: HTTP, JSON, XML, storage, async, the clock (time is an
//! argument), a provider's name.

mod accept;
pub mod alert;
pub mod decide;
mod doubt;
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
pub mod record;
pub mod service;
