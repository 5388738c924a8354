//! A command's end of the socket: sends any verb to the running daemon.
//!
//! Owns: how failures to reach the daemon are distinguished. Must never know: any one verb, storage.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::{Method, Url};
use tokio::net::UnixStream;

use super::messages::{Greeting, Healthy};
use super::problem::{Cause, Problem};
use super::service::Answer;
use super::verbs::{JSON_LINES, Outgoing, Verb};

/// The host name in the requests. It does not matter: the socket alone decides where they go.
const BASE: &str = "http://reconciled.localhost";

/// Longer than the server's own limits, so that the server's explanation arrives.
const TIMEOUT: Duration = Duration::from_secs(90);
/// Shorter than the server's timeout for idle connections, so that no connection is reused just as it closes.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);
const SLOW_TIMEOUT: Duration = Duration::from_secs(630);

/// Why the daemon cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No daemon is running there.
    #[error("no daemon answers at {path}: {why}", path = path.display())]
    Nobody {
        /// The socket file.
        path: PathBuf,
        /// `there is no socket`, or that the socket is left over.
        why: &'static str,
    },
    /// The socket's mode does not let this user in.
    #[error("this user may not connect to the daemon at {path}", path = path.display())]
    NotAllowed {
        /// The socket file.
        path: PathBuf,
    },
    /// Something is there, but does not answer like a daemon.
    #[error("the daemon at {path} does not answer: {detail}", path = path.display())]
    Silent {
        /// The socket file.
        path: PathBuf,
        /// What happened.
        detail: String,
    },
}

/// A daemon that answered.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    greeting: Greeting,
}

impl Client {
    /// Connects to a socket and checks that a daemon answers.
    pub async fn connect(path: &Path) -> Result<Client, ConnectError> {
        let nobody = |why| ConnectError::Nobody { path: path.to_owned(), why };
        let silent = |detail: String| ConnectError::Silent { path: path.to_owned(), detail };
        match UnixStream::connect(path).await {
            Ok(_) => {}
            Err(error) => {
                return Err(match error.kind() {
                    io::ErrorKind::NotFound => nobody("there is no socket"),
                    io::ErrorKind::ConnectionRefused => {
                        nobody("the socket is left over from a process that has exited")
                    }
                    io::ErrorKind::PermissionDenied => ConnectError::NotAllowed { path: path.to_owned() },
                    _ => silent(error.to_string()),
                });
            }
        }
        // The socket speaks plain HTTP, so the client need not load the system's certificates.
        let http = reqwest::Client::builder()
            .unix_socket(path)
            .no_proxy()
            .tls_certs_only([])
            .timeout(TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build()
            .map_err(|error| silent(chain(&error)))?;
        let greeting = ask(&http, Healthy {}).await.map_err(|problem| silent(problem.detail))?;
        Ok(Client { http, greeting })
    }

    /// The daemon's greeting.
    pub fn greeting(&self) -> &Greeting {
        &self.greeting
    }

    /// Sends a request to the daemon, which sees who sent it.
    pub async fn ask<V: Verb>(&self, verb: V) -> Answer<V::Answer> {
        ask(&self.http, verb).await
    }
}

async fn ask<V: Verb>(http: &reqwest::Client, verb: V) -> Answer<V::Answer> {
    let Outgoing { path, query, media_type, body } = verb.write();
    let mut url = Url::parse(&format!("{BASE}{path}"))
        .map_err(|_| Problem::new(Cause::Malformed, format!("{path:?} is not a valid URL path"), ""))?;
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    let timeout = if V::SPEC.is_slow { SLOW_TIMEOUT } else { TIMEOUT };
    let mut request = http.request(method(V::SPEC.method), url).timeout(timeout);
    if !body.is_empty() {
        request = request.header("content-type", media_type).body(body);
    }
    let response = request.send().await.map_err(|error| broken(&error))?;
    let status = response.status();
    let is_lines = response.headers().get("content-type").is_some_and(|media_type| media_type == JSON_LINES);
    let body = response.bytes().await.map_err(|error| broken(&error))?;
    if !status.is_success() {
        return Err(serde_json::from_slice(&body).unwrap_or_else(|_| {
            let detail = format!("the daemon answered {status} without a reason");
            Problem::new(Cause::Unavailable, detail, "see its log")
        }));
    }
    // If the answer ends early, its last line is the reason.
    let last = body.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().filter(|_| is_lines);
    if let Some(problem) = last.and_then(|line| serde_json::from_slice::<Problem>(line).ok()) {
        return Err(problem);
    }
    V::understand(&body).map_err(|why| {
        let remedy = "the daemon may be another version; restart it after an upgrade";
        Problem::new(Cause::Unavailable, format!("the daemon's answer cannot be read: {why}"), remedy)
    })
}

fn method(method: super::verbs::Method) -> Method {
    match method {
        super::verbs::Method::Get => Method::GET,
        super::verbs::Method::Put => Method::PUT,
        super::verbs::Method::Post => Method::POST,
        super::verbs::Method::Delete => Method::DELETE,
    }
}

fn broken(error: &reqwest::Error) -> Problem {
    let remedy = "check whether the daemon is still running, and see its log; you may repeat the request";
    Problem::new(Cause::Unavailable, format!("the daemon did not answer: {}", chain(error)), remedy)
}

/// The innermost error: the outer ones only repeat the address.
fn chain(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
