//! What goes in and out of the store: the words of its verbs.
//!
//! Owns: the shapes. Must never know: how anything is kept.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::disk::{Disk, MachineDisk};
use super::journal::segment::Damage;
use super::maintenance::progress::{Meter, Progress};
use crate::payments::alert::Alert;
use crate::payments::lifecycle::Phase;
use crate::payments::object::{AccountName, Kind, ObjectRef};
use crate::payments::record::{Conflict, Enrolment, Record, Transition};

/// Where a store lies and how much it may use.
#[derive(Debug, Clone)]
pub struct Options {
    /// The store's folder; made when it is missing.
    pub folder: PathBuf,
    /// Memory for the index's pages in bytes. What the process really takes is a multiple of it
    /// (packages.md section 2.1).
    pub cache_bytes: u64,
    /// A journal file is closed and the next one begun once it is this long.
    pub journal_segment_bytes: u64,
    /// The index is made small again only when its file is longer than this.
    pub compact_above_bytes: u64,
    /// Refuse to open with less free space than this on the volume; 0: do not look.
    pub free_floor_bytes: u64,
    /// Who opens it, for the one who comes second: the command in a word or two.
    pub command: String,
    /// Retire the index and rebuild it from the journal, whatever its state.
    pub rebuild_index: bool,
    /// Go on past damaged journal entries, naming each, where opening would otherwise stop.
    pub skip_damage: bool,
    /// Go on with what is left of a journal that lacks entries, naming what is missing. Together with
    /// `skip_damage` where files in the middle are missing.
    pub accept_loss: bool,
    /// Folders beside the journal that are others', whose files never change once written: a backup takes
    /// them along, a restore brings them back.
    pub beside: Vec<String>,
    /// The file system under the journal; a test puts a failing one here.
    pub disk: Arc<dyn Disk>,
    /// Shows how far opening and other long work is.
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
            disk: Arc::new(MachineDisk),
            meter: Meter::default(),
        }
    }
}

/// What opening found and did; each is worth a log line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opening {
    /// The store is new.
    pub is_new: bool,
    /// The last process closed it properly.
    pub was_clean_stop: bool,
    /// The host itself had stopped since, or the journal's files were never listed: [`super::Store::check_if_owed`]
    /// has something to do.
    pub owes_check: bool,
    /// Journal entries applied to the index.
    pub replayed_entries: u64,
    /// Why the index was rebuilt, if it was, and where the old one lies.
    pub rebuilt_index: Option<String>,
    /// An unfinished end of the journal that was cut off: never acknowledged unless `rescued_rows` says so.
    pub cut_tail: Option<Damage>,
    /// Damaged entries that were skipped as [`Options::skip_damage`] asks.
    pub skipped: Vec<Damage>,
    /// What the journal lacks, in words, where [`Options::accept_loss`] goes on without it.
    pub lost: Vec<String>,
    /// Rows that only the index still had, written to the journal again.
    pub rescued_rows: u64,
}

