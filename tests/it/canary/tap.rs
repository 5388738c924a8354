//! A tap on the network: records which secrets are sent, and puts canaries into the answers.

use std::sync::{Arc, Mutex};

use reconciled::http::{BoxFuture, Request, Response, Transport, TransportError};

use super::hunt::Canary;
/// In a header of every answer.
pub const HEADER: &str = "canary-in-a-header-8f2b61";
/// The text of every error.
pub const MESSAGE: &str = "canary in an error text 41c7d0";
/// Personal words that are too short or too common to search for, and their replacements.
pub const PERSONAL: [(&str, &str); 3] = [
    ("10117", "10117-canary-of-a-postal-code"),
    ("51147", "51147-canary-of-a-postal-code"),
    ("Berlin", "Canary-by-the-Spree"),
];

/// What the tap recorded.
#[derive(Debug, Default)]
pub struct Seen {
    /// Signatures and signed headers: they are canaries from then on.
    pub signed: Vec<String>,
    /// All traffic, to prove that the canaries were there at all.
    pub traffic: Vec<u8>,
    posts: u64,
}

#[derive(Clone)]
pub struct Tap {
    transport: Arc<dyn Transport>,
    seen: Arc<Mutex<Seen>>,
}

impl std::fmt::Debug for Tap {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Tap")
    }
}

impl Tap {
    pub fn new(transport: Arc<dyn Transport>) -> Tap {
        Tap { transport, seen: Arc::default() }
    }

    pub fn canaries(&self) -> Vec<Canary> {
        let seen = self.seen.lock().unwrap();
        seen.signed.iter().map(|text| Canary::new("a signature", text)).collect()
    }

    pub fn traffic(&self) -> Vec<u8> {
        self.seen.lock().unwrap().traffic.clone()
    }

    fn note_request(&self, request: &Request) {
        let mut seen = self.seen.lock().unwrap();
        seen.traffic.extend_from_slice(request.url.as_bytes());
        for (name, value) in &request.headers {
            seen.traffic.extend_from_slice(value.as_bytes());
            if *name == "authorization" {
                let signature = value.split("Signature=").nth(1).unwrap();
                seen.signed.push(signature.to_owned());
            }
        }
        seen.traffic.extend_from_slice(&request.body);
        let body = String::from_utf8_lossy(&request.body);
        if let Some((_, rest)) = body.split_once("Signature=") {
            let signature = rest.split('&').next().unwrap();
            seen.signed.push(signature.to_owned());
            seen.signed.push(signature.replace("%2B", "+").replace("%2F", "/").replace("%3D", "="));
        }
    }

    fn note_answer(&self, response: &mut Response) {
        response.headers.push(("set-cookie".to_owned(), HEADER.to_owned()));
        response.headers.push(("x-amzn-trace".to_owned(), HEADER.to_owned()));
        if response.body.len() < 64 * 1024
            && let Ok(mut text) = String::from_utf8(response.body.clone())
        {
            text = text.replace("An injected fault.", MESSAGE);
            for (word, canary) in PERSONAL {
                text = text.replace(word, canary);
            }
            response.body = text.into_bytes();
            let mut seen = self.seen.lock().unwrap();
            seen.traffic.extend_from_slice(&response.body);
            seen.traffic.extend_from_slice(HEADER.as_bytes());
        }
    }
}

impl Transport for Tap {
    fn send<'a>(&'a self, request: Request) -> BoxFuture<'a, Result<Response, TransportError>> {
        Box::pin(async move {
            if request.is_beginning_enough {
                return self.tell(request).await;
            }
            self.note_request(&request);
            let mut response = self.transport.send(request).await?;
            self.note_answer(&mut response);
            Ok(response)
        })
    }
}

impl Tap {
    /// A message to an alert target; sometimes a proxy's answer that repeats the whole request.
    async fn tell(&self, message: Request) -> Result<Response, TransportError> {
        let url = message.url.clone();
        let signature = message.headers.iter().find(|(name, _)| *name == "webhook-signature");
        let number = {
            let mut seen = self.seen.lock().unwrap();
            seen.traffic.extend_from_slice(url.as_bytes());
            seen.signed.extend(signature.map(|(_, value)| value.clone()));
            seen.posts += 1;
            seen.posts
        };
        let echo = |status, body: String| Response { status, body: body.into_bytes(), ..Response::default() };
        match number % 9 {
            7 => Ok(echo(500, format!("cannot reach {url}, {MESSAGE}, {signature:?}"))),
            8 => Ok(echo(403, url)),
            _ => self.transport.send(message).await,
        }
    }
}
