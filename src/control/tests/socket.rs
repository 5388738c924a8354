//! The socket itself: who owns it, how long anybody waits, how it shuts down.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use super::TestDaemon;
use crate::control::client::{Client, ConnectError};
use crate::control::messages::Reload;
use crate::control::server::{BindError, Options, Server};
use crate::control::test_service::{Fixture, service_in};

#[tokio::test]
async fn the_socket_belongs_to_one_and_leaves_nothing_behind() {
    let daemon = TestDaemon::open(Fixture::default(), |_| {}).await;
    let mode = std::fs::metadata(&daemon.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    assert!(matches!(Server::bind(Options::at(&daemon.path)).await, Err(BindError::Taken { .. })));
    let file = daemon.folder.path().join("file");
    std::fs::write(&file, "precious").unwrap();
    assert!(matches!(Server::bind(Options::at(&file)).await, Err(BindError::NotASocket { .. })));
    assert_eq!(std::fs::read(&file).unwrap(), b"precious");
    daemon.stop.cancel();
    daemon.serving.await.unwrap();
    assert!(!daemon.path.exists());
    let names: Vec<_> =
        std::fs::read_dir(daemon.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().contains("socket")), "{names:?}");
}

#[tokio::test]
async fn a_socket_that_a_dead_process_left_is_replaced_and_anothers_is_not_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    drop(UnixListener::bind(&path).unwrap());
    assert!(matches!(Client::connect(&path).await, Err(ConnectError::Nobody { .. })));
    let (service, _) = service_in(&folder.path().join("store"), Fixture::default()).await;
    let server = Server::bind(Options::at(&path)).await.unwrap();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(server.serve(service, stop.clone()));
    assert!(Client::connect(&path).await.is_ok());
    std::fs::remove_file(&path).unwrap();
    let others = UnixListener::bind(&path).unwrap();
    stop.cancel();
    serving.await.unwrap();
    assert!(path.exists());
    drop(others);
}

#[tokio::test]
async fn nobody_there_is_told_apart_from_somebody_who_is_silent() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = Client::connect(&folder.path().join("none")).await.unwrap_err();
    assert!(nowhere.to_string().contains("there is no socket"), "{nowhere}");
    let path = folder.path().join("odd");
    let listener = UnixListener::bind(&path).unwrap();
    let odd = tokio::spawn(async move {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.write_all(b"220 mail ready\r\n").await;
        }
    });
    assert!(matches!(Client::connect(&path).await, Err(ConnectError::Silent { .. })));
    odd.abort();
}

#[tokio::test]
async fn a_stop_lets_what_is_in_flight_finish() {
    let gate = Arc::new(tokio::sync::Notify::new());
    let daemon =
        TestDaemon::open(Fixture { reload_gate: Some(gate.clone()), ..Fixture::default() }, |_| {}).await;
    let client = daemon.client().await;
    let asking = tokio::spawn(async move { client.ask(Reload {}).await });
    while Arc::strong_count(&gate) < 2 {
        tokio::task::yield_now().await;
    }
    let mut idle = UnixStream::connect(&daemon.path).await.unwrap();
    wait_until_waiting(&daemon.path).await;
    daemon.stop.cancel();
    gate.notify_one();
    assert!(asking.await.unwrap().unwrap().is_applied);
    daemon.serving.await.unwrap();
    let mut rest = Vec::new();
    assert_eq!(idle.read_to_end(&mut rest).await.unwrap_or(0), 0);
    assert!(Client::connect(&daemon.path).await.is_err());
}

