//! Which notifications were received before.
//!
//! Owns: how many are remembered, and in which pieces they are stored. Must never know: what a notification says.
//!
//! The newest 20,000 of an account are remembered, by 64 bits of their keys. Only verified notifications have a key
//! here, so nobody else can fill it. It is stored in pages of 100: while one fills up, only that page is written again.
//!
//! What was sent no later than a message that is forgotten, and is not remembered, may have been received: nobody knows.

use std::collections::{BTreeSet, HashSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::documents::Document;
use crate::payments::object::AccountName;

/// Keys on a page.
const PAGE_KEYS: usize = 100;
/// Pages; the oldest makes room for the next.
const PAGES: usize = 200;

/// A page as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Page {
    account: AccountName,
    /// Which of the places it takes.
    place: usize,
    /// Grows with each page of an account.
    number: u64,
    /// When the newest of its messages was sent.
    #[serde(default)]
    newest: Option<Timestamp>,
    /// When the newest message that was forgotten before it was begun was sent.
    #[serde(default)]
    forgotten: Option<Timestamp>,
    /// The keys, each as 16 hexadecimal digits, one after the other.
    keys: String,
}

impl Document for Page {
    const TYPE: &'static str = "notification-seen";

    fn name(&self) -> String {
        format!("{}/{:03}", self.account, self.place)
    }
}

/// What a key means for the notification that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// It is new, and counts as in progress from now on.
    New,
    /// It was received before.
    Before,
    /// Another delivery of it is being stored right now.
    InProgress,
    /// It is as old as messages that are not remembered any more.
    Forgotten,
}

/// A page in memory.
#[derive(Debug, Clone, Default)]
struct Leaf {
    number: u64,
    newest: Option<Timestamp>,
    forgotten: Option<Timestamp>,
    keys: Vec<u64>,
}

/// The newest keys of an account.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    account: AccountName,
    pages: Vec<Leaf>,
    /// Where the next key goes.
    current: usize,
    /// When the newest message that is forgotten was sent.
    forgotten: Option<Timestamp>,
    known: HashSet<u64>,
    in_progress: HashSet<u64>,
    changed: BTreeSet<usize>,
}

impl Memory {
    /// What was stored, in any order.
    pub(super) fn restored(account: AccountName, stored: Vec<Page>) -> Memory {
        let mut pages = vec![Leaf::default(); PAGES];
        for page in stored.into_iter().filter(|page| page.place < PAGES) {
            let keys =
                page.keys.as_bytes().chunks(16).filter_map(|digits| short(std::str::from_utf8(digits).ok()?));
            let keys = keys.take(PAGE_KEYS).collect();
            let Page { number, newest, forgotten, .. } = page;
            pages[page.place] = Leaf { number, newest, forgotten, keys };
        }
        let current =
            (0..PAGES).max_by_key(|place| (pages[*place].number, PAGES - place)).unwrap_or_default();
        let known = pages.iter().flat_map(|page| page.keys.iter().copied()).collect();
        let forgotten = pages.iter().filter_map(|page| page.forgotten).max();
        let (in_progress, changed) = (HashSet::new(), BTreeSet::new());
        Memory { account, pages, current, forgotten, known, in_progress, changed }
    }

    /// Whether a notification was received before. If it is new, end it with [`Memory::end`]. `sent_at` is when it was
    /// sent, if it says so.
    pub(super) fn begin(&mut self, key: &str, sent_at: Option<Timestamp>) -> Seen {
        let Some(key) = short(key) else { return Seen::New };
        if self.known.contains(&key) {
            return Seen::Before;
        }
        if sent_at.is_some() && sent_at <= self.forgotten {
            return Seen::Forgotten;
        }
        if self.in_progress.insert(key) { Seen::New } else { Seen::InProgress }
    }

    /// A new notification was stored, or it could not be.
    pub(super) fn end(&mut self, key: &str, sent_at: Option<Timestamp>, is_stored: bool) {
        let Some(key) = short(key) else { return };
        self.in_progress.remove(&key);
        if !is_stored || !self.known.insert(key) {
            return;
        }
        if self.pages[self.current].keys.len() >= PAGE_KEYS {
            let number = self.pages[self.current].number + 1;
            self.current = (self.current + 1) % PAGES;
            let old = std::mem::take(&mut self.pages[self.current]);
            for key in &old.keys {
                self.known.remove(key);
            }
            self.forgotten = self.forgotten.max(old.newest);
            self.pages[self.current] = Leaf { number, forgotten: self.forgotten, ..Leaf::default() };
        }
        let page = &mut self.pages[self.current];
        page.keys.push(key);
        page.newest = page.newest.max(sent_at);
        self.changed.insert(self.current);
    }

