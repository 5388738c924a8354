//! The listener: an HTTP server of its own, apart from the operators' socket. `POST /notifications/ACCOUNT`.
//!
//! Owns: sockets, TLS, limits of size, time and rate. Must never know: what a notification says.
//!
//! It usually stands behind the reverse proxy of the shop. With a certificate and key it serves TLS itself.

mod places;
mod rate;
mod tls;

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::Either;
use hyper::body::{Body as _, Incoming};
use hyper::header::{ALLOW, HeaderMap};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Hub;
use super::receive::{Answer, Received};
use super::settings::{Network, Tls};
use crate::clock::SharedClock;

use places::{Place, Places};
use rate::Rates;

pub use tls::fault;

/// The most connections at once; more wait in the socket's own queue.
const MOST_CONNECTIONS: usize = 64;
/// The most of one source, unless it is a trusted proxy.
const MOST_OF_ONE_SOURCE: usize = 8;
/// Where a proxy says who its peer is.
const FORWARDED: &str = "x-forwarded-for";
/// The largest head of a request.
const LONGEST_HEAD: usize = 16 * 1024;
/// The most headers.
const MOST_HEADERS: usize = 64;
/// The largest body: an SNS envelope of the largest message.
const LONGEST_BODY: usize = crate::apis::notifications::sns::LONGEST_ENVELOPE;
/// How long the TLS handshake, the head of a request and its body may take, each.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer may take. A certificate may have to be fetched meanwhile.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(12);
/// How long requests in flight may take to finish after the server was asked to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// How long to wait after the socket could not be opened.
const RETRY: Duration = Duration::from_secs(30);

/// What the hub knows of its listener.
pub(super) struct State {
    address: OnceLock<SocketAddr>,
    tls: Mutex<Result<Option<TlsAcceptor>, &'static str>>,
    trouble: Mutex<Option<String>>,
}

impl State {
    /// With this certificate, before the socket is opened.
    pub(super) fn new(certificate: Option<&Tls>) -> State {
        State {
            address: OnceLock::new(),
            tls: Mutex::new(certificate.map(tls::acceptor).transpose()),
            trouble: Mutex::default(),
        }
    }

    /// Where it listens, once it does.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.address.get().copied()
    }

    /// Why it does not listen, if it should.
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Serves another certificate from the next connection on.
    pub(super) fn renew(&self, certificate: &Tls) -> Result<(), &'static str> {
        let acceptor = tls::acceptor(certificate)?;
        *self.tls.lock().unwrap_or_else(PoisonError::into_inner) = Ok(Some(acceptor));
        Ok(())
    }

    fn tls(&self) -> Result<Option<TlsAcceptor>, &'static str> {
        self.tls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_trouble(&self, trouble: Option<String>) {
        let mut known = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(trouble) = trouble.as_ref().filter(|_| *known != trouble) {
            tracing::warn!("{trouble}; polling goes on, and it is tried again");
        }
        *known = trouble;
    }
}

/// A listener. No request is served before [`Listener::serve`].
pub struct Listener {
    address: SocketAddr,
    socket: Option<TcpListener>,
    served: Arc<Served>,
}

/// What every connection needs.
struct Served {
    hub: Arc<Hub>,
    clock: SharedClock,
    rates: Rates,
    places: Arc<Places>,
    trusted_proxies: Vec<Network>,
}

impl Served {
    fn is_proxy(&self, peer: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.has(peer))
    }

    /// The place of a new connection; none if its peer has too many or sends too much. A connection has one request.
    /// A trusted proxy says who its peers are, so each request through it counts for its own source.
    fn admit(&self, peer: IpAddr) -> Option<Place> {
        if self.is_proxy(peer) {
            return self.places.take(peer, MOST_CONNECTIONS);
        }
        let place = self.places.take(peer, MOST_OF_ONE_SOURCE)?;
        self.rates.allows(peer, self.clock.monotonic()).then_some(place)
    }
}

impl Listener {
    /// Opens the socket that the hub's settings name; none when they name none. If it cannot be opened, the hub knows
    /// why, and [`Listener::serve`] tries again: polling does not depend on it.
    pub async fn bind(hub: Arc<Hub>, clock: SharedClock) -> Option<Listener> {
        let settings = hub.settings();
        let address = settings.listen?;
        let rates = Rates::new(settings.max_per_minute);
        let trusted_proxies = settings.trusted_proxies.clone();
        let served = Arc::new(Served { hub, clock, rates, places: Arc::default(), trusted_proxies });
        let socket = open(address, &served).await;
        Some(Listener { address, socket, served })
    }

