//! The listener for notifications over real sockets: plain and TLS, limits, and what an operator can check.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reconciled::config::{self, Surroundings};
use reconciled::control::messages::ChannelCheck;
use reconciled::daemon::problem_lines;
use serde_json::Value;

use crate::notifications::{channel, trust, world};
use crate::sns::{Sns, v2};
use crate::world::World;

const SCENARIO: &str = r#"
seed = 7
[[account]]
name = "shop"
api = "amazon-pay-v2"
merchant_id = "A1SHOP"
region = "eu"
environment = "sandbox"
public_key_id = "SANDBOX-ASHOPKEY"
[[population]]
account = "shop"
kind = "authorization"
count = 1
currencies = [{ code = "USD", amount = ["14.00", "14.00"] }]
outcome = [{ steps = [] }]
"#;

fn address(world: &World) -> SocketAddr {
    world.daemon().notifications().address().unwrap()
}

/// Sends bytes on a connection of their own; returns the status of the answer, or none if there is none.
async fn sent(address: SocketAddr, bytes: Vec<u8>) -> Option<u16> {
    let exchange = move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        // The server may answer and close before it has read everything.
        let _ = stream.write_all(&bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        answer.split(' ').nth(1).and_then(|status| status.parse().ok())
    };
    tokio::task::spawn_blocking(exchange).await.unwrap()
}

