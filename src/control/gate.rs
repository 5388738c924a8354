//! Who is let in over TCP: by a token or a session of the dashboard, and never because a browser was lured here.
//!
//! Owns: the checks of a request's head (docs/src/reference/operations.md, section 8.3). Must never know: sockets,
//! verbs.
//!
//! A web page that somebody opens in a browser on this machine can send requests to any local address. It cannot show a
//! token, and a name that it made point here is not in the list of hosts.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, HeaderName, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};

use super::problem::{Cause, Problem};
use crate::access::allowance::{Allowance, BURST};
use crate::access::sessions::Sessions;
use crate::access::{Caller, Role};
use crate::alerts::link::Links;
use crate::secret::Secret;

/// Paths that tell nothing but that the daemon is there, and need no token.
const OPEN: &str = "/-/";
/// The only path of the API that also takes the cookie of a session: a browser cannot send a token there.
const STREAM: &str = "/v1/stream";
/// The name of the cookie of a session.
pub const SESSION_COOKIE: &str = "reconciled_session";
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// How often unknown tokens are logged.
const LOG_EVERY: Duration = Duration::from_secs(3600);

/// A token that lets in.
#[derive(Debug)]
pub struct Token {
    role: Role,
    /// Of the token, so that comparing takes equally long whatever was sent.
    digest: Vec<u8>,
    allowance: Mutex<Allowance>,
}

impl Token {
    /// A caller who shows `text` has this role.
    pub fn new(role: Role, text: &Secret<String>) -> Token {
        Token { role, digest: hashed(text.expose()), allowance: Mutex::default() }
    }
}

fn hashed(text: &str) -> Vec<u8> {
    digest(&SHA256, text.as_bytes()).as_ref().to_vec()
}

/// The checks.
#[derive(Debug)]
pub struct Gate {
    /// Names and addresses under which the daemon may be called, in lower case, without a port.
    hosts: Vec<String>,
    tokens: Vec<Token>,
    unknown: Mutex<Unknown>,
    sessions: Option<Arc<Sessions>>,
    /// What recognises the links of alerts, which need no token.
    pub(super) links: Option<Links>,
}

/// Requests with an unknown token.
#[derive(Debug, Default)]
struct Unknown {
    /// Since the last log.
    number: u64,
    /// When that was, in monotonic time.
    logged_at: Option<Duration>,
}

impl Unknown {
    /// Counts one more. Returns the number that is to be logged now, if it is time.
    fn count(&mut self, now: Duration) -> Option<u64> {
        self.number += 1;
        if self.logged_at.is_some_and(|at| now.saturating_sub(at) < LOG_EVERY) {
            return None;
        }
        self.logged_at = Some(now);
        Some(std::mem::take(&mut self.number))
    }
}

impl Gate {
    /// `hosts` are names beside those of this machine itself.
    pub fn new(hosts: &[String], tokens: Vec<Token>) -> Gate {
        let own = ["127.0.0.1", "localhost", "[::1]"].map(str::to_owned);
        let hosts = own.into_iter().chain(hosts.iter().map(|host| host.to_lowercase())).collect();
        Gate { hosts, tokens, unknown: Mutex::default(), sessions: None, links: None }
    }

    /// The same, which also lets the sessions of the dashboard read the stream of events.
    #[must_use]
    pub fn with_sessions(self, sessions: Option<Arc<Sessions>>) -> Gate {
        Gate { sessions, ..self }
    }

    /// The same, open for the links of alerts.
    #[must_use]
    pub fn with_links(self, links: Option<Links>) -> Gate {
        Gate { links, ..self }
    }

    /// Checks a request for a page. The dashboard itself checks who sends it.
    ///
    /// # Errors
    /// Why the request is not let in.
    pub fn admit_page(&self, head: &Parts) -> Result<(), Problem> {
        self.is_meant(&head.headers)
    }

