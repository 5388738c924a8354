//! A command's end of the socket: the same verbs as the service, asked of the running daemon.
//!
//! Owns: addresses and how failures to reach the daemon are told apart. Must never know: storage.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::civil::Date;
use reqwest::{Method, RequestBuilder, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::batching::{BatchAnswer, BatchRequest};
use super::calling::{CallAnswer, CallRequest};
use super::fetching::{FetchAnswer, FetchRequest};
use super::messages::*;
use super::problem::{Cause, Problem};
use super::routes::JSON_LINES;
use super::service::Answer;
use super::wanted::Wanted;
use crate::payments::record::Record;

/// The host name in the requests; the socket alone decides where they go.
const BASE: &str = "http://reconciled.localhost";

/// Longer than the server's own limits, so that its explanation arrives.
const TIMEOUT: Duration = Duration::from_secs(90);
/// Shorter than the server's patience with idle connections, so that none is used just as it closes.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);
const SLOW_TIMEOUT: Duration = Duration::from_secs(630);

/// Why the daemon cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No daemon runs there.
    #[error("nobody answers at {path}: {why}", path = path.display())]
    Nobody {
        /// The socket file.
        path: PathBuf,
        /// `there is no socket`, `the socket is a leftover`.
        why: &'static str,
    },
    /// The socket's mode keeps this user out.
    #[error("this user may not talk to the daemon at {path}", path = path.display())]
    NotAllowed {
        /// The socket file.
        path: PathBuf,
    },
    /// Somebody is there, but does not answer as a daemon would.
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
    /// Looks whether a daemon answers at a socket.
    pub async fn connect(path: &Path) -> Result<Client, ConnectError> {
        let nobody = |why| ConnectError::Nobody { path: path.to_owned(), why };
        let silent = |detail: String| ConnectError::Silent { path: path.to_owned(), detail };
        match UnixStream::connect(path).await {
            Ok(_) => {}
            Err(error) => {
                return Err(match error.kind() {
                    io::ErrorKind::NotFound => nobody("there is no socket"),
                    io::ErrorKind::ConnectionRefused => {
                        nobody("the socket was left behind by a process that is gone")
                    }
                    io::ErrorKind::PermissionDenied => ConnectError::NotAllowed { path: path.to_owned() },
                    _ => silent(error.to_string()),
                });
            }
        }
        // Without certificates of its own the client needs none of the system's: the socket speaks plain HTTP.
        let http = reqwest::Client::builder()
            .unix_socket(path)
            .no_proxy()
            .tls_certs_only([])
            .timeout(TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build()
            .map_err(|error| silent(chain(&error)))?;
        let asked = read(http.get(format!("{BASE}/-/healthy"))).await;
        let greeting = asked.map_err(|problem| silent(problem.detail))?;
        Ok(Client { http, greeting })
    }

    /// What the daemon said about itself.
    pub fn greeting(&self) -> &Greeting {
        &self.greeting
    }

    /// As [`super::Service::enrol`].
    pub async fn enrol(&self, lines: &[Wanted]) -> Answer<Vec<EnrolResult>> {
        let mut body = String::new();
        for wanted in lines {
            body.push_str(&wanted.to_json());
            body.push('\n');
        }
        let request = self.request(Method::POST, "/v1/tracked:batch")?;
        let response = sent(request.header("content-type", JSON_LINES).body(body)).await?;
        let text = response.bytes().await.map_err(|error| broken(&error))?;
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).map_err(|error| garbled(&error))).collect()
    }

    /// As [`super::Service::list`].
    pub async fn list(&self, request: &ListRequest) -> Answer<Listing<Record>> {
        read(self.http.get(with_query("/v1/tracked", request)?)).await
    }

    /// As [`super::Service::show`].
    pub async fn show(&self, selector: &Selector) -> Answer<Shown> {
        read(self.request(Method::GET, &address("tracked", selector))?).await
    }

    /// As [`super::Service::explain`].
    pub async fn explain(&self, selector: &Selector) -> Answer<Explanation> {
        read(self.request(Method::GET, &address("explain", selector))?).await
    }

    /// As [`super::Service::poll`].
    pub async fn poll(&self, request: &PollRequest) -> Answer<PollAnswer> {
        self.post("/v1/poll", request).await
    }

    /// As [`super::Service::forget`]; the daemon sees who asks.
    pub async fn forget(&self, selector: &Selector) -> Answer<Forgotten> {
        read(self.request(Method::DELETE, &address("tracked", selector))?).await
    }

    /// As [`super::Service::accept`]; the daemon sees who asks.
    pub async fn accept(&self, selector: &Selector) -> Answer<AcceptedObject> {
        read(self.request(Method::POST, &address("accept", selector))?).await
    }

    /// As [`super::Service::batch`].
    pub async fn batch(&self, request: &BatchRequest) -> Answer<BatchAnswer> {
        self.post("/v1/batches", request).await
    }

    /// As [`super::Service::call`].
    pub async fn call(&self, request: &CallRequest) -> Answer<CallAnswer> {
        self.post("/v1/calls", request).await
    }

    /// As [`super::Service::provider_reports`].
    pub async fn provider_reports(&self, request: &FetchRequest) -> Answer<FetchAnswer> {
        self.post("/v1/provider-reports", request).await
    }

    /// As [`super::Service::status`].
    pub async fn status(&self) -> Answer<Status> {
        read(self.request(Method::GET, "/v1/status")?).await
    }

    /// As [`super::Service::alerts`].
    pub async fn alerts(&self, request: &AlertsRequest) -> Answer<Listing<AlertRow>> {
        read(self.http.get(with_query("/v1/alerts", request)?)).await
    }

    /// As [`super::Service::redeliver`].
    pub async fn redeliver(&self, request: &RedeliverRequest) -> Answer<Redelivered> {
        self.post("/v1/alerts:redeliver", request).await
    }

    /// As [`super::Service::test_alerts`].
    pub async fn test_alerts(&self, request: &TestRequest) -> Answer<Vec<Tested>> {
        self.post("/v1/alerts:test", request).await
    }

    /// As [`super::Service::report`].
    pub async fn report(&self, date: Option<Date>) -> Answer<ReportMade> {
        let day = date.map_or_else(|| "latest".to_owned(), |date| date.to_string());
        self.post(&format!("/v1/reports/{day}:run"), &()).await
    }

    /// As [`super::Service::reload`].
    pub async fn reload(&self) -> Answer<Reloaded> {
        self.post("/v1/reload", &()).await
    }

    /// As [`super::Service::self_check`].
    pub async fn self_check(&self) -> Answer<CheckReport> {
        self.post("/v1/store:check", &()).await
    }

    /// As [`super::Service::backup`].
    pub async fn backup(&self, request: &BackupRequest) -> Answer<BackupReport> {
        self.post("/v1/store:backup", request).await
    }

    /// As [`super::Service::compact`].
    pub async fn compact(&self) -> Answer<Compacted> {
        self.post("/v1/store:compact", &()).await
    }

    /// As [`super::Service::store_stats`].
    pub async fn store_stats(&self) -> Answer<Stats> {
        read(self.request(Method::GET, "/v1/store")?).await
    }

    fn request(&self, method: Method, path: &str) -> Answer<RequestBuilder> {
        Ok(self.http.request(method, url(path)?))
    }

    async fn post<Q: Serialize, A: DeserializeOwned>(&self, path: &str, question: &Q) -> Answer<A> {
        let body = serde_json::to_vec(question).expect("messages have text keys only");
        let request = self.request(Method::POST, path)?.header("content-type", "application/json");
        read(request.timeout(SLOW_TIMEOUT).body(body)).await
    }
}

