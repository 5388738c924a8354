//! The network.
//!
//! Owns: the one HTTP client. Must never know: what it carries.
//!
//! One connection pool for all accounts and alert targets. HTTP/1.1, TLS 1.2 or newer, no redirects, no cookies, no
//! decompression, no retries. Proxy and root certificates come from [`Connections`]. The environment's proxy variables
//! alone are ignored: payments go where the configuration says.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::Resolve;
use reqwest::{Client, Method as HttpMethod, redirect, retry};
use rustls::CertificateError;

use super::address::Reach;
use super::connections::Connections;
use super::{BoxFuture, Method, Request, Response, Transport, TransportError, address};

/// Below the idle timeout of load balancers (60 s and more), so that no idle connection closes during a request.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(15);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The client that carries every request to providers and alert targets.
#[derive(Debug, Clone)]
pub struct HttpClient {
    client: Client,
    reach: Reach,
}

/// Why no HTTP client could be created.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The extra certificate is not a PEM certificate.
    #[error("the extra root certificate is not a PEM certificate")]
    Certificate,
    /// TLS could not be set up, usually because the machine has no root certificates.
    #[error("cannot create an HTTPS client; is the package ca-certificates installed?")]
    Client(#[source] reqwest::Error),
}

impl HttpClient {
    /// A client without a proxy that trusts the system's root certificates and those in
    /// `extra_root_certificate_pem`.
    ///
    /// # Errors
    /// When the extra text holds no usable certificate, or TLS cannot be set up.
    pub fn new(extra_root_certificate_pem: Option<&[u8]>) -> Result<HttpClient, SetupError> {
        let direct = Connections::default();
        HttpClient::over(&match extra_root_certificate_pem {
            None => direct,
            Some(pem) => direct.trusting(pem).map_err(|_| SetupError::Certificate)?,
        })
    }

    /// A client that makes its connections this way.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn over(connections: &Connections) -> Result<HttpClient, SetupError> {
        HttpClient::reaching(connections, Reach::Networks)
    }

    /// The same, but it refuses addresses of private networks, also when a name resolves to one. Behind a proxy, the
    /// proxy resolves names and decides.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn to_the_internet(connections: &Connections) -> Result<HttpClient, SetupError> {
        HttpClient::reaching(connections, Reach::Internet)
    }

    fn reaching(connections: &Connections, reach: Reach) -> Result<HttpClient, SetupError> {
        let client = HttpClient::resolving(connections, Arc::new(address::CarefulResolver(reach)))?;
        Ok(HttpClient { reach, ..client })
    }

    /// The same, but every connection to a host name goes to `address`, whose certificate must still be for that name.
    /// For tests against a simulated provider.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn redirected(connections: &Connections, address: SocketAddr) -> Result<HttpClient, SetupError> {
        HttpClient::resolving(connections, Arc::new(address::FixedResolver(address)))
    }

    fn resolving<R: Resolve + 'static>(
        connections: &Connections,
        resolver: Arc<R>,
    ) -> Result<HttpClient, SetupError> {
        let client = connections
            .builder()
            .http1_only()
            .referer(false)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .dns_resolver(resolver)
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .build()
            .map_err(SetupError::Client)?;
        Ok(HttpClient { client, reach: Reach::Networks })
    }

    async fn exchange(&self, request: Request) -> Result<Response, TransportError> {
        let checked = match self.reach {
            Reach::Networks => address::checked(&request.url),
            Reach::Internet => address::checked_public(&request.url),
        };
        let url = checked.map_err(TransportError::Unsendable)?;
        let (longest_body, is_beginning_enough) = (request.longest_body, request.is_beginning_enough);
        let mut builder =
            self.client.request(method(request.method), url).timeout(request.deadline).body(request.body);
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        let mut response = builder.send().await.map_err(cause)?;
        let announced = response.content_length().unwrap_or(0);
        if announced > longest_body as u64 && !is_beginning_enough {
            return Err(TransportError::TooLarge { longest_body });
        }
        let mut body = Vec::new();
        loop {
            let chunk = match response.chunk().await {
                Ok(Some(chunk)) => chunk,
                Err(error) if !is_beginning_enough => return Err(cause(error)),
                Ok(None) | Err(_) => break,
            };
            let room = longest_body - body.len();
            if chunk.len() > room && !is_beginning_enough {
                return Err(TransportError::TooLarge { longest_body });
            }
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if is_beginning_enough && body.len() == longest_body {
                break;
            }
        }
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| {
                (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            })
            .collect();
        Ok(Response { status: response.status().as_u16(), headers, body })
    }
}