impl Opening {
    /// What an operator should know about it, a line each; empty on an ordinary day.
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.owes_check {
            remarks.push(
                "the whole store is to be checked, as after every stop of the host: the daemon does so beside its work".to_owned(),
            );
        }
        remarks.extend(self.lost.iter().map(|what| format!("the journal lacks entries: {what}")));
        if let Some(damage) = &self.cut_tail {
            remarks.push(format!("an unfinished end of the journal was cut off: {damage}"));
        }
        if let Some(why) = &self.rebuilt_index {
            remarks.push(format!("the index was made anew from the journal: {why}"));
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

/// Why a store cannot be opened. Nothing is ever wiped.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error(
        "the store in {folder} is held by {holder}: talk to that process instead, or stop it first",
        folder = folder.display()
    )]
    Locked {
        /// Which folder.
        folder: PathBuf,
        /// Process id, command and host, as that process wrote them.
        holder: String,
    },
    /// Written by a newer program.
    #[error("the store in {folder} has format {found}, newer than {known} which this program reads: install the newer program again", folder = folder.display())]
    TooNew {
        /// Which folder.
        folder: PathBuf,
        /// The format found.
        found: u32,
        /// The newest format known here.
        known: u32,
    },
    /// The folder holds something else.
    #[error("{folder} is not a store: {why}", folder = folder.display())]
    NotAStore {
        /// Which folder.
        folder: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Too little free space.
    #[error("only {free_bytes} bytes are free on the volume of {folder}, less than the floor of {floor_bytes}: make room first", folder = folder.display())]
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
        "the journal lacks entries that were acknowledged: {}. Put its files back, or go back to a backup by `reconciled store restore --from DIR`; `reconciled store rebuild --accept-loss` goes on with what is left and names what is lost",
        missing.join("; ")
    )]
    Lost {
        /// What is missing, in words.
        missing: Vec<String>,
    },
    /// The file system failed.
    #[error("cannot {doing} {path}", path = path.display())]
    Io {
        /// The attempt, as a verb.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// The index cannot be rebuilt either.
    #[error("the index cannot be opened: {0}")]
    Index(String),
}

/// Why a verb of the store failed. When it [is fatal](StoreError::is_fatal) the store must be opened again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// A write failed before; nothing is acknowledged any more.
    #[error("the store has stopped after a failure: {0}")]
    Broken(String),
    /// It was closed.
    #[error("the store is closed")]
    Closed,
    /// The index has wrong bytes; it will be rebuilt from the journal at the next opening.
    #[error("the store's index is damaged and will be made anew at the next start: {0}")]
    Damaged(String),
    /// More than one journal entry may hold.
    #[error("{bytes} bytes are more than the {limit_bytes} that one entry may have")]
    TooLarge {
        /// As asked.
        bytes: usize,
        /// As allowed.
        limit_bytes: usize,
    },
    /// A target's name that cannot be a key.
    #[error("the target name {0:?} has a zero byte")]
    BadTarget(String),
    /// A backup that could not be made; the store itself is well.
    #[error("the backup could not be made: {0}")]
    Backup(String),
    /// The index could not be made smaller; the store goes on as it was.
    #[error("the index could not be made smaller: {0}")]
    Compaction(String),
    /// Long work was abandoned.
    #[error("the process is about to stop")]
    Stopping,
    /// A place in a list that this store did not give out.
    #[error("{0:?} is not a place in a list that this store gave out")]
    BadCursor(String),
}

impl StoreError {
    /// Whether the store must be opened again: exit and let the supervisor restart the daemon.
    pub fn is_fatal(&self) -> bool {
        matches!(self, StoreError::Broken(_) | StoreError::Closed | StoreError::Damaged(_))
    }
}

/// What became of an enrolment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enrolled {
    /// Unknown before; due at once.
    New,
    /// Known, and details were added.
    Enriched,
    /// Known with all this.
    Same,
    /// Known with something else; nothing was changed.
    Conflict(Conflict),
}

/// Everything that follows from one poll, written whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The record that the decision was made on, as the store gave it out.
    pub read: Record,
    /// The record as it shall be. Its revision is set by the store.
    pub record: Record,
    /// The history row, when the state changed.
    pub transition: Option<Transition>,
    /// Objects found through this one: due at once when new, enriched where possible when known.
    pub enrol: Vec<Enrolment>,
    /// What somebody should know.
    pub alerts: Vec<OwedAlert>,
    /// False when the poll saw nothing new: only the index is changed, and losing that costs one early poll.
    /// A commit with a transition, an enrolment or an alert is news whatever this says.
    pub is_news: bool,
}

impl Commit {
    /// Whether it is news, whatever was said of it.
    pub(super) fn tells_the_journal(&self) -> bool {
        self.is_news || self.transition.is_some() || !self.enrol.is_empty() || !self.alerts.is_empty()
    }
}

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// Durable.
    Written,
    /// The record changed meanwhile: nothing was written, ask again.
    Stale,
    /// The record is gone: nothing was written.
    Forgotten,
}

