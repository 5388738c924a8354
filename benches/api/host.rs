//! The daemon in this process: a store with objects that were observed once, a real socket, a provider in memory.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use amazon_pay_simulator::scenario::Scenario;
use jiff::{SignedDuration, Timestamp};
use reconciled::clock::{Clock, Sleep};
use reconciled::config::{self, Surroundings};
use reconciled::daemon::{Daemon, Outside, problem_lines};
use reconciled::http::{BoxFuture, Request, Response, Transport, TransportError};
use reconciled::store::{Options, Store};

use crate::measured::Broken;
use crate::objects::{account, after, enrolment, origin};
use crate::rounds::{fill, round};

/// An hour and a quarter after they were enrolled, all objects are polled for the first time.
const FIRST_POLL_S: i64 = 4_500;
/// Two hours and a half after it, the daemon starts: everything is due again.
const STARTED_S: i64 = 13_500;
/// Of all accounts together.
const POLLS_PER_SECOND: f64 = 100.0;

#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub objects: usize,
    pub accounts: usize,
    /// Whether the accounts are polled by the ages at which objects end.
    pub is_adaptive: bool,
}

pub struct Host {
    pub daemon: Arc<Daemon>,
    pub size: Size,
    pub socket: PathBuf,
    /// Where the dashboard is served.
    pub address: SocketAddr,
}

/// The machine's time, moved to the time of the objects.
#[derive(Debug)]
struct MovedClock(Instant);

impl Clock for MovedClock {
    fn now(&self) -> Timestamp {
        after(STARTED_S) + SignedDuration::try_from(self.0.elapsed()).unwrap_or_default()
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// Every charge is still pending.
struct Provider(usize);

impl Transport for Provider {
    fn send<'a>(&'a self, request: Request) -> BoxFuture<'a, Result<Response, TransportError>> {
        let id = request.url.rsplit('/').next().unwrap_or_default();
        let number = id.rsplit('C').next().and_then(|digits| digits.parse().ok()).unwrap_or_default();
        let details = enrolment(number, self.0).details;
        let amount = details.amount.map(|amount| amount.amount_text()).unwrap_or_default();
        let reference = details.merchant_reference.unwrap_or_default();
        let body = format!(
            r#"{{"chargeId":"{id}","chargePermissionId":"{id}","chargeAmount":{{"amount":"{amount}","currencyCode":"EUR"}},
            "statusDetails":{{"state":"AuthorizationInitiated","lastUpdatedTimestamp":"20260301T000000Z"}},
            "creationTimestamp":"20260301T000000Z","expirationTimestamp":"20260331T000000Z","releaseEnvironment":"Live",
            "merchantMetadata":{{"merchantReferenceId":"{reference}"}}}}"#
        );
        Box::pin(async move { Ok(Response { status: 200, headers: Vec::new(), body: body.into_bytes() }) })
    }
}

impl Host {
    /// Fills the store, unless an earlier run has, and starts the daemon.
    pub async fn start(folder: &Path, size: Size) -> Result<Host, Broken> {
        std::fs::create_dir_all(folder)?;
        if !folder.join("filled").exists() {
            let began = Instant::now();
            let options = Options { folder: folder.join("store"), ..Options::default() };
            let (store, _) = Store::open(options, origin()).await?;
            fill(&store, size.objects, size.accounts).await?;
            round(&store, size.accounts, after(FIRST_POLL_S)).await?;
            store.close().await?;
            std::fs::write(folder.join("filled"), "")?;
            println!("{} objects in {:.0} s", size.objects, began.elapsed().as_secs_f64());
        }
        let path = folder.join("config.toml");
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        std::fs::write(&path, configuration(folder, size, address)?)?;
        let config = config::load(&path, &Surroundings::default());
        let config = config.map_err(|error| problem_lines(error).join("\n"))?;
        let outside = Outside {
            clock: Arc::new(MovedClock(Instant::now())),
            transport: Arc::new(Provider(size.accounts)),
            surroundings: Surroundings::default(),
            database: None,
        };
        let daemon = Daemon::start(config, outside).await?;
        Ok(Host { daemon, size, socket: folder.join("control.sock"), address })
    }

    /// The polls since the start. Fails if the provider was not understood.
    pub fn polls(&self) -> Result<u64, Broken> {
        let tallies = self.daemon.reconcile().tallies();
        match tallies.values().find(|tally| tally.polls > tally.seen) {
            Some(failed) => Err(format!("polls failed: {failed:?}").into()),
            None => Ok(tallies.values().map(|tally| tally.polls).sum()),
        }
    }

    pub async fn stop(self) -> Result<(), Broken> {
        Ok(self.daemon.stop().await?)
    }
}

fn configuration(folder: &Path, size: Size, address: SocketAddr) -> Result<String, Broken> {
    let key = "seed = 7\n[[account]]\nname = \"bench\"\napi = \"amazon-pay-v2\"\nmerchant_id = \"A1\"\nregion = \"eu\"\n\
               environment = \"live\"\npublic_key_id = \"LIVE-ABENCHKEY\"\n\
               quota = [{ operation = \"*\", capacity = 1, refill = 1, per_s = 1 }]\n";
    Scenario::parse(key, folder)?.generate_credentials(folder)?;
    let shown = folder.display();
    let mut text = format!(
        "[store]\nfolder = \"{shown}/store\"\n[control]\nsocket = \"{shown}/control.sock\"\n\
         [reports]\nfolder = \"{shown}/reports\"\n[control.tcp]\nlisten = \"{address}\"\n"
    );
    if size.is_adaptive {
        text.push_str("[poll]\nrhythm = \"adaptive\"\n");
    }
    let each = POLLS_PER_SECOND / size.accounts as f64;
    for number in 0..size.accounts {
        text.push_str(&format!(
            "[[account]]\nname = \"{}\"\napi = \"amazon-pay-v2\"\nregion = \"eu\"\nenvironment = \"live\"\n\
             public_key_id = \"LIVE-ABENCHKEY{number:05}\"\nprivate_key = \"file:{shown}/bench.private-key.pem\"\n\
             quota = {{ burst = 1, per_second = {each:?} }}\n",
            account(number)
        ));
    }
    Ok(text)
}
