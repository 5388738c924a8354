//! `kill -9` of the real process under load, again and again: nothing acknowledged is lost, every decline is
//! reported, reports are whole or absent. Then the same with the store's files torn or overwritten after the
//! kill.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use amazon_pay_simulator::provider::Random;
use aws_lc_rs::digest;
use jiff::ToSpan;
use jiff::civil::Date;
use reconciled::control::client::Client;
use reconciled::control::enrolment_request::EnrolmentRequest;
use reconciled::control::messages::{
    Enrol, EnrolOutcome, ListRequest, PollRequest, ReportRequest, StoreCheck,
};

use crate::process::{Host, Planted, Running};

/// Clients that enrol at the same time, and objects that each enrols in one run of the daemon.
const CLIENTS: u64 = 4;
const OBJECTS_A_CLIENT: u64 = 4;

/// How often to kill the process: `RECONCILED_KILLS`, or as often as the suite has time for.
pub fn kills(otherwise: u64) -> u64 {
    std::env::var("RECONCILED_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// A host that alerts only the back office, which accepts every decline at once; the chat accepts one message
/// a second.
pub async fn host_with_back_office() -> Arc<Host> {
    let host = Host::new().await;
    host.rewrite_config(|text| {
        let (before, alerts) = text.split_once("[[alert]]").unwrap();
        let (chat, office) = alerts.split_once("[[alert]]").unwrap();
        assert!(chat.contains("\"chat\"") && office.contains("\"back-office\""));
        format!("{before}[[alert]]{office}")
    });
    Arc::new(host)
}

/// The seed that decides how each run ends: `RECONCILED_SEED`, or a constant. Printed, to reproduce a
/// failure.
pub fn seed() -> u64 {
    let seed = std::env::var("RECONCILED_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(11);
    println!("seed {seed}");
    seed
}

/// What the daemon has acknowledged so far.
#[derive(Default)]
pub struct Acknowledged {
    enrolled: Mutex<BTreeMap<String, bool>>,
    reports: Mutex<BTreeSet<Date>>,
    count: AtomicU64,
    next_day: AtomicU64,
}

impl Acknowledged {
    pub fn acknowledge(&self, id: &str, is_declined: bool) {
        self.enrolled.lock().unwrap().insert(id.to_owned(), is_declined);
        self.count.fetch_add(1, Ordering::SeqCst);
    }

    pub fn enrolled(&self) -> BTreeSet<String> {
        self.enrolled.lock().unwrap().keys().cloned().collect()
    }

    pub fn declined(&self) -> BTreeSet<String> {
        let enrolled = self.enrolled.lock().unwrap();
        enrolled.iter().filter(|(_, is_declined)| **is_declined).map(|(id, _)| id.clone()).collect()
    }
}

/// A shop's program: creates objects at the provider and enrols each, until the daemon is gone.
pub async fn enrol_on(host: Arc<Host>, client: Client, known: Arc<Acknowledged>, mut random: Random) {
    for _ in 0..OBJECTS_A_CLIENT {
        let is_declined = random.share(0.7);
        let after_ms = random.below(900);
        let planted: Planted = match (is_declined, random.share(0.5)) {
            (true, true) => host.plant("shop", "authorization", "Declined", Some("HardDeclined"), after_ms),
            (true, false) => host.plant("old-shop", "refund", "Declined", Some("AmazonRejected"), after_ms),
            (false, true) => host.plant("shop", "refund", "Refunded", None, after_ms),
            (false, false) => host.plant("old-shop", "capture", "Completed", None, after_ms),
        };
        let enrolment_request = EnrolmentRequest {
            details: planted.details(),
            ..EnrolmentRequest::plain(planted.object.clone())
        };
        let Ok(results) = client.ask(Enrol::from(vec![enrolment_request])).await else { return };
        assert_eq!(results[0].outcome, EnrolOutcome::New, "{:?}", results[0].reason);
        known.acknowledge(planted.id(), is_declined);
    }
}

/// An accountant who requests one report after another, each of an earlier day.
async fn report_on(client: Client, known: Arc<Acknowledged>) {
    let last = Date::constant(2026, 1, 31);
    for _ in 0..20 {
        let back = i64::try_from(known.next_day.fetch_add(1, Ordering::SeqCst)).unwrap();
        let day = last.checked_sub(back.days()).unwrap();
        if client.ask(ReportRequest { date: Some(day) }).await.is_err() {
            return;
        }
        known.reports.lock().unwrap().insert(day);
    }
}

/// An operator who wants everything polled now.
pub async fn poll_on(client: Client) {
    let everything = PollRequest { all: true, ..PollRequest::default() };
    while client.ask(everything.clone()).await.is_ok() {}
}

/// One run of the daemon under load; ends with `kill -9` after a random number of acknowledgements.
async fn live_and_die(host: &Arc<Host>, daemon: Running, known: &Arc<Acknowledged>, random: &mut Random) {
    let before = known.count.load(Ordering::SeqCst);
    let enough = before + random.between(1, CLIENTS * OBJECTS_A_CLIENT);
    let mut load = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        let own = Random::new(random.next_u64());
        load.spawn(enrol_on(Arc::clone(host), host.client().await, Arc::clone(known), own));
    }
    load.spawn(report_on(host.client().await, Arc::clone(known)));
    load.spawn(poll_on(host.client().await));
    host.until("enough is acknowledged", async || {
        (known.count.load(Ordering::SeqCst) >= enough).then_some(())
    })
    .await;
    // Do not wait for anything: die at any moment of a write, a poll, a delivery.
    host.clock.sleep(Duration::from_micros(random.below(60_000))).await;
    daemon.kill();
    while let Some(ended) = load.join_next().await {
        ended.unwrap();
    }
}

/// All objects that the daemon watches, by id.
pub async fn watched(host: &Host, client: &Client) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    let mut request = ListRequest { limit: Some(1_000), ..ListRequest::default() };
    loop {
        let page =
            client.ask(request.clone()).await.unwrap_or_else(|error| panic!("{error:?}\n{}", host.log()));
        ids.extend(page.items.iter().map(|record| record.id.as_str().to_owned()));
        match page.next_cursor {
            Some(cursor) => request.cursor = Some(cursor),
            None => return ids,
        }
    }
}

/// Checks that every published day is whole; returns those days.
fn whole_reports(root: &Path) -> BTreeSet<Date> {
    let mut days = BTreeSet::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if name.starts_with('.') || !path.is_dir() {
                continue;
            }
            match name.parse::<Date>() {
                Ok(day) => {
                    assert_whole(&path);
                    days.insert(day);
                }
                Err(_) => folders.push(path),
            }
        }
    }
    days
}

