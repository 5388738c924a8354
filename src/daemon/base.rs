//! What lives as long as the process, whatever a reload changes.
//!
//! Owns: the sockets and loops of the process itself. Must never know: how any of them does its work.

use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::{Daemon, StartError, manager, spooling, status, tcp, upkeep};
use crate::control::server;
use crate::dashboard;
use crate::notifications::listener;
use crate::task::Rhythm;

impl Daemon {
    /// Starts the loops that live as long as the process.
    pub(super) async fn start_base(
        self: &Arc<Self>,
        socket: server::Options,
        opened: Option<UnixListener>,
    ) -> Result<(), StartError> {
        let mut base = self.base.lock().await;
        let limits = socket.clone();
        let server = match opened {
            Some(opened) => server::Server::adopt(opened, socket),
            None => server::Server::bind(socket).await,
        };
        let server = server.map_err(|error| StartError::Socket(error.to_string()))?;
        base.spawn(server.serve(self.service(), self.stop.clone()));
        if let Some(config) = &self.fixed.tcp {
            let tcp = tcp::open(config, self.sessions.clone()).await.map_err(StartError::Socket)?;
            let pages = dashboard::pages(self.service());
            base.spawn(tcp.serve(self.service(), pages, limits, self.stop.clone()));
        }
        let (store, fatal, stop) = (self.foundation.store.clone(), self.fatal.clone(), self.stop.clone());
        base.spawn(async move {
            tokio::select! {
                error = store.lease_ended() => drop(fatal.send(error)),
                () = stop.cancelled() => {}
            }
        });
        let clock = &self.foundation.clock;
        let listener = listener::Listener::bind(Arc::clone(&self.notifications), clock.clone()).await;
        if let Some(listener) = listener {
            base.spawn(listener.serve(self.stop.clone()));
        }
        base.spawn(Arc::clone(self).keep_jobs());
        let pulse = status::Pulse {
            store: self.foundation.store.clone(),
            fatal: self.fatal.clone(),
            clock: clock.clone(),
            reconcile: Arc::clone(&self.reconcile),
            board: Arc::clone(&self.board),
        };
        let rhythm =
            Rhythm { name: "status", period: Duration::from_secs(10), wake: Arc::new(Notify::new()) };
        self.keep(&mut base, rhythm, Arc::new(pulse), &self.stop);
        let tidying = upkeep::Upkeep {
            store: self.foundation.store.clone(),
            clock: clock.clone(),
            fatal: self.fatal.clone(),
        };
        let spooling = spooling::Spooling::new(self.service(), Arc::clone(&self.rooms), self.stop.clone());
        let rhythm = Rhythm { name: "spool", period: spooling::PERIOD, wake: Arc::new(Notify::new()) };
        self.keep(&mut base, rhythm, Arc::new(spooling), &self.stop);
        let period = self.rooms().config.store.compact_every;
        let rhythm = Rhythm { name: "store", period, wake: Arc::new(Notify::new()) };
        self.keep(&mut base, rhythm, Arc::new(tidying), &self.stop);
        base.spawn(manager::keep_alive(Arc::clone(&self.board), clock.clone(), self.stop.clone()));
        Ok(())
    }
}
