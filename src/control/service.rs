//! What answers work on: the store, the rooms of the configuration in force, and the process around them. The same
//! service is used behind the daemon's socket and in a command that opened the store itself because no daemon is
//! running.
//!
//! Owns: what an answer can use (the answers are in `answers`). Must never know: sockets, terminals, tables, how
//! anything was built.

use std::collections::BTreeMap;
use std::future::Future;
use std::io::BufRead;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::audit::Audit;
use super::messages::{BATCH_LINES_MAX, ClockHealth, EnrolLine, Reloaded, TableReading};
use super::problem::{Cause, Problem};
use super::today::TodayCount;
use crate::access::Access;
use crate::access::sessions::Sessions;
use crate::alerts::Deliverer;
use crate::apis::Account;
use crate::apis::pace::Pace;
use crate::batches::Batches;
use crate::calls::Calls;
use crate::clock::SharedClock;
use crate::events::BackOffice;
use crate::notifications::Hub;
use crate::payments::alert::Routes;
use crate::payments::object::AccountName;
use crate::provider_reports::Downloads;
use crate::reconcile::Reconcile;
use crate::reports::Reports;
use crate::store::{Store, StoreError};
use crate::task::Board;
use crate::timetable::Timetable;

/// The maximum number of rows on one page, and the default.
pub(super) const PAGE_ROWS: (usize, usize) = (BATCH_LINES_MAX, 100);

/// How many pages without a match a filtered list may skip in one request.
pub(super) const EMPTY_PAGES_MAX: usize = 50;

/// The result of a verb.
pub type Answer<T> = Result<T, Problem>;

/// A value that is ready later.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Reads a table (CSV) of objects to enrol and passes on each row, to the end or until the receiver returns false. The
/// error says why it is not such a table.
pub type ReadTable =
    fn(&mut dyn BufRead, TableReading, &mut dyn FnMut(EnrolLine) -> bool) -> Result<(), String>;

/// An account whose provider makes reports, and when they are fetched.
pub struct Reporter {
    /// The account.
    pub account: Arc<Account>,
    /// The types of reports that are fetched every night.
    pub words: Vec<String>,
    /// When the nightly fetch begins; none when reports are fetched only on request.
    pub timetable: Option<Timetable>,
}

/// The rooms as one configuration defines them. A reload replaces all of them at once.
pub struct Rooms {
    /// Who may do what.
    pub access: Access,
    /// The accounts that are watched.
    pub accounts: Vec<Arc<Account>>,
    /// The names of each account's API and region, as the configuration spells them.
    pub api_names: BTreeMap<AccountName, (String, String)>,
    /// Accounts that send batches.
    pub senders: Vec<Arc<Account>>,
    /// Accounts whose operations can be called.
    pub callers: Vec<Arc<Account>>,
    /// Accounts whose provider makes reports.
    pub reporters: Vec<Arc<Reporter>>,
    /// Delivers alerts.
    pub deliverer: Arc<Deliverer>,
    /// The receivers of events.
    pub back_offices: Vec<Arc<BackOffice>>,
    /// Makes the nightly reports.
    pub reports: Arc<Reports>,
    /// When they are made.
    pub nightly: Timetable,
    /// The time zone of the schedules, as the configuration spells it.
    pub zone_name: String,
    /// The configuration as it is written, without what could be a secret.
    pub config: serde_json::Map<String, serde_json::Value>,
}

/// Facts about the process.
#[derive(Debug, Clone)]
pub struct ProcessFacts {
    /// It is the daemon, not a command acting in its place.
    pub is_daemon: bool,
    /// When it started.
    pub since: Timestamp,
    /// The last reload of the configuration.
    pub last_reload: Option<Reloaded>,
    /// How far its clock is trusted; none for a command.
    pub clock: Option<ClockHealth>,
    /// What is wrong with its clock, in words.
    pub clock_complaint: Option<String>,
}

/// What the process uses of the machine, as far as that can be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// The CPU time since its start.
    pub cpu: Option<Duration>,
    /// Resident memory, in bytes.
    pub resident_bytes: Option<u64>,
    /// Open files and sockets.
    pub open_files: Option<u64>,
}

