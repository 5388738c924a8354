//! Sets up the demo: a folder, a simulated Amazon Pay with throw-away keys, and the configuration file that a merchant
//! would have written for it. The daemon that runs on it is the real one.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::super::exit::{Exit, Failed};
use super::super::setup::pretend;
use crate::clock::SharedClock;
use amazon_pay_simulator::scenario::{Account, Api, Scenario};
use amazon_pay_simulator::{Serving, Simulator, serve};

const SCENARIO: &str = include_str!("scenario.toml");

/// The number of objects in the scenario as written.
const WRITTEN_OBJECTS: u64 = 300;

/// Where everything is.
pub(super) struct Stage {
    pub(super) folder: PathBuf,
    pub(super) simulator: Arc<Simulator>,
    pub(super) serving: Serving,
    pub(super) shutdown: CancellationToken,
    pub(super) config: PathBuf,
    /// The folder is temporary, because the user named none.
    pub(super) is_temporary: bool,
}

impl Stage {
    /// Removes the secrets, once they are read, unless the user named the folder: nobody tidies a temporary one.
    pub(super) fn forget_secrets(&self) -> Result<(), Failed> {
        let secrets = self.folder.join("secrets");
        match self.is_temporary {
            true => fs::remove_dir_all(&secrets).map_err(|error| cannot(&secrets, &error)),
            false => Ok(()),
        }
    }
}

fn cannot(what: &Path, error: &io::Error) -> Failed {
    Failed::new(
        Exit::CannotCreate,
        format!("{}: {error}", what.display()),
        "choose another folder with --dir DIR",
    )
}

/// Creates the folder, the simulator on a loopback port, the keys and the configuration.
pub(super) async fn set(
    dir: Option<PathBuf>,
    seed: u64,
    objects: u32,
    clock: SharedClock,
) -> Result<Stage, Failed> {
    let is_temporary = dir.is_none();
    let folder =
        dir.unwrap_or_else(|| std::env::temp_dir().join(format!("reconciled-demo-{}", std::process::id())));
    fs::create_dir_all(&folder).map_err(|error| cannot(&folder, &error))?;
    let folder = folder.canonicalize().map_err(|error| cannot(&folder, &error))?;
    for leftover in ["store", "reports", "alerts.jsonl", "secrets"] {
        let path = folder.join(leftover);
        if path.exists() {
            let what = format!("{} already exists: a demo needs an empty folder", path.display());
            return Err(Failed::new(Exit::CannotCreate, what, "name an empty folder with --dir DIR"));
        }
    }
    let secrets = folder.join("secrets");
    fs::create_dir_all(&secrets).map_err(|error| cannot(&secrets, &error))?;
    let mut scenario = Scenario::parse(SCENARIO, &folder)
        .map_err(|error| Failed::new(Exit::Software, error.to_string(), ""))?;
    scenario.seed = seed;
    for population in &mut scenario.populations {
        population.count = (population.count * u64::from(objects)).div_ceil(WRITTEN_OBJECTS);
    }
    scenario.chat.file = Some(folder.join("alerts.jsonl"));
    scenario.generate_credentials(&secrets).map_err(|error| cannot(&secrets, &error))?;
    let accounts = scenario.accounts.clone();
    let simulator = Simulator::new(scenario, clock)
        .map_err(|error| Failed::new(Exit::Software, error.to_string(), ""))?;
    let simulator = Arc::new(simulator);
    let shutdown = CancellationToken::new();
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let serving = serve(Arc::clone(&simulator), listen, None, shutdown.clone()).await.map_err(|error| {
        Failed::new(Exit::CannotCreate, format!("cannot listen on {listen}: {error}"), "")
    })?;
    let config = write_config(&folder, &secrets, &accounts, serving.address)
        .map_err(|error| cannot(&folder.join("config.toml"), &error))?;
    Ok(Stage { folder, simulator, serving, shutdown, config, is_temporary })
}

fn write_config(
    folder: &Path,
    secrets: &Path,
    accounts: &[Account],
    address: SocketAddr,
) -> io::Result<PathBuf> {
    let shown = folder.display();
    let mut text = format!(
        "# Written by `reconciled demo`: an ordinary configuration with shortened intervals.\n\
         [store]\nfolder = \"{shown}/store\"\n\n\
         [control]\nsocket = \"{shown}/control.sock\"\n\n\
         [poll]\ninterval = \"2s\"\nearly = []\nresting_interval = \"3s\"\nbackoff_first = \"1s\"\n\
         backoff_longest = \"2s\"\nquarantine_interval = \"5s\"\n\n\
         [reports]\nfolder = \"{shown}/reports\"\ntime_zone = \"UTC\"\nschedule = \"0 0 * * *\"\n\n\
         # Each decline is a message of its own here, so that they can be counted.\n\
         [alerting]\ngroup_over = 1000\nstorm_over = 1000\n\n"
    );
    let base = format!("http://{address}");
    for account in accounts {
        text.push_str(&pretend::account(account, secrets, &base));
        text.push_str("quota = { burst = 10, per_second = 8.0 }\ndeadline_s = 5\n");
        if account.api == Api::Aps {
            text.push_str("currency = \"AED\"\n");
        }
        text.push('\n');
    }
    for (name, kind, path) in
        [("chat", "slack", "services/T0DEMO/B0DEMO/demo"), ("back-office", "webhook", "hooks/json")]
    {
        text.push_str(&pretend::chat(name, kind, secrets, &format!("{base}/{path}"))?);
        text.push_str("kinds = [\"declined\", \"quarantined\", \"credentials-refused\"]\n\n");
    }
    let path = folder.join("config.toml");
    fs::write(&path, text)?;
    Ok(path)
}
