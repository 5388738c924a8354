//! The rescue of entries that the journal lost and the index still has: they are written to the journal again.
//!
//! Owns: finding the rows of these entries by the sequence in their headers. Must never know: what a row means.

use std::fmt;

use crate::store::index::Index;
use crate::store::index::facts::{self, Fact};
use crate::store::index::keys;
use crate::store::index::pulse;
use crate::store::index::value;
use crate::store::index::view::View;
use crate::store::journal::Journal;
use crate::store::journal::segment::Damage;
use crate::store::recovery::replay::put_applied;
use crate::store::types::StoreError;

/// Entries that the journal lost: inclusive ranges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Lost(Vec<(u64, u64)>);

impl fmt::Display for Lost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(first, last)| writeln!(formatter, "{first} {last}"))
    }
}

impl Lost {
    /// The inverse of `to_string`; other lines are ignored.
    pub(crate) fn parse(text: &str) -> Lost {
        let range = |line: &str| {
            let (first, last) = line.split_once(' ')?;
            Some((first.parse().ok()?, last.parse().ok()?))
        };
        Lost(text.lines().filter_map(range).collect())
    }

    /// Whether nothing was lost.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a range.
    pub(crate) fn add(&mut self, first: u64, last: u64) {
        if !self.0.contains(&(first, last)) {
            self.0.push((first, last));
        }
    }

    /// Adds the damaged entries.
    pub(crate) fn extend<'a>(&mut self, damages: impl Iterator<Item = &'a Damage>) {
        for damage in damages {
            self.add(damage.first_sequence, damage.last_sequence.unwrap_or(u64::MAX));
        }
    }

    fn has(&self, sequence: u64) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&sequence))
    }
}

const ROWS_IN_A_FACT: u64 = 200;

/// Writes all rows that the lost entries changed last, and returns their number. Removals cannot be rescued: if a lost
/// entry had removed a record, a later rebuild would watch that object again.
pub(crate) fn run(index: &Index, journal: &mut Journal, lost: &Lost) -> Result<u64, StoreError> {
    let mut rescue = Rescue { index, journal, fact: empty(), in_fact: 0, rows: 0 };
    for sort in [keys::OPEN, keys::FINISHED, keys::TRANSITION, keys::ALERT, keys::REMEMBERED] {
        for row in index.prefix(&[sort]) {
            let (key, bytes) = row?;
            rescue.take(sort, &key, &bytes, lost)?;
        }
    }
    rescue.write()?;
    Ok(rescue.rows)
}

struct Rescue<'a> {
    index: &'a Index,
    journal: &'a mut Journal,
    fact: Fact,
    in_fact: u64,
    rows: u64,
}

fn empty() -> Fact {
    Fact::Rescued { records: Vec::new(), transitions: Vec::new(), alerts: Vec::new(), remembered: Vec::new() }
}

impl Rescue<'_> {
    fn take(&mut self, sort: u8, key: &[u8], bytes: &[u8], lost: &Lost) -> Result<(), StoreError> {
        if !lost.has(value::sequence_of(bytes)) {
            return Ok(());
        }
        let Fact::Rescued { records, transitions, alerts, remembered } = &mut self.fact else {
            return Ok(());
        };
        match sort {
            keys::OPEN | keys::FINISHED => records.push(pulse::record(self.index, key, bytes)?),
            keys::TRANSITION => {
                let stored = value::decode(key, bytes)?;
                transitions.push((stored.sequence, stored.value));
            }
            keys::ALERT => alerts.push(value::decode(key, bytes)?.value),
            _ => {
                let name = String::from_utf8_lossy(&key[1..]).into_owned();
                remembered.push((name, value::decode(key, bytes)?.value));
            }
        }
        self.in_fact += 1;
        self.rows += 1;
        if self.in_fact == ROWS_IN_A_FACT { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<(), StoreError> {
        if self.in_fact == 0 {
            return Ok(());
        }
        let fact = std::mem::replace(&mut self.fact, empty());
        self.in_fact = 0;
        self.journal
            .append(vec![facts::encode(&fact)])
            .map_err(|error| StoreError::Broken(error.to_string()))?;
        // The index has the rows already; only the position moves on.
        let mut view = View::new(self.index);
        put_applied(&mut view, self.journal.end());
        view.write()
    }
}