fn assert_whole(folder: &Path) {
    let shown = folder.display();
    let manifest = fs::read(folder.join("manifest.json")).unwrap_or_else(|error| panic!("{shown}: {error}"));
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let files = manifest["files"].as_array().unwrap();
    assert!(files.len() > 4, "{shown}");
    for file in files {
        let bytes = fs::read(folder.join(file["name"].as_str().unwrap())).unwrap();
        let sum = digest::digest(&digest::SHA256, &bytes);
        let sum: String = sum.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(file["sha256"], sum, "{shown} {file}");
    }
}

/// Waits until the back office has every decline, each under one key only.
pub async fn all_declines_told(host: &Host, enrolment_request: &BTreeSet<String>) {
    host.until("every decline is reported", async || {
        let told = keys_told(host);
        enrolment_request.iter().all(|id| told.contains_key(id)).then_some(())
    })
    .await;
    for (id, keys) in keys_told(host) {
        assert_eq!(keys.len(), 1, "{id} was reported under several keys: {keys:?}");
    }
}

fn keys_told(host: &Host) -> BTreeMap<String, BTreeSet<String>> {
    let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for message in host.simulator.chat_messages() {
        if message.path.starts_with("/hooks/") && message.body["data"]["kind"] == "declined" {
            let id = message.body["data"]["object"]["id"].as_str().unwrap().to_owned();
            let key = message.headers.iter().find(|(name, _)| name == "webhook-id").unwrap().1.clone();
            told.entry(id).or_default().insert(key);
        }
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_under_load_it_loses_nothing_and_reports_every_decline() {
    let host = host_with_back_office().await;
    let known = Arc::new(Acknowledged::default());
    let mut random = Random::new(seed());
    let mut daemon = host.start().await;
    for kill in 1..=kills(50) {
        live_and_die(&host, daemon, &known, &mut random).await;
        daemon = host.start().await;
        let client = host.client().await;
        let lost: Vec<String> =
            known.enrolled().difference(&watched(&host, &client).await).cloned().collect();
        assert!(lost.is_empty(), "kill {kill} lost {lost:?}\n{}", host.log());
        let report = client.ask(StoreCheck {}).await.unwrap();
        assert!(report.is_clean(), "kill {kill}: {:?}", report.problems);
    }
    all_declines_told(&host, &known.declined()).await;
    let days = whole_reports(&host.path("reports"));
    let missing: Vec<Date> = known.reports.lock().unwrap().difference(&days).copied().collect();
    assert!(missing.is_empty(), "acknowledged, but not there: {missing:?}");
    daemon.stop(&host).await;
    host.run(&["store", "check"]).await.expect(0, &["nothing is wrong"]);
}

/// The damage done to a file.
#[derive(Debug)]
struct Harm {
    from: usize,
    is_journal: bool,
}

/// Files that a power cut could leave torn: the end of the journal, and anything of the index.
fn candidates(store: &Path) -> Vec<(PathBuf, bool)> {
    let files = |folder: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
        let mut files: Vec<PathBuf> = entries.filter(|path| path.is_file()).collect();
        files.sort();
        files
    };
    let mut found: Vec<(PathBuf, bool)> =
        files(&store.join("index")).into_iter().map(|file| (file, false)).collect();
    let last = files(&store.join("journal")).pop().unwrap();
    // As likely as the whole index together.
    found.extend(std::iter::repeat_n((last, true), found.len().max(1)));
    found
}

/// Tears the end off a file, or writes zeros over a part near its end.
fn harm(store: &Path, random: &mut Random) -> Harm {
    let files = candidates(store);
    let pick = usize::try_from(random.below(files.len() as u64)).unwrap();
    let (file, is_journal) = files[pick].clone();
    let mut bytes = fs::read(&file).unwrap();
    // Near the end of the written part: a journal has preallocated space after its entries.
    let room = if is_journal { bytes.iter().rev().take_while(|byte| **byte == b'~').count() } else { 0 };
    let end = bytes.len() - room.saturating_sub(600);
    let reach = random.between(1, 6_000).min(end as u64);
    let from = end - usize::try_from(reach).unwrap();
    if random.share(0.5) {
        bytes.truncate(from);
    } else {
        let length = usize::try_from(random.between(1, reach)).unwrap();
        bytes[from..from + length].fill(0);
    }
    fs::write(&file, bytes).unwrap();
    // Files tear when the machine loses its power: it has rebooted since.
    fs::write(store.join("running"), "the boot before the power cut").unwrap();
    Harm { from, is_journal }
}

/// The text of a journal file from the entry at this position on (a header of 64 bytes, then entries with a
/// header of 56 bytes each, which begins with the payload's length).
fn text_from(bytes: &[u8], place: usize) -> String {
    let mut start = 64;
    while let Some(head) = bytes.get(start..start + 56) {
        let length = u32::from_le_bytes(head[..4].try_into().unwrap()) as usize;
        if start + 56 + length > place {
            break;
        }
        start += 56 + length;
    }
    String::from_utf8_lossy(bytes.get(start..).unwrap_or_default()).into_owned()
}

/// Starts the daemon on a damaged store. If it refuses, it must name the damage, and a rebuild must repair
/// it.
async fn start_or_rebuild(host: &Host) -> (Running, bool) {
    host.forget_told();
    let mut daemon = Some(host.launch());
    let refused = host
        .until("the daemon is ready or refuses", async || match daemon.as_mut().unwrap().try_ended() {
            Some(status) => Some(Some(status)),
            None => host.heard("READY=1").map(|()| None),
        })
        .await;
    let Some(status) = refused else { return (daemon.take().unwrap(), false) };
    assert_eq!(status.code(), Some(65), "{}", host.log());
    let check = host.run(&["store", "check"]).await;
    let is_short = check.err.contains("the journal lacks entries that were acknowledged");
    let named = if is_short { "the journal lacks entries" } else { "the journal is damaged: file " };
    check.expect(65, &[named]);
    assert!(host.log().contains(named), "{}", host.log());
    if is_short {
        host.run(&["store", "rebuild"]).await.expect(65, &[named]);
    }
    let rebuild = ["store", "rebuild", "--accept-loss"];
    host.run(&rebuild).await.expect(65, &["applied", "kept from the old index"]);
    (host.start().await, true)
}

/// Starts it as the service manager would: index damage that shows only at work ends the process, and the
/// next start rebuilds the index.
async fn start_until_it_works(host: &Host) -> (Running, bool, Client) {
    let mut was_rebuilt = false;
    for _ in 0..3 {
        let (mut daemon, rebuilt) = start_or_rebuild(host).await;
        was_rebuilt |= rebuilt;
        if let Ok(client) = Client::connect(&host.path("control.sock")).await
            && client.ask(StoreCheck {}).await.is_ok()
        {
            return (daemon, was_rebuilt, client);
        }
        host.until("the daemon has ended", async || daemon.try_ended()).await;
        assert!(host.log().contains("damage"), "{}", host.log());
    }
    panic!("it ended three times:\n{}", host.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn with_torn_or_zeroed_files_it_loses_only_what_it_names() {
    let host = host_with_back_office().await;
    let known = Arc::new(Acknowledged::default());
    let mut random = Random::new(seed() + 1);
    let (mut daemon, mut has_damage) = (host.start().await, false);
    let (mut harmed_journals, mut lost_in_all) = (0, 0);
    for round in 1..=kills(24) {
        live_and_die(&host, daemon, &known, &mut random).await;
        let journal = candidates(&host.path("store")).pop().unwrap().0;
        let before = fs::read(&journal).unwrap();
        let logged = host.log().len();
        let harm = harm(&host.path("store"), &mut random);
        harmed_journals += u32::from(harm.is_journal);
        let (started, was_rebuilt, client) = start_until_it_works(&host).await;
        daemon = started;
        has_damage |= was_rebuilt;
        let lost: Vec<String> =
            known.enrolled().difference(&watched(&host, &client).await).cloned().collect();
        if !lost.is_empty() {
            assert!(harm.is_journal, "round {round}: {harm:?} lost {lost:?}");
            let harmed = text_from(&before, harm.from);
            for id in &lost {
                assert!(harmed.contains(id.as_str()), "round {round}: {id} is lost, but lay before {harm:?}");
                known.enrolled.lock().unwrap().remove(id);
            }
            let log = &host.log()[logged..];
            assert!(
                was_rebuilt || log.contains("an unfinished end of the journal was cut off: file "),
                "round {round}: {lost:?} are lost, and nobody says so\n{log}"
            );
        }
        lost_in_all += lost.len();
        let report = client.ask(StoreCheck {}).await.unwrap();
        let strange: Vec<&String> = report
            .problems
            .iter()
            .filter(|problem| !(has_damage && problem.starts_with("journal: file ")))
            .collect();
        assert!(strange.is_empty(), "round {round} after {harm:?}: {strange:?}");
    }
    assert!(harmed_journals > 0);
    println!("{harmed_journals} journals harmed, {lost_in_all} objects lost and named");
    all_declines_told(&host, &known.declined()).await;
    whole_reports(&host.path("reports"));
    daemon.stop(&host).await;
}
