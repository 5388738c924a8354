//! Power cuts: only synced data survives. A writer runs under a preloaded shim (tests/power/shim.c) that logs
//! every sync with the data it made durable; between them the writer logs every acknowledgement. The power is
//! then cut at a hundred places of that log, and each time the store must have everything acknowledged
//! before.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use amazon_pay_simulator::provider::Random;
use jiff::Timestamp;
use reconciled::payments::alert::{Alert, AlertKind, Severity};
use reconciled::payments::object::ObjectRef;
use reconciled::payments::record::{Details, Enrolment};
use reconciled::store::{AlertFilter, Delivery, DeliveryStatus, Options, OwedAlert, Store};

use crate::tools;

/// How often the power is cut.
const CUTS: u64 = 100;
/// Concurrent writers, and facts that each writes.
const WRITERS: u64 = 4;
const FACTS: u64 = 40;

const NOW: Timestamp = Timestamp::constant(1_770_000_000, 0);

fn options(folder: &Path) -> Options {
    Options {
        folder: folder.to_owned(),
        cache_bytes: 1 << 20,
        journal_segment_bytes: 6_000,
        ..Options::default()
    }
}

fn object(id: &str) -> ObjectRef {
    format!("shop/charge/{id}").parse().unwrap()
}

fn alert(key: &str) -> Alert {
    Alert {
        key: key.to_owned(),
        kind: AlertKind::Declined,
        severity: Severity::Critical,
        account: "shop".parse().unwrap(),
        object: None,
        merchant_reference: None,
        amount: None,
        amounts: Default::default(),
        state: None,
        reason: None,
        headline: "Declined".to_owned(),
        explanation: "The bank refused".to_owned(),
        advice: "Ask the buyer".to_owned(),
        where_to_look: "Seller Central".to_owned(),
        occurred_at: NOW,
        found_at: NOW,
        event: None,
    }
}

/// Puts an acknowledgement into the log, after all syncs before it.
fn acknowledge(log: Option<&Path>, text: &str) {
    if let Some(log) = log {
        let mut file = OpenOptions::new().append(true).create(true).open(log).unwrap();
        file.write_all(format!("A - {}\n{text}", text.len()).as_bytes()).unwrap();
    }
}

/// Writes facts of every kind, and acknowledges each when the store does.
async fn write_facts(store: &Store, log: Option<&Path>, writer: u64) {
    for number in 0..FACTS {
        let id = format!("S{writer}-{number}");
        let enrolment = Enrolment { object: object(&id), details: Details::default() };
        store.enrol(vec![enrolment], NOW).await.unwrap();
        acknowledge(log, &format!("enrolled {id}"));
        match number % 5 {
            0 => {
                let key = format!("declined/{id}");
                let owed = OwedAlert { alert: alert(&key), targets: vec!["chat".into()] };
                store.raise(vec![owed]).await.unwrap();
                acknowledge(log, &format!("raised {key}"));
                store.settle(&key, "chat", Delivery::Delivered, NOW).await.unwrap();
                acknowledge(log, &format!("delivered {key}"));
            }
            1 => {
                store.remember(&format!("mark-{writer}-{number}"), &id).await.unwrap();
                acknowledge(log, &format!("remembered mark-{writer}-{number}"));
            }
            2 => {
                assert!(store.forget(&object(&id), NOW, "uid:1").await.unwrap());
                acknowledge(log, &format!("forgotten {id}"));
            }
            _ => {}
        }
    }
}

