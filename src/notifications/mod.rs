//! Notifications: a provider's hint that an object has news makes the object due now. Polling stays the truth, and what
//! it finds shows whether the channel of hints works.
//!
//! Owns: the way from a request to a due object, the two lanes (verified and not), what is counted, the health of each
//! channel. Must never know: a provider's formats and signatures (`apis` knows them), how polling works.
//!
//! | Lane | What | Effect |
//! |---|---|---|
//! | verified | genuine, from a trusted topic | the object is due now, once, however often it is announced |
//! | unverified | no certificate can be had, or nobody trusts the topic | kept, counted, polled from a small budget |
//! | refused | wrong in any way | counted by reason, nothing else |
//!
//! In reading order: `settings`, `receive` (one request), `effect` (what a hint does), `certificates`, `seen`
//! (duplicates), `unverified` (the second lane), `state` and `channel` (what is known of one account), `fusion` (the
//! test), `rounds` (what happens later), `tally` (for the nightly report), `requests` (what an operator can do), `check`
//! (of the way from the outside), `listener` (sockets), `alert_text`.

mod alert_text;
mod certificates;
#[cfg(test)]
mod certificates_tests;
mod channel;
mod check;
mod effect;
mod fusion;
pub mod listener;
mod receive;
mod requests;
mod rounds;
mod seen;
mod settings;
mod state;
mod tally;
#[cfg(test)]
mod tests;
mod unverified;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::apis::Account;
use crate::apis::notifications::sns::Roots;
use crate::clock::SharedClock;
use crate::documents::{self, DocumentError, Documents};
use crate::http::{BoxFuture, Transport};
use crate::payments::alert::Routes;
use crate::payments::object::AccountName;
use crate::store::{Store, StoreError};

use certificates::{Certificates, Stored};
use channel::{Channel, Known, Moment};
use fusion::Fusion;
use seen::{Memory, Page};
use state::State;

pub use check::CheckStep;
pub use fusion::{KindCount, Verdict};
pub use receive::{Answer, Received};
pub use requests::{ChannelView, NotDone};
pub use rounds::{Ports, Relaxing};
pub use settings::{Network, Settings, TestHooks, Tls};
pub use state::{Counts, Offered, Unknown};
pub use tally::{Announced, announced_between};

/// How long counts, lists and the memory of duplicates may be in memory alone. If they are lost, nothing is missed.
const SAVED_EVERY: Duration = Duration::from_secs(600);

/// Passes the report that a notification named to the batches of an account. An error says why that is not durable.
pub type ReportPort =
    Arc<dyn Fn(AccountName, String) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// What the room is built from.
pub struct Parts {
    /// The store.
    pub store: Store,
    /// The time.
    pub clock: SharedClock,
    /// How certificates are fetched and subscriptions confirmed.
    pub transport: Arc<dyn Transport>,
    /// How the public address is tried. Test hooks do not change it.
    pub public: Arc<dyn Transport>,
    /// What signs messages must lead to one of these; none if there are none.
    pub roots: Option<Roots>,
    /// The configuration.
    pub settings: Settings,
    /// The targets of alerts.
    pub routes: Routes,
    /// Takes reports that a notification named.
    pub reports: ReportPort,
}

/// The notifications of all accounts. Survives a reload of the configuration.
pub struct Hub {
    store: Store,
    clock: SharedClock,
    transport: Arc<dyn Transport>,
    public: Arc<dyn Transport>,
    certificates: Certificates,
    settings: Settings,
    routes: Routes,
    reports: ReportPort,
    channels: Mutex<BTreeMap<AccountName, Arc<Channel>>>,
    /// Requests that this process sent to try the way to itself, by their mark.
    tries: Mutex<BTreeMap<String, check::Try>>,
    listener: listener::State,
    /// When everything was last saved.
    saved_at: Mutex<Duration>,
    /// Wakes the loop that does what is due.
    wake: Arc<Notify>,
}

/// The name under which certificates are stored that verified a message of a trusted topic.
const CERTIFICATES: &str = "notification-certificates";

fn fusion_name(account: &AccountName) -> String {
    format!("notification-health/{account}")
}

impl Hub {
    /// Without any account; [`Hub::set_accounts`] adds them.
    pub fn new(parts: Parts) -> Hub {
        let Parts { store, clock, transport, public, roots, settings, routes, reports } = parts;
        Hub {
            certificates: Certificates::new(Arc::clone(&transport), Arc::clone(&clock), roots),
            saved_at: Mutex::new(clock.monotonic()),
            store,
            clock,
            transport,
            public,
            listener: listener::State::new(settings.tls.as_ref()),
            settings,
            routes,
            reports,
            channels: Mutex::default(),
            tries: Mutex::default(),
            wake: Arc::new(Notify::new()),
        }
    }

    /// Whether notifications are received at all.
    pub fn is_on(&self) -> bool {
        self.settings.listen.is_some()
    }

