//! config.toml → a checked [`Config`], or all its problems at once.
//!
//! Owns: the file as a whole and the keys that belong to no single room. Must never know: what a section
//! means; each room reads and checks its own.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::access::users::Users;
use crate::alerts;
use crate::alerts::matchers::Known;
use crate::events;
use crate::payments::object::{AccountName, Kind};
use crate::payments::schedule::Policy;
use crate::problem::Problem;
use crate::reports;
use crate::secret::{Secret, SecretLoader};
use crate::telemetry::traces::Collector;

mod account;
mod control;
mod control_tcp;
mod findings;
mod heartbeat;
mod http;
mod lines;
mod lists;
mod notifications;
mod plain;
mod poll;
mod provider_reports;
mod redacted;
mod renamed;
mod section;
mod spool;
mod store;
mod traces;

pub use account::AccountConfig;
pub use control::ControlConfig;
pub use control_tcp::TcpConfig;
pub use heartbeat::HeartbeatConfig;
pub use http::HttpConfig;
pub use plain::{LogConfig, PollingConfig};
pub use provider_reports::ProviderReports;
pub use store::StoreConfig;

use control::ControlSection;
use findings::Findings;
use heartbeat::HeartbeatSection;
use http::HttpSection;
use lines::Lines;
use lists::take_tables;
use notifications::NotificationsSection;
use poll::PollSection;
use section::{optional, section_of, take_table};
use spool::SpoolSection;
use traces::TracesSection;

/// The whole file, checked.
#[derive(Debug)]
pub struct Config {
    /// Where it was read from.
    pub path: PathBuf,
    /// The store.
    pub store: StoreConfig,
    /// The control socket.
    pub control: ControlConfig,
    /// Logs.
    pub log: LogConfig,
    /// HTTP connections.
    pub http: HttpConfig,
    /// Where signs of life go, if anywhere.
    pub heartbeat: Option<HeartbeatConfig>,
    /// Where traces go, if anywhere.
    pub traces: Option<Collector>,
    /// Limits of polling as a whole.
    pub polling: PollingConfig,
    /// The accounts, in the file's order.
    pub accounts: Vec<AccountConfig>,
    /// Alert targets.
    pub alerts: alerts::AlertConfig,
    /// The shop's back offices.
    pub events: events::Receivers,
    /// Where the providers' notifications are received.
    pub notifications: crate::notifications::Settings,
    /// The folder whose files are enrolled, if there is one.
    pub spool: Option<crate::spool::Settings>,
    /// Nightly reports.
    pub reports: reports::config::ReportsConfig,
    /// Keys that are written by an old name, each with its present one.
    pub renamed: Vec<String>,
    /// Everything as it is written, without what could be a secret.
    pub shown: serde_json::Map<String, serde_json::Value>,
}

impl Config {
    /// Accounts whose declines no alert target receives. They are worth a warning before money is lost in
    /// silence.
    pub fn unheard(&self) -> Vec<&AccountName> {
        let is_unheard =
            |account: &&AccountConfig| !self.alerts.routes.is_heard(&account.name, account.api.is_sandbox());
        self.accounts.iter().filter(is_unheard).map(|account| &account.name).collect()
    }

    /// What an operator should know about the routing of alerts: accounts whose declines reach nobody, and rules
    /// without effect.
    pub fn routing_remarks(&self) -> Vec<String> {
        let unheard = self.unheard().into_iter();
        let unheard = unheard.map(|account| {
            let some = if self.alerts.routes.rules.is_empty() { "" } else { "some " };
            format!("no alert target receives {some}declines of account {account}")
        });
        unheard.chain(self.alerts.remarks.iter().cloned()).collect()
    }
}

/// The environment that a configuration depends on.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// `$CREDENTIALS_DIRECTORY`.
    pub credentials: Option<PathBuf>,
    /// `$STATE_DIRECTORY`.
    pub state: Option<PathBuf>,
    /// `$LOGS_DIRECTORY`.
    pub logs: Option<PathBuf>,
    /// `$RUNTIME_DIRECTORY`.
    pub runtime: Option<PathBuf>,
    /// `$HTTPS_PROXY`, which may hold a password.
    pub https_proxy: Option<Secret<String>>,
    /// `$NO_PROXY`.
    pub no_proxy: Option<Secret<String>>,
    /// The users and groups whom `[control]` may name.
    pub users: Users,
}

impl Surroundings {
    /// From the process's environment: what systemd sets (the first of several folders,
    /// docs/src/reference/operations.md 4.2), and the proxy variables in upper or lower case.
    pub fn of_process() -> Surroundings {
        let folder = |name: &str| {
            let value = std::env::var_os(name)?;
            std::env::split_paths(&value).next().filter(|path| !path.as_os_str().is_empty())
        };
        let variable = |large: &str, small: &str| {
            let text = std::env::var(large).or_else(|_| std::env::var(small)).ok()?;
            Some(Secret::new(text)).filter(|text| !text.expose().trim().is_empty())
        };
        Surroundings {
            https_proxy: variable("HTTPS_PROXY", "https_proxy"),
            no_proxy: variable("NO_PROXY", "no_proxy"),
            credentials: folder("CREDENTIALS_DIRECTORY"),
            state: folder("STATE_DIRECTORY"),
            logs: folder("LOGS_DIRECTORY"),
            runtime: folder("RUNTIME_DIRECTORY"),
            users: Users::of_machine(),
        }
    }