/// When a later request is answered, earlier ones have been accepted.
async fn wait_until_waiting(path: &Path) {
    assert_eq!(Client::connect(path).await.unwrap().greeting().status, "ok");
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_ever() {
    let gate = Arc::new(tokio::sync::Notify::new());
    let daemon = TestDaemon::open(Fixture { reload_gate: Some(gate), ..Fixture::default() }, |options| {
        options.stop_timeout = Duration::from_secs(5);
    })
    .await;
    let mut stream = UnixStream::connect(&daemon.path).await.unwrap();
    stream.write_all(b"POST /v1/reload HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    tokio::time::advance(Duration::from_millis(1)).await;
    daemon.stop.cancel();
    daemon.serving.await.unwrap();
    assert!(!daemon.path.exists());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_comes_is_not_waited_for() {
    let daemon = TestDaemon::open(Fixture::default(), |_| {}).await;
    let answer = daemon
        .raw("POST /v1/poll HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 9\r\n\r\n{")
        .await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("did not arrive in time"), "{answer}");
}

const HEALTHY: &[u8] = b"GET /-/healthy HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn connections_beyond_the_cap_wait_while_all_work() {
    let gate = Arc::new(tokio::sync::Notify::new());
    let fixture = Fixture { reload_gate: Some(Arc::clone(&gate)), ..Fixture::default() };
    let daemon = TestDaemon::open(fixture, |options| {
        options.connections_max = 1;
        options.connections_reserved = 1;
    })
    .await;
    let mut first = UnixStream::connect(&daemon.path).await.unwrap();
    first.write_all(b"POST /v1/reload HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    wait_until_waiting(&daemon.path).await;
    let mut second = UnixStream::connect(&daemon.path).await.unwrap();
    second.write_all(b"POST /v1/reload HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut third = UnixStream::connect(&daemon.path).await.unwrap();
    third.write_all(HEALTHY).await.unwrap();
    let mut answer = Vec::new();
    let reading = third.read_to_end(&mut answer);
    tokio::pin!(reading);
    assert!(futures_util::poll!(reading.as_mut()).is_pending());
    gate.notify_waiters();
    gate.notify_one();
    reading.await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test]
async fn idle_connections_shut_nobody_out() {
    let daemon = TestDaemon::open(Fixture::default(), |options| {
        options.connections_max = 8;
        options.connections_reserved = 0;
        options.head_timeout = Duration::from_secs(3600);
    })
    .await;
    let mut idle = Vec::new();
    for number in 0..120 {
        let mut stream = UnixStream::connect(&daemon.path).await.unwrap();
        match number % 3 {
            0 => {}
            1 => stream.write_all(b"GET /v1/sta").await.unwrap(),
            _ => {
                stream.write_all(b"GET /-/healthy HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
                let mut part = [0; 12];
                stream.read_exact(&mut part).await.unwrap();
                assert_eq!(&part, b"HTTP/1.1 200");
            }
        }
        idle.push(stream);
    }
    let asking = async {
        for _ in 0..3 {
            assert_eq!(daemon.ask("GET /v1/status", "").await.0, 200);
        }
        assert_eq!(daemon.client().await.greeting().status, "ok");
    };
    // Only a safeguard: on a server that leaves idle connections open, this would take an hour.
    tokio::time::timeout(Duration::from_secs(60), asking).await.expect("idle connections give way");
    drop(idle);
}

#[test]
fn random_bytes_never_stop_the_server() {
    use proptest::prelude::*;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let daemon = runtime.block_on(TestDaemon::open(Fixture::default(), |_| {}));
    let strategy = (0usize..5, proptest::collection::vec(any::<u8>(), 0..120));
    proptest!(ProptestConfig::with_cases(32), |((which, bytes) in strategy)| {
        let heads = ["", "GET /v1/", "POST /v1/tracked:batch HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n",
            "GET /v1/tracked?", "PUT /v1/tracked/a/b/"];
        runtime.block_on(async {
            let mut stream = UnixStream::connect(&daemon.path).await.unwrap();
            let _ = stream.write_all(&[heads[which].as_bytes(), &bytes, b"\r\n\r\n"].concat()).await;
            let _ = stream.shutdown().await;
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            assert_eq!(daemon.ask("GET /-/healthy", "").await.0, 200);
        });
    });
}
