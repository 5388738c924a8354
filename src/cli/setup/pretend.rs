//! The configuration of a daemon for simulated providers: the keys, endpoints and chats of a simulator.
//!
//! Owns: where the simulator's key files are, and what of it stands in a configuration. Must never know: who serves it.

use std::fmt::Write;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use amazon_pay_simulator::Planted;
use amazon_pay_simulator::plan::enrolled_kind;
use amazon_pay_simulator::scenario::{Account, Credentials};

use super::sections::{AccountSection, alert, pair};

/// The `[[account]]` section. `endpoint` is where the simulator serves.
pub(in crate::cli) fn account(account: &Account, keys: &Path, endpoint: &str) -> String {
    let name = &account.name;
    let section = AccountSection {
        name,
        api: account.api.name(),
        region: &account.region,
        environment: if account.is_sandbox { "sandbox" } else { "live" },
        merchant_id: &account.merchant_id,
        key_id: account.credentials.key_id(),
    };
    let mut text = section.text(|file| {
        let ending = if file == "private-key" { ".pem" } else { "" };
        let path = keys.join(format!("{name}.{file}{ending}"));
        // Keys of the scenario's own are wherever its author keeps the secret half.
        if path.exists() { format!("file:{}", path.display()) } else { format!("credential:{name}-{file}") }
    });
    if let Credentials::Phrases { signature, .. } = &account.credentials {
        text.push_str(&pair("signature", &signature.to_string()));
    }
    text + &pair("endpoint", endpoint)
}

/// The `[[alert]]` section of the simulated chat, whose address is written into a file.
///
/// # Errors
/// When the file cannot be written.
pub(in crate::cli) fn chat(name: &str, kind: &str, keys: &Path, url: &str) -> io::Result<String> {
    let file = keys.join(format!("{name}-url"));
    amazon_pay_simulator::credentials::write_secret(&file, url)?;
    Ok(alert(name, kind, &format!("file:{}", file.display()), &["live", "sandbox"]))
}

/// The `[notifications]` sections of a daemon that listens where the simulator notifies it. `authority` is what it must
/// trust for the simulated Amazon SNS at `sns`.
pub(in crate::cli) fn notifications(
    url: &str,
    accounts: &[Account],
    authority: &Path,
    sns: SocketAddr,
) -> String {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest).split('/').next().unwrap_or_default();
    let listen = host.replacen("localhost", "127.0.0.1", 1);
    let mut text = format!("\n[notifications]\n{}", pair("listen", &listen));
    if accounts.iter().all(|account| account.is_sandbox) {
        let (ca_file, connect) = (authority.display().to_string(), sns.to_string());
        text += &format!("[notifications.test]\n{}{}", pair("ca_file", &ca_file), pair("connect", &connect));
    } else {
        text += "# [notifications.test] is refused beside live accounts: use a scenario with sandbox accounts only.\n";
    }
    text
}

/// Every planted object as `enrol` reads it, a line of JSON each.
pub(in crate::cli) fn objects(planted: &[Planted]) -> String {
    let mut lines = String::new();
    for Planted { account, api, truth, created_at } in planted {
        let kind = enrolled_kind(api, &truth.kind);
        let mut line = serde_json::json!({
            "account": account, "kind": kind, "id": truth.id, "reference": truth.merchant_reference,
            "created_at": created_at,
        });
        // Permissions and agreements have limits, not an amount.
        if !matches!(kind, "charge-permission" | "billing-agreement") {
            line["amount"] = truth.amount.as_str().into();
            line["currency"] = truth.currency.as_str().into();
        }
        let _ = writeln!(lines, "{line}");
    }
    lines
}