    /// Who calls, at this moment of monotonic time.
    ///
    /// # Errors
    /// Why the caller is not let in.
    pub fn admit(&self, head: &Parts, now: Duration) -> Result<Caller, Problem> {
        self.is_meant(&head.headers)?;
        let is_json = |value: &str| {
            let (media, _) = value.split_once(';').unwrap_or((value, ""));
            matches!(media.trim(), "application/json" | "application/x-ndjson" | "text/csv")
        };
        if matches!(head.method, Method::POST | Method::PUT)
            && !text(&head.headers, &CONTENT_TYPE).is_some_and(is_json)
        {
            let remedy = "send it with content-type: application/json";
            let detail = "the body does not say that it is JSON";
            return Err(Problem::new(Cause::UnsupportedMediaType, detail, remedy));
        }
        let shown = text(&head.headers, &AUTHORIZATION);
        if shown.is_none() && head.uri.path().starts_with(OPEN) {
            return Ok(Caller::of_token(Role::Connect));
        }
        if shown.is_none() && head.method == Method::GET && head.uri.path() == STREAM {
            let cookie = session_cookie(&head.headers);
            if let Some((all, cookie)) = self.sessions.as_ref().zip(cookie)
                && let Some(session) = all.admit(cookie, now).map_err(too_many)?
            {
                return Ok(session.caller);
            }
        }
        let digest = shown.and_then(|shown| shown.strip_prefix("Bearer ")).map(|token| hashed(token.trim()));
        let is_shown = |token: &&Token| {
            digest.as_ref().is_some_and(|digest| verify_slices_are_equal(digest, &token.digest).is_ok())
        };
        let Some(token) = self.tokens.iter().find(is_shown) else {
            if shown.is_some() {
                self.warn(now);
            }
            let remedy = "send one of [control.tcp.tokens] as: Authorization: Bearer TOKEN";
            return Err(Problem::new(Cause::Unauthenticated, "no known token was sent", remedy));
        };
        let mut allowance = token.allowance.lock().unwrap_or_else(PoisonError::into_inner);
        allowance.spend(now).map_err(too_many)?;
        Ok(Caller::of_token(token.role))
    }

    fn warn(&self, now: Duration) {
        let mut unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(requests) = unknown.count(now) {
            tracing::warn!(requests, "requests over TCP had a token that is not known");
        }
    }

    /// Whether a request names this daemon.
    pub(super) fn is_called_right(&self, headers: &HeaderMap) -> Result<(), Problem> {
        match text(headers, &HOST).is_some_and(|host| self.knows(host)) {
            true => Ok(()),
            false => Err(misled("the Host header names another server")),
        }
    }

    /// Whether a request was meant for this daemon, and was not sent by a page of somebody else.
    pub(super) fn is_meant(&self, headers: &HeaderMap) -> Result<(), Problem> {
        self.is_called_right(headers)?;
        let refused = |detail| Err(misled(detail));
        let of_own_page = |origin: &str| {
            let (scheme, host) = origin.split_once("://").unwrap_or_default();
            matches!(scheme, "http" | "https") && self.knows(host)
        };
        if headers.contains_key(ORIGIN) && !text(headers, &ORIGIN).is_some_and(of_own_page) {
            return refused("a page of another site sent it");
        }
        if headers.contains_key(SEC_FETCH_SITE)
            && !matches!(text(headers, &SEC_FETCH_SITE), Some("same-origin" | "none"))
        {
            return refused("a page of another site sent it");
        }
        Ok(())
    }

    fn knows(&self, host: &str) -> bool {
        let host = host.to_lowercase();
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|letter| letter.is_ascii_digit()) => name,
            _ => &host,
        };
        self.hosts.iter().any(|known| known == name)
    }
}

/// The refusal of a token or a session that has sent too many requests.
pub fn too_many(wait: Duration) -> Problem {
    let detail = format!("more than {BURST} requests at once; try again in {} ms", wait.as_millis());
    Problem::new(Cause::TooMany, detail, "send fewer requests, or several objects in one")
}

