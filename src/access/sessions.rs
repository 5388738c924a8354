//! Sessions of the dashboard: a one-time link, and the cookie that it is exchanged for.
//!
//! Owns: who a session belongs to, and when it ends. Must never know: HTTP, pages.
//!
//! Links and cookies are 256 random bits. The memory holds only their digests. A restart ends all sessions.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;

use super::allowance::Allowance;
use super::{Caller, Role};
use crate::text::hex;

/// How long a link can be opened.
pub const LINK_LASTS: Duration = Duration::from_secs(60);
/// How long a session lasts.
pub const SESSION_LASTS: Duration = Duration::from_secs(12 * 3600);
/// The most links that wait to be opened, and the most sessions. A new one takes the place of the oldest.
const LINKS_MAX: usize = 32;
const SESSIONS_MAX: usize = 256;

/// What a link or a cookie is known by.
type Digest = Vec<u8>;

/// Somebody who looks at the dashboard.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    /// Who asked for the link, with the most that this session may do.
    pub caller: Caller,
    /// What a form of this session must send.
    csrf: String,
    ends_at: Duration,
    allowance: Allowance,
}

impl Session {
    /// What a form of this session must send.
    pub fn csrf(&self) -> &str {
        &self.csrf
    }

    /// Whether a form was sent by a page of this session.
    pub fn has_sent(&self, csrf: &str) -> bool {
        verify_slices_are_equal(csrf.as_bytes(), self.csrf.as_bytes()).is_ok()
    }
}

/// No secret is shown.
impl std::fmt::Debug for Session {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Session").field("caller", &self.caller).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Known {
    /// Who asked, and until when the link can be opened.
    links: BTreeMap<Digest, (Caller, Duration)>,
    sessions: BTreeMap<Digest, Session>,
}

/// All links and sessions of the process. Times are monotonic.
pub struct Sessions {
    base_url: String,
    known: Mutex<Known>,
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Sessions").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

impl Sessions {
    /// None yet. `base_url` is where browsers reach the dashboard, without a path.
    pub fn at(base_url: impl Into<String>) -> Sessions {
        Sessions { base_url: base_url.into(), known: Mutex::default() }
    }

    /// Where browsers reach the dashboard, without a path.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Whether browsers reach it over TLS, so that no cookie may be sent without.
    pub fn is_over_tls(&self) -> bool {
        self.base_url.starts_with("https://")
    }

    /// A secret that opens one session for `caller`, who may do at most what `role` allows.
    ///
    /// # Errors
    /// When the machine has no random numbers.
    pub fn link(&self, caller: &Caller, role: Role, now: Duration) -> Result<String, NoRandomness> {
        let secret = secret()?;
        let caller = Caller { at_most: Some(role.min(caller.at_most.unwrap_or(role))), ..caller.clone() };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.links.retain(|_, (_, ends_at)| now < *ends_at);
        let oldest = known.links.iter().min_by_key(|(_, (_, ends_at))| *ends_at);
        if let Some(oldest) = oldest.map(|(key, _)| key.clone()).filter(|_| known.links.len() >= LINKS_MAX) {
            known.links.remove(&oldest);
        }
        known.links.insert(hashed(&secret), (caller, now + LINK_LASTS));
        Ok(secret)
    }

    /// Exchanges a link's secret for that of a session; none if the link is unknown, used or too old.
    ///
    /// # Errors
    /// When the machine has no random numbers.
    pub fn open(&self, link: &str, now: Duration) -> Result<Option<String>, NoRandomness> {
        let (cookie, csrf) = (secret()?, secret()?);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.links.remove(&hashed(link)).filter(|(_, ends_at)| now < *ends_at);
        let Some((caller, _)) = found else { return Ok(None) };
        known.sessions.retain(|_, session| now < session.ends_at);
        let oldest = known.sessions.iter().min_by_key(|(_, session)| session.ends_at);
        let oldest = oldest.map(|(key, _)| key.clone()).filter(|_| known.sessions.len() >= SESSIONS_MAX);
        if let Some(oldest) = oldest {
            known.sessions.remove(&oldest);
        }
        known.sessions.insert(
            hashed(&cookie),
            Session { caller, csrf, ends_at: now + SESSION_LASTS, allowance: Allowance::default() },
        );
        Ok(Some(cookie))
    }

    /// The session of a cookie. Counts a request of it.
    ///
    /// # Errors
    /// How long the session must wait, when it has sent too many requests.
    pub fn admit(&self, cookie: &str, now: Duration) -> Result<Option<Session>, Duration> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.sessions.get_mut(&hashed(cookie)).filter(|session| now < session.ends_at);
        let Some(session) = found else { return Ok(None) };
        session.allowance.spend(now)?;
        Ok(Some(session.clone()))
    }

    /// Ends a session.
    pub fn close(&self, cookie: &str) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.sessions.remove(&hashed(cookie));
    }
}

/// The machine has no random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this machine has no random numbers")]
pub struct NoRandomness;

