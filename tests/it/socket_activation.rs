//! The daemon on a socket that the service manager opened.

use std::process::{Child, Command, Stdio};

use reconciled::control::client::Client;
use reconciled::control::messages::StatusRequest;

use crate::process::Host;
use crate::tools;

/// Killed when dropped, so that a failed test leaves none behind.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_the_service_manager_opened_is_used_and_stays() {
    const TEST: &str = "socket activation";
    if Command::new("systemd-socket-activate").arg("--version").output().is_err() {
        return tools::skipped(TEST, "systemd-socket-activate is not installed");
    }
    tools::not_skipped(TEST);
    let host = Host::new().await;
    let socket = host.path("control.sock");
    let log = std::fs::File::create(host.path("daemon.log")).unwrap();
    let mut activator = Command::new("systemd-socket-activate");
    activator.arg(format!("--listen={}", socket.display())).arg(env!("CARGO_BIN_EXE_reconciled"));
    activator.arg("--config").arg(host.path("config.toml")).args(["run", "--log", "json"]);
    activator.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    let mut running = Running(activator.spawn().unwrap());
    host.until("somebody listens", async || socket.exists().then_some(())).await;
    // The first connection starts the daemon, and waits for it in the socket's queue.
    let client = host
        .until("the daemon answers", async || {
            assert!(running.0.try_wait().unwrap().is_none(), "{}", host.log());
            Client::connect(&socket).await.ok()
        })
        .await;
    assert_eq!(client.greeting().pid, running.0.id());
    assert!(client.ask(StatusRequest {}).await.unwrap().health.is_daemon);
    let pid = running.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let ended = host.until("the daemon has ended", async || running.0.try_wait().unwrap()).await;
    assert_eq!(ended.code(), Some(0), "{}", host.log());
    assert!(socket.exists(), "the socket belongs to the service manager");
}
