//! The network in memory, with an observer and the fuse.
//!
//! A request that has left arrives even when the daemon dies or gives up meanwhile, and the provider counts
//! it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use amazon_pay_simulator::Simulator;
use amazon_pay_simulator::exchange::{Carriage, Incoming, Outgoing};
use amazon_pay_simulator::provider::Random;
use reconciled::clock::Clock;
use reconciled::http::{BoxFuture, Request, Response, Transport, TransportError};

use super::clock::{TrueClock, WorldTime};
use super::fuse::Fuse;
use super::log::{Event, Log, PAGER, ROOM, Reading};

/// The network of one run.
#[derive(Clone)]
pub struct Wire {
    pub simulator: Arc<Simulator>,
    pub time: Arc<WorldTime>,
    pub fuse: Fuse,
    pub log: Log,
    /// Ids about which every request is refused.
    pub refused: Arc<Mutex<BTreeSet<String>>>,
    pub seed: u64,
    /// A request arrives when it leaves, so that a process that stands still does not delay it.
    pub is_quick: bool,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Wire")
    }
}

/// A request on its way to the provider.
struct Travelling<'a> {
    wire: &'a Wire,
    request: Option<Incoming>,
}

impl Travelling<'_> {
    fn arrive(&mut self) -> Option<Outgoing> {
        let mut request = self.request.take()?;
        request.at = self.wire.time.now();
        Some(self.wire.simulator.answer(request))
    }
}

impl Drop for Travelling<'_> {
    fn drop(&mut self) {
        self.arrive();
    }
}

enum Lost {
    Hung,
    Broken,
    TooLarge,
}

impl Wire {
    /// A travel time: usually some 40 ms, sometimes a second.
    fn leg(&self) -> Duration {
        let ordinal = u64::try_from(self.time.elapsed().as_nanos()).unwrap_or(0);
        let mut random = Random::for_matter(self.seed, "leg", ordinal);
        let slowest_ms = if random.below(50) == 0 { 1500 } else { 80 };
        Duration::from_millis(random.below(slowest_ms))
    }

    /// The way to the other side.
    async fn leave(&self, clock: &TrueClock) {
        if !self.is_quick {
            clock.sleep(self.leg()).await;
        }
    }

    async fn exchange(&self, request: Incoming, longest_body: usize) -> Result<(Outgoing, Duration), Lost> {
        self.fuse.step().await;
        let clock = TrueClock(Arc::clone(&self.time));
        let mut travelling = Travelling { wire: self, request: Some(request) };
        self.leave(&clock).await;
        let answer = travelling.arrive().expect("it arrives once");
        let made = self.time.elapsed();
        clock.sleep(self.leg()).await;
        match answer.carriage {
            Carriage::Whole if answer.body.len() > longest_body => Err(Lost::TooLarge),
            Carriage::Whole => Ok((answer, made)),
            Carriage::CutAfter(_) | Carriage::Reset => Err(Lost::Broken),
            Carriage::Hang | Carriage::HangAfter(_) => std::future::pending().await,
            Carriage::Drip(bytes_a_second) => {
                let seconds = answer.body.len() as u64 / u64::from(bytes_a_second.max(1));
                clock.sleep(Duration::from_secs(seconds)).await;
                Ok((answer, made))
            }
            Carriage::Repeat(_) => Err(Lost::TooLarge),
        }
    }

