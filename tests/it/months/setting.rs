//! The setting of one world: its folder, its scenario, its configuration, the keys.

use std::path::Path;
use std::sync::OnceLock;

use amazon_pay_simulator::credentials::write_secret;
use amazon_pay_simulator::scenario::Scenario;

use super::log::{OFFICE, PAGER, ROOM};
use super::plan::{MWS, Plan, V2};

fn scenario_text(is_sandbox: bool) -> String {
    let (environment, prefix) = if is_sandbox { ("sandbox", "SANDBOX") } else { ("live", "LIVE") };
    let quota = if is_sandbox {
        "capacity = 2, refill = 1, per_s = 2"
    } else {
        "capacity = 10, refill = 1, per_s = 1"
    };
    format!(
        r#"
[[account]]
name = "{V2}"
api = "amazon-pay-v2"
merchant_id = "A1SHOP"
region = "eu"
environment = "{environment}"
public_key_id = "{prefix}-ASHOPKEY"
quota = [{{ operation = "*", {quota} }}]
[[account]]
name = "{MWS}"
api = "amazon-pay-mws"
merchant_id = "A2OLDSHOP"
region = "na"
environment = "{environment}"
access_key_id = "AKIAOLDSHOP000000000"
quota = [{{ operation = "*", {quota} }}]
"#
    )
}

/// Scenarios with keys, live and sandbox, and the folder of their private keys. They are shared because
/// creating a key takes longer than a simulated day.
fn keyring() -> &'static (tempfile::TempDir, [Scenario; 2]) {
    static KEYRING: OnceLock<(tempfile::TempDir, [Scenario; 2])> = OnceLock::new();
    KEYRING.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder can be created");
        let mut live = Scenario::parse(&scenario_text(false), folder.path()).expect("the text is sound");
        live.generate_credentials(folder.path()).expect("keys can be created");
        let mut sandbox = Scenario::parse(&scenario_text(true), folder.path()).expect("the text is sound");
        for (account, with_keys) in sandbox.accounts.iter_mut().zip(&live.accounts) {
            use amazon_pay_simulator::scenario::Credentials;
            match (&mut account.credentials, &with_keys.credentials) {
                (Credentials::PublicKey { der, .. }, Credentials::PublicKey { der: known, .. }) => {
                    der.clone_from(known);
                }
                (Credentials::AccessKey { secret, .. }, Credentials::AccessKey { secret: known, .. }) => {
                    secret.clone_from(known);
                }
                _ => unreachable!("both texts have the same accounts"),
            }
        }
        (folder, [live, sandbox])
    })
}

/// The provider's side of a plan.
pub fn scenario(plan: &Plan) -> Scenario {
    let mut scenario = keyring().1[usize::from(plan.is_sandbox)].clone();
    scenario.seed = plan.seed;
    scenario.faults.clone_from(&plan.faults);
    scenario.chat.failure_share = plan.chat_failure_share;
    scenario.chat.throttled_share = plan.chat_throttled_share;
    scenario.chat.retry_after_s = 7;
    scenario
}

/// The daemon's side.
pub fn write_config(folder: &Path, plan: &Plan) -> std::io::Result<()> {
    let keys = keyring().0.path().display().to_string();
    let shown = folder.display();
    let (environment, prefix) = if plan.is_sandbox { ("sandbox", "SANDBOX") } else { ("live", "LIVE") };
    let early = if plan.has_early_looks { "first_polls = [\"1m\", \"5m\", \"15m\"]" } else { "" };
    let poll = |account| match plan.adaptive {
        Some(adaptive) if adaptive == account => "poll = { rhythm = \"adaptive\" }",
        _ => "",
    };
    let (v2_poll, mws_poll) = (poll(V2), poll(MWS));
    let mut text = format!(
        r#"
[store]
folder = "{shown}/store"
cache_mib = 8
[control]
socket = "{shown}/control.sock"
[reports]
folder = "{shown}/reports"
time_zone = "{}"
[poll]
resting_interval = "{}h"
quarantine_interval = "{}h"
{early}
[[account]]
name = "{V2}"
api = "amazon-pay-v2"
region = "eu"
environment = "{environment}"
public_key_id = "{prefix}-ASHOPKEY"
private_key = "file:{keys}/{V2}.private-key.pem"
endpoint = "http://127.0.0.1:9"
{v2_poll}
[[account]]
name = "{MWS}"
api = "amazon-pay-mws"
region = "na"
environment = "{environment}"
seller_id = "A2OLDSHOP"
access_key_id = "AKIAOLDSHOP000000000"
secret_key = "file:{keys}/{MWS}.secret-key"
endpoint = "http://127.0.0.1:9"
{mws_poll}
"#,
        plan.zone, plan.resting_h, plan.quarantine_h
    );
    for (name, kind, path) in [(ROOM, "slack", "services/T0/B0/x"), (OFFICE, "webhook", "hooks/json")] {
        let file = folder.join(format!("{name}-url"));
        write_secret(&file, &format!("http://127.0.0.1:9/{path}"))?;
        text.push_str(&format!(
            "[[alert]]\nname = \"{name}\"\nkind = \"{kind}\"\nurl = \"file:{}\"\n\
             environments = [\"live\", \"sandbox\"]\nmin_severity = \"info\"\n",
            file.display()
        ));
    }
    if let Some(alerting) = &plan.alerting {
        let file = folder.join("pager-key");
        write_secret(&file, "0123456789abcdef0123456789abcdef")?;
        text.push_str(&format!(
            "[[alert]]\nname = \"{PAGER}\"\nkind = \"pagerduty\"\nrouting_key = \"file:{}\"\n\
             base_url = \"http://127.0.0.1:9\"\nmin_severity = \"info\"\n",
            file.display()
        ));
        text.push_str(&alerting.sections());
    }
    std::fs::write(folder.join("config.toml"), text)
}
