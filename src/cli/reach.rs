//! How a command gets at what is stored: over the daemon's socket when one runs, else by opening the
//! store itself. It says on standard error which of the two it did.
//!
//! Owns: that choice. Must never know: what the command does.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use jiff::civil::Date;

use super::exit::{Exit, Failed};
use super::screen::Screen;
use crate::control::batching::{BatchAnswer, BatchRequest};
use crate::control::calling::{CallAnswer, CallRequest};
use crate::control::client::{Client, ConnectError};
use crate::control::fetching::{FetchAnswer, FetchRequest};
use crate::control::messages::*;
use crate::control::service::Answer;
use crate::control::wanted::Wanted;
use crate::control::{Later, Service};
use crate::payments::record::Record;
use crate::store;

/// What the configuration says about this host.
pub trait Local: Send + Sync {
    /// The daemon's socket.
    fn socket(&self) -> &Path;
    /// The store's folder.
    fn store_folder(&self) -> &Path;
    /// How this command opens the store's folder when it works on that itself.
    fn store_options(&self) -> store::Options;
    /// Opens the store; only called when no daemon answers.
    fn open(&self) -> Later<'_, Result<Service, Failed>>;
}

/// Whom a command talks to.
pub enum Reached {
    /// The running daemon.
    Daemon(Client),
    /// The store, opened by this very process.
    Store {
        /// Answers as the daemon would.
        service: Service,
        /// Where the store lies, for what is printed.
        folder: String,
    },
}

/// Whether a command changed anything, for what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// It only looked.
    Read,
    /// It changed something.
    Wrote,
}

impl Reached {
    /// Looks for the daemon; opens the store when there is none.
    pub async fn reach(local: &dyn Local) -> Result<Reached, Failed> {
        if let Some(client) = Reached::daemon(local).await? {
            return Ok(Reached::Daemon(client));
        }
        let service = local.open().await?;
        Ok(Reached::Store { service, folder: local.store_folder().display().to_string() })
    }

    /// Looks for the daemon. When there is none, this user must be the one whose store it is.
    pub async fn daemon(local: &dyn Local) -> Result<Option<Client>, Failed> {
        match Client::connect(local.socket()).await {
            Ok(client) => Ok(Some(client)),
            Err(ConnectError::Nobody { .. }) => refuse_foreign(local.store_folder()).map(|()| None),
            Err(error @ ConnectError::NotAllowed { .. }) => Err(Failed::new(
                Exit::NotAllowed,
                error.to_string(),
                "run it as the daemon's user, or join the group that owns the socket",
            )),
            Err(error @ ConnectError::Silent { .. }) => Err(Failed::new(
                Exit::Unavailable,
                error.to_string(),
                "see `systemctl status reconciled` and the daemon's log",
            )),
        }
    }

    /// Says which way was taken.
    pub fn say(&self, deed: Deed, screen: &mut Screen<'_>) -> io::Result<()> {
        match (self, deed) {
            (Reached::Daemon(client), _) => {
                screen.note(&format!("via the running daemon (pid {})", client.greeting().pid))
            }
            (Reached::Store { folder, .. }, Deed::Wrote) => {
                screen.note(&format!("daemon not running: wrote to the store at {folder}"))
            }
            (Reached::Store { folder, .. }, Deed::Read) => {
                screen.note(&format!("daemon not running: read the store at {folder}"))
            }
        }
    }

    /// Whether the daemon runs.
    pub fn is_daemon(&self) -> bool {
        matches!(self, Reached::Daemon(_))
    }

    /// Closes the store, if this process opened it.
    pub async fn close(self) -> Result<(), Failed> {
        match self {
            Reached::Daemon(_) => Ok(()),
            Reached::Store { service, .. } => service.close().await.map_err(Failed::from),
        }
    }

    /// As [`Service::enrol`].
    pub async fn enrol(&self, lines: Vec<Wanted>) -> Answer<Vec<EnrolResult>> {
        match self {
            Reached::Daemon(client) => client.enrol(&lines).await,
            Reached::Store { service, .. } => service.enrol(lines).await,
        }
    }

    /// As [`Service::list`].
    pub async fn list(&self, request: &ListRequest) -> Answer<Listing<Record>> {
        match self {
            Reached::Daemon(client) => client.list(request).await,
            Reached::Store { service, .. } => service.list(request).await,
        }
    }

    /// As [`Service::show`].
    pub async fn show(&self, selector: &Selector) -> Answer<Shown> {
        match self {
            Reached::Daemon(client) => client.show(selector).await,
            Reached::Store { service, .. } => service.show(selector).await,
        }
    }

    /// As [`Service::explain`].
    pub async fn explain(&self, selector: &Selector) -> Answer<Explanation> {
        match self {
            Reached::Daemon(client) => client.explain(selector).await,
            Reached::Store { service, .. } => service.explain(selector).await,
        }
    }

    /// As [`Service::poll`].
    pub async fn poll(&self, request: &PollRequest) -> Answer<PollAnswer> {
        match self {
            Reached::Daemon(client) => client.poll(request).await,
            Reached::Store { service, .. } => service.poll(request).await,
        }
    }