impl Transport for HttpClient {
    fn send<'a>(&'a self, request: Request) -> BoxFuture<'a, Result<Response, TransportError>> {
        Box::pin(self.exchange(request))
    }
}

fn method(method: Method) -> HttpMethod {
    match method {
        Method::Get => HttpMethod::GET,
        Method::Post => HttpMethod::POST,
        Method::Patch => HttpMethod::PATCH,
        Method::Delete => HttpMethod::DELETE,
    }
}

/// The kind of error, in our own words: the client's message would name the URL.
fn cause(error: reqwest::Error) -> TransportError {
    if error.is_builder() {
        return TransportError::Unsendable("its address or a header is not valid");
    }
    let origin = Origin::of(&error);
    if error.is_timeout() {
        TransportError::Timeout
    } else if let Some(tls) = origin.tls {
        TransportError::Tls(tls)
    } else if let Some(proxy) = origin.proxy {
        TransportError::Connect(proxy.to_owned())
    } else if error.is_dns() {
        TransportError::Connect("the host name cannot be resolved".to_owned())
    } else if error.is_connect() {
        TransportError::Connect(origin.words())
    } else {
        TransportError::Broken(origin.words())
    }
}

/// The root cause of an error chain.
#[derive(Default)]
struct Origin {
    tls: Option<String>,
    io: Option<io::ErrorKind>,
    proxy: Option<&'static str>,
}

impl Origin {
    fn of(error: &reqwest::Error) -> Origin {
        let mut origin = Origin::default();
        let mut next = error.source();
        while let Some(link) = next {
            origin.note(link);
            next = link.source();
        }
        origin
    }

    fn note(&mut self, link: &(dyn Error + 'static)) {
        if let Some(tls) = link.downcast_ref::<rustls::Error>() {
            self.tls = Some(tls_words(tls));
        } else if let Some(io) = link.downcast_ref::<io::Error>() {
            self.io = Some(io.kind());
            // An I/O error does not list the error that it wraps in its source chain.
            if let Some(inner) = io.get_ref() {
                self.note(inner);
            }
        } else {
            // The type of these errors is not public.
            self.proxy = self.proxy.or(match link.to_string().as_str() {
                "tunnel error: proxy authorization required" => {
                    Some("the proxy requires a user and password")
                }
                "tunnel error: failed to create underlying connection" => Some("the proxy cannot be reached"),
                text if text.starts_with("tunnel error: ") => Some("the proxy does not allow the connection"),
                _ => None,
            });
        }
    }

    fn words(&self) -> String {
        self.io.map_or_else(|| "it ended before the answer was complete".to_owned(), |kind| kind.to_string())
    }
}

/// Without names from the certificate: the other side controls those.
fn tls_words(error: &rustls::Error) -> String {
    let words = match error {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the certificate has expired"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "the certificate is not valid yet; is this machine's clock right?"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the certificate is for another name"
            }
            CertificateError::UnknownIssuer => "the certificate's issuer is not trusted here",
            CertificateError::Revoked => "the certificate was revoked",
            _ => "the certificate is not acceptable",
        },
        rustls::Error::AlertReceived(_) => "the other side refused the handshake",
        _ => "the handshake did not succeed",
    };
    words.to_owned()
}

#[cfg(test)]
mod tests;
