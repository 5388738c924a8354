//! Which notifications were received before.
//!
//! Owns: how many are remembered, and in which pieces they are stored. Must never know: what a notification says.
//!
//! The newest 20,000 of an account are remembered, by 64 bits of their keys. Only verified notifications have a key
//! here, so nobody else can fill it. It is stored in pages of 500: while one fills up, only that page is written again.

use std::collections::{BTreeSet, HashSet};

use serde::{Deserialize, Serialize};

use crate::documents::Document;
use crate::payments::object::AccountName;

/// Keys on a page.
const PAGE_KEYS: usize = 500;
/// Pages; the oldest makes room for the next.
const PAGES: usize = 40;

/// A page as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Page {
    account: AccountName,
    /// Which of the places it takes.
    place: usize,
    /// Grows with each page of an account.
    number: u64,
    /// The keys, each as 16 hexadecimal digits, one after the other.
    keys: String,
}

impl Document for Page {
    const TYPE: &'static str = "notification-seen";

    fn name(&self) -> String {
        format!("{}/{:02}", self.account, self.place)
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
}

/// The newest keys of an account.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    account: AccountName,
    pages: Vec<(u64, Vec<u64>)>,
    /// Where the next key goes.
    current: usize,
    known: HashSet<u64>,
    in_progress: HashSet<u64>,
    changed: BTreeSet<usize>,
}

impl Memory {
    /// What was stored, in any order.
    pub(super) fn restored(account: AccountName, stored: Vec<Page>) -> Memory {
        let mut pages = vec![(0, Vec::new()); PAGES];
        for page in stored.into_iter().filter(|page| page.place < PAGES) {
            let keys =
                page.keys.as_bytes().chunks(16).filter_map(|digits| short(std::str::from_utf8(digits).ok()?));
            pages[page.place] = (page.number, keys.take(PAGE_KEYS).collect());
        }
        let current = (0..PAGES).max_by_key(|place| (pages[*place].0, PAGES - place)).unwrap_or_default();
        let known = pages.iter().flat_map(|(_, keys)| keys.iter().copied()).collect();
        Memory { account, pages, current, known, in_progress: HashSet::new(), changed: BTreeSet::new() }
    }

    /// Whether a notification was received before. If it is new, end it with [`Memory::end`].
    pub(super) fn begin(&mut self, key: &str) -> Seen {
        let Some(key) = short(key) else { return Seen::New };
        if self.known.contains(&key) {
            return Seen::Before;
        }
        if self.in_progress.insert(key) { Seen::New } else { Seen::InProgress }
    }

    /// A new notification was stored, or it could not be.
    pub(super) fn end(&mut self, key: &str, is_stored: bool) {
        let Some(key) = short(key) else { return };
        self.in_progress.remove(&key);
        if !is_stored || !self.known.insert(key) {
            return;
        }
        if self.pages[self.current].1.len() >= PAGE_KEYS {
            let number = self.pages[self.current].0 + 1;
            self.current = (self.current + 1) % PAGES;
            for old in std::mem::replace(&mut self.pages[self.current], (number, Vec::new())).1 {
                self.known.remove(&old);
            }
        }
        self.pages[self.current].1.push(key);
        self.changed.insert(self.current);
    }

    /// The pages that changed since they were last taken.
    pub(super) fn take_changed(&mut self) -> Vec<Page> {
        let changed = std::mem::take(&mut self.changed);
        let page = |place: usize| {
            let (number, keys) = &self.pages[place];
            let keys = keys.iter().map(|key| format!("{key:016x}")).collect();
            Page { account: self.account.clone(), place, number: *number, keys }
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
        let seen = memory.begin(&key(number));
        if seen == Seen::New {
            memory.end(&key(number), true);
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
                assert!(pages.len() <= 2 && pages.iter().all(|page| page.keys.len() <= 500 * 16));
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
        assert_eq!(memory.begin(&key(1)), Seen::New);
        assert_eq!(memory.begin(&key(1)), Seen::InProgress);
        memory.end(&key(1), false);
        assert_eq!(memory.begin(&key(1)), Seen::New);
        memory.end(&key(1), true);
        assert_eq!(memory.begin(&key(1)), Seen::Before);
    }
}
