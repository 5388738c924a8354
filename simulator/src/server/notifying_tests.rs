//! Notifications over real sockets: posted over HTTP, verified with a certificate that is fetched over TLS.

use std::sync::Mutex;

use jiff::SignedDuration;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use super::*;
use crate::clock::{Clock, SystemClock};
use crate::notifications::{Notification, Outcome, Signer, deliver, send_notifications};
use crate::plan::{Plan, Step};
use crate::scenario::{Account, Api, Credentials, NotificationSettings, Scenario};
use crate::signing_for_tests::public_key_der;

/// The machine's clock, set forward as a test likes.
#[derive(Debug)]
struct Forward(SystemClock, Mutex<SignedDuration>);

impl Clock for Forward {
    fn now(&self) -> jiff::Timestamp {
        self.0.now() + *self.1.lock().unwrap()
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }
}

/// What a merchant's server received: the head and the body.
async fn received(listener: &TcpListener, status: u16) -> (String, Value) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut read = Vec::new();
    let (head, body) = loop {
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece).await.unwrap();
        assert!(count > 0, "the request is cut");
        read.extend_from_slice(&piece[..count]);
        let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(read[..end].to_vec()).unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        if read.len() == end + 4 + length.unwrap_or(0_usize) {
            break (head, serde_json::from_slice(&read[end + 4..]).unwrap());
        }
    };
    let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
    stream.write_all(answer.as_bytes()).await.unwrap();
    (head, body)
}