fn request(method: &str, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: shop.example\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

async fn post(address: SocketAddr, path: &str, message: &Value) -> Option<u16> {
    let body = serde_json::to_vec(message).unwrap();
    let headers = "content-type: text/plain; charset=UTF-8\r\nx-amz-sns-message-type: Notification\r\n";
    sent(address, request("POST", path, headers, &body)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_gets_a_status_and_nothing_else() {
    let (mut world, _folder) = world(SCENARIO, "").await;
    trust(&world).await;
    let object = world.enrol_all("shop").await.remove(0);
    let (address, now) = (address(&world), world.daemon().now());
    let genuine = Sns::get().notification(1, &v2("CHARGE", object.id.as_str()), now);
    let mut forged = genuine.clone();
    forged["MessageId"] = "00000000-0000-4000-8000-000000000002".into();
    assert_eq!(post(address, "/notifications/shop", &genuine).await, Some(200));
    assert_eq!(post(address, "/notifications/shop", &genuine).await, Some(200));
    assert_eq!(post(address, "/notifications/shop", &forged).await, Some(400));
    for path in ["/notifications/other", "/notifications/", "/notifications/shop/x"] {
        assert_eq!(post(address, path, &genuine).await, Some(400), "{path}");
    }
    for path in ["/v1/status", "/"] {
        assert_eq!(post(address, path, &genuine).await, Some(404), "{path}");
    }
    let get = request("GET", "/notifications/shop", "", b"");
    assert_eq!(sent(address, get).await, Some(405));
    let huge = request("POST", "/notifications/shop", "", &vec![b' '; 600 * 1024]);
    assert_eq!(sent(address, huge).await, Some(413));
    let many = (0..100).map(|number| format!("x-{number}: 1\r\n")).collect::<String>();
    assert_eq!(sent(address, request("POST", "/notifications/shop", &many, b"{}")).await, Some(431));
    let long = format!("x: {}\r\n", "y".repeat(20_000));
    assert_eq!(sent(address, request("POST", "/notifications/shop", &long, b"{}")).await, Some(431));
    assert_eq!(sent(address, b"not HTTP at all\r\n\r\n".to_vec()).await, Some(400));
    let counts = channel(&world).counts;
    assert_eq!((counts.verified, counts.duplicates), (1, 1));
    assert_eq!(counts.refused.values().sum::<u64>(), 1, "{:?}", counts.refused);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_sends_too_much_is_asked_to_send_it_again_later() {
    let more = "max_per_minute = 5\ntrusted_proxies = [\"127.0.0.1\"]";
    let (mut world, _folder) = world(SCENARIO, more).await;
    let address = address(&world);
    let mut seen = Vec::new();
    for source in ["192.0.2.1", "192.0.2.2"] {
        for _ in 0..6 {
            let headers = format!("x-forwarded-for: {source}\r\n");
            seen.push(sent(address, request("POST", "/notifications/shop", &headers, b"{}")).await.unwrap());
        }
    }
    let one = [400, 400, 400, 400, 400, 503];
    assert_eq!(seen, [one, one].concat());
    world.stop().await;
}

/// Writes a certificate for localhost and its key.
fn certificate(folder: &Path) -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = folder.join("listener-key.pem");
    std::fs::write(folder.join("listener.pem"), made.cert.pem()).unwrap();
    amazon_pay_simulator::credentials::write_secret(&key, &made.signing_key.serialize_pem()).unwrap();
    let section = format!(
        "certificate_file = \"{}\"\nkey = \"file:{}\"",
        folder.join("listener.pem").display(),
        key.display()
    );
    (section, made.cert.pem())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_certificate_of_its_own_the_listener_serves_tls() {
    let keys = tempfile::tempdir().unwrap();
    let (section, pem) = certificate(keys.path());
    let (mut world, _folder) = world(SCENARIO, &section).await;
    let address = address(&world);
    let status = tokio::task::spawn_blocking(move || {
        let mut roots = rustls::RootCertStore::empty();
        let der =
            <rustls::pki_types::CertificateDer<'_> as rustls::pki_types::pem::PemObject>::from_pem_slice(
                pem.as_bytes(),
            );
        roots.add(der.unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connection =
            rustls::ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
        let mut stream = rustls::StreamOwned::new(connection, TcpStream::connect(address).unwrap());
        stream.write_all(&request("POST", "/notifications/shop", "", b"{}")).unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    });
    assert_eq!(status.await.unwrap(), "HTTP/1.1 400");
    assert_eq!(sent(address, request("POST", "/notifications/shop", "", b"{}")).await, None, "no plain HTTP");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_source_cannot_hold_all_connections_and_each_connection_has_one_request() {
    let (mut world, _folder) = world(SCENARIO, "trusted_proxies = []").await;
    let address = address(&world);
    let held: Vec<TcpStream> = (0..8).map(|_| TcpStream::connect(address).unwrap()).collect();
    let ask = || request("POST", "/notifications/shop", "", b"{}");
    // All places of this source are taken: one more is closed without an answer.
    assert_eq!(sent(address, ask()).await, None);
    drop(held);
    while sent(address, ask()).await.is_none() {
        tokio::task::yield_now().await;
    }
    let twice = [ask(), ask()].concat().into_iter().collect::<Vec<u8>>();
    let twice = String::from_utf8(twice).unwrap().replace("connection: close\r\n", "").into_bytes();
    let answers = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        let _ = stream.write_all(&twice);
        let mut answers = Vec::new();
        let _ = stream.read_to_end(&mut answers);
        String::from_utf8_lossy(&answers).matches("HTTP/1.1 400").count()
    });
    assert_eq!(answers.await.unwrap(), 1);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn polling_runs_while_the_listener_cannot_and_it_listens_as_soon_as_it_can() {
    let (mut world, _folder) = world(SCENARIO, "").await;
    world.stop().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    world.rewrite_config(|text| text.replace("127.0.0.1:0", &address.to_string()));
    world.start().await;
    let complaints = |status: &reconciled::control::messages::Status| status.health.complaints.join("\n");
    let status = world.daemon().service().status().await.unwrap();
    assert!(complaints(&status).contains("cannot listen at"), "{}", complaints(&status));
    let object = world.enrol_all("shop").await.remove(0);
    world.pass_minutes(2.0).await;
    assert!(world.record(&object).await.polls > 0);
    let request = ChannelCheck { account: "shop".parse().unwrap() };
    let steps = world.daemon().service().check_channel(&request).await.unwrap();
    assert!(!steps[0].is_ok && steps[0].detail.contains("cannot listen at"), "{steps:?}");
    drop(taken);
    world.pass_minutes(1.0).await;
    assert_eq!(world.daemon().notifications().address(), Some(address));
    let status = world.daemon().service().status().await.unwrap();
    assert_eq!(complaints(&status), "");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_reload_serves_a_renewed_certificate_and_keeps_the_old_one_if_the_new_one_is_bad() {
    let keys = tempfile::tempdir().unwrap();
    let (section, _) = certificate(keys.path());
    let (mut world, _folder) = world(SCENARIO, &section).await;
    certificate(keys.path());
    let reloaded = world.daemon().service().reload("test").await;
    assert_eq!((reloaded.is_applied, reloaded.problems), (true, Vec::new()));
    // The certificate was renewed and its key was not.
    let key = std::fs::read(keys.path().join("listener-key.pem")).unwrap();
    certificate(keys.path());
    std::fs::write(keys.path().join("listener-key.pem"), key).unwrap();
    let reloaded = world.daemon().service().reload("test").await;
    assert!(reloaded.is_applied && reloaded.problems[0].contains("the one before stays"), "{reloaded:?}");
    let surroundings = Surroundings::default();
    let refused = config::check(&world.config_path(), &surroundings).err().map(problem_lines).unwrap();
    assert!(refused[0].contains("does not belong to the certificate"), "{refused:?}");
    // The daemon starts without the listener, and listens after the key was put right.
    world.stop().await;
    world.start().await;
    assert_eq!(world.daemon().notifications().address(), None);
    certificate(keys.path());
    world.daemon().service().reload("test").await;
    world.pass_minutes(1.0).await;
    assert!(world.daemon().notifications().address().is_some());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_says_step_by_step_how_far_a_message_from_outside_comes() {
    let (mut world, _folder) = world(SCENARIO, "").await;
    let check = || async {
        let request = ChannelCheck { account: "shop".parse().unwrap() };
        let steps = world.daemon().service().check_channel(&request).await.unwrap();
        steps.into_iter().map(|step| (step.what, step.is_ok, step.remedy)).collect::<Vec<_>>()
    };
    // The public address is served by somebody else.
    world.memory.serve("https://shop.example/notifications/shop", 403, b"");
    let steps = check().await;
    let reach = steps.iter().find(|step| step.0 == "reachable").unwrap();
    assert!(!reach.1 && reach.2.contains("web applications"), "{steps:?}");
    assert!(steps[0].1 && steps[1].1, "{steps:?}");
    let genuine = steps.last().unwrap();
    assert!(!genuine.1 && genuine.2.contains("Seller Central"), "{steps:?}");
    world.stop().await;
}
