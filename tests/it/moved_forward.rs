//! A store of an earlier version is moved forward when it is opened; `kill -9` on the way loses nothing.

#[path = "../../src/store/tests/unpack.rs"]
mod unpack;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use amazon_pay_simulator::provider::Random;
use jiff::Timestamp;
use reconciled::payments::record::{Record, Transition};
use reconciled::store::{Filter, Options, Store};

use crate::killing::{kills, seed};

const COMMIT: &str = "6d207ff";
const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn options(folder: &Path) -> Options {
    Options { folder: folder.to_owned(), cache_bytes: 1 << 20, ..Options::default() }
}

/// Not a test on its own: the process that is killed.
#[tokio::test]
async fn a_process_opens_it() {
    let Ok(folder) = std::env::var("MOVED_FOLDER") else { return };
    let (store, _) = Store::open(options(Path::new(&folder)), NOW).await.unwrap();
    store.close().await.unwrap();
}

fn process(folder: &Path) -> Command {
    let mut process = Command::new(std::env::current_exe().unwrap());
    process.args(["--exact", "moved_forward::a_process_opens_it", "--test-threads=1"]);
    process.env("MOVED_FOLDER", folder).stdout(Stdio::null()).stderr(Stdio::null());
    process
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "a process is killed in the machine's own time")]
async fn killed_while_it_is_moved_it_loses_nothing() {
    let expected: serde_json::Value =
        serde_json::from_slice(&std::fs::read(unpack::fixture(&format!("store-{COMMIT}.json"))).unwrap())
            .unwrap();
    let records: Vec<Record> = serde_json::from_value(expected["records"].clone()).unwrap();
    let transitions: Vec<Transition> = serde_json::from_value(expected["transitions"].clone()).unwrap();
    let undisturbed = unpack::unpack(COMMIT);
    let began = Instant::now();
    assert!(process(undisturbed.path()).status().unwrap().success());
    let whole = u64::try_from(began.elapsed().as_micros()).unwrap();
    let mut random = Random::new(seed());
    let mut was_interrupted = 0;
    for kill in 1..=kills(20) {
        let folder = unpack::unpack(COMMIT);
        let mut child = process(folder.path()).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(random.below(whole)));
        child.kill().unwrap();
        was_interrupted += u32::from(!child.wait().unwrap().success());
        let (store, opening) = Store::open(options(folder.path()), NOW).await.unwrap();
        assert_eq!(opening.rebuilt_index, None, "kill {kill}");
        let found = store.list(&Filter::default(), None, 1_000).await.unwrap().items;
        assert_eq!(found, records, "kill {kill}");
        let found = store.transitions(Timestamp::MIN, Timestamp::MAX, None, 1_000).await.unwrap().items;
        assert_eq!(found, transitions, "kill {kill}");
        let report = store.check().await.unwrap();
        assert!(report.is_clean(), "kill {kill}: {:?}", report.problems);
    }
    assert!(was_interrupted > 0);
}
