//! How a message travels: one HTTP POST.
//!
//! Owns: deadlines, body limits, which addresses are refused (docs/src/reference/operations.md, section 2.4).
//! Must never know: what a message says. Errors never hold the address, because the address is a secret.

use std::fmt::Debug;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;

use super::classify::Answer;
use super::target::Outgoing;
use crate::http::connections::Connections;

/// How much of an answer is read, in bytes: enough for any chat's error word.
const LONGEST_ANSWER: usize = 64 * 1024;

/// An answer, or why there was none, some time later.
pub type Posting<'a> = Pin<Box<dyn Future<Output = Result<Answer, PostError>> + Send + 'a>>;

/// Something that can send.
pub trait Post: Debug + Send + Sync {
    /// Sends once. No retry inside.
    fn post<'a>(&'a self, outgoing: &'a Outgoing) -> Posting<'a>;
}

/// Why no answer came. The text never holds an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// The address is not one that we send to; asking again will not help.
    #[error("the address is refused: {0}")]
    Address(&'static str),
    /// No connection, or its name or certificate is not good.
    #[error("no connection")]
    Connect,
    /// Nothing within the deadline.
    #[error("no answer in time")]
    Timeout,
    /// The connection broke.
    #[error("the connection broke")]
    Broken,
}

/// The client that cannot be made, for lack of root certificates.
#[derive(Debug, thiserror::Error)]
#[error("the HTTPS client cannot be made: are there root certificates (package ca-certificates)?")]
pub struct NoClient;

/// The real one.
#[derive(Debug, Clone)]
pub struct HttpPost {
    client: reqwest::Client,
}

impl HttpPost {
    /// A client that connects directly, by the system's roots.
    ///
    /// # Errors
    /// When there are no root certificates.
    pub fn new() -> Result<HttpPost, NoClient> {
        HttpPost::over(&Connections::default())
    }

