//! A change of an object, for those who make events of it.
//!
//! Owns: what is known when an event is made. Must never know: receivers, what an event says. Pure.

use super::alert::Alert;
use super::object::AccountName;
use super::record::{Record, Transition};

/// A row that is about to be added to an object's history.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// The object as it will be.
    pub record: &'a Record,
    /// The row.
    pub row: &'a Transition,
    /// The rows before it, oldest first.
    pub earlier: &'a [Transition],
    /// Whether the account is a sandbox.
    pub is_sandbox: bool,
}

/// Makes events of changes.
pub trait Announce: Send + Sync {
    /// Whether any receiver gets events of this account.
    fn is_heard(&self, account: &AccountName, is_sandbox: bool) -> bool;
    /// The events of a change, each with the target that it is for.
    fn announce(&self, change: &Change<'_>) -> Vec<(Alert, String)>;
}
