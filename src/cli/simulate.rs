//! `reconciled simulate`: the simulated provider alone, for a shop's developer.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::exit::{Exit, Failed};
use super::finish;
use super::options::SimulateArguments;
use super::setup::pretend;
use super::setup::sections::pair;
use crate::clock::SystemClock;
use crate::signals;
use amazon_pay_simulator::notifications::send_notifications;
use amazon_pay_simulator::plan::enrolled_kind;
use amazon_pay_simulator::scenario::{Account, EXAMPLE, NotificationSettings, Scenario};
use amazon_pay_simulator::{Planted, Simulator, ThrowAwayAuthority, serve};

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
    if let Some(url) = &arguments.notify {
        notify(&mut scenario, url)?;
    }
    let keys = keys_folder(arguments)?;
    scenario.generate_credentials(&keys).map_err(|error| cannot_write(&keys, &error))?;
    let accounts = scenario.accounts.clone();
    let notified_at = scenario.notifications.first().map(|settings| settings.url.clone());
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
        let mut endpoint = format!("http://{}", plain.address);
        let mut authority_file = None;
        let mut servings = vec![plain];
        let signer = simulator.signer();
        // Signing certificates are fetched over HTTPS only.
        let of_signer = signer.as_ref().map(|_| SocketAddr::from(([127, 0, 0, 1], 0)));
        let mut notifications = String::new();
        if let Some(listen) = arguments.listen_tls.or(of_signer) {
            let authority = match &signer {
                Some(signer) => signer.authority().clone(),
                None => ThrowAwayAuthority::generate(&["localhost", "127.0.0.1", "::1"]).map_err(cannot)?,
            };
            let file = arguments.ca_file.clone().unwrap_or_else(|| keys.join("authority.pem"));
            std::fs::write(&file, authority.authority_pem()).map_err(|error| cannot_write(&file, &error))?;
            let secure = serve(Arc::clone(&simulator), listen, Some(authority), shutdown.clone())
                .await
                .map_err(cannot)?;
            say(format_args!("https https://localhost:{}   trust {}", secure.address.port(), file.display()));
            endpoint = format!("https://localhost:{}", secure.address.port());
            let file = std::path::absolute(&file).map_err(|error| cannot_write(&file, &error))?;
            if let Some(url) = &notified_at {
                notifications = pretend::notifications(url, &accounts, &file, secure.address);
                say(format_args!(
                    "sns   notifications go to {url} and so on; GET /notifications counts them"
                ));
            }
            authority_file = Some(file);
            servings.push(secure);
        }
        send_notifications(Arc::clone(&simulator), shutdown.clone());
        say(format_args!("ids   GET / on the same addresses lists every object"));
        say(format_args!(
            "chat  POST /services/T0/B0/x (Slack) and /hooks/json (any JSON) on the same addresses"
        ));
        let config = configuration(&accounts, &keys, &endpoint, authority_file.as_deref())
            .map_err(|error| cannot_write(&keys, &error))?
            + &notifications;
        let planted = simulator.planted();
        match &arguments.write_config {
            Some(folder) => {
                write_config(folder, &config, &planted)?;
                let shown = folder.display();
                say(format_args!("\nIn another terminal:\n"));
                say(format_args!("  reconciled run --config {shown}/config.toml\n"));
                say(format_args!("and in a third one:\n"));
                say(format_args!("  reconciled enrol --config {shown}/config.toml {shown}/objects.jsonl\n"));
            }
            None => {
                say(format_args!(
                    "\n# Paste this into config.toml, or let --write-config DIR write a whole one.\n{config}"
                ));
                for planted in planted.iter().take(5) {
                    let kind = enrolled_kind(planted.api, &planted.truth.kind);
                    say(format_args!(
                        "# to enrol: --account {} --kind {kind} --id {}",
                        planted.account, planted.truth.id
                    ));
                }
            }
        }
        say(format_args!("stop with Ctrl-C"));
        signals.recv().await;
        shutdown.cancel();
        for (account, counts) in simulator.counts().notifications {
            let (sent, lost, good) = (counts.sent, counts.lost, counts.answered_2xx);
            say(format_args!(
                "notified {account}: {sent} sent, {good} of them answered with 2xx, {lost} lost"
            ));
        }
        let counts = simulator.counts().total();
        say(format_args!(
            "answered {} of {} requests, {} over the quota",
            counts.answered, counts.requests, counts.throttled
        ));
        Ok(())
    })
}