    /// As [`Service::forget`].
    pub async fn forget(&self, selector: &Selector) -> Answer<Forgotten> {
        match self {
            Reached::Daemon(client) => client.forget(selector).await,
            Reached::Store { service, .. } => service.forget(selector, &actor()).await,
        }
    }

    /// As [`Service::accept`].
    pub async fn accept(&self, selector: &Selector) -> Answer<AcceptedObject> {
        match self {
            Reached::Daemon(client) => client.accept(selector).await,
            Reached::Store { service, .. } => service.accept(selector, &actor()).await,
        }
    }

    /// As [`Service::batch`].
    pub async fn batch(&self, request: BatchRequest) -> Answer<BatchAnswer> {
        match self {
            Reached::Daemon(client) => client.batch(&request).await,
            Reached::Store { service, .. } => service.batch(request).await,
        }
    }

    /// As [`Service::call`].
    pub async fn call(&self, request: CallRequest) -> Answer<CallAnswer> {
        match self {
            Reached::Daemon(client) => client.call(&request).await,
            Reached::Store { service, .. } => service.call(request).await,
        }
    }

    /// As [`Service::provider_reports`].
    pub async fn provider_reports(&self, request: FetchRequest) -> Answer<FetchAnswer> {
        match self {
            Reached::Daemon(client) => client.provider_reports(&request).await,
            Reached::Store { service, .. } => service.provider_reports(request).await,
        }
    }

    /// As [`Service::status`].
    pub async fn status(&self) -> Answer<Status> {
        match self {
            Reached::Daemon(client) => client.status().await,
            Reached::Store { service, .. } => service.status().await,
        }
    }

    /// As [`Service::alerts`].
    pub async fn alerts(&self, request: &AlertsRequest) -> Answer<Listing<AlertRow>> {
        match self {
            Reached::Daemon(client) => client.alerts(request).await,
            Reached::Store { service, .. } => service.alerts(request).await,
        }
    }

    /// As [`Service::redeliver`].
    pub async fn redeliver(&self, request: &RedeliverRequest) -> Answer<Redelivered> {
        match self {
            Reached::Daemon(client) => client.redeliver(request).await,
            Reached::Store { service, .. } => service.redeliver(request).await,
        }
    }

    /// As [`Service::test_alerts`].
    pub async fn test_alerts(&self, request: &TestRequest) -> Answer<Vec<Tested>> {
        match self {
            Reached::Daemon(client) => client.test_alerts(request).await,
            Reached::Store { service, .. } => service.test_alerts(request).await,
        }
    }

    /// As [`Service::report`].
    pub async fn report(&self, date: Option<Date>) -> Answer<ReportMade> {
        match self {
            Reached::Daemon(client) => client.report(date).await,
            Reached::Store { service, .. } => service.report(date).await,
        }
    }

    /// As [`Service::reload`]; none when no daemon runs.
    pub async fn reload(&self) -> Answer<Option<Reloaded>> {
        match self {
            Reached::Daemon(client) => client.reload().await.map(Some),
            Reached::Store { .. } => Ok(None),
        }
    }
}

/// Who runs this process, as the daemon would see it at the other end of its socket.
fn actor() -> String {
    own_uid().map_or_else(|| "uid:unknown".to_owned(), |uid| format!("uid:{uid}"))
}

/// The owner of the process's own entry under `/proc`.
fn own_uid() -> Option<u32> {
    std::fs::metadata("/proc/self").ok().map(|metadata| metadata.uid())
}

/// Files that another user (root above all) makes in the daemon's store would keep the daemon from
/// opening it again.
fn refuse_foreign(store: &Path) -> Result<(), Failed> {
    let Some(own) = own_uid() else { return Ok(()) };
    let owner = std::fs::metadata(store).map(|metadata| (metadata.uid(), true)).or_else(|_| {
        let parent = store.parent().unwrap_or(Path::new("/"));
        std::fs::metadata(parent).map(|metadata| (metadata.uid(), false))
    });
    match owner {
        Ok((owner, is_there)) if is_foreign(own, owner, is_there) => Err(Failed::new(
            Exit::NotAllowed,
            format!(
                "the daemon is not running, and the store at {} belongs to another user (uid {owner})",
                store.display()
            ),
            format!("start the daemon, or run this as its user: sudo -u '#{owner}' reconciled ..."),
        )),
        _ => Ok(()),
    }
}

/// A store that is there must be ours; one that is to be made must not become root's in another's folder.
fn is_foreign(own: u32, owner: u32, is_there: bool) -> bool {
    own != owner && (is_there || own == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_makes_files_in_anothers_store() {
        let check = |own, owner, is_there, expected| assert_eq!(is_foreign(own, owner, is_there), expected);
        check(1000, 1000, true, false);
        check(0, 999, true, true);
        check(1000, 999, true, true);
        check(0, 999, false, true);
        check(1000, 0, false, false);
        check(0, 0, false, false);
    }

    #[test]
    fn the_own_user_is_known() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(own_uid(), Some(std::fs::metadata(folder.path()).unwrap().uid()));
        assert_eq!(refuse_foreign(folder.path()), Ok(()));
        assert_eq!(refuse_foreign(&folder.path().join("new")), Ok(()));
        assert!(actor().starts_with("uid:"));
    }
}
