//! An event: a change of one object, as a program of the shop gets it.
//!
//! Owns: its shape in the store. Must never know: receivers, what a type is called, how the bytes are made.

use serde::{Deserialize, Serialize};

/// What is sent. The bytes are fixed when the event is made, so every attempt sends the same ones. In the outbox it is
/// carried by an alert, whose `kind` is the event's type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Event {
    /// Derived from what happened, so it survives a lost store.
    pub id: String,
    /// The event's place among those of its object: 1, 2, 3, ...
    pub sequence: u64,
    /// The media type of the body.
    pub media_type: String,
    /// The body.
    pub body: String,
}
