//! Tells the shop's back office of every change of a watched object: outbox → event → receiver.
//!
//! Owns: what an event is called and what its body says, who receives it, and delivering it. Must never know: why a
//! state changed, how the outbox is stored, alerts' texts.
//!
//! An event becomes pending in the same commit as the change that it reports. In reading order: `types` (what each
//! change is called), `body` (the bytes and the id), `schema` (their description), `config` (the receivers), `deliver`
//! (the loop of one receiver).

pub mod body;
pub mod config;
pub mod deliver;
pub mod schema;
pub mod types;

pub use config::{EventSection, Receivers};
pub use deliver::BackOffice;

/// What stands before a receiver's name in the outbox, so that no alert target has the same name there.
pub const TARGETS: &str = "events/";
