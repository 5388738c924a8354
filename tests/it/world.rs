//! A whole daemon in a simulated world: the real rooms, a real store, virtual time and the network in memory.
//! Hours pass in milliseconds.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use amazon_pay_simulator::credentials::write_secret;
use amazon_pay_simulator::scenario::{Api, Scenario};
use amazon_pay_simulator::{Planted, Simulator};
use reconciled::access::users::own_uid;
use reconciled::clock::{Clock, SharedClock, VirtualClock};
use reconciled::config::{self, Config, Surroundings};
use reconciled::control::enrolment_request::EnrolmentRequest;
use reconciled::daemon::{Daemon, Outside};
use reconciled::payments::money::Money;
use reconciled::payments::object::ObjectRef;
use reconciled::payments::record::{Details, Record};

use crate::memory::Memory;

/// One world.
pub struct World {
    pub folder: tempfile::TempDir,
    pub clock: Arc<VirtualClock>,
    pub simulator: Arc<Simulator>,
    pub daemon: Option<Arc<Daemon>>,
    outside: Outside,
    /// The network to the simulator.
    pub memory: Memory,
}

impl World {
    /// A world at `start`. `scenario` is the simulator's file; `sections` are added to the configuration,
    /// which has the accounts, the store and two alert targets (a Slack room and a back office).
    pub async fn new(start: &str, scenario: &str, sections: &str) -> World {
        let folder = tempfile::tempdir().unwrap();
        let clock = VirtualClock::starting_at(start.parse().unwrap());
        let mut scenario = Scenario::parse(scenario, folder.path()).unwrap();
        scenario.generate_credentials(folder.path()).unwrap();
        let config = configuration(folder.path(), &scenario, sections);
        std::fs::write(folder.path().join("config.toml"), config).unwrap();
        let shared: SharedClock = clock.clone();
        let simulator = Arc::new(Simulator::new(scenario, shared.clone()).unwrap());
        let memory = Memory::new(Arc::clone(&simulator), shared.clone(), Duration::from_millis(40));
        let outside = Outside {
            clock: shared,
            transport: Arc::new(memory.clone()),
            surroundings: Surroundings::default(),
            database: None,
        };
        let mut world = World { folder, clock, simulator, daemon: None, outside, memory };
        world.start().await;
        world
    }

    pub fn config_path(&self) -> PathBuf {
        self.folder.path().join("config.toml")
    }

    pub fn config(&self) -> Config {
        match config::load(&self.config_path(), &Surroundings::default()) {
            Ok(config) => config,
            Err(error) => panic!("{}", reconciled::daemon::problem_lines(error).join("\n")),
        }
    }

    /// Starts the daemon on what is in the store.
    pub async fn start(&mut self) {
        assert!(self.daemon.is_none());
        self.daemon = Some(Daemon::start(self.config(), self.outside.clone()).await.unwrap());
    }

    /// From the next start on, this is the machine's clock; the providers keep theirs.
    pub fn set_machine_clock(&mut self, clock: SharedClock) {
        self.outside.clock = clock;
    }

    /// Stops it properly.
    pub async fn stop(&mut self) {
        self.daemon.take().unwrap().stop().await.unwrap();
    }

    pub fn daemon(&self) -> &Arc<Daemon> {
        self.daemon.as_ref().unwrap()
    }

    /// Lets hours pass.
    pub async fn pass_hours(&self, hours: f64) {
        self.clock.sleep(Duration::from_secs_f64(hours * 3600.0)).await;
    }

    pub async fn pass_minutes(&self, minutes: f64) {
        self.pass_hours(minutes / 60.0).await;
    }

    /// Enrols everything that the scenario planted in `account`, as a shop would.
    pub async fn enrol_all(&self, account: &str) -> Vec<ObjectRef> {
        let planted: Vec<Planted> =
            self.simulator.planted().into_iter().filter(|planted| planted.account == account).collect();
        let mut objects = Vec::new();
        let mut lines = Vec::new();
        for one in planted {
            let kind = match (one.api, one.truth.kind.as_str()) {
                ("amazon-pay-v2", "authorization" | "capture") => "charge",
                (_, kind) => kind,
            };
            let object: ObjectRef = format!("{account}/{kind}/{}", one.truth.id).parse().unwrap();
            let details = Details {
                amount: Money::parse(&one.truth.amount, &one.truth.currency)
                    .ok()
                    .filter(|_| !matches!(kind, "charge-permission" | "billing-agreement")),
                merchant_reference: Some(one.truth.merchant_reference.clone()),
                created_at: Some(one.created_at),
                parent: None,
            };
            lines.push(EnrolmentRequest { details, ..EnrolmentRequest::plain(object.clone()) });
            objects.push(object);
        }
        for batch in lines.chunks(500) {
            for result in self.daemon().service().enrol(batch.to_vec()).await.unwrap() {
                assert_eq!(result.reason, None);
            }
        }
        objects
    }

