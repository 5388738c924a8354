//! The rules of a session: how long it is trusted, and the outcome of an append whose answer was lost.
//!
//! Owns: these two decisions. Must never know: time, the network, the database.
//!
//! The server counts the term from the moment it carries out the statement, on its own clock. The owner counts it from
//! the moment before it sends the statement, on its own monotonic clock, and stops earlier. So the owner has stopped
//! before the server lets another host in, however long the statement or its answer takes.

use std::time::Duration;

use crate::store::journal::entry::ChainHash;
use crate::store::journal::segment::Position;

/// How long a lease lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Term(pub(super) Duration);

impl Term {
    /// How often the owner renews it.
    pub(super) fn renewal(self) -> Duration {
        self.0 / 3
    }

    /// Until when the owner trusts a lease that it requested at `sent_at`; both on its monotonic clock. The rest of the
    /// term is for clocks that run at different speeds, and for what is already on its way.
    pub(super) fn trusted_until(self, sent_at: Duration) -> Duration {
        sent_at + self.0 - self.0 / 6
    }

    /// How long one call of the database may take.
    pub(super) fn deadline(self) -> Duration {
        (self.0 / 3).min(Duration::from_secs(5))
    }

    /// In milliseconds, as the statements take it.
    pub(super) fn millis(self) -> f64 {
        self.0.as_secs_f64() * 1000.0
    }
}

/// Where the facts end, at some moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Link {
    /// The last entry.
    pub sequence: u64,
    /// The chain hash up to it.
    pub hash: ChainHash,
}

impl Link {
    /// The end that a position in the files stands for.
    pub(crate) fn of(position: Position) -> Link {
        Link { sequence: position.sequence, hash: position.hash }
    }
}

/// What the database says about an append whose answer was lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Found {
    /// Where the facts end.
    pub end: Link,
    /// The session has not ended.
    pub lasts: bool,
    /// The hash and the session of the entry with the number of the append's first one, if there is one.
    pub entry: Option<(ChainHash, i64)>,
}

/// The outcome of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Its rows are there.
    Written,
    /// Its rows are not there, and may be sent again.
    NotWritten,
    /// Another host has written there first. What it wrote must be read before anything is sent again.
    Elsewhere,
    /// The session has ended: nothing may be sent again.
    FencedOut,
    /// The database ends before what this host has read from it.
    Lost,
}

/// Judges an append after `old`, whose first entry has the hash `first`, by what is there afterwards.
pub(super) fn judge(session: i64, old: Link, first: &ChainHash, found: &Found) -> Outcome {
    match &found.entry {
        Some((hash, by)) if (hash, *by) == (first, session) => Outcome::Written,
        _ if !found.lasts => Outcome::FencedOut,
        Some(_) => Outcome::Elsewhere,
        None if found.end == old => Outcome::NotWritten,
        None => Outcome::Lost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn link(sequence: u64, byte: u8) -> Link {
        Link { sequence, hash: [byte; 32] }
    }

    #[test]
    fn a_lost_answer_is_judged_by_what_is_there() {
        let (old, first) = (link(4, 1), [2; 32]);
        let (ours, theirs) = (Some((first, 7)), Some(([3; 32], 8)));
        for (entry, end, lasts, outcome) in [
            (ours, link(6, 9), true, Outcome::Written),
            // Others have written since; or the session ended after it was written.
            (ours, link(9, 9), true, Outcome::Written),
            (ours, link(6, 9), false, Outcome::Written),
            (None, old, true, Outcome::NotWritten),
            (None, old, false, Outcome::FencedOut),
            (theirs, link(5, 3), true, Outcome::Elsewhere),
            (theirs, link(5, 3), false, Outcome::FencedOut),
            // The same entry, but written by another host.
            (Some((first, 8)), link(6, 9), true, Outcome::Elsewhere),
            (None, link(3, 1), true, Outcome::Lost),
            (None, link(4, 3), true, Outcome::Lost),
        ] {
            assert_eq!(
                judge(7, old, &first, &Found { end, lasts, entry }),
                outcome,
                "{entry:?} {}",
                end.sequence
            );
        }
    }

    #[test]
    fn the_owner_stops_before_the_server_lets_another_in() {
        let term = Term(Duration::from_secs(30));
        assert_eq!(term.renewal(), Duration::from_secs(10));
        assert_eq!(term.trusted_until(Duration::from_secs(100)), Duration::from_secs(125));
        assert_eq!(term.deadline(), Duration::from_secs(5));
        assert_eq!(Term(Duration::from_secs(6)).deadline(), Duration::from_secs(2));
        assert!((term.millis() - 30_000.0).abs() < f64::EPSILON);
    }

    /// A statement that asks for the lease: when it is sent, when the server carries it out, when its answer arrives.
    #[derive(Debug, Clone)]
    struct Asked {
        host: usize,
        sent: u64,
        done: u64,
        heard: u64,
    }

    fn asked() -> impl Strategy<Value = Vec<Asked>> {
        let one =
            (0usize..3, 0u64..400_000, 0u64..40_000, 0u64..40_000).prop_map(|(host, sent, there, back)| {
                Asked { host, sent, done: sent + there, heard: sent + there + back }
            });
        proptest::collection::vec(one, 1..60)
    }

    proptest! {
        /// Hosts ask whenever they like; statements and answers are delayed; each host's clock shows another time and
        /// runs up to a twentieth faster or slower than the server's.
        #[test]
        fn never_two_hosts_trust_their_lease(
            mut asked in asked(),
            clocks in proptest::collection::vec((0u64..1_000_000, 950u64..1050), 3),
        ) {
            let term = Term(Duration::from_secs(30));
            asked.sort_by_key(|one| one.done);
            // Which host has an account, and until when its session is renewed.
            let mut lease: Option<(usize, u64)> = None;
            let mut trusted: Vec<(usize, u64, u64)> = Vec::new();
            for one in asked {
                // Other hosts end a session only after its time (bury.sql). Then its account is free.
                if lease.is_some_and(|(owner, until)| owner != one.host && until >= one.done) {
                    continue;
                }
                lease = Some((one.host, one.done + 30_000));
                let (offset, rate) = clocks[one.host];
                let shown = |real: u64| Duration::from_millis(offset + real * rate / 1000);
                let until = term.trusted_until(shown(one.sent));
                // The first moment at which the host's own clock shows that it is over.
                let is_over = |real: &u64| shown(*real) >= until;
                let end = (one.sent..one.sent + 60_000).step_by(50).find(is_over).unwrap();
                if one.heard < end {
                    trusted.push((one.host, one.heard, end));
                }
            }
            for (host, from, to) in &trusted {
                for (other, since, until) in &trusted {
                    prop_assert!(host == other || to <= since || until <= from, "{trusted:?}");
                }
            }
        }
    }
}