/// The writer. The test below starts it under the shim, with environment variables for folder and log;
/// otherwise it is a plain run, which must leave a store without problems.
#[tokio::test(flavor = "multi_thread")]
async fn a_writer_leaves_a_store_without_problems() {
    let own = tempfile::tempdir().unwrap();
    let folder = std::env::var_os("POWER_ROOT").map_or_else(|| own.path().to_owned(), PathBuf::from);
    let log = std::env::var_os("POWER_LOG").map(PathBuf::from);
    let (store, _) = Store::open(options(&folder), NOW).await.unwrap();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let (store, log) = (store.clone(), log.clone());
        writers.spawn(async move { write_facts(&store, log.as_deref(), writer).await });
    }
    while let Some(ended) = writers.join_next().await {
        ended.unwrap();
    }
    let report = store.check().await.unwrap();
    assert!(report.is_clean(), "{:?}", report.problems);
    assert_eq!(report.records, WRITERS * FACTS * 4 / 5);
    store.close().await.unwrap();
}

/// One thing that happened, in the order of the log.
enum Event {
    File { key: String, content: Vec<u8> },
    Folder { key: String, names: Vec<(bool, String, String)> },
    Acknowledged(String),
}

fn read_log(path: &Path) -> Vec<Event> {
    let bytes = fs::read(path).unwrap();
    let mut events = Vec::new();
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap();
        let head = std::str::from_utf8(&rest[..end]).unwrap();
        let [sort, key, length] = head.split(' ').collect::<Vec<_>>()[..] else { panic!("{head:?}") };
        let content = &rest[end + 1..end + 1 + length.parse::<usize>().unwrap()];
        rest = &rest[end + 1 + content.len()..];
        let text = || String::from_utf8(content.to_vec()).unwrap();
        let key = key.to_owned();
        events.push(match sort {
            "F" => Event::File { key, content: content.to_vec() },
            "D" => Event::Folder { key, names: text().lines().map(read_name).collect() },
            _ => Event::Acknowledged(text()),
        });
    }
    events
}

fn read_name(line: &str) -> (bool, String, String) {
    let mut parts = line.splitn(3, ' ');
    let mut next = || parts.next().unwrap().to_owned();
    (next() == "d", next(), next())
}

/// What the disk has after the first events: each folder's names and each file's content as of its last sync.
/// A file that was never synced is empty.
#[derive(Default)]
struct Disk<'a> {
    files: HashMap<&'a str, &'a [u8]>,
    folders: HashMap<&'a str, &'a [(bool, String, String)]>,
    acknowledged: Vec<&'a str>,
}

