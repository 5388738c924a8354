//! The simulator over real sockets: what a fault does to a connection.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::authority::CertificateFlaw;
use super::super::fault::{Fault, FaultKind};
use super::super::scenario::{Account, Api, Credentials, CurrencyShare, Population, Scenario};
use super::super::signing_for_tests::{public_key_der, request};
use super::*;
use crate::clock::SystemClock;

const KEY: &str = "SANDBOX-AEKEY";

struct Site {
    simulator: Arc<Simulator>,
    serving: Serving,
    shutdown: CancellationToken,
}

impl Site {
    async fn open(fault: Option<FaultKind>, tls: Option<ThrowAwayAuthority>) -> Site {
        let account = Account {
            name: "shop".into(),
            api: Api::AmazonPayV2,
            merchant_id: "A1".into(),
            region: "na".into(),
            is_sandbox: true,
            credentials: Credentials::PublicKey { id: KEY.into(), der: Some(public_key_der()) },
            quotas: Vec::new(),
        };
        let currency = CurrencyShare {
            code: "USD".into(),
            share: 1.0,
            amount_min_minor: 100,
            amount_max_minor: 900,
            decimals: 2,
        };
        let population = Population {
            account: "shop".into(),
            kind: "charge".into(),
            count: 1,
            age: (Duration::ZERO, Duration::ZERO),
            invisible_for: (Duration::ZERO, Duration::ZERO),
            reference_prefix: "order-".into(),
            currencies: vec![currency],
            fates: Default::default(),
            decides_created: false,
            line: None,
        };
        let scenario = Scenario {
            accounts: vec![account],
            populations: vec![population],
            faults: fault.map(Fault::always).into_iter().collect(),
            ..Scenario::default()
        };
        let simulator = Simulator::new(scenario, SystemClock::new()).expect("the scenario is good");
        let simulator = Arc::new(simulator);
        let shutdown = CancellationToken::new();
        let listen = "127.0.0.1:0".parse().expect("it is an address");
        let serving = serve(simulator.clone(), listen, tls, shutdown.clone()).await.expect("a port is free");
        Site { simulator, serving, shutdown }
    }

    /// The text of a signed look-up of the one charge.
    fn look_up(&self) -> String {
        let path = format!("/v2/charges/{}", self.simulator.planted()[0].truth.id);
        let incoming = request(KEY, "na", "GET", &path, "", &[], self.simulator.clock().now());
        let headers: String =
            incoming.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("GET {path} HTTP/1.1\r\nhost: {}\r\n{headers}\r\n", self.serving.address)
    }

    async fn ask(&self) -> TcpStream {
        let mut stream = TcpStream::connect(self.serving.address).await.expect("it listens");
        stream.write_all(self.look_up().as_bytes()).await.expect("it reads");
        stream
    }

    async fn close(&self) {
        self.shutdown.cancel();
        self.serving.stopped().await;
    }
}

/// Reads until the head and so many bytes of the body are there; returns head and body.
async fn read_until(stream: &mut TcpStream, body_bytes: usize) -> (String, Vec<u8>) {
    let mut read = Vec::new();
    loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            let body = &read[end + 4..];
            if body.len() >= body_bytes {
                return (String::from_utf8_lossy(&read[..end]).into_owned(), body.to_vec());
            }
        }
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece).await.expect("the connection is sound");
        assert!(count > 0, "the connection ended after {} bytes", read.len());
        read.extend_from_slice(&piece[..count]);
    }
}

async fn read_rest(stream: &mut TcpStream) -> Result<Vec<u8>, io::ErrorKind> {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.map_err(|error| error.kind())?;
    Ok(rest)
}

fn promised(head: &str) -> Option<usize> {
    head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
}

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let site = Site::open(None, None).await;
    let mut stream = TcpStream::connect(site.serving.address).await.expect("it listens");
    for _ in 0..3 {
        stream.write_all(site.look_up().as_bytes()).await.expect("it reads");
        let (head, _) = read_until(&mut stream, 0).await;
        assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
        assert!(head.contains("x-amz-pay-request-id: ") && promised(&head).is_some(), "{head}");
    }
    site.close().await;
    assert_eq!(site.simulator.counts().total().succeeded, 3);
}

