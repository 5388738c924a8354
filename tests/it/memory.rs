//! The network in memory: requests reach the simulator without a socket, under the same virtual time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use amazon_pay_simulator::Simulator;
use amazon_pay_simulator::exchange::{Carriage, Incoming, Outgoing};
use aws_lc_rs::digest;
use reconciled::clock::SharedClock;
use reconciled::http::{BoxFuture, Request, Response, Transport, TransportError};

/// Carries requests and messages to the simulator; each takes a little time each way.
#[derive(Clone)]
pub struct Memory {
    simulator: Arc<Simulator>,
    clock: SharedClock,
    sent: Arc<AtomicU64>,
    /// Requests that contain this text are answered with this status and nothing else.
    refused: Arc<Mutex<Option<(String, u16)>>>,
    /// Answers of hosts other than the simulator, by URL, and how often each was requested.
    pages: Arc<Mutex<BTreeMap<String, (Response, u64)>>>,
    /// The SHA-256 of every answer that arrived, in hexadecimal.
    digests: Arc<Mutex<BTreeSet<String>>>,
    travel: Duration,
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Memory")
    }
}

enum Lost {
    Hung,
    Broken,
    TooLarge,
}

impl Memory {
    pub fn new(simulator: Arc<Simulator>, clock: SharedClock, travel: Duration) -> Memory {
        Memory {
            simulator,
            clock,
            sent: Arc::default(),
            refused: Arc::default(),
            pages: Arc::default(),
            digests: Arc::default(),
            travel,
        }
    }

    /// From now on requests about `id` are answered with `status`, those about others and alerts as before.
    pub fn refuse(&self, id: &str, status: u16) {
        *self.refused.lock().unwrap() = Some((id.to_owned(), status));
    }

    /// From now on this URL is answered so, whatever the simulator knows.
    pub fn serve(&self, url: &str, status: u16, body: &[u8]) {
        self.serve_with(url, status, Vec::new(), body);
    }

    /// The same with headers.
    pub fn serve_with(&self, url: &str, status: u16, headers: Vec<(String, String)>, body: &[u8]) {
        let response = Response { status, headers, body: body.to_vec() };
        let mut pages = self.pages.lock().unwrap();
        let requests = pages.get(url).map_or(0, |(_, requests)| *requests);
        pages.insert(url.to_owned(), (response, requests));
    }

    /// Whether an answer with this SHA-256 arrived.
    pub fn has_answered(&self, sha256: &str) -> bool {
        self.digests.lock().unwrap().contains(sha256)
    }

    /// How often a served URL was requested.
    pub fn requested(&self, url: &str) -> u64 {
        self.pages.lock().unwrap().get(url).map_or(0, |(_, requests)| *requests)
    }

    fn page(&self, request: &Request) -> Option<Response> {
        let mut pages = self.pages.lock().unwrap();
        let (response, requests) = pages.get_mut(&request.url)?;
        *requests += 1;
        Some(response.clone())
    }

    fn refusal(&self, request: &Request) -> Option<Response> {
        let refused = self.refused.lock().unwrap();
        let (id, status) = refused.as_ref().filter(|_| !request.is_beginning_enough)?;
        let is_named = request.url.contains(id.as_str())
            || request.body.windows(id.len()).any(|window| window == id.as_bytes());
        is_named.then(|| Response { status: *status, headers: Vec::new(), body: Vec::new() })
    }

    /// A travel time that differs from request to request in a fixed pattern: up to twice the usual.
    fn leg(&self) -> Duration {
        let number = self.sent.fetch_add(1, Ordering::SeqCst);
        self.travel * u32::try_from(number.wrapping_mul(7919) % 21).unwrap_or(0) / 10
    }

    async fn exchange(
        &self,
        method: &str,
        url: &str,
        headers: &[(&'static str, String)],
        body: &[u8],
        longest_body: usize,
    ) -> Result<Outgoing, Lost> {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let (host, target) = rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash));
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        self.clock.sleep(self.leg()).await;
        let mut headers: Vec<(String, String)> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        headers.push(("host".to_owned(), host.to_owned()));
        let outgoing = self.simulator.answer(Incoming {
            method: method.to_owned(),
            host: host.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers,
            body: body.to_vec(),
            at: self.clock.now(),
        });
        self.clock.sleep(self.leg()).await;
        match outgoing.carriage {
            Carriage::Whole if outgoing.body.len() > longest_body => Err(Lost::TooLarge),
            Carriage::Whole => Ok(outgoing),
            Carriage::CutAfter(_) | Carriage::Reset => Err(Lost::Broken),
            Carriage::Hang | Carriage::HangAfter(_) => Err(Lost::Hung),
            Carriage::Drip(bytes_a_second) => {
                let seconds = outgoing.body.len() as u64 / u64::from(bytes_a_second.max(1));
                self.clock.sleep(Duration::from_secs(seconds)).await;
                Ok(outgoing)
            }
            Carriage::Repeat(_) => Err(Lost::TooLarge),
        }
    }
}

impl Transport for Memory {
    fn send<'a>(&'a self, request: Request) -> BoxFuture<'a, Result<Response, TransportError>> {
        Box::pin(async move {
            if let Some(refusal) = self.refusal(&request).or_else(|| self.page(&request)) {
                self.clock.sleep(self.leg()).await;
                return Ok(refusal);
            }
            let (method, limit) = (request.method.as_str(), request.longest_body);
            let exchange = self.exchange(method, &request.url, &request.headers, &request.body, limit);
            let deadline = self.clock.sleep(request.deadline);
            let answered = tokio::select! {
                answered = exchange => answered,
                () = deadline => return Err(TransportError::Timeout),
            };
            match answered {
                Ok(outgoing) => {
                    let hash = digest::digest(&digest::SHA256, &outgoing.body);
                    let hash = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
                    self.digests.lock().unwrap().insert(hash);
                    Ok(Response { status: outgoing.status, headers: outgoing.headers, body: outgoing.body })
                }
                Err(Lost::Hung) => {
                    self.clock.sleep(request.deadline).await;
                    Err(TransportError::Timeout)
                }
                Err(Lost::Broken) => Err(TransportError::Broken("in memory".to_owned())),
                Err(Lost::TooLarge) => Err(TransportError::TooLarge { longest_body: limit }),
            }
        })
    }
}
