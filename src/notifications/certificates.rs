//! The signing certificates: fetched once, kept while they are valid.
//!
//! Owns: when one is fetched, how often at most, what is kept and stored. Must never know: which account a message is
//! for. The address is checked when the message is read: it is always on the SNS host of a topic's region.
//!
//! Anybody can send messages that name any path on that host. So failures are remembered too, and messages that name a
//! trusted topic have a lane of their own: a storm of others takes nothing from them. A certificate that verified a
//! message of a trusted topic is kept until it expires, also across restarts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::apis::notifications::Refused;
use crate::apis::notifications::sns::{self, BadCertificate, LONGEST_CERTIFICATE, Roots, SigningCertificate};
use crate::clock::SharedClock;
use crate::http::{Method, Request, Transport};
use crate::time::{between, later};

/// The time limit of one fetch, and of waiting for another one to end.
const DEADLINE: Duration = Duration::from_secs(5);
/// How many good certificates are kept that verified nothing of a trusted topic, and how many that did.
const MOST_GOOD: usize = 16;
/// How many failures are remembered.
const MOST_BAD: usize = 64;
/// How long a failure is remembered.
const BAD_FOR: Duration = Duration::from_secs(60);
/// The most certificates that are fetched in a minute, for messages that name a trusted topic and for all others.
const FETCHES_A_MINUTE: [u32; 2] = [20, 4];

/// Why there is no certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// It cannot be fetched now.
    Unavailable,
    /// Its issuer is not known here, or cannot be fetched now.
    UnknownIssuer,
    /// It must not sign messages.
    Refused(Refused),
}

/// A certificate as it was fetched, with its issuer if that was fetched too; both in base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fetched {
    certificate: String,
    issuer: Option<String>,
}

/// What is stored: certificates by address.
pub(super) type Stored = BTreeMap<String, Fetched>;

/// A certificate that can be used.
struct Good {
    certificate: Arc<SigningCertificate>,
    fetched: Fetched,
    /// It verified a message of a trusted topic.
    is_proven: bool,
}

#[derive(Default)]
struct Cache {
    good: BTreeMap<String, Good>,
    bad: BTreeMap<String, (Missing, Timestamp)>,
    /// What is proven has changed since it was stored.
    is_changed: bool,
}

/// One fetch at a time, and a budget.
struct Lane {
    fetching: tokio::sync::Mutex<()>,
    minute: Mutex<Option<(Timestamp, u32)>>,
    fetches_a_minute: u32,
}

/// Fetches and keeps signing certificates.
pub(super) struct Certificates {
    transport: Arc<dyn Transport>,
    clock: SharedClock,
    roots: Option<Roots>,
    cache: Mutex<Cache>,
    /// For messages that name a trusted topic, and for all others.
    lanes: [Lane; 2],
}

impl Lane {
    fn may_fetch(&self, now: Timestamp) -> bool {
        let mut minute = self.minute.lock().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = |since: Timestamp| since <= now && between(since, now) < Duration::from_secs(60);
        let (since, number) = minute.filter(|(since, _)| is_fresh(*since)).unwrap_or((now, 0));
        *minute = Some((since, number.saturating_add(1)));
        number < self.fetches_a_minute
    }
}

impl Certificates {
    /// `roots` are trusted; without any, no certificate can be used.
    pub(super) fn new(
        transport: Arc<dyn Transport>,
        clock: SharedClock,
        roots: Option<Roots>,
    ) -> Certificates {
        let lanes = FETCHES_A_MINUTE.map(|fetches_a_minute| Lane {
            fetching: tokio::sync::Mutex::new(()),
            minute: Mutex::new(None),
            fetches_a_minute,
        });
        Certificates { transport, clock, roots, cache: Mutex::default(), lanes }
    }

    /// The certificate at an address. `is_trusted`: the message names a trusted topic.
    pub(super) async fn at(&self, url: &str, is_trusted: bool) -> Result<Arc<SigningCertificate>, Missing> {
        if let Some(known) = self.known(url) {
            return known;
        }
        let [trusted, others] = &self.lanes;
        let lane = if is_trusted { trusted } else { others };
        let turn = tokio::select! {
            turn = lane.fetching.lock() => turn,
            () = self.clock.sleep(DEADLINE) => return Err(Missing::Unavailable),
        };
        // Another message may have fetched it meanwhile.
        if let Some(known) = self.known(url) {
            return known;
        }
        if !lane.may_fetch(self.clock.now()) {
            return Err(Missing::Unavailable);
        }
        let fetched = self.fetch(url).await;
        drop(turn);
        match fetched {
            Ok((certificate, fetched)) => {
                self.keep(url, Arc::clone(&certificate), fetched, false);
                Ok(certificate)
            }
            Err(missing) => {
                self.remember(url, missing);
                Err(missing)
            }
        }
    }

    /// The certificate at an address verified a message of a trusted topic: it is kept until it expires.
    pub(super) fn prove(&self, url: &str) {
        let mut cache = self.locked();
        let proven = cache.good.values().filter(|good| good.is_proven).count();
        if let Some(good) = cache.good.get_mut(url).filter(|good| !good.is_proven && proven < MOST_GOOD) {
            good.is_proven = true;
            cache.is_changed = true;
        }
    }

