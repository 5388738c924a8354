//! One batch of Amazon Pay MWS, and a process that dies at every single external effect: each write and sync
//! of the store, each request that leaves, each answer that arrives. Restarted, it finishes the batch:
//! submitted once, every request done once.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use amazon_pay_simulator::Simulator;
use amazon_pay_simulator::scenario::Scenario;
use reconciled::clock::SharedClock;
use reconciled::config::{self, Surroundings};
use reconciled::control::messages::{BatchShow, BatchShown, BatchSubmission};
use reconciled::daemon::{Daemon, Outside};
use reconciled::http::{BoxFuture, Request, Response, Transport, TransportError};

use crate::feeds::scenario;
use crate::memory::Memory;
use crate::months::clock::{HostClock, TrueClock, WorldTime};
use crate::months::disk::FatefulDisk;
use crate::months::fuse::Fuse;
use crate::world::configuration;

/// The network in memory under a fuse, which burns when a request leaves and when its answer arrives.
struct Burning {
    memory: Memory,
    fuse: Fuse,
}

impl Transport for Burning {
    fn send<'a>(&'a self, request: Request) -> BoxFuture<'a, Result<Response, TransportError>> {
        Box::pin(async move {
            if request.is_beginning_enough {
                return self.memory.send(request).await;
            }
            self.fuse.step().await;
            let answer = self.memory.send(request).await;
            self.fuse.step().await;
            answer
        })
    }
}

/// The provider and the disk, which survive the processes.
struct Host {
    folder: tempfile::TempDir,
    time: Arc<WorldTime>,
    simulator: Arc<Simulator>,
}

impl Host {
    fn new(conduct: &str, keys: &Scenario, keyring: &Path) -> Host {
        Host::with(scenario(conduct), keys, keyring)
    }

    /// Feeds as large as the input.
    fn allow_large(&self, count: usize) {
        let path = self.folder.path().join("config.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let large = format!("allow_writes = true\nbatch = {{ max_requests = {count}, max_mb = 100 }}\n");
        std::fs::write(&path, text.replace("allow_writes = true\n", &large)).unwrap();
    }

    fn with(text: String, keys: &Scenario, keyring: &Path) -> Host {
        let folder = tempfile::tempdir().unwrap();
        let mut own = Scenario::parse(&text, keyring).unwrap();
        own.accounts.clone_from(&keys.accounts);
        let text = configuration(keyring, &own, "");
        let (old, new) = (keyring.display().to_string(), folder.path().display().to_string());
        let moved = text
            .replace(&format!("\"{old}/store\""), &format!("\"{new}/store\""))
            .replace(&format!("\"{old}/reports\""), &format!("\"{new}/reports\""))
            .replace("[store]\n", "[store]\ncache_mib = 8\n");
        std::fs::write(folder.path().join("config.toml"), moved).unwrap();
        let time = WorldTime::starting_at("2027-01-15T06:00:00Z".parse().unwrap());
        let clock: SharedClock = Arc::new(TrueClock(Arc::clone(&time)));
        let simulator = Arc::new(Simulator::new(own, clock).unwrap());
        Host { folder, time, simulator }
    }

    /// One run of the process, to its end or to the effect at which the fuse blows.
    fn live<T>(&self, fuse: &Fuse, life: impl AsyncFnOnce(&Arc<Daemon>) -> T) -> Option<T> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .max_blocking_threads(1)
            .build()
            .unwrap();
        let lived = runtime.block_on(async {
            self.time.begin();
            let lived = tokio::select! {
                biased;
                () = fuse.wait() => None,
                lived = self.be(fuse, life) => Some(lived),
            };
            self.time.end();
            lived
        });
        // Nothing in flight has an external effect any more.
        fuse.blow();
        drop(runtime);
        lived.flatten()
    }

    async fn be<T>(&self, fuse: &Fuse, life: impl AsyncFnOnce(&Arc<Daemon>) -> T) -> Option<T> {
        let clock: SharedClock = Arc::new(HostClock::new(&self.time));
        let true_clock: SharedClock = Arc::new(TrueClock(Arc::clone(&self.time)));
        let memory = Memory::new(Arc::clone(&self.simulator), true_clock, Duration::from_millis(40));
        let outside = Outside {
            clock,
            transport: Arc::new(Burning { memory, fuse: fuse.clone() }),
            surroundings: Surroundings::default(),
            database: None,
        };
        let config = config::load(&self.folder.path().join("config.toml"), &Surroundings::default()).unwrap();
        let disk = FatefulDisk::new(fuse.clone(), None, None);
        let daemon = match Daemon::start_rooms(config, outside, Arc::new(disk.clone()), Arc::new(disk)).await
        {
            Ok(daemon) => daemon,
            Err(error) if fuse.is_blown() => {
                drop(error);
                return None;
            }
            Err(error) => panic!("{error:?}"),
        };
        Some(life(&daemon).await)
    }