    /// The pages that changed since they were last taken.
    pub(super) fn take_changed(&mut self) -> Vec<Page> {
        let changed = std::mem::take(&mut self.changed);
        let page = |place: usize| {
            let Leaf { number, newest, forgotten, keys } = self.pages[place].clone();
            let keys = keys.iter().map(|key| format!("{key:016x}")).collect();
            Page { account: self.account.clone(), place, number, newest, forgotten, keys }
        };
        changed.into_iter().map(page).collect()
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.known.len()
    }
}

/// The first 64 bits of a key in hexadecimal.
fn short(key: &str) -> Option<u64> {
    u64::from_str_radix(key.get(..16)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shop() -> AccountName {
        AccountName::new("shop").unwrap()
    }

    fn key(number: usize) -> String {
        format!("{number:064x}").chars().rev().collect()
    }

    fn take(memory: &mut Memory, number: usize) -> Seen {
        let seen = memory.begin(&key(number), None);
        if seen == Seen::New {
            memory.end(&key(number), None, true);
        }
        seen
    }

    #[test]
    fn a_notification_is_new_once_even_after_a_restart_and_memory_is_bounded() {
        let mut memory = Memory::restored(shop(), Vec::new());
        let mut stored = std::collections::BTreeMap::new();
        for number in 0..25_000 {
            assert_eq!(take(&mut memory, number), Seen::New, "{number}");
            if number % 77 == 0 {
                let pages = memory.take_changed();
                assert!(pages.len() <= 2 && pages.iter().all(|page| page.keys.len() <= PAGE_KEYS * 16));
                stored.extend(pages.into_iter().map(|page| (page.name(), page)));
            }
        }
        assert!(memory.len() <= PAGES * PAGE_KEYS, "{}", memory.len());
        assert_eq!(take(&mut memory, 24_999), Seen::Before);
        assert_eq!(take(&mut memory, 6_000), Seen::Before);
        stored.extend(memory.take_changed().into_iter().map(|page| (page.name(), page)));
        let mut restarted = Memory::restored(shop(), stored.into_values().rev().collect());
        assert_eq!(restarted.len(), memory.len());
        for number in [6_000, 20_000, 24_999] {
            assert_eq!(take(&mut restarted, number), Seen::Before, "{number}");
        }
        assert_eq!(take(&mut restarted, 25_000), Seen::New);
        assert_eq!(restarted.take_changed().len(), 1, "it goes on where it was");
    }

    #[test]
    fn what_could_not_be_stored_is_new_again() {
        let mut memory = Memory::restored(shop(), Vec::new());
        assert_eq!(memory.begin(&key(1), None), Seen::New);
        assert_eq!(memory.begin(&key(1), None), Seen::InProgress);
        memory.end(&key(1), None, false);
        assert_eq!(memory.begin(&key(1), None), Seen::New);
        memory.end(&key(1), None, true);
        assert_eq!(memory.begin(&key(1), None), Seen::Before);
    }

    #[test]
    fn what_is_as_old_as_a_forgotten_message_is_never_new_even_after_a_restart() {
        let sent_at =
            |number: usize| Timestamp::from_second(1_800_000_000 + i64::try_from(number).unwrap()).ok();
        let mut memory = Memory::restored(shop(), Vec::new());
        let mut stored = std::collections::BTreeMap::new();
        for number in 0..25_000 {
            assert_eq!(memory.begin(&key(number), sent_at(number)), Seen::New, "{number}");
            memory.end(&key(number), sent_at(number), true);
            stored.extend(memory.take_changed().into_iter().map(|page| (page.name(), page)));
        }
        let mut restarted = Memory::restored(shop(), stored.into_values().collect());
        for memory in [&mut memory, &mut restarted] {
            for number in [0, 1_000, 4_999] {
                assert_eq!(memory.begin(&key(number), sent_at(number)), Seen::Forgotten, "{number}");
            }
            assert_eq!(memory.begin(&key(5_100), sent_at(5_100)), Seen::Before);
            assert_eq!(memory.begin(&key(30_000), sent_at(5_100)), Seen::New, "a late one");
            assert_eq!(memory.begin(&key(30_001), None), Seen::New, "it does not say when it was sent");
        }
    }
}
