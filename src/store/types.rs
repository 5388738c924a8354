//! What goes into and comes out of the store: the types of its methods.
//!
//! Owns: these types. Must never know: how anything is stored.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::deliveries::OwedAlert;
use super::disk::{Disk, MachineDisk};
use super::journal::segment::Damage;
use super::maintenance::progress::{Meter, Progress};
use super::postgres::Shared;
use crate::payments::lifecycle::Phase;
use crate::payments::object::{AccountName, Kind};
use crate::payments::record::{Conflict, Enrolment, Record, Transition};

/// Where a store is, how much it may use, and how to open it.
#[derive(Debug, Clone)]
pub struct Options {
    /// The store's folder; created if it is missing.
    pub folder: PathBuf,
    /// Memory for the index's pages, in bytes. The process really takes a multiple of it.
    pub cache_bytes: u64,
    /// Once a journal file is this long, it is closed and the next one is started.
    pub journal_segment_bytes: u64,
    /// The index is compacted only when its file is longer than this.
    pub compact_above_bytes: u64,
    /// Refuse to open with less free space than this on the volume; 0: do not check.
    pub free_floor_bytes: u64,
    /// The command that opens the store, in a word or two. A second process that tries to open it is shown this.
    pub command: String,
    /// Retire the index and rebuild it from the journal, whatever its state.
    pub rebuild_index: bool,
    /// Skip damaged journal entries and name each of them, where opening would otherwise fail.
    pub skip_damage: bool,
    /// Continue with what is left of a journal that lacks entries, and name what is missing. Where files in the middle
    /// are missing, `skip_damage` is needed too.
    pub accept_loss: bool,
    /// Folders beside the journal that belong to other modules and whose files never change once written. A backup
    /// includes them, and a restore brings them back.
    pub beside: Vec<String>,
    /// The database that has the facts, if several hosts share the store. The folder is then a copy.
    pub shared: Option<Shared>,
    /// The file system under the journal; a test puts a failing one here.
    pub disk: Arc<dyn Disk>,
    /// Shows the progress of opening and of other long work.
    pub meter: Meter,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            folder: PathBuf::from("store"),
            cache_bytes: 48 * 1024 * 1024,
            journal_segment_bytes: 64 * 1024 * 1024,
            compact_above_bytes: 64 * 1024 * 1024,
            free_floor_bytes: 0,
            command: "reconciled".to_owned(),
            rebuild_index: false,
            skip_damage: false,
            accept_loss: false,
            beside: Vec::new(),
            shared: None,
            disk: Arc::new(MachineDisk),
            meter: Meter::default(),
        }
    }
}

/// What opening found and did; each item is worth a log line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opening {
    /// The store is new.
    pub is_new: bool,
    /// The last process closed it cleanly.
    pub was_clean_stop: bool,
    /// The host went down while the store was open, or the index has no list of the journal's files:
    /// [`super::Store::check_if_owed`] has work to do.
    pub owes_check: bool,
    /// Journal entries applied to the index.
    pub replayed_entries: u64,
    /// Why the index was rebuilt, if it was, and where the old one is.
    pub rebuilt_index: Option<String>,
    /// An unfinished end of the journal that was cut off. It was never acknowledged, unless `rescued_rows` says so.
    pub cut_tail: Option<Damage>,
    /// Damaged entries that were skipped because of [`Options::skip_damage`].
    pub skipped: Vec<Damage>,
    /// What the journal lacks, in words, if it was accepted with [`Options::accept_loss`].
    pub lost: Vec<String>,
    /// Rows that only the index still had; they were written to the journal again.
    pub rescued_rows: u64,
    /// Why this host's copy of a shared store was replaced, if it was, and where the old one is.
    pub replaced_copy: Option<String>,
}

impl Opening {
    /// What an operator should know about it, one line each; usually empty.
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.owes_check {
            remarks.push(
                "the whole store has to be checked, as always after the host went down: the daemon does it in the background".to_owned(),
            );
        }
        if let Some(why) = &self.replaced_copy {
            remarks.push(format!("this host's copy of the store was read again from the database: {why}"));
        }
        remarks.extend(self.lost.iter().map(|what| format!("the journal lacks entries: {what}")));
        if let Some(damage) = &self.cut_tail {
            remarks.push(format!("an unfinished end of the journal was cut off: {damage}"));
        }
        if let Some(why) = &self.rebuilt_index {
            remarks.push(format!("the index was rebuilt from the journal: {why}"));
        }
        if self.rescued_rows > 0 {
            remarks.push(format!(
                "{} rows that only the index had were written to the journal again",
                self.rescued_rows
            ));
        }
        remarks.extend(
            self.skipped.iter().map(|damage| format!("a damaged journal entry was skipped: {damage}")),
        );
        remarks
    }
}

