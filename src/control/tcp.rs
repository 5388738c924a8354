//! The same API over TCP, for monitoring and for other programs: only if configured, and only with a token. The pages of
//! the dashboard, for browsers, are served from the same port.
//!
//! Owns: the listener and its connections. Must never know: any verb, any page, who is let in (`gate`).

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
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service as _;

pub use super::gate::{Gate, SESSION_COOKIE, Token, session_cookie};
use super::problem::{Cause, Problem};
use super::routes::{Patience, router};
use super::server::Options;
use super::service::Service;
use crate::clock::SharedClock;

/// How many connections are served at once. Others wait.
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
        let routers = Routers { api: router(service, patience), pages };
        let (slots, connections) = (Arc::new(Semaphore::new(CONNECTIONS_MAX)), TaskTracker::new());
        loop {
            let slot = tokio::select! {
                slot = Arc::clone(&slots).acquire_owned() => slot.expect("nobody closes it"),
                () = stop.cancelled() => break,
            };
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
            let (routers, gate) = (routers.clone(), Arc::clone(&self.gate));
            let serving = serve_one(stream, routers, gate, clock.clone(), limits.head_timeout, stop.clone());
            connections.spawn(async move {
                serving.await;
                drop(slot);
            });
        }
        connections.close();
        tokio::select! {
            () = connections.wait() => {}
            () = clock.sleep(limits.stop_timeout) => {}
        }
    }
}

/// What answers requests.
#[derive(Clone)]
struct Routers {
    api: Router,
    pages: Router,
}

fn is_of_api(path: &str) -> bool {
    path.starts_with("/v1/") || path.starts_with("/-/") || path == "/metrics"
}

async fn serve_one(
    stream: TcpStream,
    routers: Routers,
    gate: Arc<Gate>,
    clock: SharedClock,
    head_timeout: Duration,
    stop: CancellationToken,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (mut routers, gate, now) = (routers.clone(), Arc::clone(&gate), clock.monotonic());
        async move {
            let (mut head, body) = request.into_parts();
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
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(head_timeout);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
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
