//! The other process: the built-in simulator over TLS, until its input ends.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use amazon_pay_simulator::scenario::Scenario;
use amazon_pay_simulator::{Simulator, ThrowAwayAuthority, serve as listen};
use reconciled::clock::SystemClock;
use tokio_util::sync::CancellationToken;

/// The argument that turns a process into the server.
pub const WORD: &str = "serve-for-the-bench";

pub async fn serve(folder: &Path) {
    let scenario = Scenario::read(&folder.join("scenario.toml")).unwrap();
    let simulator = Arc::new(Simulator::new(scenario, SystemClock::shared()).unwrap());
    let mut planted = String::new();
    for one in simulator.planted() {
        let kind = match (one.api, one.truth.kind.as_str()) {
            ("amazon-pay-v2", "authorization") => "charge",
            (_, kind) => kind,
        };
        planted.push_str(&format!("{}/{kind}/{}\n", one.account, one.truth.id));
    }
    std::fs::write(folder.join("planted"), planted).unwrap();
    let authority = ThrowAwayAuthority::generate(&["localhost"]).unwrap();
    std::fs::write(folder.join("authority.pem"), authority.authority_pem()).unwrap();
    let shutdown = CancellationToken::new();
    let any = "127.0.0.1:0".parse().unwrap();
    let serving = listen(simulator, any, Some(authority), shutdown.clone()).await.unwrap();
    println!("https://localhost:{}", serving.address.port());
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    let _ = ended.await;
    shutdown.cancel();
}
