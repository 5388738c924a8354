//! The daemon as a process: it handles signals, notifies the service manager, and ends with a meaningful result.

use std::os::unix::net::UnixListener;
use std::sync::{Arc, PoisonError};

use crate::config::Config;
use crate::signals::{Request, listen};
use crate::store::StoreError;

use super::{Daemon, Outside, StartError, manager, status};

/// How a daemon ended.
#[derive(Debug)]
pub enum Ended {
    /// It was asked to stop.
    Stopped,
    /// It was asked twice: it stopped at once, without waiting for polls in flight.
    Hurried,
    /// The store failed: nothing can be guaranteed any more.
    Broken(StoreError),
}

/// Runs until a signal asks it to stop. `opened` is the control socket, if the service manager opened it.
///
/// # Errors
/// When it cannot start.
pub async fn run(
    config: Config,
    outside: Outside,
    opened: Option<UnixListener>,
) -> Result<Ended, StartError> {
    let (_listener, mut requests) = listen().map_err(StartError::Signals)?;
    let accounts = config.accounts.len();
    let daemon = tokio::select! {
        daemon = Daemon::start_with(config, outside, opened) => daemon?,
        // A host that waits for its database has nothing to finish.
        () = asked_to_stop_early(&mut requests) => return Ok(Ended::Stopped),
    };
    let mut fatal = daemon
        .fatal_heard
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take()
        .expect("a daemon is run once");
    let status = status::line(daemon.store(), &daemon.reconcile, daemon.foundation.clock.now()).await;
    manager::ready(status.as_deref().unwrap_or("started"));
    tracing::info!(accounts, store = %daemon.rooms().config.store.folder.display(), version = env!("CARGO_PKG_VERSION"), "ready");
    loop {
        tokio::select! {
            Some(error) = fatal.recv() => {
                tracing::error!(%error, "the store failed; the process ends, because it can guarantee nothing");
                manager::stopping("the store failed");
                return Ok(Ended::Broken(error));
            }
            request = requests.recv() => match request {
                Some(Request::Reload) => reload(&daemon).await,
                Some(Request::Stop) | None => break,
            },
        }
    }
    manager::stopping("finishing polls in flight");
    tracing::info!(
        "stopping: polls in flight are finished and committed; a second signal ends the process at once"
    );
    tokio::select! {
        stopped = daemon.stop() => Ok(stopped.map_or_else(Ended::Broken, |()| Ended::Stopped)),
        () = asked_to_stop(&mut requests) => Ok(Ended::Hurried),
    }
}

/// The same before the daemon works. On a host that waits for its database, that may take long.
async fn asked_to_stop_early(requests: &mut tokio::sync::mpsc::UnboundedReceiver<Request>) {
    loop {
        match requests.recv().await {
            Some(Request::Stop) => return,
            Some(Request::Reload) => {
                manager::reloading();
                let answer = "a daemon that is still starting does not reload its configuration: restart it";
                tracing::warn!("{answer}");
                manager::ready(answer);
            }
            None => std::future::pending().await,
        }
    }
}

async fn asked_to_stop(requests: &mut tokio::sync::mpsc::UnboundedReceiver<Request>) {
    loop {
        match requests.recv().await {
            Some(Request::Stop) => return,
            Some(Request::Reload) => {}
            None => std::future::pending().await,
        }
    }
}

async fn reload(daemon: &Arc<Daemon>) {
    manager::reloading();
    let reloaded = daemon.service().reload_by_signal().await;
    let status = if reloaded.is_applied {
        "configuration reloaded".to_owned()
    } else {
        format!("reload rejected: {}", reloaded.problems.join("; "))
    };
    manager::ready(&status);
}