    /// Where the listener listens, once it does.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.address()
    }

    /// Why nothing is received, if something should be.
    pub fn trouble(&self) -> Option<String> {
        self.listener.trouble()
    }

    /// Serves another certificate from the next connection on.
    ///
    /// # Errors
    /// When it cannot be used; the one before stays.
    pub fn renew(&self, certificate: &Tls) -> Result<(), &'static str> {
        self.listener.renew(certificate)
    }

    /// The configuration.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The present moment.
    fn moment(&self) -> Moment {
        Moment { at: self.clock.now(), elapsed: self.clock.monotonic() }
    }

    /// Notified when [`Hub::round`] has something to do.
    pub fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }

    /// The accounts of a configuration. What is known of those that stay is kept.
    ///
    /// # Errors
    /// The store's.
    pub async fn set_accounts(&self, accounts: &[Arc<Account>]) -> Result<(), StoreError> {
        if self.all().is_empty() {
            let stored = documents::read_if_sound::<Stored>(&self.store, CERTIFICATES).await?;
            self.certificates.restore(stored.unwrap_or_default());
        }
        let mut present = BTreeSet::new();
        for account in accounts.iter().filter(|account| account.api.notifications().is_some()) {
            present.insert(account.name.clone());
            match self.channel(&account.name) {
                Some(channel) => channel.set_account(Arc::clone(account)),
                None => {
                    let known = self.load(&account.name).await?;
                    let channel = Arc::new(Channel::new(Arc::clone(account), known));
                    self.channels_locked().insert(account.name.clone(), channel);
                }
            }
        }
        self.channels_locked().retain(|name, _| present.contains(name));
        Ok(())
    }

    async fn load(&self, account: &AccountName) -> Result<Known, StoreError> {
        let name = account.to_string();
        let states: Documents<State> = Documents::new(self.store.clone());
        let state = sound(states.find(&name).await)?.flatten();
        let state = state.unwrap_or_else(|| State::new(account.clone()));
        let pages: Documents<Page> = Documents::new(self.store.clone());
        let pages = sound(pages.list(&format!("{account}/")).await)?.unwrap_or_default();
        let fusion = documents::read_if_sound::<Fusion>(&self.store, &fusion_name(account)).await?;
        let memory = Memory::restored(account.clone(), pages);
        Ok(Known::new(state, memory, fusion.unwrap_or_default(), self.clock.monotonic()))
    }

    fn channels_locked(&self) -> MutexGuard<'_, BTreeMap<AccountName, Arc<Channel>>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn channel(&self, account: &AccountName) -> Option<Arc<Channel>> {
        self.channels_locked().get(account).cloned()
    }

    /// All channels, by account.
    fn all(&self) -> Vec<Arc<Channel>> {
        self.channels_locked().values().cloned().collect()
    }

    /// Writes what is known of a channel now.
    async fn write_state(&self, channel: &Channel) -> Result<(), StoreError> {
        let state = {
            let mut known = channel.known();
            known.is_changed = false;
            known.state.clone()
        };
        let states: Documents<State> = Documents::new(self.store.clone());
        let written = states.write(&state).await;
        if written.is_err() {
            channel.known().is_changed = true;
        }
        sound(written).map(drop)
    }

    /// Writes what has changed, if that is due.
    async fn save_sometimes(&self) -> Result<(), StoreError> {
        let now = self.clock.monotonic();
        let is_due = {
            let mut saved_at = self.saved_at.lock().unwrap_or_else(PoisonError::into_inner);
            let is_due = now.saturating_sub(*saved_at) >= SAVED_EVERY;
            if is_due {
                *saved_at = now;
            }
            is_due
        };
        if is_due { self.save().await } else { Ok(()) }
    }

    /// Writes what has changed since the last time.
    ///
    /// # Errors
    /// The store's.
    pub async fn save(&self) -> Result<(), StoreError> {
        if let Some(certificates) = self.certificates.take_changed() {
            sound(documents::write(&self.store, CERTIFICATES, &certificates).await)?;
        }
        for channel in self.all() {
            if channel.known().is_changed {
                self.write_state(&channel).await?;
            }
            let (pages, fusion) = {
                let mut known = channel.known();
                let is_changed = std::mem::take(&mut known.is_fusion_changed);
                (known.memory.take_changed(), is_changed.then(|| known.fusion.clone()))
            };
            let stored: Documents<Page> = Documents::new(self.store.clone());
            for page in pages {
                sound(stored.write(&page).await)?;
            }
            if let Some(fusion) = fusion {
                let name = fusion_name(&channel.account().name);
                sound(documents::write(&self.store, &name, &fusion).await)?;
            }
        }
        Ok(())
    }
}

/// What cannot be read counts as not there: it is about hints, and polling does not need them.
fn sound<T>(result: Result<T, DocumentError>) -> Result<Option<T>, StoreError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(DocumentError::Store(error)) => Err(error),
        Err(error @ DocumentError::Unreadable { .. }) => {
            tracing::warn!(%error, "it is taken as not there");
            Ok(None)
        }
    }
}
