//! Alerts that are sent together at the end of a window.
//!
//! Owns: which messages they become. Pure. Must never know: how a message is sent.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use jiff::tz::TimeZone;

use super::super::burst::Group;
use super::super::escalation;
use super::super::link::Links;
use super::super::message::{self, LONGEST_DIGEST, Message};
use super::super::summary::Summary;
use super::line::{Subject, subject};
use super::parcel::Parcel;
use crate::store::Owed;
use crate::webhook::event_id;

/// One summary counts at most this many alerts; the next one counts the others. It bounds memory.
const LONGEST_SUMMARY: usize = 20_000;

/// The message in which an alert was tried before; those that were tried come first. What was tried in one message stays
/// in one message, and so keeps its key: it may have arrived.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Tried {
    In(String),
    Never,
}

impl Tried {
    fn of(owed: &Owed) -> Tried {
        owed.message.clone().map_or(Tried::Never, Tried::In)
    }
}

/// Alerts that are sent together. Beyond the limit of the target, only numbers and keys are kept.
#[derive(Default)]
pub(super) struct Together {
    shown: Vec<(Group, Owed)>,
    /// By what they were tried in, and whether they are about a sandbox.
    counted: BTreeMap<(Tried, bool), (Summary, Parcel)>,
    groups: BTreeSet<Group>,
    subjects: HashSet<Subject>,
    number: usize,
}

impl Together {
    pub(super) fn is_empty(&self) -> bool {
        self.number == 0
    }

    /// Whether it has an alert about the same subject, which must arrive before this one.
    pub(super) fn holds(&self, owed: &Owed) -> bool {
        subject(&owed.alert).is_some_and(|subject| self.subjects.contains(&subject))
    }

    pub(super) fn is_full(&self) -> bool {
        self.number >= LONGEST_SUMMARY
    }

    /// Adds an alert; `limit` is how many messages the target gets at most.
    pub(super) fn add(&mut self, group: Group, owed: Owed, limit: usize) {
        self.number += 1;
        let (summary, parcel) = self.counted.entry((Tried::of(&owed), group.is_sandbox)).or_default();
        summary.add(&owed.alert);
        parcel.add(&owed);
        self.groups.insert(group.clone());
        self.subjects.extend(subject(&owed.alert));
        if self.number <= limit {
            self.shown.push((group, owed));
        } else {
            self.shown = Vec::new();
        }
    }

    /// The messages, each with its alerts and their groups. Live accounts and sandboxes are never mixed.
    pub(super) fn messages(
        self,
        limit: usize,
        zone: &TimeZone,
        links: Option<&Links>,
    ) -> Vec<(Message, Parcel, BTreeSet<Group>)> {
        if self.number > limit {
            let summary = |((_, is_sandbox), (counts, parcel)): ((_, bool), (Summary, Parcel))| {
                let key = format!("summary/{}", event_id(&parcel.keys().join("\n")));
                let groups = self.groups.iter().filter(|group| group.is_sandbox == is_sandbox).cloned();
                (message::summary(&counts, is_sandbox, key, zone), parcel, groups.collect())
            };
            return self.counted.into_iter().map(summary).collect();
        }
        let mut by_group: BTreeMap<(Tried, Group), Vec<Owed>> = BTreeMap::new();
        for (group, owed) in self.shown {
            by_group.entry((Tried::of(&owed), group)).or_default().push(owed);
        }
        let mut messages = Vec::new();
        for ((_, group), owed) in by_group {
            for part in owed.chunks(LONGEST_DIGEST) {
                let message = combined(&group, part, zone, links);
                messages.push((message, Parcel::of(part), BTreeSet::from([group.clone()])));
            }
        }
        messages
    }
}

/// The message about one alert.
pub(super) fn alone(owed: &Owed, is_sandbox: bool, zone: &TimeZone, links: Option<&Links>) -> Message {
    let alert = escalation::worded(owed, zone, links);
    message::single(&alert, is_sandbox, zone).instead_of(owed.instead_of.as_deref())
}

fn combined(group: &Group, part: &[Owed], zone: &TimeZone, links: Option<&Links>) -> Message {
    if let ([one], false) = (part, group.is_late) {
        return alone(one, group.is_sandbox, zone, links);
    }
    let mut keys: Vec<&str> = part.iter().map(|owed| owed.alert.key.as_str()).collect();
    keys.sort_unstable();
    let key = format!("digest/{}", event_id(&keys.join("\n")));
    let alerts: Vec<_> =
        part.iter().map(|owed| (escalation::worded(owed, zone, links), group.is_sandbox)).collect();
    if group.is_late { message::late(&alerts, key) } else { message::digest(&alerts, key) }
}