#[tokio::test]
async fn a_truncated_body_promises_more_than_it_keeps() {
    let site = Site::open(Some(FaultKind::TruncatedBody), None).await;
    let mut stream = site.ask().await;
    let (head, mut body) = read_until(&mut stream, 0).await;
    body.extend(read_rest(&mut stream).await.expect("the connection ends in order"));
    let promised = promised(&head).expect("a length is promised");
    assert_eq!(body.len(), promised / 2);
}

#[tokio::test]
async fn a_reset_is_a_reset() {
    let site = Site::open(Some(FaultKind::Reset), None).await;
    let mut stream = site.ask().await;
    assert_eq!(read_rest(&mut stream).await, Err(io::ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn hangs_last_until_the_server_goes() {
    for (kind, is_head_sent) in
        [(FaultKind::Hang, false), (FaultKind::HangAfterHead, true), (FaultKind::HangMidBody, true)]
    {
        let site = Site::open(Some(kind), None).await;
        let mut stream = site.ask().await;
        if is_head_sent {
            let (head, body) = read_until(&mut stream, 0).await;
            assert!(head.starts_with("HTTP/1.1 200 OK") && body.len() < promised(&head).unwrap_or(0));
        } else {
            while site.simulator.counts().total().requests == 0 {
                tokio::task::yield_now().await;
            }
        }
        site.close().await;
        let rest = read_rest(&mut stream).await.unwrap_or_default();
        assert!(is_head_sent || rest.is_empty(), "{kind:?}");
    }
}

#[tokio::test]
async fn oversized_and_endless_bodies_keep_coming() {
    let site = Site::open(Some(FaultKind::OversizedBody), None).await;
    let (head, _) = read_until(&mut site.ask().await, 2_000_000).await;
    assert_eq!(promised(&head), Some(50 * 1024 * 1024));
    let site = Site::open(Some(FaultKind::EndlessBody), None).await;
    let (head, _) = read_until(&mut site.ask().await, 2_000_000).await;
    assert_eq!(promised(&head), None);
    assert!(head.contains("transfer-encoding: chunked"), "{head}");
}

#[tokio::test]
async fn ten_thousand_headers_are_sent() {
    let site = Site::open(Some(FaultKind::ManyHeaders), None).await;
    let (head, _) = read_until(&mut site.ask().await, 0).await;
    assert!(head.lines().count() > 10_000);
}

#[tokio::test]
async fn a_request_that_is_too_large_is_not_read_to_its_end() {
    let site = Site::open(None, None).await;
    let mut stream = TcpStream::connect(site.serving.address).await.expect("it listens");
    let head = "POST /hooks/json HTTP/1.1\r\nhost: x\r\ncontent-length: 20000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("it reads");
    let _ = stream.write_all(&vec![b' '; REQUEST_LIMIT_BYTES + 1]).await;
    let (head, _) = read_until(&mut stream, 0).await;
    assert!(head.starts_with("HTTP/1.1 413"), "{head}");
}

#[tokio::test]
async fn a_client_that_trusts_the_authority_notices_every_flaw() {
    for (flaw, is_trusted) in [
        (CertificateFlaw::None, true),
        (CertificateFlaw::OtherHost, false),
        (CertificateFlaw::Expired, false),
        (CertificateFlaw::SelfSigned, false),
    ] {
        let authority = ThrowAwayAuthority::generate_flawed(&["127.0.0.1"], flaw).expect("it is made");
        let root = reqwest::Certificate::from_pem(authority.authority_pem().as_bytes());
        let site = Site::open(None, Some(authority)).await;
        let client = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([root.expect("it is a certificate")])
            .build()
            .expect("a client can be built");
        let answer = client.get(format!("https://{}/nowhere", site.serving.address)).send().await;
        assert_eq!(answer.is_ok_and(|answer| answer.status() == 404), is_trusted, "{flaw:?}");
        site.close().await;
    }
}

#[tokio::test]
async fn silence_is_kept_until_the_end() {
    let shutdown = CancellationToken::new();
    let listen = "127.0.0.1:0".parse().expect("it is an address");
    let serving = serve_silence(listen, shutdown.clone()).await.expect("a port is free");
    let mut streams = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(serving.address).await.expect("it listens");
        stream.write_all(b"x").await.expect("it is open");
        streams.push(stream);
    }
    shutdown.cancel();
    serving.stopped().await;
    for stream in &mut streams {
        assert!(read_rest(stream).await.unwrap_or_default().is_empty());
    }
}