/// What is due, or when something will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// Records in the order of service.
    Now(Vec<Record>),
    /// Nothing is due; when the next is, if any waits for a poll.
    Later(Option<Timestamp>),
}

/// An alert and the targets that it is owed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwedAlert {
    /// What to say.
    pub alert: Alert,
    /// To whom, by the names of the config.
    pub targets: Vec<String>,
}

/// A delivery that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    /// What to say.
    pub alert: Alert,
    /// Failed attempts so far.
    pub attempts: u32,
    /// Since when it is due.
    pub next_attempt_at: Timestamp,
}

/// How a delivery went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// The target has it.
    Delivered,
    /// Not now; try again then.
    Retry {
        /// When.
        at: Timestamp,
        /// Why, in words that may be shown.
        error: String,
    },
    /// Never: the target refuses it.
    Dead {
        /// Why, in words that may be shown.
        error: String,
    },
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeliveryStatus {
    /// Owed.
    Pending,
    /// The target has it.
    Delivered,
    /// Given up.
    Dead,
}

/// One delivery of an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryRow {
    /// To whom.
    pub target: String,
    /// Where it stands.
    pub status: DeliveryStatus,
    /// Failed attempts so far.
    pub attempts: u32,
    /// Why the last one failed.
    pub last_error: Option<String>,
    /// Pending: when to try next. Else: when it was settled.
    pub at: Timestamp,
}

/// An alert with its deliveries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertRow {
    /// What is said.
    pub alert: Alert,
    /// To whom, and where that stands.
    pub deliveries: Vec<DeliveryRow>,
}

/// Which alerts; all that are set must match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertFilter {
    /// Of this account.
    pub account: Option<AccountName>,
    /// Of this sort (`declined`, ...).
    pub kind: Option<String>,
    /// About this object.
    pub object: Option<ObjectRef>,
    /// Owed to this target.
    pub target: Option<String>,
    /// With a delivery in this status (of `target`, when that is set).
    pub status: Option<DeliveryStatus>,
}

/// A place in a list, good for the next page. Opaque; never empty.
pub type Cursor = String;

/// A part of a list. It may be empty and still have a next one, when a filter found nothing in a long stretch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Where to go on; none at the end.
    pub next: Option<Cursor>,
}

/// All that is known of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Life {
    /// The record, while it is watched.
    pub record: Option<Record>,
    /// All changes of its state, the oldest first.
    pub history: Vec<Transition>,
}

/// Which records; all that are set must match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this account.
    pub account: Option<AccountName>,
    /// Of this kind.
    pub kind: Option<Kind>,
    /// Behaving so.
    pub phase: Option<Phase>,
    /// In this state, letter for letter.
    pub state: Option<String>,
    /// Set apart, or not.
    pub quarantined: Option<bool>,
    /// Owed nothing any more, or still owed something.
    pub finished: Option<bool>,
    /// Made before this moment.
    pub older_than: Option<Timestamp>,
}

impl Filter {
    /// Whether a record is meant.
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

/// How many records are alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Whose.
    pub account: AccountName,
    /// What they are.
    pub kind: Kind,
    /// How they behave.
    pub phase: Phase,
    /// Their state; none: not seen yet.
    pub state: Option<String>,
    /// Set apart.
    pub quarantined: bool,
    /// Owed nothing any more.
    pub finished: bool,
    /// How many.
    pub number: u64,
}

/// How the store is doing; cheap.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Bytes in all journal files.
    pub journal_bytes: u64,
    /// Sequence of the last journal entry.
    pub journal_sequence: u64,
    /// Groups synced since opening.
    pub synced_groups: u64,
    /// Bytes of the index's main file.
    pub index_bytes: u64,
    /// Deliveries owed.
    pub outbox_pending: u64,
    /// Deliveries given up.
    pub outbox_dead: u64,
    /// Why nothing is acknowledged any more, if so.
    pub broken: Option<String>,
    /// A self-check or a backup under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<Progress>,
}