    fn incoming(&self, method: &str, url: &str, headers: &[(&'static str, String)], body: &[u8]) -> Incoming {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let (host, target) = rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash));
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let named = headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        Incoming {
            method: method.to_owned(),
            host: host.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: named.chain([("host".to_owned(), host.to_owned())]).collect(),
            body: body.to_vec(),
            at: self.time.now(),
        }
    }

    fn refuses(&self, id: &str) -> bool {
        self.refused.lock().expect("nobody panics").contains(id)
    }

    fn note(&self, event: Event) {
        self.log.add(self.time.elapsed(), self.time.used(), event);
    }
}

/// The id that a request is about, and the operation whose quota it uses.
fn asked(request: &Request) -> (String, String) {
    let body = String::from_utf8_lossy(&request.body);
    if body.is_empty() {
        let mut parts = request.url.rsplit('/');
        let id = parts.next().unwrap_or_default().to_owned();
        return (id, parts.next().unwrap_or_default().to_owned());
    }
    let field = |wanted: &dyn Fn(&str) -> bool| {
        let mut pairs = body.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(name, _)| wanted(name)).map(|(_, value)| value.to_owned()).unwrap_or_default()
    };
    let id = field(&|name| name.starts_with("Amazon") && name.ends_with("Id"));
    (id, field(&|name| name == "Action"))
}

fn read(id: &str, answer: &Outgoing) -> Reading {
    let body = String::from_utf8_lossy(&answer.body);
    let is_xml = body.trim_start().starts_with('<');
    match answer.status {
        200 => {}
        404 => return Reading::NotFound,
        429 => return throttled(answer),
        503 if body.contains("RequestThrottled") => return throttled(answer),
        _ if body.contains("InvalidTransactionId") => return Reading::NotFound,
        _ => return Reading::Bad,
    }
    let state = if is_xml { between(&body, "<State>", "<") } else { between(&body, "\"state\":\"", "\"") };
    let Some(state) = state else { return Reading::Bad };
    let reason =
        if is_xml { between(&body, "<ReasonCode>", "<") } else { between(&body, "\"reasonCode\":\"", "\"") };
    let kind = answer.header("content-type").unwrap_or_default();
    let own_ids = [format!(">{id}<"), format!("Id\":\"{id}\"")];
    Reading::Good {
        is_own_type: kind.contains(if is_xml { "xml" } else { "json" }),
        has_own_id: own_ids.iter().any(|own| body.contains(own.as_str())),
        state,
        reason,
    }
}

/// "You may not read this one."
fn refusal(url: &str, answer: Outgoing) -> Outgoing {
    let is_v2 = url.contains("/charges/") || url.contains("/refunds/");
    let (status, body) = if is_v2 {
        (403, r#"{"reasonCode":"UnauthorizedAccess","message":"You are not authorized."}"#)
    } else {
        (
            403,
            "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>No.</Message></Error></ErrorResponse>",
        )
    };
    Outgoing { status, body: body.as_bytes().to_vec(), ..answer }
}

fn throttled(answer: &Outgoing) -> Reading {
    let wait = answer.header("retry-after").and_then(|text| text.parse().ok());
    Reading::Throttled { retry_after: wait.map(Duration::from_secs) }
}

fn between(text: &str, start: &str, end: &str) -> Option<String> {
    let rest = &text[text.find(start)? + start.len()..];
    Some(rest[..rest.find(end)?].to_owned())
}

impl Transport for Wire {
    /// An alert target's answer is judged by its beginning, a provider's never.
    fn send<'a>(&'a self, request: Request) -> BoxFuture<'a, Result<Response, TransportError>> {
        match request.is_beginning_enough {
            true => Box::pin(self.tell(request)),
            false => Box::pin(self.ask(request)),
        }
    }
}

impl Wire {
    async fn ask(&self, request: Request) -> Result<Response, TransportError> {
        let (id, operation) = asked(&request);
        let incoming = self.incoming(request.method.as_str(), &request.url, &request.headers, &request.body);
        self.note(Event::Asked { id: id.clone(), operation: operation.clone() });
        let clock = TrueClock(Arc::clone(&self.time));
        let answered = tokio::select! {
            answered = self.exchange(incoming, request.longest_body) => answered,
            () = clock.sleep(request.deadline) => Err(Lost::Hung),
        };
        let answered = answered.map(|(answer, made)| match self.refuses(&id) && answer.status == 200 {
            true => (refusal(&request.url, answer), made),
            false => (answer, made),
        });
        let (made, reading) = match &answered {
            Ok((answer, made)) => (*made, read(&id, answer)),
            Err(_) => (self.time.elapsed(), Reading::Bad),
        };
        self.fuse.step().await;
        self.note(Event::Answered { id, operation, made, reading });
        match answered {
            Ok((answer, _)) => {
                Ok(Response { status: answer.status, headers: answer.headers, body: answer.body })
            }
            Err(Lost::Hung) => Err(TransportError::Timeout),
            Err(Lost::Broken) => Err(TransportError::Broken("in memory".to_owned())),
            Err(Lost::TooLarge) => Err(TransportError::TooLarge { longest_body: request.longest_body }),
        }
    }

    async fn tell(&self, message: Request) -> Result<Response, TransportError> {
        let incoming = self.incoming("POST", &message.url, &message.headers, &message.body);
        let body: serde_json::Value = serde_json::from_slice(&message.body).unwrap_or_default();
        let path =
            |path: &str| body.pointer(path).and_then(|word| word.as_str()).unwrap_or_default().to_owned();
        let said = |target, key, title| Event::Said {
            target,
            key,
            title,
            text: body.to_string(),
            is_accepted: false,
        };
        let event = match incoming.path.as_str() {
            "/hooks/json" => Event::Told {
                key: incoming.header("webhook-id").unwrap_or_default().to_owned(),
                kind: path("/data/kind"),
                id: path("/data/object/id"),
                is_accepted: false,
            },
            "/v2/enqueue" => said(PAGER, path("/dedup_key"), path("/payload/summary")),
            _ => said(ROOM, String::new(), path("/text")),
        };
        // It counts as delivered when it is accepted, even if the daemon dies before the answer.
        let told = |was_accepted: bool| {
            let mut event = event;
            if let Event::Told { is_accepted, .. } | Event::Said { is_accepted, .. } = &mut event {
                *is_accepted = was_accepted;
            }
            self.note(event);
        };
        self.fuse.step().await;
        let clock = TrueClock(Arc::clone(&self.time));
        let mut travelling = Travelling { wire: self, request: Some(incoming) };
        self.leave(&clock).await;
        let answer = travelling.arrive().ok_or(TransportError::Broken("in memory".to_owned()))?;
        told((200..300).contains(&answer.status));
        self.fuse.step().await;
        clock.sleep(self.leg()).await;
        self.fuse.step().await;
        Ok(Response { status: answer.status, headers: answer.headers, body: answer.body })
    }
}
