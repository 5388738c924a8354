//! How a command reaches the store: over the daemon's socket if a daemon is running, otherwise by opening the store
//! itself. It reports on standard error which of the two it did.
//!
//! Owns: that choice. Must never know: what the command does.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::exit::{Exit, Failed};
use super::screen::Screen;
use crate::access::Caller;
use crate::access::users::{Users, own_uid};
use crate::control::client::{Client, ConnectError};
use crate::control::service::Answer;
use crate::control::verbs::Verb;
use crate::control::{Later, Service};
use crate::store;

/// The settings of this host.
pub trait Local: Send + Sync {
    /// The daemon's socket.
    fn socket(&self) -> &Path;
    /// The store's folder.
    fn store_folder(&self) -> &Path;
    /// How this command opens the store's folder if it works on the folder itself.
    fn store_options(&self) -> store::Options;
    /// Opens the store. Called only when no daemon answers.
    fn open(&self) -> Later<'_, Result<Service, Failed>>;
}

/// How a command reaches the store.
pub enum Connection {
    /// The running daemon.
    Daemon(Client),
    /// The store, opened by this process.
    Store {
        /// Answers as the daemon would.
        service: Service,
        /// The store's folder, for messages.
        folder: String,
    },
}

/// Whether a command changed anything; for its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It only read.
    Read,
    /// It changed something.
    Wrote,
}

impl Connection {
    /// Connects to the daemon, or opens the store when no daemon is running.
    pub async fn open(local: &dyn Local) -> Result<Connection, Failed> {
        if let Some(client) = Connection::daemon(local).await? {
            return Ok(Connection::Daemon(client));
        }
        let service = local.open().await?;
        Ok(Connection::Store { service, folder: local.store_folder().display().to_string() })
    }

    /// Connects to the daemon. When none is running, checks that the store does not belong to another user.
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

    /// Reports which way was taken.
    pub fn say(&self, action: Action, screen: &mut Screen<'_>) -> io::Result<()> {
        match (self, action) {
            (Connection::Daemon(client), _) => {
                screen.note(&format!("via the running daemon (pid {})", client.greeting().pid))
            }
            (Connection::Store { folder, .. }, Action::Wrote) => {
                screen.note(&format!("daemon not running: wrote to the store at {folder}"))
            }
            (Connection::Store { folder, .. }, Action::Read) => {
                screen.note(&format!("daemon not running: read the store at {folder}"))
            }
        }
    }

    /// Whether the daemon is running.
    pub fn is_daemon(&self) -> bool {
        matches!(self, Connection::Daemon(_))
    }

    /// Closes the store, if this process opened it.
    pub async fn close(self) -> Result<(), Failed> {
        match self {
            Connection::Daemon(_) => Ok(()),
            Connection::Store { service, .. } => service.close().await.map_err(Failed::from),
        }
    }

    /// Sends a request to the daemon, or answers it from the store.
    pub async fn ask<V: Verb>(&self, verb: V) -> Answer<V::Answer> {
        match self {
            Connection::Daemon(client) => client.ask(verb).await,
            Connection::Store { service, .. } => {
                service.carry_out(verb, &Caller::own(&Users::of_machine())).await
            }
        }
    }
}

/// Files that another user (above all root) creates in the daemon's store would keep the daemon from opening it
/// again.
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

/// An existing store must belong to this user. A new one must not be created by root in another user's folder.
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
    fn the_own_user_may_open_its_own_store() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(refuse_foreign(folder.path()), Ok(()));
        assert_eq!(refuse_foreign(&folder.path().join("new")), Ok(()));
    }
}
