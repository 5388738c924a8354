//! Opens the port of the API, if one is configured.
//!
//! Owns: nothing of its own. Must never know: any verb, how requests are let in.

use std::sync::Arc;

use crate::access::sessions::Sessions;
use crate::config::TcpConfig;
use crate::control::tcp::{Gate, Tcp, Token};

/// Opens it. The error is in words.
pub(super) async fn open(config: &TcpConfig, sessions: Option<Arc<Sessions>>) -> Result<Tcp, String> {
    let tokens = config.tokens.iter().map(|(role, token)| Token::new(*role, token)).collect();
    let gate = Gate::new(&config.hosts, tokens).with_sessions(sessions).with_links(config.links.clone());
    let tcp = Tcp::bind(config.listen, gate);
    let tcp = tcp.await.map_err(|error| format!("control.tcp.listen {}: {error}", config.listen))?;
    if let Some(address) = tcp.address() {
        tracing::info!(%address, "the API also answers over TCP, to those who have a token; `reconciled dashboard` opens the dashboard there");
    }
    Ok(tcp)
}