fn url(path: &str) -> Answer<Url> {
    let bad = |_| Problem::new(Cause::Malformed, format!("{path:?} cannot be an address"), "");
    Url::parse(&format!("{BASE}{path}")).map_err(bad)
}

/// Names have no letter that needs escaping in an address; `~` leaves a part open. Only `.` and `..` would be
/// taken out, as they are and escaped: they are escaped twice.
fn address(verb: &str, selector: &Selector) -> String {
    let account = selector.account.as_ref().map_or("~", |account| account.as_str());
    let kind = selector.kind.as_ref().map_or("~", |kind| kind.as_str());
    let id = selector.id.as_str();
    let id = if selector.id.is_folded_in_paths() { id.replace('.', "%252E") } else { id.to_owned() };
    format!("/v1/{verb}/{account}/{kind}/{id}")
}

fn with_query(path: &str, request: &impl Serialize) -> Answer<Url> {
    let mut url = url(path)?;
    let value = serde_json::to_value(request).expect("messages have text keys only");
    for (key, value) in value.as_object().into_iter().flatten() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        url.query_pairs_mut().append_pair(key, &text);
    }
    Ok(url)
}

async fn sent(request: RequestBuilder) -> Answer<Response> {
    let response = request.send().await.map_err(|error| broken(&error))?;
    if response.status().is_success() {
        return Ok(response);
    }
    let status = response.status();
    let body = response.bytes().await.map_err(|error| broken(&error))?;
    Err(serde_json::from_slice(&body).unwrap_or_else(|_| {
        Problem::new(
            Cause::Unavailable,
            format!("the daemon answered {status} without a reason"),
            "see its log",
        )
    }))
}

async fn read<T: DeserializeOwned>(request: RequestBuilder) -> Answer<T> {
    let body = sent(request).await?.bytes().await.map_err(|error| broken(&error))?;
    serde_json::from_slice(&body).map_err(|error| garbled(&error))
}

fn broken(error: &reqwest::Error) -> Problem {
    let remedy = "see whether the daemon still runs, and its log; the request may be repeated";
    Problem::new(Cause::Unavailable, format!("the daemon did not answer: {}", chain(error)), remedy)
}

fn garbled(error: &serde_json::Error) -> Problem {
    let remedy = "is the daemon of another version? restart it after an upgrade";
    Problem::new(Cause::Unavailable, format!("the daemon's answer cannot be read: {error}"), remedy)
}

/// The innermost reason: the outer ones only repeat the address.
fn chain(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
