//! `reconciled simulate`: the pretend provider alone, for a shop's developer.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::exit::{Exit, Failed};
use super::finish;
use super::options::SimulateArguments;
use crate::clock::SystemClock;
use crate::signals;
use amazon_pay_simulator::scenario::{EXAMPLE, Scenario};
use amazon_pay_simulator::{Simulator, ThrowAwayAuthority, serve};

/// Runs the simulator until it is stopped.
pub(super) fn simulate(arguments: SimulateArguments) -> ExitCode {
    if arguments.example {
        let written = io::stdout().write_all(EXAMPLE.as_bytes()).map_err(Failed::from);
        return finish(written.map(|()| Exit::Ok), &mut io::stderr());
    }
    finish(try_simulate(&arguments).map(|()| Exit::Ok), &mut io::stderr())
}

fn try_simulate(arguments: &SimulateArguments) -> Result<(), Failed> {
    let mut scenario = scenario(arguments.scenario.as_deref())?;
    if let Some(seed) = arguments.seed {
        scenario.seed = seed;
    }
    let keys = keys_folder(arguments)?;
    let generated = scenario.generate_credentials(&keys).map_err(|error| {
        Failed::new(Exit::CannotCreate, format!("keys in {}: {error}", keys.display()), "")
    })?;
    let (_listener, mut signals) = signals::listen()
        .map_err(|error| Failed::new(Exit::TryLater, format!("signals cannot be handled: {error}"), ""))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failed::new(Exit::TryLater, format!("cannot start: {error}"), ""))?;
    runtime.block_on(async {
        let seed = scenario.seed;
        let simulator = Simulator::new(scenario, SystemClock::shared()).map_err(|error| {
            Failed::new(Exit::Data, error.to_string(), "see: reconciled simulate --example")
        })?;
        let simulator = Arc::new(simulator);
        let shutdown = CancellationToken::new();
        let cannot = |error: std::io::Error| {
            Failed::new(
                Exit::CannotCreate,
                format!("cannot listen: {error}"),
                "choose another --listen ADDRESS",
            )
        };
        let plain =
            serve(Arc::clone(&simulator), arguments.listen, None, shutdown.clone()).await.map_err(cannot)?;
        say(format_args!("seed {seed}"));
        say(format_args!("http  http://{}", plain.address));
        let mut servings = vec![plain];
        if let Some(listen) = arguments.listen_tls {
            let authority =
                ThrowAwayAuthority::generate(&["localhost", "127.0.0.1", "::1"]).map_err(cannot)?;
            let file = arguments.ca_file.clone().unwrap_or_else(|| keys.join("authority.pem"));
            std::fs::write(&file, authority.authority_pem()).map_err(|error| {
                Failed::new(Exit::CannotCreate, format!("{}: {error}", file.display()), "")
            })?;
            let secure = serve(Arc::clone(&simulator), listen, Some(authority), shutdown.clone())
                .await
                .map_err(cannot)?;
            say(format_args!("https https://localhost:{}   trust {}", secure.address.port(), file.display()));
            servings.push(secure);
        }
        say(format_args!("ids   GET / on the same addresses lists every object"));
        say(format_args!(
            "chat  POST /services/T0/B0/x (Slack) and /hooks/json (any JSON) on the same addresses"
        ));
        for credentials in &generated {
            say(format_args!(
                "keys  {}: key id {}, secret in {}",
                credentials.account,
                credentials.key_id,
                credentials.secret_file.display()
            ));
        }
        for planted in simulator.planted().iter().take(5) {
            say(format_args!(
                "for example {} {} of {}",
                planted.truth.kind, planted.truth.id, planted.account
            ));
        }
        say(format_args!("stop with Ctrl-C"));
        signals.recv().await;
        shutdown.cancel();
        let counts = simulator.counts().total();
        say(format_args!(
            "answered {} of {} requests, {} over the quota",
            counts.answered, counts.requests, counts.throttled
        ));
        Ok(())
    })
}

/// Writes a line. The simulator serves on when nobody reads it any more.
fn say(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(io::stdout(), "{line}");
}

fn scenario(path: Option<&Path>) -> Result<Scenario, Failed> {
    let Some(path) = path else {
        return Scenario::parse(EXAMPLE, Path::new("."))
            .map_err(|error| Failed::new(Exit::Software, error.to_string(), "the built-in scenario is bad"));
    };
    Scenario::read(path).map_err(|error| {
        let exit = if path.exists() { Exit::Data } else { Exit::NoInput };
        Failed::new(exit, error.to_string(), "see: reconciled simulate --example")
    })
}

fn keys_folder(arguments: &SimulateArguments) -> Result<PathBuf, Failed> {
    let folder = arguments
        .keys
        .clone()
        .unwrap_or_else(|| std::env::temp_dir().join(format!("reconciled-simulate-{}", std::process::id())));
    std::fs::create_dir_all(&folder).map_err(|error| {
        Failed::new(Exit::CannotCreate, format!("{}: {error}", folder.display()), "choose another --keys DIR")
    })?;
    Ok(folder)
}