    /// The socket, unless the configuration names another.
    pub fn default_socket(&self) -> PathBuf {
        self.runtime.as_deref().unwrap_or(Path::new("/run/reconciled")).join("control.sock")
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path}: {source}", path = path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It can be read, but is wrong. All problems at once.
    #[error("{path} has {count} problem(s)", path = path.display(), count = problems.len())]
    Bad {
        /// Which file.
        path: PathBuf,
        /// In the order of the file.
        problems: Vec<Problem>,
    },
}

/// Reads and checks the file.
///
/// # Errors
/// When it cannot be read, or has problems; all of them are listed.
pub fn load(path: &Path, surroundings: &Surroundings) -> Result<Config, ConfigError> {
    let text = text_of(path)?;
    let (config, problems) = read(&text, path, surroundings, false);
    config.ok_or_else(|| ConfigError::Bad { path: path.to_owned(), problems })
}

/// As [`load`]. Also refuses what only keeps the listener for notifications from running; the daemon starts without it.
///
/// # Errors
/// As [`load`].
pub fn check(path: &Path, surroundings: &Surroundings) -> Result<Config, ConfigError> {
    let config = load(path, surroundings)?;
    match notifications::fault(&config.notifications) {
        None => Ok(config),
        Some(problem) => Err(ConfigError::Bad { path: path.to_owned(), problems: vec![problem] }),
    }
}

/// Reads and checks the file without reading its secrets: to check it on another machine, and for commands
/// that send nothing. No account can sign and nothing can be sent to a target.
///
/// # Errors
/// As [`load`].
pub fn load_without_secrets(path: &Path, surroundings: &Surroundings) -> Result<Config, ConfigError> {
    check_text(&text_of(path)?, path, surroundings)
}

/// Checks the text of a file at `path` without reading any other file, in particular no secrets.
///
/// # Errors
/// All its problems.
pub fn check_text(text: &str, path: &Path, surroundings: &Surroundings) -> Result<Config, ConfigError> {
    let (config, problems) = read(text, path, surroundings, true);
    config.ok_or_else(|| ConfigError::Bad { path: path.to_owned(), problems })
}

/// The socket that the file names, whatever else is wrong with the file; the default where it names none. For a command
/// that only needs to reach the daemon.
pub fn socket(path: &Path, surroundings: &Surroundings) -> PathBuf {
    let text = text_of(path).unwrap_or_default();
    // Of a file that is not TOML, its section may still be.
    let section = || {
        let from = text.lines().skip_while(|line| line.trim() != "[control]");
        let lines: Vec<&str> =
            from.take_while(|line| line.trim() == "[control]" || !line.starts_with('[')).collect();
        toml::from_str::<Table>(&lines.join("\n")).unwrap_or_default()
    };
    let table = toml::from_str::<Table>(&text).unwrap_or_else(|_| section());
    let written = table.get("control").and_then(|control| control.get("socket")).and_then(Value::as_str);
    written.map_or_else(|| surroundings.default_socket(), PathBuf::from)
}

fn text_of(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })
}