/// Fetches an `https` URL from this address, under the name in the URL: status line and body.
async fn fetched(url: &str, address: SocketAddr, authority: &str) -> (String, String) {
    let (host, path) = url.strip_prefix("https://").unwrap().split_once('/').unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    let request = format!("GET /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    // A server may end TLS without a farewell.
    let _ = stream.read_to_string(&mut text).await;
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
}

fn account(name: &str) -> Account {
    Account {
        name: name.into(),
        api: Api::AmazonPayV2,
        merchant_id: format!("A1{name}"),
        region: "eu".into(),
        is_sandbox: true,
        credentials: Credentials::PublicKey { id: format!("SANDBOX-{name}"), der: Some(public_key_der()) },
        quotas: Vec::new(),
    }
}

/// Plants a charge that is authorized after a minute.
fn plant(simulator: &Simulator, account: &str) -> String {
    let step = Step { after: Duration::from_secs(60), state: "Authorized".into(), reason: None };
    let plan = Plan {
        kind: "authorization".into(),
        amount: "5.00".into(),
        currency: "EUR".into(),
        merchant_reference: "order-1".into(),
        steps: vec![step],
        invisible_for: Duration::ZERO,
    };
    simulator.plant(account, &plan).unwrap()
}

#[tokio::test]
async fn a_merchant_is_notified_and_fetches_the_certificate() {
    let merchant = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/notifications/shop", merchant.local_addr().unwrap());
    let notifications = vec![NotificationSettings::flawless("shop", url)];
    let scenario = Scenario { accounts: vec![account("shop")], notifications, ..Scenario::default() };
    let clock = Arc::new(Forward(SystemClock::new(), Mutex::new(SignedDuration::ZERO)));
    let simulator = Arc::new(Simulator::new(scenario, Arc::clone(&clock)).unwrap());
    let signer = simulator.signer().expect("somebody is notified");
    let shutdown = CancellationToken::new();
    let listen = "127.0.0.1:0".parse().unwrap();
    let tls = Some(signer.authority().clone());
    let serving = serve(Arc::clone(&simulator), listen, tls, shutdown.clone()).await.unwrap();
    let posting = send_notifications(Arc::clone(&simulator), shutdown.clone());

    let id = plant(&simulator, "shop");
    *clock.1.lock().unwrap() += SignedDuration::from_secs(61);
    // The charge and its permission: the first is answered well, the second is to come again in an hour.
    let mut seen = Vec::new();
    for status in [200, 503] {
        let (head, body) = received(&merchant, status).await;
        assert!(head.starts_with("POST /notifications/shop HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("x-amz-sns-message-type: Notification"), "{head}");
        assert!(head.contains("content-type: text/plain; charset=UTF-8"), "{head}");
        seen.push(body);
    }
    assert!(seen.iter().any(|body| body["Message"].as_str().unwrap().contains(&id)));
    *clock.1.lock().unwrap() += SignedDuration::from_secs(3601);
    let (_, again) = received(&merchant, 200).await;
    assert_eq!(again, seen[1], "a redelivery is the same message");

    let url = again["SigningCertURL"].as_str().unwrap();
    let (status, pem) = fetched(url, serving.address, signer.authority().authority_pem()).await;
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert_eq!(pem, Signer::shared().unwrap().certificate_pem());
    let elsewhere = url.replace(".pem", ".txt");
    let (status, _) = fetched(&elsewhere, serving.address, signer.authority().authority_pem()).await;
    assert_eq!(status, "HTTP/1.1 404 Not Found");

    shutdown.cancel();
    posting.stopped().await;
    serving.stopped().await;
    let counts = simulator.counts().notifications["shop"];
    assert_eq!((counts.announced, counts.sent, counts.redelivered), (2, 3, 1));
    assert_eq!((counts.answered_5xx, counts.certificates_fetched), (1, 1));
}

#[tokio::test]
async fn a_delivery_ends_as_the_merchant_lets_it() {
    let folder = tempfile::tempdir().unwrap();
    let authority = ThrowAwayAuthority::generate(&["localhost"]).unwrap();
    let other = ThrowAwayAuthority::generate(&["localhost"]).unwrap();
    let (ca_file, other_file) = (folder.path().join("ca.pem"), folder.path().join("other.pem"));
    std::fs::write(&ca_file, authority.authority_pem()).unwrap();
    std::fs::write(&other_file, other.authority_pem()).unwrap();
    let shutdown = CancellationToken::new();
    // The chat of a simulator takes any JSON.
    let merchant = Arc::new(Simulator::new(Scenario::default(), SystemClock::new()).unwrap());
    let listen = "127.0.0.1:0".parse().unwrap();
    let secure = serve(Arc::clone(&merchant), listen, Some(authority), shutdown.clone()).await.unwrap();
    let plain = serve(Arc::clone(&merchant), listen, None, shutdown.clone()).await.unwrap();
    let absent = TcpListener::bind(listen).await.unwrap().local_addr().unwrap();
    let secure_port = secure.address.port();
    for (url, ca_file, expected) in [
        (format!("http://{}/hooks/json", plain.address), None, Outcome::Status(200)),
        (format!("http://{}/no/where", plain.address), None, Outcome::Status(404)),
        (format!("http://{absent}/"), None, Outcome::Unreachable),
        (format!("https://localhost:{secure_port}/hooks/json"), Some(&ca_file), Outcome::Status(200)),
        (format!("https://localhost:{secure_port}/hooks/json"), Some(&other_file), Outcome::Unreachable),
        (format!("https://localhost:{secure_port}/hooks/json"), None, Outcome::Unreachable),
        (format!("https://{}/hooks/json", secure.address), Some(&ca_file), Outcome::Unreachable),
        ("nonsense".to_owned(), None, Outcome::Unreachable),
    ] {
        let notification = Notification {
            account: "shop".into(),
            url,
            at: jiff::Timestamp::UNIX_EPOCH,
            attempt: 1,
            message_id: String::new(),
            id: String::new(),
            forgery: None,
            headers: vec![("content-type".into(), "application/json".into())],
            body: b"{}".to_vec(),
        };
        let outcome = deliver(&notification, ca_file.map(|file| file.as_path())).await;
        assert_eq!(outcome, expected, "{}", notification.url);
    }
    assert_eq!(merchant.chat_messages().len(), 2);
    shutdown.cancel();
    plain.stopped().await;
    secure.stopped().await;
}