impl<'a> Disk<'a> {
    fn after(events: &'a [Event]) -> Disk<'a> {
        Disk::that_syncs_until(events, events.len())
    }

    /// A disk that ignores every sync of a file from event number `honest` on.
    fn that_syncs_until(events: &'a [Event], honest: usize) -> Disk<'a> {
        let mut disk = Disk::default();
        for (number, event) in events.iter().enumerate() {
            match event {
                Event::File { .. } if number >= honest => {}
                Event::File { key, content } => drop(disk.files.insert(key, content)),
                Event::Folder { key, names } => drop(disk.folders.insert(key, names)),
                Event::Acknowledged(text) => disk.acknowledged.push(text),
            }
        }
        disk
    }

    fn write(&self, key: &str, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for (is_folder, key, name) in self.folders.get(key).copied().unwrap_or_default() {
            let path = to.join(name);
            match is_folder {
                true => self.write(key, &path),
                false => fs::write(path, self.files.get(key.as_str()).copied().unwrap_or_default()).unwrap(),
            }
        }
    }
}

/// What was acknowledged but is missing.
async fn lost(store: &Store, acknowledged: &[&str]) -> Vec<String> {
    let mut lost = Vec::new();
    let page = store.open_objects(None, 1_000).await.unwrap();
    let watched: BTreeSet<String> = page.items.iter().map(|one| one.object.id.as_str().to_owned()).collect();
    let alerts = store.alerts(AlertFilter::default(), None, 1_000).await.unwrap();
    let alerts: BTreeMap<String, DeliveryStatus> =
        alerts.items.into_iter().map(|row| (row.alert.key, row.deliveries[0].status)).collect();
    let forgotten: BTreeSet<&str> =
        acknowledged.iter().filter_map(|text| text.strip_prefix("forgotten ")).collect();
    for text in acknowledged {
        let (deed, what) = text.split_once(' ').unwrap();
        let is_there = match deed {
            // An unacknowledged forgetting at the cut may be durable.
            "enrolled" => {
                watched.contains(what)
                    || forgotten.contains(what)
                    || !store.history(&object(what)).await.unwrap().is_empty()
            }
            "forgotten" => !watched.contains(what),
            "raised" => alerts.contains_key(what),
            "delivered" => alerts.get(what) == Some(&DeliveryStatus::Delivered),
            _ => store.recall(what).await.unwrap().is_some(),
        };
        if !is_there {
            lost.push((*text).to_owned());
        }
    }
    lost
}

/// Compiles the shim; `None` where there is no compiler.
fn compile(folder: &Path) -> Option<PathBuf> {
    let (source, library) =
        (Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/power/shim.c"), folder.join("shim.so"));
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(&library).arg(source);
    match compiler.args(["-ldl", "-lpthread"]).output() {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            tools::not_skipped("power cuts");
            Some(library)
        }
        Err(error) => {
            tools::skipped("power cuts", &format!("no C compiler for the shim: {error}"));
            None
        }
    }
}

/// The key of the store's folder itself in the shim's log: that of the first folder that holds `format`.
fn root_key(events: &[Event]) -> String {
    let root = events.iter().find_map(|event| match event {
        Event::Folder { key, names } if names.iter().any(|(_, _, name)| name == "format") => {
            Some(key.clone())
        }
        _ => None,
    });
    root.expect("the store's folder was synced")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_at_any_moment_loses_nothing_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let Some(shim) = compile(folder.path()) else { return };
    let (root, log) = (folder.path().join("store"), folder.path().join("log"));
    fs::create_dir(&root).unwrap();
    let mut writer = Command::new(std::env::current_exe().unwrap());
    writer.args(["--exact", "power::a_writer_leaves_a_store_without_problems", "--test-threads=1"]);
    writer.env("LD_PRELOAD", shim).env("POWER_ROOT", &root).env("POWER_LOG", &log);
    let output = tokio::task::spawn_blocking(move || writer.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let events = read_log(&log);
    let syncs = events.iter().filter(|event| matches!(event, Event::File { .. })).count();
    let all = Disk::after(&events).acknowledged.len();
    assert!(syncs > 50 && all as u64 > WRITERS * FACTS, "the shim logs {syncs} syncs, {all} answers");
    let root_key = root_key(&events);
    let mut random = Random::new(5);
    for cut in 1..=CUTS {
        // Spread over the whole log, and the very end.
        let stretch = events.len() as u64;
        let place =
            if cut == CUTS { stretch } else { stretch * (cut - 1) / CUTS + random.below(stretch / CUTS) };
        let place = usize::try_from(place).unwrap();
        let after = folder.path().join(format!("after-{cut}"));
        let lost = lost_on(&Disk::after(&events[..place]), &root_key, &after).await;
        assert!(lost.is_empty(), "the power cut at event {place} lost {lost:?}");
    }
    // The test must notice a disk that breaks its promise.
    let liar = Disk::that_syncs_until(&events, events.len() / 2);
    assert!(!lost_on(&liar, &root_key, &folder.path().join("liar")).await.is_empty());
}

/// What a store on this disk has lost, or why it cannot be opened; otherwise it must have no problems.
async fn lost_on(disk: &Disk<'_>, root_key: &str, folder: &Path) -> Vec<String> {
    disk.write(root_key, folder);
    let running = folder.join("running");
    if running.exists() {
        fs::write(running, "the boot before the power cut").unwrap();
    }
    let store = match Store::open(options(folder), NOW).await {
        Ok((store, _)) => store,
        Err(error) => return vec![error.to_string()],
    };
    let lost = lost(&store, &disk.acknowledged).await;
    let report = store.check().await.unwrap();
    assert!(report.is_clean(), "{}: {:?}", folder.display(), report.problems);
    store.close().await.unwrap();
    fs::remove_dir_all(folder).unwrap();
    lost
}