/// Why a store cannot be opened. Opening never deletes data.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error(
        "the store in {folder} is in use by {holder}: send the command to that process, or stop it first",
        folder = folder.display()
    )]
    Locked {
        /// Which folder.
        folder: PathBuf,
        /// Process id, command and host, as that process wrote them down.
        holder: String,
    },
    /// Written by a newer program.
    #[error("the store in {folder} has format {found}, but this program reads only up to {known}: install the newer program again", folder = folder.display())]
    TooNew {
        /// Which folder.
        folder: PathBuf,
        /// The format found.
        found: u32,
        /// The newest format known here.
        known: u32,
    },
    /// The folder holds something else.
    #[error("{folder} cannot be used as a store: {why}", folder = folder.display())]
    NotAStore {
        /// Which folder.
        folder: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Too little free space.
    #[error("only {free_bytes} bytes are free on the volume of {folder}, less than the floor of {floor_bytes}: free up space first", folder = folder.display())]
    NoSpace {
        /// Which folder.
        folder: PathBuf,
        /// Free for an ordinary user.
        free_bytes: u64,
        /// The configured floor.
        floor_bytes: u64,
    },
    /// The journal is damaged where it must be read.
    #[error(
        "the journal is damaged: {0}. Restore that file from a backup, or run `reconciled store rebuild`, which keeps everything else and names what is lost"
    )]
    Damaged(Damage),
    /// Entries that were acknowledged are gone.
    #[error(
        "the journal lacks entries that were acknowledged: {}. Put its files back, or restore a backup with `reconciled store restore --from DIR`; `reconciled store rebuild --accept-loss` continues with what is left and names what is lost",
        missing.join("; ")
    )]
    Lost {
        /// What is missing, in words.
        missing: Vec<String>,
    },
    /// The database of a shared store cannot be used.
    #[error("the database of the store cannot be used: {0}")]
    Database(String),
    /// The database lacks entries that were acknowledged.
    #[error(
        "the database ends with entry {database}, but this host has {copy} entries: it is new, or lost acknowledged entries, for example in a failover. `reconciled store import` adds what it lacks"
    )]
    DatabaseBehind {
        /// The last entry in the database.
        database: u64,
        /// The last entry of this host's copy.
        copy: u64,
    },
    /// The file system failed.
    #[error("cannot {doing} {path}", path = path.display())]
    Io {
        /// What was attempted, as a verb.
        doing: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// The index cannot be opened or rebuilt.
    #[error("the index cannot be opened: {0}")]
    Index(String),
}

/// Why a method of the store failed. If the error [is fatal](StoreError::is_fatal), the store must be opened again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// An earlier write failed; nothing is acknowledged any more.
    #[error("the store stopped after a failure: {0}")]
    Broken(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// The index is damaged; the next opening rebuilds it from the journal.
    #[error("the store's index is damaged and will be rebuilt at the next start: {0}")]
    Damaged(String),
    /// More than one journal entry may hold.
    #[error("{bytes} bytes exceed the limit of {limit_bytes} for one journal entry")]
    TooLarge {
        /// The size of the entry.
        bytes: usize,
        /// The largest size allowed.
        limit_bytes: usize,
    },
    /// A target's name that cannot be a key.
    #[error("the target name {0:?} contains a zero byte")]
    BadTarget(String),
    /// A backup could not be made; the store itself is unharmed.
    #[error("the backup could not be made: {0}")]
    Backup(String),
    /// The index could not be compacted; the store continues as it was.
    #[error("the index could not be compacted: {0}")]
    Compaction(String),
    /// Long work was abandoned because the process is about to stop.
    #[error("the process is about to stop")]
    Stopping,
    /// A cursor that this list did not return.
    #[error("{0:?} is not a cursor that this list returned")]
    BadCursor(String),
}

impl StoreError {
    /// Whether the store must be opened again: exit, and let the supervisor restart the daemon.
    pub fn is_fatal(&self) -> bool {
        matches!(self, StoreError::Broken(_) | StoreError::Closed | StoreError::Damaged(_))
    }
}

