//! The signing certificates: fetched once, kept while they are valid.
//!
//! Owns: when one is fetched, how often at most, what is kept. Must never know: which account a message is for. The
//! address is checked when the message is read: it is always on the SNS host of a topic's region.
//!
//! Anybody can send messages that name any path on that host. So failures are remembered too, one fetch runs at a time,
//! and there is a budget for all of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::apis::notifications::Refused;
use crate::apis::notifications::sns::{self, BadCertificate, LONGEST_CERTIFICATE, Roots, SigningCertificate};
use crate::clock::SharedClock;
use crate::http::{Method, Request, Transport};
use crate::time::{between, later};

/// The time limit of one fetch, and of waiting for another one to end.
const DEADLINE: Duration = Duration::from_secs(5);
/// How many good certificates are kept.
const MOST_GOOD: usize = 16;
/// How many failures are remembered.
const MOST_BAD: usize = 64;
/// How long a failure to fetch is remembered.
const UNAVAILABLE_FOR: Duration = Duration::from_secs(60);
/// How long it is remembered that a certificate cannot be used.
const BAD_FOR: Duration = Duration::from_secs(600);
/// The most fetches in a minute.
const FETCHES_A_MINUTE: u32 = 20;

/// Why there is no certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// It cannot be fetched now.
    Unavailable,
    /// Its issuer is not known here.
    UnknownIssuer,
    /// It must not sign messages.
    Refused(Refused),
}

#[derive(Default)]
struct Cache {
    good: BTreeMap<String, Arc<SigningCertificate>>,
    bad: BTreeMap<String, (Missing, Timestamp)>,
    minute: Option<(Timestamp, u32)>,
}

/// Fetches and keeps signing certificates.
pub(super) struct Certificates {
    transport: Arc<dyn Transport>,
    clock: SharedClock,
    roots: Option<Roots>,
    cache: Mutex<Cache>,
    fetching: tokio::sync::Mutex<()>,
}

impl Certificates {
    /// `roots` are trusted; without any, no certificate can be used.
    pub(super) fn new(
        transport: Arc<dyn Transport>,
        clock: SharedClock,
        roots: Option<Roots>,
    ) -> Certificates {
        let fetching = tokio::sync::Mutex::new(());
        Certificates { transport, clock, roots, cache: Mutex::default(), fetching }
    }

    /// The certificate at an address.
    pub(super) async fn at(&self, url: &str) -> Result<Arc<SigningCertificate>, Missing> {
        if let Some(known) = self.known(url) {
            return known;
        }
        let turn = tokio::select! {
            turn = self.fetching.lock() => turn,
            () = self.clock.sleep(DEADLINE) => return Err(Missing::Unavailable),
        };
        // Another message may have fetched it meanwhile.
        if let Some(known) = self.known(url) {
            return known;
        }
        if !self.may_fetch() {
            return Err(Missing::Unavailable);
        }
        let fetched = self.fetch(url).await;
        drop(turn);
        self.keep(url, &fetched);
        fetched
    }

    fn locked(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, url: &str) -> Option<Result<Arc<SigningCertificate>, Missing>> {
        let now = self.clock.now();
        let cache = self.locked();
        if let Some(good) = cache.good.get(url).filter(|good| good.expires() > now) {
            return Some(Ok(Arc::clone(good)));
        }
        let (missing, until) = cache.bad.get(url)?;
        // A later time was written by a clock that was ahead.
        (*until > now && *until <= later(now, BAD_FOR)).then_some(Err(*missing))
    }

    fn may_fetch(&self) -> bool {
        let now = self.clock.now();
        let mut cache = self.locked();
        let fresh =
            cache.minute.filter(|(since, _)| *since <= now && between(*since, now) < Duration::from_secs(60));
        let (since, number) = fresh.unwrap_or((now, 0));
        cache.minute = Some((since, number + 1));
        number < FETCHES_A_MINUTE
    }

    async fn fetch(&self, url: &str) -> Result<Arc<SigningCertificate>, Missing> {
        let pem = self.get(url).await?;
        let Some(roots) = &self.roots else { return Err(Missing::UnknownIssuer) };
        let mut checked = sns::certificate(&pem, roots, self.clock.now());
        if checked.as_ref().err() == Some(&BadCertificate::UnknownIssuer)
            && let Some(issuer) = sns::issuer_url(&pem).filter(|_| self.may_fetch())
            && let Ok(issuer) = self.get(&issuer).await
            && let Ok(roots) = roots.clone().with_intermediates(&issuer)
        {
            checked = sns::certificate(&pem, &roots, self.clock.now());
        }
        match checked {
            Ok(certificate) => Ok(Arc::new(certificate)),
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

    fn keep(&self, url: &str, fetched: &Result<Arc<SigningCertificate>, Missing>) {
        let now = self.clock.now();
        let mut cache = self.locked();
        match fetched {
            Ok(certificate) => {
                cache.bad.remove(url);
                cache.good.retain(|_, good| good.expires() > now);
                let soonest = cache.good.iter().min_by_key(|(_, good)| good.expires());
                if let Some(url) =
                    soonest.map(|(url, _)| url.clone()).filter(|_| cache.good.len() >= MOST_GOOD)
                {
                    cache.good.remove(&url);
                }
                cache.good.insert(url.to_owned(), Arc::clone(certificate));
            }
            Err(missing) => {
                let lasts = if *missing == Missing::Unavailable { UNAVAILABLE_FOR } else { BAD_FOR };
                cache.bad.retain(|_, (_, until)| *until > now);
                let soonest = cache.bad.iter().min_by_key(|(_, (_, until))| *until);
                if let Some(url) = soonest.map(|(url, _)| url.clone()).filter(|_| cache.bad.len() >= MOST_BAD)
                {
                    cache.bad.remove(&url);
                }
                cache.bad.insert(url.to_owned(), (*missing, later(now, lasts)));
            }
        }
    }
}