fn secret() -> Result<String, NoRandomness> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(hex(&bytes))
}

fn hashed(text: &str) -> Digest {
    digest(&SHA256, text.as_bytes()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::super::allowance::BURST;
    use super::*;

    fn sessions() -> Sessions {
        Sessions::at("http://127.0.0.1:8490")
    }

    fn find(sessions: &Sessions, cookie: &str, now: Duration) -> Option<Session> {
        sessions.admit(cookie, now).unwrap()
    }

    fn alice() -> Caller {
        Caller { uid: Some(1000), name: Some("alice".to_owned()), ..Caller::default() }
    }

    const NOW: Duration = Duration::from_secs(1_000);

    #[test]
    fn a_link_opens_one_session_within_a_minute() {
        let sessions = sessions();
        let link = sessions.link(&alice(), Role::Read, NOW).unwrap();
        assert_eq!(link.len(), 64);
        let almost = NOW + LINK_LASTS - Duration::from_millis(1);
        let cookie = sessions.open(&link, almost).unwrap().unwrap();
        assert_ne!(cookie, link);
        assert_eq!(sessions.open(&link, almost), Ok(None), "a link is used once");
        let session = find(&sessions, &cookie, almost).unwrap();
        assert_eq!(session.caller, Caller { at_most: Some(Role::Read), ..alice() });
        let late = sessions.link(&alice(), Role::Read, NOW).unwrap();
        assert_eq!(sessions.open(&late, NOW + LINK_LASTS), Ok(None), "a link lasts a minute");
        for wrong in ["", "x", &cookie, &link[..63]] {
            assert_eq!(sessions.open(wrong, NOW), Ok(None));
        }
    }

    #[test]
    fn a_session_ends_after_twelve_hours_or_when_it_is_closed() {
        let sessions = sessions();
        let open =
            || sessions.open(&sessions.link(&alice(), Role::Operate, NOW).unwrap(), NOW).unwrap().unwrap();
        let (one, other) = (open(), open());
        let almost = NOW + SESSION_LASTS - Duration::from_millis(1);
        assert!(
            find(&sessions, &one, almost).is_some() && find(&sessions, &one, NOW + SESSION_LASTS).is_none()
        );
        sessions.close(&one);
        assert!(find(&sessions, &one, NOW).is_none() && find(&sessions, &other, NOW).is_some());
    }

    #[test]
    fn a_form_of_another_session_is_not_accepted_and_nothing_is_printed() {
        let sessions = sessions();
        let open = || {
            let cookie = sessions.open(&sessions.link(&alice(), Role::Operate, NOW).unwrap(), NOW).unwrap();
            find(&sessions, &cookie.unwrap(), NOW).unwrap()
        };
        let (one, other) = (open(), open());
        assert!(one.has_sent(one.csrf()) && !one.has_sent(other.csrf()) && !one.has_sent(""));
        assert!(!format!("{one:?}{sessions:?}").contains(one.csrf()));
    }

    #[test]
    fn the_number_of_links_and_sessions_is_bounded() {
        let sessions = sessions();
        let links: Vec<String> = (0..40)
            .map(|second| sessions.link(&alice(), Role::Read, NOW + Duration::from_secs(second)).unwrap())
            .collect();
        assert_eq!(sessions.open(&links[0], NOW + Duration::from_secs(40)), Ok(None));
        assert!(sessions.open(&links[39], NOW + Duration::from_secs(40)).unwrap().is_some());
        let open = |second| {
            let now = NOW + Duration::from_secs(second);
            sessions.open(&sessions.link(&alice(), Role::Read, now).unwrap(), now).unwrap().unwrap()
        };
        let cookies: Vec<String> = (100..400).map(open).collect();
        let now = NOW + Duration::from_secs(400);
        assert!(find(&sessions, &cookies[0], now).is_none() && find(&sessions, &cookies[299], now).is_some());
    }

    #[test]
    fn a_session_never_may_do_more_than_who_asked_for_it() {
        let sessions = sessions();
        let limited = Caller { at_most: Some(Role::Read), ..alice() };
        let cookie = sessions.open(&sessions.link(&limited, Role::Operate, NOW).unwrap(), NOW).unwrap();
        assert_eq!(find(&sessions, &cookie.unwrap(), NOW).unwrap().caller.at_most, Some(Role::Read));
    }

    #[test]
    fn a_session_that_sends_too_many_requests_waits_and_another_does_not() {
        let sessions = sessions();
        let open =
            || sessions.open(&sessions.link(&alice(), Role::Read, NOW).unwrap(), NOW).unwrap().unwrap();
        let (one, other) = (open(), open());
        for _ in 0..BURST {
            assert!(find(&sessions, &one, NOW).is_some());
        }
        assert_eq!(sessions.admit(&one, NOW), Err(Duration::from_millis(20)));
        assert!(find(&sessions, &other, NOW).is_some());
        assert!(find(&sessions, &one, NOW + Duration::from_millis(20)).is_some());
    }
}