    /// What is to be stored, if that has changed.
    pub(super) fn take_changed(&self) -> Option<Stored> {
        let mut cache = self.locked();
        let proven = cache.good.iter().filter(|(_, good)| good.is_proven);
        let stored = proven.map(|(url, good)| (url.clone(), good.fetched.clone())).collect();
        std::mem::take(&mut cache.is_changed).then_some(stored)
    }

    /// Keeps what was stored, as far as it can still be used.
    pub(super) fn restore(&self, stored: Stored) {
        for (url, fetched) in stored {
            let decoded = |text: &String| STANDARD.decode(text).ok();
            let Some(pem) = decoded(&fetched.certificate) else { continue };
            let issuer = fetched.issuer.as_ref().and_then(decoded);
            if let Ok(certificate) = self.check(&pem, issuer.as_deref()) {
                self.keep(&url, Arc::new(certificate), fetched, true);
            }
        }
    }

    fn locked(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, url: &str) -> Option<Result<Arc<SigningCertificate>, Missing>> {
        let now = self.clock.now();
        let cache = self.locked();
        if let Some(good) = cache.good.get(url).filter(|good| good.certificate.expires() > now) {
            return Some(Ok(Arc::clone(&good.certificate)));
        }
        let (missing, until) = cache.bad.get(url)?;
        // A later time was written by a clock that was ahead.
        (*until > now && *until <= later(now, BAD_FOR)).then_some(Err(*missing))
    }

    fn check(&self, pem: &[u8], issuer: Option<&[u8]>) -> Result<SigningCertificate, BadCertificate> {
        let roots = self.roots.clone().ok_or(BadCertificate::UnknownIssuer)?;
        let roots = match issuer {
            Some(issuer) => roots.with_intermediates(issuer).map_err(|_| BadCertificate::UnknownIssuer)?,
            None => roots,
        };
        sns::certificate(pem, &roots, self.clock.now())
    }

    async fn fetch(&self, url: &str) -> Result<(Arc<SigningCertificate>, Fetched), Missing> {
        let pem = self.get(url).await?;
        let mut issuer = None;
        let mut checked = self.check(&pem, None);
        if checked.as_ref().err() == Some(&BadCertificate::UnknownIssuer)
            && let Some(issuer_url) = sns::issuer_url(&pem).filter(|_| self.roots.is_some())
            && let Ok(found) = self.get(&issuer_url).await
        {
            checked = self.check(&pem, Some(&found));
            issuer = Some(STANDARD.encode(found));
        }
        match checked {
            Ok(certificate) => {
                Ok((Arc::new(certificate), Fetched { certificate: STANDARD.encode(pem), issuer }))
            }
            Err(BadCertificate::UnknownIssuer) => {
                tracing::warn!("the issuer of a signing certificate is not known here");
                Err(Missing::UnknownIssuer)
            }
            Err(BadCertificate::Refused(refused)) => {
                tracing::warn!(reason = refused.reason, "a signing certificate is refused");
                Err(Missing::Refused(refused))
            }
        }
    }

    async fn get(&self, url: &str) -> Result<Vec<u8>, Missing> {
        let request = Request {
            method: Method::Get,
            url: url.to_owned(),
            headers: vec![("user-agent", concat!("reconciled/", env!("CARGO_PKG_VERSION")).to_owned())],
            body: Vec::new(),
            deadline: DEADLINE,
            longest_body: LONGEST_CERTIFICATE,
            is_beginning_enough: false,
        };
        match self.transport.send(request).await {
            Ok(response) if response.status == 200 => Ok(response.body),
            Ok(response) => {
                tracing::warn!(status = response.status, "a signing certificate cannot be fetched");
                Err(Missing::Unavailable)
            }
            Err(error) => {
                tracing::warn!(%error, "a signing certificate cannot be fetched");
                Err(Missing::Unavailable)
            }
        }
    }

    fn keep(&self, url: &str, certificate: Arc<SigningCertificate>, fetched: Fetched, is_proven: bool) {
        let now = self.clock.now();
        let mut cache = self.locked();
        cache.bad.remove(url);
        let is_expired = |good: &Good| good.certificate.expires() <= now;
        cache.is_changed |= cache.good.values().any(|good| good.is_proven && is_expired(good));
        cache.good.retain(|_, good| !is_expired(good));
        let others = || cache.good.iter().filter(|(_, good)| !good.is_proven);
        let soonest = others().min_by_key(|(_, good)| good.certificate.expires());
        let soonest = soonest.map(|(url, _)| url.clone()).filter(|_| others().count() >= MOST_GOOD);
        if let Some(url) = soonest {
            cache.good.remove(&url);
        }
        cache.good.insert(url.to_owned(), Good { certificate, fetched, is_proven });
    }

    fn remember(&self, url: &str, missing: Missing) {
        let now = self.clock.now();
        let mut cache = self.locked();
        cache.bad.retain(|_, (_, until)| *until > now);
        let soonest = cache.bad.iter().min_by_key(|(_, (_, until))| *until);
        if let Some(url) = soonest.map(|(url, _)| url.clone()).filter(|_| cache.bad.len() >= MOST_BAD) {
            cache.bad.remove(&url);
        }
        cache.bad.insert(url.to_owned(), (missing, later(now, BAD_FOR)));
    }
}
