//! What a decision rests on, and what it says: the values that the files of [`super::decide`] share.
//!
//! Owns: their shape. Must never know: how anything is decided.

use super::alert::Alert;
use super::lifecycle::Lifecycle;
use super::record::{Enrolment, Record, Transition};
use super::schedule::Policy;

/// The context of a decision besides record, observation and time.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// The states of this kind.
    pub lifecycle: &'a dyn Lifecycle,
    /// How the account polls this kind.
    pub policy: &'a Policy,
    /// A link to the provider's own page about the object.
    pub where_to_look: &'a str,
    /// Whether this is a sandbox account.
    pub is_sandbox: bool,
}

/// What to write, in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The object from now on.
    pub record: Record,
    /// A row for the history, if something changed.
    pub transition: Option<Transition>,
    /// Newly found objects to enrol.
    pub enrol: Vec<Enrolment>,
    /// Alerts to send.
    pub alerts: Vec<Alert>,
    /// False when the poll brought nothing new: losing it would cost one early poll, nothing else.
    pub is_news: bool,
}
