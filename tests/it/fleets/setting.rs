//! The setting of one fleet: the provider's scenario, the hosts' configurations, the keys.

use std::path::Path;
use std::sync::OnceLock;

use amazon_pay_simulator::credentials::write_secret;
use amazon_pay_simulator::scenario::Scenario;

use super::plan::{ACCOUNTS, HOSTS, MWS, Plan};
use crate::months::log::{OFFICE, ROOM};

/// The port that stands for the targets of alerts. Those after it stand for the accounts.
pub const TARGETS_PORT: usize = 9000;

/// How many requests of one operation may follow each other without a wait.
pub const BURST: u32 = 2;

/// The provider is generous, because its time is a little behind. The judge is strict.
fn scenario_text(seconds_a_request: u64) -> String {
    let mut text = String::new();
    for (number, name) in ACCOUNTS.iter().enumerate() {
        let api = match *name == MWS {
            true => format!(
                "api = \"amazon-pay-mws\"\nregion = \"na\"\naccess_key_id = \"AKIAOLDSHOP00000000{number}\""
            ),
            false => {
                format!("api = \"amazon-pay-v2\"\nregion = \"eu\"\npublic_key_id = \"LIVE-ASHOPKEY{number}\"")
            }
        };
        text += &*format!(
            "[[account]]\nname = \"{name}\"\n{api}\nmerchant_id = \"A{number}SHOP\"\nenvironment = \"live\"\n\
             quota = [{{ operation = \"*\", capacity = 4, refill = 1, per_s = {seconds_a_request} }}]\n"
        );
    }
    text
}

/// A scenario with keys, and their folder. They are shared: to create a key takes longer than a simulated fleet.
fn keyring() -> &'static (tempfile::TempDir, Scenario) {
    static KEYRING: OnceLock<(tempfile::TempDir, Scenario)> = OnceLock::new();
    KEYRING.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder can be created");
        let mut scenario = Scenario::parse(&scenario_text(1), folder.path()).expect("the text is sound");
        scenario.generate_credentials(folder.path()).expect("keys can be created");
        (folder, scenario)
    })
}

/// The provider's side.
pub fn scenario(plan: &Plan) -> Scenario {
    let (folder, with_keys) = keyring();
    let mut scenario =
        Scenario::parse(&scenario_text(plan.seconds_a_request), folder.path()).expect("the text is sound");
    for (account, known) in scenario.accounts.iter_mut().zip(&with_keys.accounts) {
        account.credentials = known.credentials.clone();
    }
    scenario.seed = plan.seed;
    scenario.faults.clone_from(&plan.faults);
    scenario
}

/// The hosts' side: a configuration and a store folder for each, with its name.
pub fn write(folder: &Path, plan: &Plan) -> std::io::Result<()> {
    let keys = keyring().0.path().display().to_string();
    let shown = folder.display();
    let mut common = String::new();
    for (number, name) in ACCOUNTS.iter().enumerate() {
        let api = match *name == MWS {
            true => format!(
                "api = \"amazon-pay-mws\"\nregion = \"na\"\nseller_id = \"A{number}SHOP\"\n\
                 access_key_id = \"AKIAOLDSHOP00000000{number}\"\nsecret_key = \"file:{keys}/{name}.secret-key\""
            ),
            false => format!(
                "api = \"amazon-pay-v2\"\nregion = \"eu\"\npublic_key_id = \"LIVE-ASHOPKEY{number}\"\n\
                 private_key = \"file:{keys}/{name}.private-key.pem\""
            ),
        };
        let per_second = 1.0 / plan.seconds_a_request as f64;
        let port = TARGETS_PORT + 1 + number;
        common += &*format!(
            "[[account]]\nname = \"{name}\"\n{api}\nenvironment = \"live\"\nendpoint = \"http://127.0.0.1:{port}\"\n\
             quota = {{ burst = {BURST}, per_second = {per_second:?} }}\n"
        );
    }
    for (name, kind, path) in [(ROOM, "slack", "services/T0/B0/x"), (OFFICE, "webhook", "hooks/json")] {
        let file = folder.join(format!("{name}-url"));
        write_secret(&file, &format!("http://127.0.0.1:{TARGETS_PORT}/{path}"))?;
        common += &*format!(
            "[[alert]]\nname = \"{name}\"\nkind = \"{kind}\"\nurl = \"file:{}\"\nmin_severity = \"info\"\n",
            file.display()
        );
    }
    let url = folder.join("store-url");
    write_secret(&url, "postgresql://reconciled@127.0.0.1:1/in-memory")?;
    for host in HOSTS {
        let text = format!(
            "[store]\nfolder = \"{shown}/{host}\"\ncache_mib = 8\nengine = \"postgres\"\nurl = \"file:{}\"\n\
             lease = \"15s\"\n[control]\nsocket = \"{shown}/{host}.sock\"\n\
             [reports]\nfolder = \"{shown}/reports-{host}\"\n[poll]\ninterval = \"1m\"\n{common}",
            url.display()
        );
        std::fs::write(folder.join(format!("{host}.toml")), text)?;
        std::fs::create_dir(folder.join(host))?;
        // A host makes up its name from random bytes, and its name decides which accounts it takes.
        std::fs::write(folder.join(host).join("format"), "reconciled store 1\n")?;
        std::fs::write(folder.join(host).join("copy"), format!("{host}\n"))?;
    }
    Ok(())
}