/// The outcome of an enrolment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enrolled {
    /// It was unknown; it is due at once.
    New,
    /// It was known, and details were added.
    Enriched,
    /// It was known with all these details.
    Same,
    /// It was known with other details; nothing was changed.
    Conflict(Conflict),
}

/// Everything that follows from one poll; all of it is written, or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The record that the decision is based on, as the store returned it.
    pub read: Record,
    /// The record to write. The store sets its revision.
    pub record: Record,
    /// The history row, if the state changed.
    pub transition: Option<Transition>,
    /// Objects found through this one: new ones are due at once, known ones are enriched where possible.
    pub enrol: Vec<Enrolment>,
    /// Alerts to raise.
    pub alerts: Vec<OwedAlert>,
    /// False if the poll saw nothing new. Then only the index changes, and losing the change costs one early poll.
    /// A commit with a transition, an enrolment or an alert is news, whatever this flag says.
    pub is_news: bool,
}

impl Commit {
    /// Whether it must be written to the journal.
    pub(super) fn tells_the_journal(&self) -> bool {
        self.is_news || self.transition.is_some() || !self.enrol.is_empty() || !self.alerts.is_empty()
    }
}

/// The outcome of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// Written: durable if it was news.
    Written,
    /// The record has changed since it was read: nothing was written. Read it again.
    Stale,
    /// The record is gone: nothing was written.
    Forgotten,
}

/// What is due, or when something will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// Records in the order of service.
    Now(Vec<Record>),
    /// Nothing is due. The time is when the next object is due, if any waits for a poll.
    Later(Option<Timestamp>),
}

/// Where the next page of a list begins. Opaque; never empty.
pub type Cursor = String;

/// One page of a list. If the filter matched nothing in a long stretch, a page may be empty and still have a next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Where to continue; none at the end.
    pub next: Option<Cursor>,
}

/// What became due by an announcement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announced {
    /// The object is due now, or was due already.
    Due,
    /// It waits for no poll any more.
    Finished,
    /// Nobody watches it.
    Unknown,
}

/// Everything known about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Life {
    /// The record, while it is watched.
    pub record: Option<Record>,
    /// All changes of its state, oldest first.
    pub history: Vec<Transition>,
}

/// Selects records; all fields that are set must match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this account.
    pub account: Option<AccountName>,
    /// Of this kind.
    pub kind: Option<Kind>,
    /// In this phase.
    pub phase: Option<Phase>,
    /// In this state, letter for letter.
    pub state: Option<String>,
    /// Quarantined, or not.
    pub quarantined: Option<bool>,
    /// Finished, or not.
    pub finished: Option<bool>,
    /// Created before this moment.
    pub older_than: Option<Timestamp>,
}

impl Filter {
    /// Whether a record matches.
    pub fn matches(&self, record: &Record) -> bool {
        fn fits<T: PartialEq + ?Sized>(wanted: Option<&T>, found: &T) -> bool {
            wanted.is_none_or(|wanted| wanted == found)
        }
        fits(self.account.as_ref(), &record.object.account)
            && fits(self.kind.as_ref(), &record.object.kind)
            && fits(self.phase.as_ref(), &record.phase())
            && self.state.as_deref().is_none_or(|state| record.state() == Some(state))
            && fits(self.quarantined.as_ref(), &record.quarantine.is_some())
            && fits(self.finished.as_ref(), &record.is_finished())
            && self.older_than.is_none_or(|moment| record.made_at() < moment)
    }
}

/// How many records share all these properties.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Count {
    /// Their account.
    pub account: AccountName,
    /// Their kind.
    pub kind: Kind,
    /// Their phase.
    pub phase: Phase,
    /// Their state; none: not observed yet.
    pub state: Option<String>,
    /// Whether they are quarantined.
    pub quarantined: bool,
    /// Whether nothing is left to do for them.
    pub finished: bool,
    /// How many.
    pub number: u64,
}

/// How the store is doing; cheap to get.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Stats {
    /// Bytes in all journal files.
    pub journal_bytes: u64,
    /// Sequence of the last journal entry.
    pub journal_sequence: u64,
    /// Groups synced since opening.
    pub synced_groups: u64,
    /// Bytes of the index's main file.
    pub index_bytes: u64,
    /// Pending deliveries.
    pub outbox_pending: u64,
    /// Deliveries given up.
    pub outbox_dead: u64,
    /// Why nothing is acknowledged any more, if that is so.
    pub broken: Option<String>,
    /// Progress of long work, such as a self-check or a backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<Progress>,
}
