//! The network.
//!
//! Owns: the one HTTP client. Must never know: what it carries.
//!
//! One connection pool for all accounts. HTTP/1.1, TLS 1.2 or newer, no redirects, no cookies, no
//! decompression, no retries. Proxy and roots are those of [`Connections`]; the environment's proxy variables
//! alone are not obeyed: payments go where the configuration says.

use std::error::Error;
use std::io;
use std::time::Duration;

use reqwest::{Client, Method as HttpMethod, redirect, retry};
use rustls::CertificateError;

use super::{BoxFuture, Method, Request, Response, Transport, TransportError};
use crate::http::connections::Connections;

/// Below what load balancers allow (60 s and more), so that no idle connection closes under a request.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(15);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The network's transport.
#[derive(Debug, Clone)]
pub struct HttpTransport {
    client: Client,
}

/// Why no HTTP client could be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The extra certificate is no PEM certificate.
    #[error("the extra root certificate is not a PEM certificate")]
    Certificate,
    /// TLS could not be set up, usually because the machine has no root certificates.
    #[error("no HTTPS client can be made; is the package ca-certificates installed?")]
    Client(#[source] reqwest::Error),
}

impl HttpTransport {
    /// A client without a proxy that trusts the system's roots, and the certificates of
    /// `extra_root_certificate_pem`.
    ///
    /// # Errors
    /// When those are none, or TLS cannot be set up.
    pub fn new(extra_root_certificate_pem: Option<&[u8]>) -> Result<HttpTransport, SetupError> {
        let direct = Connections::default();
        HttpTransport::over(&match extra_root_certificate_pem {
            None => direct,
            Some(pem) => direct.trusting(pem).map_err(|_| SetupError::Certificate)?,
        })
    }

    /// A client that connects so.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn over(connections: &Connections) -> Result<HttpTransport, SetupError> {
        let client = connections
            .builder()
            .http1_only()
            .referer(false)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .build()
            .map_err(SetupError::Client)?;
        Ok(HttpTransport { client })
    }

    async fn exchange(&self, request: Request) -> Result<Response, TransportError> {
        let longest_body = request.longest_body;
        let mut builder = self
            .client
            .request(method(request.method), request.url.as_str())
            .timeout(request.deadline)
            .body(request.body);
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        let mut response = builder.send().await.map_err(cause)?;
        let is_announced_too_long =
            response.content_length().is_some_and(|length| length > longest_body as u64);
        if is_announced_too_long {
            return Err(TransportError::TooLarge { longest_body });
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(cause)? {
            if body.len() + chunk.len() > longest_body {
                return Err(TransportError::TooLarge { longest_body });
            }
            body.extend_from_slice(&chunk);
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

impl Transport for HttpTransport {
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

/// The kind of error, in words of our own: the client's would name the URL.
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

/// What lies at the bottom of an error chain.
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
            // An I/O error hides what it wraps from its source chain.
            if let Some(inner) = io.get_ref() {
                self.note(inner);
            }
        } else {
            // The type of these errors is not public.
            self.proxy = self.proxy.or(match link.to_string().as_str() {
                "tunnel error: proxy authorization required" => Some("the proxy wants a user and password"),
                "tunnel error: failed to create underlying connection" => Some("the proxy cannot be reached"),
                text if text.starts_with("tunnel error: ") => {
                    Some("the proxy does not let the connection through")
                }
                _ => None,
            });
        }
    }

    fn words(&self) -> String {
        self.io.map_or_else(|| "it ended before the answer was whole".to_owned(), |kind| kind.to_string())
    }
}

/// Without names from the certificate: those are the other side's text.
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
