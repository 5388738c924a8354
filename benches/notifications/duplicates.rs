//! What a storm of duplicates costs: one genuine notification, sent 5,000 times a second for a minute of virtual time to
//! a whole daemon. It must cause no poll, write nothing, and take no memory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use amazon_pay_simulator::Simulator;
use amazon_pay_simulator::notifications::Signer;
use amazon_pay_simulator::plan::{Plan, Step};
use amazon_pay_simulator::scenario::Scenario;
use reconciled::clock::{Clock, SharedClock, VirtualClock};
use reconciled::config::{self, Surroundings};
use reconciled::control::enrolment_request::EnrolmentRequest;
use reconciled::control::messages::TrustRequest;
use reconciled::daemon::{Daemon, Outside};
use reconciled::notifications::{Answer, Received};

use crate::measured::{Broken, Goal, Row, Table, each_us};
use crate::memory::Memory;

/// In each second.
const DUPLICATES: usize = 5_000;
const SECONDS: usize = 60;
/// When the charge is authorized, which is announced and is not its end.
const AUTHORIZED_AFTER: Duration = Duration::from_secs(600);

const SCENARIO: &str = r#"
seed = 7
[[account]]
name = "shop"
api = "amazon-pay-v2"
merchant_id = "A1SHOP"
region = "eu"
environment = "sandbox"
public_key_id = "SANDBOX-ASHOPKEY"
[[notifications]]
account = "shop"
url = "http://127.0.0.1:9/notifications/shop"
"#;

pub fn run(table: &mut Table) -> Result<(), Broken> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    runtime.block_on(storm(table))
}

async fn storm(table: &mut Table) -> Result<(), Broken> {
    let folder = tempfile::tempdir()?;
    let clock = VirtualClock::starting_at("2027-01-15T06:00:00Z".parse()?);
    let shared: SharedClock = clock.clone();
    let mut scenario = Scenario::parse(SCENARIO, folder.path())?;
    scenario.generate_credentials(folder.path())?;
    let simulator = Arc::new(Simulator::new(scenario, Arc::clone(&shared))?);
    let network = Memory::new(Arc::clone(&simulator), Arc::clone(&shared), Duration::from_millis(40));
    let path = folder.path().join("config.toml");
    let authority = folder.path().join("sns-ca.pem");
    std::fs::write(&authority, Signer::shared()?.authority().authority_pem())?;
    let shown = folder.path().display();
    std::fs::write(
        &path,
        format!(
            "[store]\nfolder = \"{shown}/store\"\n[control]\nsocket = \"{shown}/control.sock\"\n\
             [reports]\nfolder = \"{shown}/reports\"\n[notifications]\nlisten = \"127.0.0.1:0\"\n\
             public_url = \"https://shop.example\"\n[notifications.test]\nca_file = \"{}\"\n\
             [[account]]\nname = \"shop\"\napi = \"amazon-pay-v2\"\npublic_key_id = \"SANDBOX-ASHOPKEY\"\n\
             private_key = \"file:{shown}/shop.private-key.pem\"\nregion = \"eu\"\nenvironment = \"sandbox\"\n\
             endpoint = \"http://127.0.0.1:9\"\n",
            authority.display()
        ),
    )?;
    let config = config::load(&path, &Surroundings::default())
        .map_err(|error| reconciled::daemon::problem_lines(error).join("\n"))?;
    let outside = Outside {
        clock: shared,
        transport: Arc::new(network),
        surroundings: Surroundings::default(),
        database: None,
    };
    let daemon = Daemon::start(config, outside).await?;
    let topic = simulator.topic_arn("shop").ok_or("the account has no topic")?;
    let trust = TrustRequest { account: "shop".parse()?, topic };
    daemon.service().trust(&trust).await.map_err(|refused| format!("{refused:?}"))?;
    let step = Step { after: AUTHORIZED_AFTER, state: "Authorized".to_owned(), reason: None };
    let plan = Plan {
        kind: "authorization".to_owned(),
        amount: "14.00".to_owned(),
        currency: "EUR".to_owned(),
        merchant_reference: "ORDER-1".to_owned(),
        steps: vec![step],
        invisible_for: Duration::ZERO,
    };
    let id = simulator.plant("shop", &plan)?;
    let enrolment = EnrolmentRequest::plain(format!("shop/charge/{id}").parse()?);
    daemon.service().enrol(vec![enrolment]).await.map_err(|refused| format!("{refused:?}"))?;
    clock.sleep(AUTHORIZED_AFTER + Duration::from_secs(60)).await;
    let sent = simulator.notifications_until(clock.now());
    let genuine = sent.last().ok_or("nothing was announced")?;
    let header = |name: &str| {
        let found = genuine.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone())
    };
    let received = Received { body: &genuine.body, header: &header };
    let hub = Arc::clone(daemon.notifications());
    let receive = async || match hub.receive("shop", &received).await {
        Answer::Stored => Ok(()),
        other => Err(format!("it was answered with {other:?}")),
    };
    receive().await?;
    // It is polled, and its first duplicates have filled what fills once.
    clock.sleep(Duration::from_secs(60)).await;
    for _ in 0..DUPLICATES {
        receive().await?;
    }
    let polls = || simulator.counts().of_account("shop").requests;
    let written = || daemon.store().stats().journal_sequence;
    let (polls_before, written_before, resident_before) = (polls(), written(), resident_kb()?);
    let began = Instant::now();
    for _ in 0..SECONDS {
        for _ in 0..DUPLICATES {
            receive().await?;
        }
        clock.sleep(Duration::from_secs(1)).await;
    }
    let spent = began.elapsed();
    let number = DUPLICATES * SECONDS;
    let most = |what: &str, measured: String, judged: f64, most: f64| Row {
        what: format!("{number} duplicates of one notification, {DUPLICATES} a second: {what}"),
        measured,
        baseline: String::new(),
        judged,
        goal: Goal::AtMost(most),
    };
    let polled = polls() - polls_before;
    table.add(most("requests to the provider", polled.to_string(), polled as f64, 0.0));
    let entries = written() - written_before;
    table.add(most("entries in the journal", entries.to_string(), entries as f64, 0.0));
    let grown_mb = resident_kb()?.saturating_sub(resident_before) as f64 * 1024.0 / 1e6;
    table.add(most("more resident memory", format!("{grown_mb:.1} MB"), grown_mb, 2.0));
    table.add(Row {
        what: "duplicates that one core takes in a second".to_owned(),
        measured: format!("{:.1} us each", each_us(spent, number)),
        baseline: format!("{DUPLICATES} a second"),
        judged: number as f64 / spent.as_secs_f64() / DUPLICATES as f64,
        goal: Goal::AtLeast(1.0),
    });
    daemon.stop().await?;
    Ok(())
}

fn resident_kb() -> Result<u64, Broken> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.split_whitespace().next().ok_or("no number")?.parse()?)
}