    /// A client that connects so, follows no redirect, reads no environment, and refuses link-local
    /// addresses (where clouds keep credentials) even when a name leads there. What a name behind a proxy
    /// leads to is the proxy's to judge.
    ///
    /// # Errors
    /// When there are no root certificates.
    pub fn over(connections: &Connections) -> Result<HttpPost, NoClient> {
        let client = connections
            .builder()
            .redirect(Policy::none())
            .dns_resolver(Arc::new(Careful))
            .connect_timeout(Duration::from_secs(10))
            .pool_idle_timeout(Duration::from_secs(15))
            .pool_max_idle_per_host(1)
            .user_agent(concat!("reconciled/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|_| NoClient)?;
        Ok(HttpPost { client })
    }

    async fn send(&self, outgoing: &Outgoing) -> Result<Answer, PostError> {
        let url = checked_address(outgoing.url.expose())?;
        let mut request = self.client.post(url).timeout(outgoing.timeout).body(outgoing.body.clone());
        for (name, value) in &outgoing.headers {
            request = request.header(*name, value);
        }
        let mut response = request.send().await.map_err(|error| class(&error))?;
        let header = |name: &str| {
            let value = response.headers().get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        let mut answer = Answer {
            status: response.status().as_u16(),
            retry_after: header("retry-after"),
            date: header("date"),
            body: Vec::new(),
        };
        while answer.body.len() < LONGEST_ANSWER {
            // The status has decided already, so a body that breaks off is cut, not an error.
            let Ok(Some(chunk)) = response.chunk().await else { break };
            let room = LONGEST_ANSWER - answer.body.len();
            answer.body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        }
        Ok(answer)
    }
}

impl Post for HttpPost {
    fn post<'a>(&'a self, outgoing: &'a Outgoing) -> Posting<'a> {
        Box::pin(self.send(outgoing))
    }
}

fn class(error: &reqwest::Error) -> PostError {
    if error.is_timeout() {
        PostError::Timeout
    } else if error.is_connect() {
        PostError::Connect
    } else {
        PostError::Broken
    }
}

/// Reads an address and applies the rules: https, or http to this host; no credentials in it; not link-local.
///
/// # Errors
/// Says which rule, never the address.
pub fn checked_address(text: &str) -> Result<reqwest::Url, PostError> {
    let url = reqwest::Url::parse(text).map_err(|_| PostError::Address("it is not a URL"))?;
    let host = url.host_str().ok_or(PostError::Address("it names no host"))?;
    let literal: Option<IpAddr> = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
    let is_loopback = literal.map_or(host == "localhost", |address| address.to_canonical().is_loopback());
    match url.scheme() {
        "https" => {}
        "http" if is_loopback => {}
        "http" => return Err(PostError::Address("it must be https (http only to this host)")),
        _ => return Err(PostError::Address("it must be https")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(PostError::Address("it must not hold a user name or password"));
    }
    if literal.is_some_and(is_link_local) {
        return Err(PostError::Address("link-local addresses are refused"));
    }
    Ok(url)
}

fn is_link_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_link_local() || address.is_unspecified(),
        IpAddr::V6(address) => address.is_unicast_link_local() || address.is_unspecified(),
    }
}

/// Resolves names as the system does and leaves out addresses that are refused. The connection goes to the
/// very addresses that were checked.
#[derive(Debug)]
struct Careful;

impl Resolve for Careful {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let kept: Vec<SocketAddr> = found.filter(|address| !is_link_local(address.ip())).collect();
            if kept.is_empty() {
                return Err("no address that may be used".into());
            }
            Ok(Box::new(kept.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// Answers one connection with `answer`, returns what was asked.
    async fn one_answer(answer: Vec<u8>) -> (String, tokio::task::JoinHandle<String>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            let mut buffer = [0; 4096];
            while !asked.ends_with(b"the body") {
                let read = stream.read(&mut buffer).await.unwrap();
                assert!(read > 0, "the request ended early");
                asked.extend_from_slice(&buffer[..read]);
            }
            let _ = stream.write_all(&answer).await;
            String::from_utf8(asked).unwrap()
        });
        (format!("http://{address}/canary"), served)
    }

    fn outgoing(url: &str, timeout_ms: u64) -> Outgoing {
        Outgoing {
            url: Secret::new(url.to_owned()),
            headers: vec![("webhook-id", "evt_1".to_owned())],
            body: b"the body".to_vec(),
            timeout: Duration::from_millis(timeout_ms),
        }
    }

    #[tokio::test]
    async fn a_message_travels_with_its_headers_and_bytes() {
        let date = "Thu, 15 Jan 2026 09:30:00 GMT".to_owned();
        let reply =
            format!("HTTP/1.1 429 Slow\r\nretry-after: 7\r\ndate: {date}\r\ncontent-length: 4\r\n\r\nslow");
        let reply = reply.into_bytes();
        let (url, served) = one_answer(reply).await;
        let answer = HttpPost::new().unwrap().post(&outgoing(&url, 10_000)).await.unwrap();
        let expected = Answer { status: 429, retry_after: Some("7".to_owned()), ..Answer::default() };
        assert_eq!(answer, Answer { date: Some(date), body: b"slow".to_vec(), ..expected });
        let asked = served.await.unwrap();
        assert!(asked.starts_with("POST /canary HTTP/1.1\r\n"), "{asked}");
        assert!(
            asked.contains("webhook-id: evt_1\r\n") && asked.contains("user-agent: reconciled/"),
            "{asked}"
        );
        assert!(asked.ends_with("\r\n\r\nthe body"), "{asked}");
    }

    #[tokio::test]
    async fn messages_take_the_configured_proxy_and_local_ones_do_not() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = format!("http://{}", listener.local_addr().unwrap());
        let asked = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = vec![0; 4096];
            let read = stream.read(&mut asked).await.unwrap();
            String::from_utf8_lossy(&asked[..read]).into_owned()
        });
        let post = HttpPost::over(&Connections::default().through(&proxy, "").unwrap()).unwrap();
        let (url, _served) = one_answer(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec()).await;
        assert_eq!(post.post(&outgoing(&url, 10_000)).await.unwrap().status, 200, "directly");
        let far = post.post(&outgoing("https://chat.invalid/canary", 10_000)).await.unwrap_err();
        assert_eq!(far, PostError::Connect);
        assert!(asked.await.unwrap().starts_with("CONNECT chat.invalid:443 HTTP/1.1\r\n"));
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_is_not_followed() {
        let reply =
            b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".to_vec();
        let (url, _served) = one_answer(reply).await;
        let answer = HttpPost::new().unwrap().post(&outgoing(&url, 10_000)).await.unwrap();
        assert_eq!(answer.status, 302);
    }

    #[tokio::test]
    async fn a_huge_answer_is_cut() {
        let mut reply = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n".to_vec();
        reply.extend(vec![b'x'; 1_000_000]);
        let (url, _served) = one_answer(reply).await;
        let answer = HttpPost::new().unwrap().post(&outgoing(&url, 10_000)).await.unwrap();
        assert_eq!(answer.body.len(), LONGEST_ANSWER);
    }

    #[tokio::test]
    async fn failures_are_told_without_the_address() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let hanging = format!("http://{}/canary", silent.local_addr().unwrap());
        let post = HttpPost::new().unwrap();
        let timeout = post.post(&outgoing(&hanging, 50)).await.unwrap_err();
        assert_eq!(timeout, PostError::Timeout);
        let refused = post.post(&outgoing("http://127.0.0.1:1/canary", 5_000)).await.unwrap_err();
        assert_eq!(refused, PostError::Connect);
        for error in [timeout, refused] {
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
    }

    #[test]
    fn addresses_are_checked_by_the_rules() {
        for good in [
            "https://hooks.slack.com/services/T/B/x",
            "http://127.0.0.1:8080/x",
            "http://[::1]:8080/x",
            "http://localhost/x",
            "https://10.0.0.7/hook",
        ] {
            assert!(checked_address(good).is_ok(), "{good}");
        }
        for bad in [
            "http://hooks.slack.com/canary",
            "https://169.254.169.254/canary",
            "https://[fe80::1]/canary",
            "https://[::ffff:169.254.169.254]/canary",
            "https://0.0.0.0/canary",
            "https://user:pass@host/canary",
            "ftp://host/canary",
            "file:///canary",
            "canary",
            "",
        ] {
            let error = checked_address(bad).unwrap_err();
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }
}
