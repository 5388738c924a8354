//! The simulator over HTTP and HTTPS.
//!
//! Owns: sockets, TLS, and carrying an answer as badly as a fault demands. Must never know: what is
//! asked or answered.

#[cfg(test)]
mod notifying_tests;
#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Incoming as IncomingBody};
use hyper::header::{HOST, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::authority::ThrowAwayAuthority;
use super::clock;
use super::delivery::Delivery;
use super::exchange::{Carriage, Incoming, Outgoing};
use super::world::Simulator;

/// The largest request body that is read, bytes.
const REQUEST_LIMIT_BYTES: usize = 8 * 1024 * 1024;

/// How long to wait after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A running server.
#[derive(Debug)]
pub struct Serving {
    /// Where it listens; the port that was chosen when port 0 was asked for.
    pub address: SocketAddr,
    tasks: TaskTracker,
}

impl Serving {
    pub(super) fn new(address: SocketAddr, tasks: TaskTracker) -> Serving {
        Serving { address, tasks }
    }

    /// Waits until every connection has ended. It ends only after the shutdown was asked for.
    pub async fn stopped(&self) {
        self.tasks.wait().await;
    }
}

/// Serves the simulator until `shutdown` is cancelled, over HTTPS when an authority is given.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve(
    simulator: Arc<Simulator>,
    listen: SocketAddr,
    tls: Option<ThrowAwayAuthority>,
    shutdown: CancellationToken,
) -> io::Result<Serving> {
    let acceptor = tls.map(|authority| authority.server_config()).transpose()?.map(TlsAcceptor::from);
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    let tasks = TaskTracker::new();
    tasks.spawn(accept(simulator, listener, acceptor, shutdown, tasks.clone()));
    tasks.close();
    Ok(Serving { address, tasks })
}

/// Accepts connections and never says a word on them, neither in TLS nor in HTTP: the server that a
/// client's connect and handshake deadlines are for.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve_silence(listen: SocketAddr, shutdown: CancellationToken) -> io::Result<Serving> {
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    let tasks = TaskTracker::new();
    tasks.spawn(async move {
        let mut kept = Vec::new();
        while let Some(Ok((stream, _))) = shutdown.run_until_cancelled(listener.accept()).await {
            kept.push(stream);
        }
    });
    tasks.close();
    Ok(Serving { address, tasks })
}

async fn accept(
    simulator: Arc<Simulator>,
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    shutdown: CancellationToken,
    tasks: TaskTracker,
) {
    while let Some(accepted) = shutdown.run_until_cancelled(listener.accept()).await {
        let Ok((stream, _)) = accepted else {
            // Mostly: no file descriptor is free. A moment later one may be.
            clock::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let (simulator, acceptor, shutdown) = (simulator.clone(), acceptor.clone(), shutdown.clone());
        tasks.spawn(async move {
            shutdown.run_until_cancelled(converse(simulator, stream, acceptor)).await;
        });
    }
}

/// One connection, request after request. Its errors are the client's affair: it sees them too.
async fn converse(simulator: Arc<Simulator>, stream: TcpStream, acceptor: Option<TlsAcceptor>) {
    let _ = stream.set_nodelay(true);
    let is_to_reset = Arc::new(AtomicBool::new(false));
    let line = Line { stream, is_to_reset: is_to_reset.clone() };
    match acceptor {
        None => speak(simulator, line, is_to_reset).await,
        Some(acceptor) => {
            if let Ok(encrypted) = acceptor.accept(line).await {
                speak(simulator, encrypted, is_to_reset).await;
            }
        }
    }
}

async fn speak(
    simulator: Arc<Simulator>,
    line: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    is_to_reset: Arc<AtomicBool>,
) {
    let service = service_fn(|request| answer(simulator.clone(), request, is_to_reset.clone()));
    let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(line), service);
    let _ = connection.await;
}

async fn answer(
    simulator: Arc<Simulator>,
    request: Request<IncomingBody>,
    is_to_reset: Arc<AtomicBool>,
) -> Result<Response<Delivery>, io::Error> {
    let (head, body) = request.into_parts();
    let Some(body) = read(body).await? else {
        let refusal = Outgoing::new(413, "text/plain", "The request is too large.\n");
        return Ok(respond(refusal, Delivery::whole));
    };
    let header = |(name, value): (&HeaderName, &HeaderValue)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let host = head.headers.get(HOST).map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned());
    let incoming = Incoming {
        method: head.method.as_str().to_owned(),
        host: host.or_else(|| head.uri.authority().map(ToString::to_string)).unwrap_or_default(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers.iter().map(header).collect(),
        body,
        at: simulator.clock().now(),
    };
    let outgoing = simulator.answer(incoming);
    match outgoing.carriage {
        Carriage::Hang => std::future::pending().await,
        Carriage::Reset => {
            is_to_reset.store(true, Ordering::SeqCst);
            Err(io::Error::from(io::ErrorKind::ConnectionReset))
        }
        carriage => Ok(respond(outgoing, |body| Delivery::new(body, carriage))),
    }
}

/// The whole body, or `None` when it is too large.
async fn read(mut body: IncomingBody) -> io::Result<Option<Vec<u8>>> {
    let mut read = Vec::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.map_err(io::Error::other)?;
        if let Some(piece) = frame.data_ref() {
            if read.len() + piece.len() > REQUEST_LIMIT_BYTES {
                return Ok(None);
            }
            read.extend_from_slice(piece);
        }
    }
    Ok(Some(read))
}

fn respond(outgoing: Outgoing, deliver: impl FnOnce(Vec<u8>) -> Delivery) -> Response<Delivery> {
    let mut response = Response::new(deliver(outgoing.body));
    *response.status_mut() = StatusCode::from_u16(outgoing.status).unwrap_or(StatusCode::IM_A_TEAPOT);
    for (name, value) in outgoing.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// A connection that can end with a reset (RST) instead of a farewell (FIN).
struct Line {
    stream: TcpStream,
    is_to_reset: Arc<AtomicBool>,
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.is_to_reset.load(Ordering::SeqCst) {
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    /// A connection to be reset says no farewell first.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_to_reset.load(Ordering::SeqCst) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
