//! The store: what is known and what is pending.
//!
//! Owns: facts in an append-only journal, synced before anything is acknowledged; an index derived from the journal
//! (records, history, outbox, counts); due queues in memory; one atomic commit per decision. The only top-level module
//! that names a storage engine. Must never know: what a state means, the network, the present time.
//!
//! A method that changes something returns once the change survives a power cut. Two exceptions cost one repeated step
//! when they are lost: a poll that saw nothing new ([`Commit::is_news`]) and a failed delivery attempt
//! ([`Delivery::Retry`]). A lost hint ([`Store::hint`]) costs only the hint. After a fatal error
//! ([`StoreError::is_fatal`]) nothing is acknowledged any more: exit and start again.
//!
//! | Folder | What |
//! |---|---|
//! | `journal/` | the facts, in files: synced before anything is acknowledged, each linked to the one before |
//! | `index/` | what is derived from the facts, in sled: records, history, outbox, counts, remembered values |
//! | `queue/` | which object is polled next, and what polls without news changed, in memory |
//! | `recovery/` | how the files that a process left behind become an open store |
//! | `postgres/` | several hosts share the store: PostgreSQL has the facts, the files are copies |
//! | `maintenance/` | check, backup and compaction of a store in use |
//!
//! Besides these: `types` (inputs and outputs), `handle` (the public methods), `engine` (an open store), `writer` and
//! `group` (who writes, and which operations are written together), `operations` (what each writing method does), `due`
//! (reading what is due), `changes` (following the journal live), `disk` (the file system), `bytes` (for fuzzing), `mutex`.

pub mod bytes;
mod changes;
mod deliveries;
pub mod disk;
mod due;
mod engine;
mod group;
mod handle;
mod index;
mod journal;
mod maintenance;
mod mutex;
mod operations;
mod outbox;
mod postgres;
mod queue;
mod recovery;
#[cfg(test)]
mod tests;
mod types;
mod writer;

pub use changes::{BEHIND_MAX, Followed, Follower, LiveChange, LiveSort};
pub use deliveries::{
    Acknowledgement, AlertFilter, AlertRow, Delivery, DeliveryRow, DeliveryStatus, OutboxCounts, Owed,
    OwedAlert,
};
pub use handle::Store;
pub use journal::segment::Damage;
pub use maintenance::backup::BackupReport;
pub use maintenance::compaction::Compacted;
pub use maintenance::progress::{Meter, Progress};
pub use postgres::{
    Balance, DatabaseUrl, Fleet, Host, Imported, KEEPER, Plan, Seen, Shared, Waiting, WhileWaiting, import,
    tables,
};
pub use queue::order::{order_of_service, urgent_at};
pub use recovery::check::CheckReport;
pub use recovery::offline::{Rebuilt, Restored, inspect, rebuild, restore};
pub use types::{
    Announced, Commit, Committed, Count, Cursor, Due, Enrolled, Filter, Life, OpenError, Opening, Options,
    Page, Stats, StoreError,
};