/// The configuration, or all its problems.
fn read(
    text: &str,
    path: &Path,
    surroundings: &Surroundings,
    is_blind: bool,
) -> (Option<Config>, Vec<Problem>) {
    let mut table: Table = match toml::from_str(text) {
        Ok(table) => table,
        Err(error) => return (None, vec![syntax_problem(text, &error)]),
    };
    let lines = Lines::read(text);
    let renamed = renamed::rename(&mut table, &lines);
    let shown = redacted::table(&table);
    let mut findings = Findings::new(&lines);
    let loader =
        if is_blind { SecretLoader::blind() } else { SecretLoader::new(surroundings.credentials.clone()) };

    let store = section_of::<StoreConfig>(&mut table, "store", &mut findings);
    let store = store.resolve(&loader, &mut findings);
    let control = section_of::<ControlSection>(&mut table, "control", &mut findings);
    let control = control.resolve(&surroundings.users, &loader, &mut findings);
    let log = section_of::<LogConfig>(&mut table, "log", &mut findings);
    let http = section_of::<HttpSection>(&mut table, "http", &mut findings);
    let http = http.resolve(surroundings, &loader, &mut findings);
    let heartbeat = optional::<HeartbeatSection>(&mut table, "heartbeat", &mut findings);
    let heartbeat = heartbeat.and_then(|section| section.resolve(&loader, &mut findings));
    let traces = optional::<TracesSection>(&mut table, "traces", &mut findings);
    let traces = traces.map(|section| section.resolve(&mut findings));
    let polling = section_of::<PollingConfig>(&mut table, "polling", &mut findings);
    let general = PollSection::read(take_table(&mut table, "poll", &mut findings), "poll", &mut findings);
    let reports = read_reports(take_table(&mut table, "reports", &mut findings), surroundings, &mut findings);
    let written = take_tables(&mut table, "account", &mut findings);
    if written.is_empty() {
        findings.add("account", "there is none", "add an [[account]] section; config.toml shows how");
    }
    let environments = account::environments(&written);
    let accounts = account::read_all(written, &general, &loader, &mut findings);
    let spool = optional::<SpoolSection>(&mut table, "spool", &mut findings);
    let spool = spool.and_then(|section| section.resolve(&environments, &mut findings));
    let notifications = section_of::<NotificationsSection>(&mut table, "notifications", &mut findings);
    let notifications = notifications.resolve(&accounts, &loader, &mut findings);
    let written = take_tables(&mut table, "alert", &mut findings);
    let name = |table: &Table| table.get("name").and_then(Value::as_str).map(str::to_owned);
    let targets: Vec<String> = written.iter().filter_map(name).collect();
    let alerts = lists::alerts(written, &environments, &loader, &http.connections, &mut findings);
    let written = take_tables(&mut table, "events", &mut findings);
    let events = lists::events(written, &environments, &loader, &http.connections, &mut findings);
    let alerting = section_of::<alerts::Alerting>(&mut table, "alerting", &mut findings);
    findings.extend(alerting.problems());
    let written = take_tables(&mut table, "route", &mut findings);
    let labels = account::labels_of_all(&environments, &accounts);
    let object_kinds = accounts.iter().flat_map(|account| account.api.kinds());
    let object_kinds: BTreeSet<String> = object_kinds.map(|kind| (*kind).to_owned()).collect();
    let known = Known { accounts: &labels, object_kinds: &object_kinds };
    let rules = lists::rules(written, &targets, known, &mut findings);
    for key in table.keys() {
        let remedy = "expected store, control, log, http, heartbeat, traces, polling, poll, reports, notifications, spool, alerting, [[account]], [[alert]], [[route]] or [[events]]";
        findings.add(key, "is not a known section", remedy);
    }
    let (store, control) = with_folders(store, control, surroundings, &mut findings);
    plain::check(&log, polling, &mut findings);
    let problems = findings.into_problems();
    let config = match (reports, alerts, rules, events) {
        (Some(reports), Some(alerts), Some((rules, remarks)), Some(events)) if problems.is_empty() => {
            let path = path.to_owned();
            let receivers = events.0.iter().map(|receiver| receiver.target()).collect();
            let routes = alerts::Routes { rules, labels, ..alerts.routes };
            let alerts = alerts::AlertConfig {
                links: control.tcp.as_ref().and_then(|tcp| tcp.links.clone()),
                zone: reports.zone.clone(),
                routes,
                remarks,
                alerting,
                receivers,
                ..alerts
            };
            Some(Config {
                path,
                store,
                control,
                log,
                http,
                heartbeat,
                traces,
                polling,
                accounts,
                alerts,
                events,
                notifications,
                spool,
                reports,
                renamed,
                shown,
            })
        }
        _ => None,
    };
    (config, problems)
}

fn syntax_problem(text: &str, error: &toml::de::Error) -> Problem {
    let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    Problem {
        line,
        key: "file".to_owned(),
        what: format!("is not TOML: {}", error.message().trim()),
        remedy: "correct that line first; other problems appear after that".to_owned(),
    }
}

fn with_folders(
    mut store: StoreConfig,
    mut control: ControlConfig,
    surroundings: &Surroundings,
    findings: &mut Findings<'_>,
) -> (StoreConfig, ControlConfig) {
    if store.folder.as_os_str().is_empty() {
        match &surroundings.state {
            Some(state) => store.folder = state.join("store"),
            None => store.folder = PathBuf::from("/var/lib/reconciled/store"),
        }
    }
    if control.socket.as_os_str().is_empty() {
        control.socket = surroundings.default_socket();
    }
    for (key, path) in [("store.folder", &store.folder), ("control.socket", &control.socket)] {
        if !path.is_absolute() {
            findings.add(key, "is not an absolute path", "begin it with /");
        }
    }
    store.check(findings);
    (store, control)
}

fn read_reports(
    table: Table,
    surroundings: &Surroundings,
    findings: &mut Findings<'_>,
) -> Option<reports::config::ReportsConfig> {
    let written: reports::config::ReportsSection = section::read(table, "reports", findings)?;
    let logs = surroundings.logs.as_deref().unwrap_or(Path::new("/var/log/reconciled"));
    match written.resolve(Some(logs)) {
        Ok(config) => {
            let zone = crate::timetable::zone(&config.zone_name);
            match zone.and_then(|zone| crate::timetable::Timetable::new(&config.schedule, zone)) {
                Ok(_) => Some(config),
                Err(error) => {
                    findings.add("reports.schedule", error.to_string(), "for example \"10 0 * * *\"");
                    None
                }
            }
        }
        Err(problems) => {
            findings.extend(problems);
            None
        }
    }
}

#[cfg(test)]
mod tests;