    /// Serves until it is asked to stop, and then finishes what is in flight.
    pub async fn serve(mut self, stop: CancellationToken) {
        let slots = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let connections = TaskTracker::new();
        let clock = &self.served.clock;
        let socket = loop {
            if let Some(socket) = self.socket.take() {
                break socket;
            }
            tokio::select! {
                () = clock.sleep(RETRY) => {}
                () = stop.cancelled() => return,
            }
            self.socket = open(self.address, &self.served).await;
        };
        loop {
            let slot = tokio::select! {
                slot = Arc::clone(&slots).acquire_owned() => slot,
                () = stop.cancelled() => break,
            };
            let Ok(slot) = slot else { break };
            let accepted = tokio::select! {
                accepted = socket.accept() => accepted,
                () = stop.cancelled() => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let peer = peer.ip();
                    // The provider takes a closed connection for a failure and sends it again.
                    let Some(place) = self.served.admit(peer) else { continue };
                    let served = Arc::clone(&self.served);
                    let stop = stop.clone();
                    connections.spawn(async move {
                        connection(served, stream, peer, stop).await;
                        drop((place, slot));
                    });
                }
                Err(error) => {
                    // Most likely the process has no file descriptors left. That passes.
                    tracing::warn!(%error, "could not accept a connection for notifications");
                    tokio::select! {
                        () = clock.sleep(Duration::from_secs(1)) => {}
                        () = stop.cancelled() => break,
                    }
                }
            }
        }
        connections.close();
        tokio::select! {
            () = connections.wait() => {}
            () = clock.sleep(STOP_TIMEOUT) => {
                tracing::warn!(open = connections.len(), "notifications were cut off at shutdown; they will be sent again");
            }
        }
    }
}

/// Opens the socket, unless the certificate cannot be used.
async fn open(address: SocketAddr, served: &Served) -> Option<TcpListener> {
    let state = &served.hub.listener;
    let opened = match state.tls() {
        Err(why) => Err(format!("the certificate of the listener for notifications cannot be used: {why}")),
        Ok(_) => TcpListener::bind(address)
            .await
            .map_err(|error| format!("cannot listen at {address} for notifications: {error}")),
    };
    if let Ok(socket) = &opened
        && let Ok(address) = socket.local_addr()
    {
        let _ = state.address.set(address);
        tracing::info!(%address, "notifications are received");
    }
    state.set_trouble(opened.as_ref().err().cloned());
    opened.ok()
}

async fn connection(served: Arc<Served>, stream: TcpStream, peer: IpAddr, stop: CancellationToken) {
    let stream = match served.hub.listener.tls() {
        Err(_) => return,
        Ok(None) => Either::Left(stream),
        Ok(Some(tls)) => {
            let shaken = tokio::select! {
                shaken = tls.accept(stream) => shaken,
                () = served.clock.sleep(READ_TIMEOUT) => return,
                () = stop.cancelled() => return,
            };
            match shaken {
                Ok(stream) => Either::Right(stream),
                Err(error) => {
                    tracing::debug!(%error, "a TLS handshake for notifications failed");
                    return;
                }
            }
        }
    };
    match stream {
        Either::Left(stream) => requests(served, stream, peer, stop).await,
        Either::Right(stream) => requests(served, stream, peer, stop).await,
    }
}

async fn requests<S: AsyncRead + AsyncWrite + Unpin>(
    served: Arc<Served>,
    stream: S,
    peer: IpAddr,
    stop: CancellationToken,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let served = Arc::clone(&served);
        async move { Ok::<_, Infallible>(answer(&served, request, peer).await) }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .keep_alive(false)
        .header_read_timeout(READ_TIMEOUT)
        .max_buf_size(LONGEST_HEAD)
        .max_headers(MOST_HEADERS);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection for notifications ended early");
    }
}

/// An answer never says why.
fn plain(status: StatusCode) -> Response<String> {
    let mut response = Response::new(String::new());
    *response.status_mut() = status;
    response
}

