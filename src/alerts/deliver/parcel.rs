//! The alerts that one message carries.
//!
//! Owns: what is kept of each until the message is settled. Must never know: what the message says.

use jiff::Timestamp;

use super::line::{Subject, subject};
use crate::payments::alert::Alert;
use crate::store::Owed;

/// What is kept of an alert.
#[derive(Debug)]
pub(super) struct Carried {
    pub(super) key: String,
    pub(super) attempts: u32,
    pub(super) found_at: Timestamp,
    pub(super) order: (u64, u32),
    pub(super) subject: Option<Subject>,
}

/// The alerts of one message.
#[derive(Debug, Default)]
pub(super) struct Parcel {
    pub(super) alerts: Vec<Carried>,
    /// One of them, to name it if all are lost.
    pub(super) first: Option<Box<Alert>>,
}

impl Parcel {
    pub(super) fn of(owed: &[Owed]) -> Parcel {
        let mut parcel = Parcel::default();
        owed.iter().for_each(|one| parcel.add(one));
        parcel
    }

    pub(super) fn add(&mut self, owed: &Owed) {
        let alert = &owed.alert;
        self.first.get_or_insert_with(|| Box::new(alert.clone()));
        self.alerts.push(Carried {
            key: alert.key.clone(),
            attempts: owed.attempts,
            found_at: alert.found_at,
            order: owed.order,
            subject: subject(alert),
        });
    }

    pub(super) fn keys(&self) -> Vec<&str> {
        self.alerts.iter().map(|carried| carried.key.as_str()).collect()
    }
}
