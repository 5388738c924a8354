//! The settings of this host, read from the configuration, for the operator's commands.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;

use super::connection::Local;
use super::exit::{Exit, Failed};
use crate::clock::SharedClock;
use crate::config::{self, Config, ConfigError, Surroundings};
use crate::control::{Later, Service};
use crate::daemon::{Daemon, Outside, StartError};
use crate::store::{self, OpenError};

/// The configuration, read for one command.
struct Configured {
    socket: PathBuf,
    options: store::Options,
    clock: SharedClock,
    config: Mutex<Option<Config>>,
}

/// Reads the configuration. A command that talks to the daemon needs none of its secrets, and the operator may not be
/// allowed to read them. Without them, a command can do everything except send.
/// Who may not even read the configuration can still talk to the daemon, if that listens in the usual place.
pub(super) fn load(path: &Path, clock: &SharedClock) -> Result<Box<dyn Local>, Failed> {
    let surroundings = Surroundings::of_process();
    let config = config::load(path, &surroundings)
        .or_else(|error| config::load_without_secrets(path, &surroundings).map_err(|_| error));
    let config = match config {
        Ok(config) => config,
        Err(error) => {
            let (failed, socket) = (config_failed(&error), surroundings.default_socket());
            return match failed.exit == Exit::NotAllowed && is_served(&socket) {
                true => Ok(Box::new(Unconfigured { socket, failed })),
                false => Err(failed),
            };
        }
    };
    Ok(Box::new(Configured {
        socket: config.control.socket.clone(),
        options: store::Options {
            folder: config.store.folder.clone(),
            cache_bytes: config.store.cache_mib * 1024 * 1024,
            free_floor_bytes: config.store.min_free_mib * 1024 * 1024,
            command: std::env::args().nth(1).unwrap_or_default(),
            beside: vec![crate::daemon::BATCHES.to_owned()],
            shared: crate::daemon::shared_store(&config.store, clock),
            ..store::Options::default()
        },
        clock: clock.clone(),
        config: Mutex::new(Some(config)),
    }))
}

impl Local for Configured {
    fn socket(&self) -> &Path {
        &self.socket
    }

    fn store_folder(&self) -> &Path {
        &self.options.folder
    }

    fn store_options(&self) -> store::Options {
        self.options.clone()
    }

    fn open(&self) -> Later<'_, Result<Service, Failed>> {
        Box::pin(async {
            let config = self.config.lock().unwrap_or_else(PoisonError::into_inner).take();
            let config =
                config.ok_or_else(|| Failed::new(Exit::Software, "the store was already opened", ""))?;
            let outside = Outside::real(self.clock.clone(), Surroundings::of_process(), &config.http);
            let outside = outside.map_err(|error| start_failed(&error))?;
            let command = &self.options.command;
            let daemon =
                Daemon::open(config, outside, command).await.map_err(|error| start_failed(&error))?;
            Ok(daemon.service())
        })
    }
}

/// Whether a daemon listens there, even one that does not let this user in.
fn is_served(socket: &Path) -> bool {
    match UnixStream::connect(socket) {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::PermissionDenied,
    }
}

/// The daemon in its usual place, for a user who may not read the configuration.
struct Unconfigured {
    socket: PathBuf,
    failed: Failed,
}

impl Local for Unconfigured {
    fn socket(&self) -> &Path {
        &self.socket
    }

    /// None: a daemon is there, and opening fails.
    fn store_folder(&self) -> &Path {
        Path::new("/")
    }

    fn store_options(&self) -> store::Options {
        store::Options::default()
    }

    fn open(&self) -> Later<'_, Result<Service, Failed>> {
        Box::pin(async { Err(self.failed.clone()) })
    }
}

/// A configuration that cannot be used: every problem on its own line.
pub(super) fn config_failed(error: &ConfigError) -> Failed {
    match error {
        ConfigError::Unreadable { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            Failed::new(
                Exit::NoInput,
                error.to_string(),
                "name it with --config FILE; the source's config.toml explains every key",
            )
        }
        ConfigError::Unreadable { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
            Failed::new(Exit::NotAllowed, error.to_string(), "run it as the daemon's user")
        }
        ConfigError::Unreadable { .. } => Failed::new(Exit::NoInput, error.to_string(), ""),
        ConfigError::Bad { problems, .. } => {
            let lines: Vec<String> = problems.iter().map(|problem| format!("\n  {problem}")).collect();
            Failed::new(Exit::Config, format!("{error}:{}", lines.concat()), "")
        }
    }
}

/// Why the store could not be opened, with an exit code that shows whether trying again could help.
pub(super) fn open_failed(error: &OpenError) -> Failed {
    Failed::new(open_exit(error), chain(error), "")
}

fn open_exit(error: &OpenError) -> Exit {
    match error {
        OpenError::Locked { .. } | OpenError::Database(_) => Exit::Unavailable,
        OpenError::TooNew { .. } | OpenError::NotAStore { .. } => Exit::Config,
        // Starting again would not help.
        OpenError::Damaged(_) | OpenError::Lost { .. } | OpenError::DatabaseBehind { .. } => Exit::Data,
        _ => Exit::Disk,
    }
}

/// An error with all its sources, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut what = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        what = format!("{what}: {inner}");
        source = inner.source();
    }
    what
}

/// Why the rooms could not be built, with an exit code that shows whether starting again could help.
pub(super) fn start_failed(error: &StartError) -> Failed {
    let what = chain(error);
    let exit = match error {
        StartError::Store(error) => open_exit(error),
        StartError::Broken(_) => Exit::Disk,
        StartError::Rooms(_) => Exit::Config,
        StartError::Socket(_) => Exit::CannotCreate,
        StartError::Network(_) | StartError::Signals(_) => Exit::Unavailable,
    };
    Failed::new(exit, what, "")
}
