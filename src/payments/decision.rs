//! What a decision rests on, and what it says: the values that the files of [`super::decide`] share.
//!
//! Owns: their shape. Must never know: how anything is decided.

use super::alert::Alert;
use super::lifecycle::Lifecycle;
use super::record::{Enrolment, Record, Transition};
use super::schedule::Policy;

/// What a decision rests on besides record, sight and time.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// The states of this kind.
    pub lifecycle: &'a dyn Lifecycle,
    /// How the account wants the kind watched.
    pub policy: &'a Policy,
    /// Where a person can look.
    pub look: &'a str,
    /// Whether the account plays with test money.
    pub is_sandbox: bool,
}

/// What is to be written, all of it or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The object from now on.
    pub record: Record,
    /// A row for the history, if anything changed.
    pub transition: Option<Transition>,
    /// Objects found through this one.
    pub enrol: Vec<Enrolment>,
    /// What a person should know.
    pub alerts: Vec<Alert>,
    /// False when the poll brought nothing new: losing it would cost one early poll, nothing else.
    pub is_news: bool,
}
