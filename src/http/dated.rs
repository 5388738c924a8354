//! Passes the `Date` header of every answer to the clock.
//!
//! Owns: which host sent it. Must never know: what the clock does with it.

use std::sync::Arc;

use super::{BoxFuture, Request, Response, Transport, TransportError};
use crate::clock::{Clock, JudgedClock};

/// A transport that passes the date of every answer to a clock.
pub struct DatedTransport {
    inner: Arc<dyn Transport>,
    clock: Arc<JudgedClock>,
}

impl DatedTransport {
    /// Sends through `inner`; `clock` receives the dates.
    pub fn over(inner: Arc<dyn Transport>, clock: Arc<JudgedClock>) -> DatedTransport {
        DatedTransport { inner, clock }
    }
}

impl Transport for DatedTransport {
    fn send<'a>(&'a self, request: Request) -> BoxFuture<'a, Result<Response, TransportError>> {
        Box::pin(async move {
            let host = host(&request.url).to_owned();
            let began = self.clock.monotonic();
            let answer = self.inner.send(request).await;
            if let Ok(response) = &answer
                && let Some(date) = response.date()
            {
                self.clock.hear(&host, date, began);
            }
            answer
        })
    }
}

/// The host of an absolute URL without its port, because one machine has one clock.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|letter| letter.is_ascii_digit()) => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_told_apart_by_name() {
        for (url, expected) in [
            ("https://pay-api.amazon.eu/live/v2/charges/S02-1", "pay-api.amazon.eu"),
            ("http://127.0.0.1:9?a=b/c:d", "127.0.0.1"),
            ("https://mws.amazonservices.com", "mws.amazonservices.com"),
            ("https://[::1]:443/", "[::1]"),
        ] {
            assert_eq!(host(url), expected);
        }
    }
}
