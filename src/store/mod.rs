//! The store: what is known, what is owed.
//!
//! Owns: facts in an append-only journal, synced before anything is acknowledged; an index that is derived
//! from it (records, who is due, the outbox, history, counts); one atomic commit per decision. The only room
//! that names an engine. Must never know: what a state means, the network, the present time.
//!
//! A verb that changes something returns when that survives a power cut, with two exceptions that cost one
//! repeated step: a poll that saw nothing new ([`Commit::is_news`]) and a
//! failed delivery ([`Delivery::Retry`]). After a fatal error ([`StoreError::is_fatal`]) nothing is
//! acknowledged any more: exit and start again.
//!
//! | Folder | What |
//! |---|---|
//! | `journal/` | the facts, in files: synced before anything is acknowledged, each linked to the one before |
//! | `index/` | what follows from the facts, in sled: records, history, outbox, counts, documents |
//! | `queue/` | who is polled next, and what polls without news changed, in memory |
//! | `recovery/` | from the files that a process left to an open store |
//! | `maintenance/` | backup and compaction of a store at work |
//!
//! Beside them: `types` (the words), `engine` (an open store), `writer` and `group` (who writes, and what together),
//! `operations` (what each writing verb does), `due` (reading what is due), `disk` (the file system), `bytes` (for
//! fuzzing), `mutex`.

pub mod bytes;
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
mod queue;
mod recovery;
#[cfg(test)]
mod tests;
mod types;
mod writer;

pub use handle::Store;
pub use journal::segment::Damage;
pub use maintenance::backup::BackupReport;
pub use maintenance::compaction::Compacted;
pub use maintenance::progress::{Meter, Progress};
pub use queue::order::{order_of_service, urgent_at};
pub use recovery::check::CheckReport;
pub use recovery::offline::{Rebuilt, Restored, inspect, rebuild, restore};
pub use types::{
    AlertFilter, AlertRow, Commit, Committed, Count, Cursor, Delivery, DeliveryRow, DeliveryStatus, Due,
    Enrolled, Filter, Life, OpenError, Opening, Options, Owed, OwedAlert, Page, Stats, StoreError,
};
