//! Replaces the configuration while the daemon runs.
//!
//! Owns: what a reload changes, what it cannot change, what it reports. Must never know: how a file is read.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::rooms::{self, Rooms};
use super::{Daemon, open_socket, problem_lines};
use crate::access::users::Users;
use crate::config::{
    self, Config, ControlConfig, HttpConfig, LogConfig, StoreConfig, Surroundings, TcpConfig,
};
use crate::control::messages::Reloaded;
use crate::notifications::Settings;

/// The parts of the configuration that the process keeps until it ends. A reload is compared with these, not with the
/// last file that was read: a change stays pending until the restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fixed {
    store: StoreConfig,
    socket: PathBuf,
    /// The API over TCP.
    pub(super) tcp: Option<TcpConfig>,
    log: LogConfig,
    http: HttpConfig,
    /// The listener for notifications.
    pub(super) notifications: Settings,
    /// The limit of concurrent requests of all accounts.
    pub(super) max_in_flight: usize,
}

impl Fixed {
    pub(super) fn of(config: &Config) -> Fixed {
        Fixed {
            store: config.store.clone(),
            socket: config.control.socket.clone(),
            tcp: config.control.tcp.clone(),
            log: config.log.clone(),
            http: config.http.clone(),
            notifications: config.notifications.clone(),
            max_in_flight: config.polling.max_in_flight,
        }
    }

    /// A reload keeps the test hooks of notifications, and no account with real money may be used with them. The check
    /// of the configuration itself sees only hooks that are still written there.
    fn allows(&self, new: &Config) -> Result<(), Vec<String>> {
        let live = new.accounts.iter().find(|account| !account.api.is_sandbox());
        match live.filter(|_| self.notifications.test.is_some()) {
            None => Ok(()),
            Some(account) => Err(vec![format!(
                "notifications.test is in force until the next restart, and account \"{}\" is live: restart instead",
                account.name
            )]),
        }
    }

    /// What of a new configuration waits for a restart.
    fn pending(&self, new: &Fixed) -> Vec<String> {
        let parts = [
            ("store", self.store != new.store),
            ("control.socket", self.socket != new.socket),
            ("control.tcp", self.tcp != new.tcp),
            ("log", self.log != new.log),
            ("http", self.http != new.http),
            ("notifications", is_other(&self.notifications, &new.notifications)),
            ("polling.max_in_flight", self.max_in_flight != new.max_in_flight),
        ];
        let changed = parts.into_iter().filter(|(_, is_changed)| *is_changed);
        changed.map(|(part, _)| format!("{part}: takes effect at the next restart")).collect()
    }
}

/// Whether they differ in more than the contents of certificate and key, which a reload replaces.
fn is_other(one: &Settings, other: &Settings) -> bool {
    let without = |settings: &Settings| Settings { tls: None, ..settings.clone() };
    one.tls.is_some() != other.tls.is_some() || without(one) != without(other)
}

/// Accounts, alert targets and receivers of events that came and went.
fn differences(old: &Rooms, new: &Rooms) -> Vec<String> {
    fn names(rooms: &Rooms) -> [(&'static str, BTreeSet<&str>); 3] {
        let accounts = rooms.accounts.iter().map(|account| account.name.as_str());
        let receivers = rooms.back_offices.iter().map(|office| office.name());
        [
            ("account", accounts.collect()),
            ("alert target", rooms.deliverer.targets().into_iter().collect()),
            ("receiver of events", receivers.collect()),
        ]
    }
    let mut found = Vec::new();
    for ((what, before), (_, after)) in names(old).into_iter().zip(names(new)) {
        found.extend(after.difference(&before).map(|name| format!("{what} {name}: added")));
        found.extend(before.difference(&after).map(|name| format!("{what} {name}: removed")));
    }
    found
}

impl Daemon {
    /// Reloads the configuration. If the new one is invalid, keeps the old one and reports why.
    pub(super) async fn reload(&self) -> Reloaded {
        let at = self.foundation.clock.now();
        let reloaded = match self.try_reload().await {
            Ok(remarks) => {
                tracing::info!("configuration reloaded");
                Reloaded { is_applied: true, at, problems: remarks }
            }
            Err(problems) => {
                for problem in &problems {
                    tracing::error!(problem, "configuration not reloaded; the old one stays in force");
                }
                Reloaded { is_applied: false, at, problems }
            }
        };
        *self.last_reload.lock().unwrap_or_else(PoisonError::into_inner) = Some(reloaded.clone());
        reloaded
    }

    async fn try_reload(&self) -> Result<Vec<String>, Vec<String>> {
        let surroundings = Surroundings { users: Users::of_machine(), ..self.surroundings.clone() };
        let mut config = config::load(&self.config_path, &surroundings).map_err(problem_lines)?;
        self.fixed.allows(&config)?;
        // The port recognises the links that it was opened with.
        config.alerts.links = self.fixed.tcp.as_ref().and_then(|tcp| tcp.links.clone());
        let old = self.rooms();
        let mut remarks = self.fixed.pending(&Fixed::of(&config));
        for remark in config.routing_remarks() {
            tracing::warn!("{remark}");
        }
        remarks.extend(config.alerts.remarks.iter().cloned());
        let within = Duration::from_secs(old.config.polling.stop_within_s);
        let rooms = Arc::new(Rooms::build(config, &self.foundation).map_err(|error| vec![error])?);
        remarks.extend(differences(&old, &rooms));
        if let (Some(_), Some(tls)) = (&self.fixed.notifications.tls, &rooms.config.notifications.tls)
            && let Err(why) = self.notifications.renew(tls)
        {
            remarks
                .push(format!("notifications: the certificate cannot be used, the one before stays: {why}"));
        }
        self.stop_loops(within).await;
        rooms::greet(&self.foundation, &rooms.accounts).await.map_err(|error| vec![error.to_string()])?;
        rooms::greet_reporters(&self.foundation, &rooms.reporters)
            .await
            .map_err(|error| vec![error.to_string()])?;
        let accounts = self.notifications.set_accounts(&rooms.accounts).await;
        accounts.map_err(|error| vec![error.to_string()])?;
        *self.rooms.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&rooms);
        let served = ControlConfig { socket: self.fixed.socket.clone(), ..rooms.config.control.clone() };
        if let Err(error) = open_socket(&served) {
            remarks.push(format!("control: the mode of the socket stays as it is: {error}"));
        }
        self.start_loops(&rooms).await;
        self.reloaded.notify_one();
        remarks.extend(rooms::idle_writers(&rooms));
        remarks.extend(
            rooms::orphans(&self.foundation, &rooms.accounts)
                .await
                .map_err(|error| vec![error.to_string()])?,
        );
        Ok(remarks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(cache_mib: u64, max_in_flight: usize) -> Fixed {
        Fixed {
            store: StoreConfig { cache_mib, ..StoreConfig::default() },
            socket: PathBuf::new(),
            tcp: None,
            log: LogConfig::default(),
            http: HttpConfig::default(),
            notifications: Settings::default(),
            max_in_flight,
        }
    }

    #[test]
    fn what_waits_for_a_restart_is_said_at_every_reload() {
        let running = fixed(48, 256);
        assert!(running.pending(&fixed(48, 256)).is_empty());
        let waits = [
            "store: takes effect at the next restart",
            "polling.max_in_flight: takes effect at the next restart",
        ];
        assert_eq!(running.pending(&fixed(64, 8)), waits);
        assert_eq!(running.pending(&fixed(64, 8)), waits, "the second reload of the same file says it again");
    }
}
