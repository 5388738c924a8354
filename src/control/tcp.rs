//! The same API over TCP, for monitoring and for programs on this machine that cannot open the socket: only if configured,
//! and only with a token. The pages of the dashboard, for browsers, are served from the same port.
//!
//! Owns: the listener and its connections. Must never know: any verb, any page, who is let in (`gate`).
//!
//! Every process of the machine can connect. One without a token holds no slot for long: its requests are answered at
//! once, and a connection without a request in progress gives way.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::WWW_AUTHENTICATE;
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service as _;

pub use super::gate::{Gate, SESSION_COOKIE, Token, session_cookie, too_many};
use super::link;
use super::places::{Place, Places};
use super::problem::{Cause, Problem};
use super::routes::{Patience, router};
use super::server::{Options, Serving};
use super::service::Service;

/// How many connections are served at once. Above it, one without a request in progress gives way; while all of them are
/// working, further connections wait.
const CONNECTIONS_MAX: usize = 64;

/// A listening port. No request is served before [`Tcp::serve`].
pub struct Tcp {
    listener: TcpListener,
    gate: Arc<Gate>,
}

impl Tcp {
    /// Opens the port.
    ///
    /// # Errors
    /// When it is taken, or the address is not this machine's.
    pub async fn bind(listen: SocketAddr, gate: Gate) -> io::Result<Tcp> {
        Ok(Tcp { listener: TcpListener::bind(listen).await?, gate: Arc::new(gate) })
    }

    /// Where it listens.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }

    /// Serves until it is asked to stop. Then it finishes what is in flight, within a time limit. `pages` answers
    /// whatever is not addressed to the API.
    pub async fn serve(self, service: Service, pages: Router, limits: Options, stop: CancellationToken) {
        let clock = service.clock().clone();
        let patience = Patience {
            body: limits.body_timeout,
            answer: limits.answer_timeout,
            slow_answer: limits.slow_answer_timeout,
        };
        let routers = Routers { api: router(service.clone(), patience, stop.clone()), pages, service };
        let (places, connections) = (Places::new(CONNECTIONS_MAX, 0), TaskTracker::new());
        loop {
            let stream = tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        // Most likely the process has no file descriptors left, which passes.
                        tracing::warn!(%error, "could not accept a connection over TCP");
                        tokio::select! {
                            () = clock.sleep(Duration::from_secs(1)) => continue,
                            () = stop.cancelled() => break,
                        }
                    }
                },
                () = stop.cancelled() => break,
            };
            let place = tokio::select! {
                place = free(&places) => place,
                () = stop.cancelled() => break,
            };
            let serving =
                Serving { head_timeout: limits.head_timeout, clock: clock.clone(), stop: stop.clone() };
            connections.spawn(serve_one(stream, place, routers.clone(), Arc::clone(&self.gate), serving));
        }
        connections.close();
        tokio::select! {
            () = connections.wait() => {}
            () = clock.sleep(limits.stop_timeout) => {}
        }
    }
}

/// Waits for a slot.
async fn free(places: &Arc<Places>) -> Arc<Place> {
    loop {
        match places.take(false) {
            Some(place) => return place,
            None => places.changed().await,
        }
    }
}

/// What answers requests.
#[derive(Clone)]
struct Routers {
    api: Router,
    pages: Router,
    service: Service,
}

fn is_of_api(path: &str) -> bool {
    path.starts_with("/v1/") || path.starts_with("/-/") || path == "/metrics"
}

async fn serve_one(
    stream: TcpStream,
    place: Arc<Place>,
    routers: Routers,
    gate: Arc<Gate>,
    serving: Serving,
) {
    // As with the socket: afterwards it is known whether data has already arrived.
    tokio::select! {
        _ = stream.writable() => {}
        () = serving.stop.cancelled() => return,
    }
    let clock = serving.clock.clone();
    let answer = move |request: Request<Incoming>| {
        let (mut routers, gate, now) = (routers.clone(), Arc::clone(&gate), clock.monotonic());
        async move {
            let (mut head, body) = request.into_parts();
            if let Some(links) = gate.links.as_ref().filter(|_| head.uri.path().starts_with(link::PATH)) {
                return Ok(link::answer(links, &gate, &routers.service, &head).await);
            }
            if !is_of_api(head.uri.path()) {
                return match gate.admit_page(&head) {
                    Ok(()) => routers.pages.call(Request::from_parts(head, body)).await,
                    Err(problem) => Ok(refused(problem)),
                };
            }
            match gate.admit(&head, now) {
                Ok(caller) => {
                    head.extensions.insert(caller);
                    routers.api.call(Request::from_parts(head, body)).await
                }
                Err(problem) => Ok::<Response, Infallible>(refused(problem)),
            }
        }
    };
    if let Err(error) = serving.serve(stream, place, answer).await {
        tracing::debug!(%error, "a connection over TCP ended early");
    }
}

fn refused(problem: Problem) -> Response {
    let is_unknown = problem.cause == Cause::Unauthenticated;
    let mut response = problem.into_response();
    if is_unknown {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}