/// Accounts that the scenario does not notify are notified at this URL and their name.
fn notify(scenario: &mut Scenario, url: &str) -> Result<(), Failed> {
    let host = url.strip_prefix("http://").map(|rest| rest.split('/').next().unwrap_or_default());
    if host.is_none_or(str::is_empty) || url.contains(|letter: char| letter.is_whitespace()) {
        let what = format!("--notify {}: not an http address", crate::text::short(url, 200));
        return Err(Failed::new(Exit::Usage, what, "write --notify http://127.0.0.1:8081/notifications"));
    }
    for account in &scenario.accounts {
        if !scenario.notifications.iter().any(|known| known.account == account.name) {
            let own = format!("{}/{}", url.trim_end_matches('/'), account.name);
            scenario.notifications.push(NotificationSettings::flawless(&account.name, own));
        }
    }
    Ok(())
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

/// The sections that a daemon needs to work with this simulator.
fn configuration(
    accounts: &[Account],
    keys: &Path,
    endpoint: &str,
    authority: Option<&Path>,
) -> io::Result<String> {
    let mut text = String::new();
    if let Some(file) = authority {
        text.push_str(&format!("[http]\n{}\n", pair("ca_file", &file.display().to_string())));
    }
    for account in accounts {
        text.push_str(&pretend::account(account, keys, endpoint));
        text.push('\n');
    }
    text.push_str(&pretend::chat("chat", "slack", keys, &format!("{endpoint}/services/T0/B0/x"))?);
    Ok(text)
}

/// The first line of a file that may be overwritten.
const WRITTEN: &str = "# Written by `reconciled simulate`; the next run replaces it.";

/// Writes the configuration and the objects to enrol.
fn write_config(folder: &Path, config: &str, planted: &[Planted]) -> Result<(), Failed> {
    let path = folder.join("config.toml");
    if std::fs::read_to_string(&path).is_ok_and(|text| !text.starts_with(WRITTEN)) {
        let what = format!("{} is not from a simulator", path.display());
        return Err(Failed::new(Exit::CannotCreate, what, "name another folder with --write-config DIR"));
    }
    let folder = folder.canonicalize().map_err(|error| cannot_write(folder, &error))?;
    let own = |name: &str| folder.join(name).display().to_string();
    let sections = format!(
        "{WRITTEN}\n[store]\n{}\n[control]\n{}\n[reports]\n{}\n{config}",
        pair("folder", &own("store")),
        pair("socket", &own("control.sock")),
        pair("folder", &own("reports"))
    );
    for (name, text) in [("config.toml", sections), ("objects.jsonl", pretend::objects(planted))] {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|error| cannot_write(&path, &error))?;
    }
    Ok(())
}

fn cannot_write(path: &Path, error: &io::Error) -> Failed {
    Failed::new(Exit::CannotCreate, format!("{}: {error}", path.display()), "choose another folder")
}

/// The folder of the keys, as an absolute path.
fn keys_folder(arguments: &SimulateArguments) -> Result<PathBuf, Failed> {
    let own = arguments.write_config.as_ref().map(|folder| folder.join("keys"));
    let folder =
        arguments.keys.clone().or(own).unwrap_or_else(|| {
            std::env::temp_dir().join(format!("reconciled-simulate-{}", std::process::id()))
        });
    let made = std::fs::create_dir_all(&folder).and_then(|()| folder.canonicalize());
    made.map_err(|error| cannot_write(&folder, &error))
}