    pub async fn record(&self, object: &ObjectRef) -> Record {
        self.daemon().store().record(object).await.unwrap().expect("the object is enrolled")
    }

    /// The bodies of the events of one kind that the back office received.
    pub fn events(&self, kind: &str) -> Vec<serde_json::Value> {
        self.simulator
            .chat_messages()
            .into_iter()
            .filter(|message| message.path.starts_with("/hooks/") && message.body["data"]["kind"] == kind)
            .map(|message| message.body["data"].clone())
            .collect()
    }

    /// The notification texts that the Slack room received.
    pub fn chat(&self) -> Vec<String> {
        let messages = self.simulator.chat_messages().into_iter();
        messages
            .filter(|message| message.path.starts_with("/services/"))
            .map(|message| message.body["text"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    pub fn rewrite_config(&self, change: impl FnOnce(String) -> String) {
        let text = std::fs::read_to_string(self.config_path()).unwrap();
        std::fs::write(self.config_path(), change(text)).unwrap();
    }
}

/// A configuration for the scenario's accounts.
pub fn configuration(folder: &Path, scenario: &Scenario, sections: &str) -> String {
    let shown = folder.display();
    let own = own_uid().unwrap();
    let mut text = format!(
        "[store]\nfolder = \"{shown}/store\"\n[control]\nsocket = \"{shown}/control.sock\"\n\
         write-money = [{own}]\n{sections}\n"
    );
    if !sections.contains("[reports]") {
        text.push_str(&format!("[reports]\nfolder = \"{shown}/reports\"\ntime_zone = \"UTC\"\n"));
    }
    for account in &scenario.accounts {
        let name = &account.name;
        let environment = if account.is_sandbox { "sandbox" } else { "live" };
        let own = match account.api {
            Api::AmazonPayV2 => format!(
                "public_key_id = \"{}\"\nprivate_key = \"file:{shown}/{name}.private-key.pem\"\nallow_writes = true\n",
                account.credentials.key_id()
            ),
            Api::AmazonPayMws => format!(
                "seller_id = \"{}\"\naccess_key_id = \"{}\"\nallow_writes = true\n\
                 secret_key = \"file:{shown}/{name}.secret-key\"\n",
                account.merchant_id,
                account.credentials.key_id()
            ),
            Api::Aps => format!(
                "merchant_identifier = \"{}\"\naccess_code = \"{}\"\nallow_writes = true\ncurrency = \"USD\"\n\
                 request_phrase = \"file:{shown}/{name}.request-phrase\"\n\
                 response_phrase = \"file:{shown}/{name}.response-phrase\"\n",
                account.merchant_id,
                account.credentials.key_id()
            ),
        };
        let region = match account.region.as_str() {
            "" => String::new(),
            region => format!("region = \"{region}\"\n"),
        };
        text.push_str(&format!(
            "[[account]]\nname = \"{name}\"\napi = \"{}\"\n{region}environment = \"{environment}\"\n{own}\
             endpoint = \"http://127.0.0.1:9\"\n",
            account.api.name(),
        ));
    }
    for (name, kind, path) in
        [("chat", "slack", "services/T0/B0/x"), ("back-office", "webhook", "hooks/json")]
    {
        let file = folder.join(format!("{name}-url"));
        write_secret(&file, &format!("http://127.0.0.1:9/{path}")).unwrap();
        text.push_str(&format!(
            "[[alert]]\nname = \"{name}\"\nkind = \"{kind}\"\nurl = \"file:{}\"\nenvironments = [\"live\", \"sandbox\"]\nmin_severity = \"info\"\n",
            file.display()
        ));
    }
    text
}
