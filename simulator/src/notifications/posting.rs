//! Posting what is due over HTTP, and taking the answers.
//!
//! Owns: sockets and the loop. Must never know: what a message says.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Body;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Notification, Outcome};
use crate::Simulator;
use crate::clock;
use crate::delivery::Delivery;

/// How often it is checked what is due.
const INTERVAL: Duration = Duration::from_millis(200);

/// SNS waits this long for an answer.
const TIME_LIMIT: Duration = Duration::from_secs(15);

/// At most this many deliveries wait at one time.
const CONCURRENT: usize = 32;

/// The loop that posts.
#[derive(Debug)]
pub struct Posting {
    tasks: TaskTracker,
}

impl Posting {
    /// Waits until nothing is posted any more. It ends only after the shutdown was asked for.
    pub async fn stopped(&self) {
        self.tasks.wait().await;
    }
}

/// Posts the notifications of the simulator's accounts as they become due, by its clock, until `shutdown` is cancelled.
/// Start it once for a simulator, however many servers it has.
pub fn send_notifications(simulator: Arc<Simulator>, shutdown: CancellationToken) -> Posting {
    let tasks = TaskTracker::new();
    if simulator.signer().is_some() {
        tasks.spawn(post(simulator, shutdown, tasks.clone()));
    }
    tasks.close();
    Posting { tasks }
}

async fn post(simulator: Arc<Simulator>, shutdown: CancellationToken, tasks: TaskTracker) {
    let permits = Arc::new(Semaphore::new(CONCURRENT));
    loop {
        for notification in simulator.notifications_until(simulator.clock().now()) {
            let permit = shutdown.run_until_cancelled(Arc::clone(&permits).acquire_owned()).await;
            let Some(Ok(permit)) = permit else { return };
            let (simulator, shutdown) = (Arc::clone(&simulator), shutdown.clone());
            tasks.spawn(async move {
                let ca_file = simulator.notification_ca_file(&notification.account);
                let delivered =
                    shutdown.run_until_cancelled(deliver(&notification, ca_file.as_deref())).await;
                if let Some(outcome) = delivered {
                    simulator.notification_answered(&notification, outcome);
                }
                drop(permit);
            });
        }
        if shutdown.run_until_cancelled(clock::sleep(INTERVAL)).await.is_none() {
            return;
        }
    }
}

/// Posts one message and waits for its answer.
pub(crate) async fn deliver(notification: &Notification, ca_file: Option<&Path>) -> Outcome {
    match tokio::time::timeout(TIME_LIMIT, exchange(notification, ca_file)).await {
        Ok(Ok(status)) => Outcome::Status(status),
        Ok(Err(_)) => Outcome::Unreachable,
        Err(_) => Outcome::TimedOut,
    }
}

async fn exchange(notification: &Notification, ca_file: Option<&Path>) -> io::Result<u16> {
    let bad = || io::Error::other("the URL is no address");
    let (scheme, rest) = notification.url.split_once("://").ok_or_else(bad)?;
    let (authority, target) = rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash));
    let is_secure = scheme == "https";
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let address = match (has_port, is_secure) {
        (true, _) => authority.to_owned(),
        (false, true) => format!("{authority}:443"),
        (false, false) => format!("{authority}:80"),
    };
    let mut request = Request::builder().method("POST").uri(target).header("host", authority);
    for (name, value) in &notification.headers {
        request = request.header(name, value);
    }
    let request = request.body(Delivery::whole(notification.body.clone())).map_err(io::Error::other)?;
    let stream = TcpStream::connect(&address).await?;
    stream.set_nodelay(true)?;
    if !is_secure {
        return ask(stream, request).await;
    }
    let host = address.rsplit_once(':').map_or("", |(host, _)| host).trim_matches(['[', ']']).to_owned();
    let name = ServerName::try_from(host).map_err(io::Error::other)?;
    let stream = connector(ca_file.ok_or_else(bad)?)?.connect(name, stream).await?;
    ask(stream, request).await
}

async fn ask(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Delivery>,
) -> io::Result<u16> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let answered = async {
        let answer = sender.send_request(request).await.map_err(io::Error::other)?;
        let status = answer.status().as_u16();
        // What it says is ignored, but a polite client hears it to its end.
        let mut body = answer.into_body();
        while let Some(Ok(_)) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await
        {
        }
        Ok(status)
    };
    tokio::pin!(answered);
    tokio::pin!(connection);
    tokio::select! {
        status = &mut answered => status,
        ended = &mut connection => {
            ended.map_err(io::Error::other)?;
            answered.await
        }
    }
}

fn connector(ca_file: &Path) -> io::Result<TlsConnector> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca_file).map_err(io::Error::other)? {
        roots.add(certificate.map_err(io::Error::other)?).map_err(io::Error::other)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