async fn answer(served: &Served, request: Request<Incoming>, peer: IpAddr) -> Response<String> {
    let source = source(peer, request.headers(), &served.trusted_proxies);
    // A refusal would be final. Too many now are not too many later.
    if served.is_proxy(peer) && !served.rates.allows(source, served.clock.monotonic()) {
        return plain(StatusCode::SERVICE_UNAVAILABLE);
    }
    let Some(account) = request.uri().path().strip_prefix("/notifications/").map(str::to_owned) else {
        return plain(StatusCode::NOT_FOUND);
    };
    if request.method() != Method::POST {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED);
        response.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static("POST"));
        return response;
    }
    let (head, body) = request.into_parts();
    let body = tokio::select! {
        body = whole(body) => body,
        () = served.clock.sleep(READ_TIMEOUT) => return plain(StatusCode::SERVICE_UNAVAILABLE),
    };
    let body = match body {
        Ok(body) => body,
        Err(status) => return plain(status),
    };
    let header = |name: &str| {
        let value = head.headers.get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let received = Received { body: &body, header: &header };
    let answer = tokio::select! {
        answer = served.hub.receive(&account, &received) => answer,
        () = served.clock.sleep(ANSWER_TIMEOUT) => Answer::Later,
    };
    if !served.is_proxy(peer) && head.headers.contains_key(FORWARDED) {
        served.hub.note_proxy(&received, peer);
    }
    plain(StatusCode::from_u16(answer.status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE))
}

/// The whole body, if it is not too long.
async fn whole(mut body: Incoming) -> Result<Vec<u8>, StatusCode> {
    let most = u64::try_from(LONGEST_BODY).unwrap_or(u64::MAX);
    if body.size_hint().lower() > most {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let mut whole = Vec::new();
    loop {
        let frame = std::future::poll_fn(|context| std::pin::Pin::new(&mut body).poll_frame(context)).await;
        let Some(frame) = frame else { return Ok(whole) };
        let data: Bytes = match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(data)) => data,
            Ok(Err(_trailers)) => continue,
            Err(_) => return Err(StatusCode::BAD_REQUEST),
        };
        if whole.len() + data.len() > LONGEST_BODY {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        whole.extend_from_slice(&data);
    }
}

/// Who sent a request: the peer, or what trusted proxies say of their own peer.
fn source(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.has(address));
    let mut source = peer;
    let written = headers.get_all(FORWARDED).into_iter().filter_map(|value| value.to_str().ok());
    let hops: Vec<&str> = written.flat_map(|value| value.split(',')).map(str::trim).collect();
    // Each proxy adds its peer at the end.
    for hop in hops.into_iter().rev() {
        if !is_trusted(source) {
            break;
        }
        let Some(address) = address_of(hop) else { break };
        source = address;
    }
    source
}

/// The address of a hop. Some proxies add the port.
fn address_of(hop: &str) -> Option<IpAddr> {
    let with_port = || hop.parse().ok().map(|address: SocketAddr| address.ip());
    let in_brackets = || hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    hop.parse().ok().or_else(with_port).or_else(in_brackets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_say_who_their_peer_is() {
        let trusted: Vec<Network> =
            ["127.0.0.1", "10.0.0.0/8"].map(|text| Network::from_text(text).unwrap()).to_vec();
        let seen = |peer: &str, forwarded: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in forwarded {
                headers.append("x-forwarded-for", hyper::header::HeaderValue::from_static(value));
            }
            source(peer.parse().unwrap(), &headers, &trusted).to_string()
        };
        assert_eq!(seen("192.0.2.1", &["203.0.113.9"]), "192.0.2.1", "anybody can write the header");
        assert_eq!(seen("127.0.0.1", &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(seen("127.0.0.1", &["198.51.100.1, 203.0.113.9, 10.1.1.1"]), "203.0.113.9");
        assert_eq!(seen("127.0.0.1", &["198.51.100.1", "10.1.1.1"]), "198.51.100.1");
        assert_eq!(seen("127.0.0.1", &["203.0.113.9:4711"]), "203.0.113.9");
        assert_eq!(seen("127.0.0.1", &["[2001:db8::1]:4711"]), "2001:db8::1");
        assert_eq!(seen("127.0.0.1", &["[2001:db8::1], 10.1.1.1:80"]), "2001:db8::1");
        assert_eq!(seen("127.0.0.1", &["unknown"]), "127.0.0.1");
        assert_eq!(seen("127.0.0.1", &[]), "127.0.0.1");
    }
}
