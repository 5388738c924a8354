//! Connects the `notifications` room to its ports.
//!
//! Owns: those connections, and which roots are trusted. Must never know: what a notification says.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use crate::apis::Account;
use crate::apis::notifications::sns::Roots;
use crate::apis::pace::Pace;
use crate::batches::Batches;
use crate::clock::SharedClock;
use crate::http::connections::Connections;
use crate::http::{HttpClient, Transport};
use crate::notifications::{Hub, Parts, Ports, ReportPort, Settings};
use crate::payments::alert::Routes;
use crate::payments::object::AccountName;
use crate::reconcile::{Reconcile, Watcher};
use crate::store::Store;
use crate::task::{Done, Round, Work};

use super::present;
use super::rooms::Rooms;

/// What the hub is built from, besides its ports.
pub(super) struct Base {
    pub(super) store: Store,
    pub(super) clock: SharedClock,
    /// Does not pass dates to the clock: certificates come from hosts that messages name, and issuers without TLS.
    pub(super) transport: Arc<dyn Transport>,
    pub(super) batches: Arc<Batches>,
    pub(super) pace: Arc<Pace>,
    pub(super) routes: Routes,
}

/// Builds the hub. The error says why its settings cannot be used.
pub(super) fn hub(
    base: Base,
    settings: Settings,
    rooms: &Arc<RwLock<Arc<Rooms>>>,
) -> Result<Arc<Hub>, String> {
    let Base { store, clock, transport, batches, pace, routes } = base;
    let rooms = Arc::clone(rooms);
    let reports: ReportPort = Arc::new(move |name: AccountName, _report_id| {
        let (batches, pace, rooms) = (Arc::clone(&batches), Arc::clone(&pace), present(&rooms));
        Box::pin(async move {
            let account = rooms.accounts.iter().find(|account| account.name == name);
            // If another host works on the account, that host asks the provider anyway.
            let Some(account) = account else { return Ok(()) };
            let Some(_at_work) = pace.work_on(&account.name) else { return Ok(()) };
            match batches.one_is_complete(account).await {
                Ok(true) => Ok(()),
                Ok(false) => {
                    tracing::info!(account = %name, "a notification says that a batch is complete, and none waits for a result");
                    Ok(())
                }
                Err(error) => Err(error.to_string()),
            }
        })
    });
    let parts = Parts {
        roots: roots(&settings),
        transport: hooked(&settings, Arc::clone(&transport))?,
        public: transport,
        store,
        clock,
        settings,
        routes,
        reports,
    };
    Ok(Arc::new(Hub::new(parts)))
}

/// The transport of the test hooks, if there are any.
fn hooked(settings: &Settings, transport: Arc<dyn Transport>) -> Result<Arc<dyn Transport>, String> {
    let Some(test) = &settings.test else { return Ok(transport) };
    let Some(address) = test.connect else { return Ok(transport) };
    tracing::warn!("[notifications.test] is in force: messages of a simulated provider count as genuine");
    let connections = Connections::default().trusting(&test.ca_pem).map_err(|error| error.to_string())?;
    let client = HttpClient::redirected(&connections, address).map_err(|error| error.to_string())?;
    Ok(Arc::new(client))
}

/// The roots that signing certificates must lead to: those of this machine, or the test authority alone.
fn roots(settings: &Settings) -> Option<Roots> {
    settings.listen?;
    let roots = match &settings.test {
        Some(test) => Roots::from_pem(&test.ca_pem),
        None => {
            let found = rustls_native_certs::load_native_certs().certs;
            Roots::from_der(found.iter().map(|certificate| certificate.as_ref()))
        }
    };
    let with = roots.and_then(|roots| match settings.intermediates_pem.as_slice() {
        [] => Ok(roots),
        pem => roots.with_intermediates(pem),
    });
    with.inspect_err(|error| tracing::warn!(%error, "no root certificates: no notification can be verified"))
        .ok()
}

/// Informs the hub of every poll.
pub(super) fn watcher(hub: &Arc<Hub>) -> Watcher {
    let hub = Arc::clone(hub);
    Arc::new(move |poll| hub.polled(poll))
}

/// The loop that does what follows from notifications.
pub(super) struct Noticing {
    pub(super) hub: Arc<Hub>,
    pub(super) reconcile: Arc<Reconcile>,
}

impl Work for Noticing {
    fn activate(&self) -> Round<'_> {
        Box::pin(async {
            let reconcile = Arc::clone(&self.reconcile);
            let ports = Ports {
                relaxing: Arc::new(move |account: Arc<Account>, kinds| {
                    let reconcile = Arc::clone(&reconcile);
                    Box::pin(async move { reconcile.relax(&account, kinds).await })
                }),
            };
            let wait: Duration = self.hub.round(&ports).await.map_err(|error| error.to_string())?;
            Ok(Done { summary: "up to date".to_owned(), again_in: Some(wait) })
        })
    }
}
