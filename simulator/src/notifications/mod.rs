//! Notifications: the simulator tells the merchant of changes, as the providers do.
//!
//! Owns: the messages, what goes wrong with them, and posting them. Must never know: how a state comes about; the
//! client's code.
//!
//! A change of state is looked up in the timelines of the providers' objects, as everything else is
//! ([`Provider::announcements`](crate::provider::Provider::announcements)). What becomes of its notification is a pure
//! function of the seed and the change. [`Simulator::notifications_between`](crate::Simulator::notifications_between)
//! is that function; [`Simulator::notifications_until`](crate::Simulator::notifications_until) hands each message out
//! once, and [`Simulator::notification_answered`](crate::Simulator::notification_answered) takes the answer, after which
//! a redelivery may be due. [`send_notifications`] does all that over HTTP; a test with a clock of its own does it in
//! memory.
//!
//! Single messages, genuine or not, come from a [`Forger`].

mod draft;
mod envelope;
mod fate;
mod feedback;
mod forger;
mod forgery;
mod mailbox;
mod office;
mod posting;
mod signer;
mod signing;
mod topic;

#[cfg(test)]
mod stories;

use jiff::Timestamp;

pub use envelope::{Envelope, MessageKind};
pub use fate::{Outcome, redelivered_after};
pub use forger::Forger;
pub use forgery::Forgery;
pub(crate) use office::PostOffice;
#[cfg(test)]
pub(crate) use posting::deliver;
pub use posting::{Posting, send_notifications};
pub use signer::{SIGNING_NAME, Signer, SigningFlaw};
pub use signing::{SignatureVersion, SigningKey};

/// One message on its way to one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The account's name.
    pub account: String,
    /// Where it is posted.
    pub url: String,
    /// When it arrives.
    pub at: Timestamp,
    /// From 1 on; a redelivery is the same message again.
    pub attempt: u32,
    /// `MessageId` of the envelope; feedback has none on the wire.
    pub message_id: String,
    /// The object that it names; empty for confirmations.
    pub id: String,
    /// `None`: it is genuine.
    pub forgery: Option<Forgery>,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What happened to one account's notifications.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NotificationCounts {
    /// Changes that the provider announces.
    pub announced: u64,
    /// Changes whose notification nobody is subscribed to.
    pub withheld: u64,
    /// Messages that never arrive.
    pub lost: u64,
    /// Changes whose notification is delivered twice.
    pub duplicated: u64,
    /// Changes whose notification is held back until later ones have overtaken it.
    pub held_back: u64,
    /// Forged messages beside the genuine ones.
    pub forged: u64,
    /// Messages sent, everything counted: genuine, forged, and redeliveries.
    pub sent: u64,
    /// Of those, redeliveries.
    pub redelivered: u64,
    /// Answers with a status from 200 to 299.
    pub answered_2xx: u64,
    /// Answers with a status from 400 to 499.
    pub answered_4xx: u64,
    /// Answers with a status from 500 to 599.
    pub answered_5xx: u64,
    /// Answers with any other status.
    pub answered_otherwise: u64,
    /// Messages that were not answered.
    pub unanswered: u64,
    /// How often the signing certificate was fetched.
    pub certificates_fetched: u64,
    /// How often it could not be fetched.
    pub certificates_refused: u64,
}

impl NotificationCounts {
    /// Every counter with its name.
    pub fn named(&self) -> [(&'static str, u64); 15] {
        [
            ("announced", self.announced),
            ("withheld", self.withheld),
            ("lost", self.lost),
            ("duplicated", self.duplicated),
            ("held_back", self.held_back),
            ("forged", self.forged),
            ("sent", self.sent),
            ("redelivered", self.redelivered),
            ("answered_2xx", self.answered_2xx),
            ("answered_4xx", self.answered_4xx),
            ("answered_5xx", self.answered_5xx),
            ("answered_otherwise", self.answered_otherwise),
            ("unanswered", self.unanswered),
            ("certificates_fetched", self.certificates_fetched),
            ("certificates_refused", self.certificates_refused),
        ]
    }

    fn add(&mut self, other: &NotificationCounts) {
        self.announced += other.announced;
        self.withheld += other.withheld;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.held_back += other.held_back;
        self.forged += other.forged;
    }
}