/// What only the process around the rooms knows or can do.
pub trait Process: Send + Sync {
    /// Facts about the process.
    fn facts(&self) -> ProcessFacts;
    /// What the process uses of the machine.
    fn usage(&self) -> Usage;
    /// Reloads the configuration.
    fn reload(&self) -> Later<'_, Reloaded>;
    /// Restores the saved budgets, so that a command can send requests in the daemon's place.
    fn restore_budgets(&self) -> Later<'_, Result<(), StoreError>>;
    /// Saves the budgets that such a command has left.
    fn save_budgets(&self) -> Later<'_, Result<(), StoreError>>;
}

/// Answers the verbs. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    /// The store.
    pub store: Store,
    /// The clock of the service.
    pub clock: SharedClock,
    /// Who did what.
    pub audit: Arc<Audit>,
    /// The quota budgets.
    pub pace: Arc<Pace>,
    /// The batches of all accounts.
    pub batches: Arc<Batches>,
    /// The single calls of all accounts.
    pub calls: Arc<Calls>,
    /// The provider reports of all accounts.
    pub downloads: Arc<Downloads>,
    /// The notifications of all accounts.
    pub notifications: Arc<Hub>,
    /// The polling of all accounts.
    pub reconcile: Arc<Reconcile>,
    /// The status of the loops.
    pub board: Arc<Board>,
    /// The present day, as far as it is counted.
    pub today: Arc<TodayCount>,
    /// The sessions of the dashboard; none if it has no address.
    pub sessions: Option<Arc<Sessions>>,
    /// Which targets an alert goes to.
    pub routes: Routes,
    /// Returns the rooms of the configuration in force.
    pub rooms: Arc<dyn Fn() -> Arc<Rooms> + Send + Sync>,
    /// The process around them.
    pub process: Arc<dyn Process>,
    /// Reads a table (CSV) of objects to enrol.
    pub read_table: ReadTable,
    /// The only revision that an object may have to be changed, for a request that says so.
    pub expected_revision: Option<u64>,
}

impl Service {
    /// The clock of the service.
    pub fn clock(&self) -> &SharedClock {
        &self.clock
    }

    /// Closes the store cleanly. For a command that opened it itself.
    pub async fn close(self) -> Answer<()> {
        self.store.close().await.map_err(storage)
    }

    pub(super) fn rooms(&self) -> Arc<Rooms> {
        (self.rooms)()
    }

    pub(super) fn is_daemon(&self) -> bool {
        self.process.facts().is_daemon
    }
}

impl Rooms {
    pub(super) fn account(&self, name: &AccountName) -> Option<&Arc<Account>> {
        self.accounts.iter().find(|account| account.name == *name)
    }
}

pub(super) fn rows(limit: Option<usize>) -> usize {
    limit.unwrap_or(PAGE_ROWS.1).clamp(1, PAGE_ROWS.0)
}

/// Where a backup can go. Under the hardened systemd unit, little else is writable.
const BACKUP_REMEDY: &str = "name an empty or new folder that the daemon may write to, such as one next to its store; \
    under systemd, use /var/lib/reconciled: the daemon's /tmp is private";

pub(super) fn storage(error: StoreError) -> Problem {
    match error {
        StoreError::BadCursor(_) => {
            Problem::new(Cause::Malformed, error.to_string(), "start again without a cursor")
        }
        StoreError::TooLarge { .. } => Problem::new(Cause::TooLarge, error.to_string(), "send less at once"),
        StoreError::BadTarget(_) => Problem::new(Cause::Malformed, error.to_string(), ""),
        StoreError::Backup(_) => Problem::new(Cause::Unprocessable, error.to_string(), BACKUP_REMEDY),
        StoreError::Compaction(_) => Problem::new(
            Cause::Unavailable,
            error.to_string(),
            "the store works as before; free disk space next to it, or try again when the other compaction is done",
        ),
        other => Problem::new(
            Cause::Unavailable,
            other.to_string(),
            "see the daemon's log; it restarts automatically",
        ),
    }
}