    fn rows(&self, count: usize) -> String {
        let mut text = "AmazonAuthorizationId,CaptureReferenceId,Amount,CurrencyCode\n".to_owned();
        let planted = self.simulator.planted().into_iter();
        let open = planted.filter(|one| one.truth.merchant_reference.starts_with("auth-"));
        for (number, one) in open.take(count).enumerate() {
            text.push_str(&format!("{},capture-{number},9.50,GBP\n", one.truth.id));
        }
        text
    }

    fn taken(&self) -> u64 {
        let counts = self.simulator.counts();
        counts.operations.get(&("uk".to_owned(), "SubmitFeed".to_owned())).map_or(0, |count| count.succeeded)
    }

    fn captures_made(&self) -> usize {
        self.simulator.truths().into_iter().filter(|truth| truth.kind == "capture").count() - 3
    }
}

async fn submit(daemon: &Arc<Daemon>, content: String) -> Option<String> {
    let submission = BatchSubmission {
        account: "uk".parse().unwrap(),
        content,
        operation: Some("Capture".to_owned()),
        label: None,
        dry_run: false,
    };
    let done = daemon.service().submit_batch(submission).await.ok()?;
    Some(done.files[0].reference.clone())
}

async fn until_ended(daemon: &Arc<Daemon>, reference: &str) -> BatchShown {
    for _ in 0..600 {
        let request = BatchShow { reference: reference.to_owned() };
        if let Ok(shown) = daemon.service().show_batch(&request).await
            && shown.line.is_ended
        {
            return shown;
        }
        daemon.service().clock().sleep(Duration::from_secs(120)).await;
    }
    panic!("the batch does not end");
}

const COUNT: usize = 3;

/// Dies at the given effect, restarts, and must finish. True when the first run got to the end.
fn survives(host: &Host, count: usize, effect: u64) -> bool {
    let rows = host.rows(count);
    let first = host.live(&Fuse::of(Some(effect)), async |daemon| {
        let Some(reference) = submit(daemon, rows.clone()).await else { return false };
        until_ended(daemon, &reference).await;
        true
    });
    host.time.pass(Duration::from_secs(effect % 900));
    let shown = host.live(&Fuse::of(None), async |daemon| {
        // The operator submits again what was not acknowledged; identical rows are one batch.
        let reference = submit(daemon, rows.clone()).await.unwrap();
        until_ended(daemon, &reference).await
    });
    let shown = shown.expect("nothing kills the second life");
    assert_eq!(shown.line.stage, "finished", "killed at effect {effect}: {shown:?}");
    let objects: BTreeSet<_> = shown.row_list.iter().filter_map(|row| row.fort_id.as_deref()).collect();
    let is_done = shown.row_list.iter().all(|row| row.fate == "done");
    assert_eq!((objects.len(), is_done), (count, true), "killed at effect {effect}: {shown:?}");
    assert_eq!((host.taken(), host.captures_made()), (1, count), "killed at effect {effect}");
    first == Some(true)
}

#[test]
fn a_batch_survives_a_crash_at_every_effect_without_a_doubled_or_lost_submission() {
    let keyring = tempfile::tempdir().unwrap();
    let mut keys = Scenario::parse(&scenario(""), keyring.path()).unwrap();
    keys.generate_credentials(keyring.path()).unwrap();
    // Missing rows make the longest path: results, single requests, the end.
    let conduct = "[[mws]]\naccount = \"uk\"\nmissing_row_share = 0.4\n";
    let mut effects = 0;
    loop {
        let host = Host::new(conduct, &keys, keyring.path());
        if survives(&host, COUNT, effects) {
            break;
        }
        effects += 1;
        assert!(effects < 5_000, "the first life has no end");
    }
    assert!(effects > 40, "only {effects} effects: the crashes do not fall on the batch's way");
}

/// Many rows, and occasional kills: 300 rows by default, or as many as `RECONCILED_FEED_ROWS` says.
#[test]
fn a_large_batch_survives_crashes_on_its_way() {
    let count = std::env::var("RECONCILED_FEED_ROWS").ok().and_then(|text| text.parse().ok()).unwrap_or(300);
    let keyring = tempfile::tempdir().unwrap();
    let own = |text: String| text.replacen("count = 6", &format!("count = {count}"), 1);
    let mut keys = Scenario::parse(&scenario(""), keyring.path()).unwrap();
    keys.generate_credentials(keyring.path()).unwrap();
    let conduct = "[[mws]]\naccount = \"uk\"\nmissing_row_share = 0.01\n";
    for effect in [2, 9, 14, 22, 40, 90] {
        let host = Host::with(own(scenario(conduct)), &keys, keyring.path());
        host.allow_large(count);
        assert!(!survives(&host, count, effect), "the crash falls on the batch's way");
    }
}