/// The cookie of a session, if exactly one is sent.
pub fn session_cookie(headers: &HeaderMap) -> Option<&str> {
    let texts = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter(|(name, _)| *name == SESSION_COOKIE).map(|(_, value)| value);
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

fn misled(detail: &str) -> Problem {
    let remedy = "call it by a name in hosts under [control.tcp], and not from another site's page";
    Problem::new(Cause::Forbidden, detail, remedy)
}

/// A header that is sent once.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

#[cfg(test)]
mod tests {
    use axum::http::Request;
    use proptest::prelude::*;

    use super::*;

    const READ: &str = "a-token-for-those-who-only-look-at-it";
    const OPERATE: &str = "a-token-for-those-who-run-the-service";

    fn gate() -> Gate {
        let token = |role, text: &str| Token::new(role, &Secret::new(text.to_owned()));
        let hosts = ["Monitor.example".to_owned()];
        Gate::new(&hosts, vec![token(Role::Read, READ), token(Role::Operate, OPERATE)])
    }

    fn head(method: &str, path: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn status(method: &str, path: &str, headers: &[(&str, &str)]) -> Result<String, u16> {
        let admitted = gate().admit(&head(method, path, headers), Duration::ZERO);
        admitted.map(|caller| caller.actor()).map_err(|problem| problem.cause.status())
    }

    #[test]
    fn only_a_known_token_at_a_known_host_from_no_other_page_is_let_in() {
        let read = format!("Bearer {READ}");
        let read = read.as_str();
        let local = ("host", "127.0.0.1:8490");
        for (expected, method, path, headers) in [
            (Ok("token:read"), "GET", "/v1/status", &[local, ("authorization", read)][..]),
            (Ok("token:read"), "GET", "/v1/status", &[("host", "monitor.EXAMPLE"), ("authorization", read)]),
            (Ok("token:read"), "GET", "/v1/status", &[("host", "[::1]:1"), ("authorization", read)]),
            (Ok("token:connect"), "GET", "/-/healthy", &[local]),
            (Err(401), "GET", "/-/healthy", &[local, ("authorization", "Bearer guess")]),
            (Err(401), "GET", "/v1/status", &[local]),
            (Err(401), "GET", "/v1/status", &[local, ("authorization", READ)]),
            (Err(401), "GET", "/v1/status", &[local, ("authorization", read), ("authorization", read)]),
            (Err(401), "GET", "/v1/status", &[local, ("authorization", "Bearer ")]),
            (Err(403), "GET", "/v1/status", &[("authorization", read)]),
            (Err(403), "GET", "/v1/status", &[("host", "evil.example:8490"), ("authorization", read)]),
            (Err(403), "GET", "/v1/status", &[("host", "127.0.0.1.evil.example"), ("authorization", read)]),
            (
                Err(403),
                "GET",
                "/v1/status",
                &[local, ("authorization", read), ("origin", "https://evil.example")],
            ),
            (Err(403), "GET", "/v1/status", &[local, ("authorization", read), ("origin", "null")]),
            (
                Ok("token:read"),
                "GET",
                "/v1/status",
                &[local, ("authorization", read), ("origin", "http://localhost:8490")],
            ),
            (Err(403), "GET", "/-/ready", &[local, ("sec-fetch-site", "cross-site")]),
            (Err(403), "GET", "/-/ready", &[local, ("sec-fetch-site", "same-site")]),
            (Ok("token:connect"), "GET", "/-/ready", &[local, ("sec-fetch-site", "none")]),
            (Err(415), "POST", "/v1/reload", &[local, ("authorization", read)]),
            (
                Err(415),
                "POST",
                "/v1/reload",
                &[local, ("authorization", read), ("content-type", "text/plain")],
            ),
            (
                Ok("token:read"),
                "POST",
                "/v1/tracked:batch",
                &[local, ("authorization", read), ("content-type", "text/csv")],
            ),
            (
                Ok("token:read"),
                "POST",
                "/v1/reload",
                &[local, ("authorization", read), ("content-type", "application/json; charset=utf-8")],
            ),
        ] {
            assert_eq!(
                status(method, path, headers),
                expected.map(str::to_owned),
                "{method} {path} {headers:?}"
            );
        }
    }

    #[test]
    fn a_session_reads_the_stream_and_nothing_else_of_the_api() {
        let sessions = Arc::new(Sessions::at("http://127.0.0.1:8490"));
        let alice = Caller { uid: Some(1000), ..Caller::default() };
        let link = sessions.link(&alice, Role::Read, Duration::ZERO).unwrap();
        let cookie = sessions.open(&link, Duration::ZERO).unwrap().unwrap();
        let gate = gate().with_sessions(Some(sessions));
        let one = format!("a=b; {SESSION_COOKIE}={cookie}");
        let two = format!("{one}; {SESSION_COOKIE}=x");
        let status = |method: &str, path: &str, cookie: &str, now| {
            let head = head(method, path, &[("host", "localhost"), ("cookie", cookie)]);
            gate.admit(&head, now).map(|caller| caller.at_most).map_err(|problem| problem.cause.status())
        };
        assert_eq!(status("GET", "/v1/stream", &one, Duration::ZERO), Ok(Some(Role::Read)));
        assert_eq!(status("GET", "/v1/stream", &two, Duration::ZERO), Err(401), "two cookies");
        assert_eq!(status("GET", "/v1/stream", "", Duration::ZERO), Err(401));
        assert_eq!(status("GET", "/v1/stream", &one, Duration::from_secs(13 * 3600)), Err(401));
        assert_eq!(status("GET", "/v1/status", &one, Duration::ZERO), Err(401));
        assert_eq!(status("DELETE", "/v1/tracked/a/b/c", &one, Duration::ZERO), Err(401));
        let evil = head("GET", "/objects", &[("host", "evil.example")]);
        assert_eq!(gate.admit_page(&evil).unwrap_err().cause.status(), 403);
        assert!(gate.admit_page(&head("POST", "/objects", &[("host", "[::1]:8490")])).is_ok());
    }

    #[test]
    fn each_token_has_a_burst_of_its_own() {
        let gate = gate();
        let of = |token: &str| {
            let bearer = format!("Bearer {token}");
            head("GET", "/v1/status", &[("host", "localhost"), ("authorization", &bearer)])
        };
        let status = |token: &str, ms: u64| {
            let admitted = gate.admit(&of(token), Duration::from_millis(ms));
            admitted.map_err(|problem| problem.cause.status()).map(drop)
        };
        for _ in 0..BURST {
            assert_eq!(status(READ, 1_000), Ok(()));
        }
        assert_eq!(status(READ, 1_000), Err(429));
        assert_eq!(status(OPERATE, 1_000), Ok(()), "another token is not concerned");
        assert_eq!(status(READ, 1_020), Ok(()));
        assert_eq!(status(READ, 1_020), Err(429));
    }

    #[test]
    fn unknown_tokens_are_logged_at_most_once_an_hour_with_their_number() {
        let mut unknown = Unknown::default();
        let at = |seconds| Duration::from_secs(seconds);
        assert_eq!(unknown.count(at(5)), Some(1));
        assert_eq!((unknown.count(at(6)), unknown.count(at(3_604))), (None, None));
        assert_eq!(unknown.count(at(3_605)), Some(3));
        assert_eq!(unknown.count(at(3_606)), None);
    }

    proptest! {
        #[test]
        fn no_other_token_is_taken(text in "\\PC{0,60}") {
            prop_assume!(text.trim() != READ && text.trim() != OPERATE);
            let bearer = format!("Bearer {text}");
            if let Ok(value) = axum::http::HeaderValue::from_str(&bearer) {
                let mut parts = head("GET", "/v1/status", &[("host", "localhost")]);
                parts.headers.insert(AUTHORIZATION, value);
                prop_assert!(gate().admit(&parts, Duration::ZERO).is_err());
            }
        }
    }
}
