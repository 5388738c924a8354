//! Whole commands, as typed: through a daemon's socket and straight on a store.

mod enrol;
mod help;
mod store;
mod words;

use std::path::{Path, PathBuf};

use clap::{CommandFactory, Parser};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::args::Arguments;
use super::connection::Local;
use super::exit::{Exit, Failed};
use super::screen::Screen;
use super::{operate, quick};
use crate::clock::{SharedClock, VirtualClock};
use crate::control::server::{Options, Server};
use crate::control::test_service::{Fixture, ORIGIN, service_in, settle, with_alerts};
use crate::control::{Later, Service};
use crate::store::Options as StoreOptions;

struct TestLocal {
    socket: PathBuf,
    store: PathBuf,
}

impl Local for TestLocal {
    fn socket(&self) -> &Path {
        &self.socket
    }

    fn store_folder(&self) -> &Path {
        &self.store
    }

    fn store_options(&self) -> StoreOptions {
        StoreOptions { folder: self.store.clone(), cache_bytes: 1 << 20, ..StoreOptions::default() }
    }

    fn open(&self) -> Later<'_, Result<Service, Failed>> {
        Box::pin(async {
            Ok(service_in(&self.store, Fixture { is_daemon: false, ..Fixture::default() }).await.0)
        })
    }
}

/// A folder with a store, and optionally a daemon.
struct House {
    folder: TempDir,
    local: TestLocal,
    clock: SharedClock,
}

/// The result of a command.
#[derive(Debug)]
struct Ran {
    exit: Exit,
    out: String,
    err: String,
}

impl Ran {
    fn expect(self, exit: Exit, out: &[&str], err: &[&str]) -> Ran {
        assert_eq!(self.exit, exit, "{self:?}");
        for part in out {
            assert!(self.out.contains(part), "{part:?} is not in the output:\n{}", self.out);
        }
        for part in err {
            assert!(self.err.contains(part), "{part:?} is not among the notes:\n{}", self.err);
        }
        self
    }
}

impl House {
    fn new() -> House {
        let folder = tempfile::tempdir().unwrap();
        let local = TestLocal { socket: folder.path().join("socket"), store: folder.path().join("store") };
        House { folder, local, clock: VirtualClock::starting_at(ORIGIN.parse().unwrap()) }
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// Runs `reconciled …`.
    async fn run(&self, words: &[&str]) -> Ran {
        let typed = Arguments::try_parse_from([&["reconciled"], words].concat()).unwrap();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut screen = Screen { out: &mut out, err: &mut err, has_colour: false, is_watched: false };
        let ended = operate(typed.command, &self.local, &self.clock, &mut screen).await;
        let exit = match ended {
            Ok(exit) => exit,
            Err(failed) => {
                super::complain(&failed, screen.err).unwrap();
                failed.exit
            }
        };
        Ran { exit, out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap() }
    }

    /// Puts one declined charge and two alerts into the store.
    async fn furnish(&self) {
        let (service, store) = service_in(&self.local.store, Fixture::default()).await;
        let lines = ["S01-1-1-C1", "S02"].map(|id| crate::control::enrolment_request::EnrolmentRequest {
            line: 0,
            account: None,
            kind: None,
            id: id.parse().unwrap(),
            details: Default::default(),
        });
        service.enrol(lines.to_vec()).await.unwrap();
        settle(&store, "shop/charge/S01-1-1-C1", "Declined", Vec::new()).await;
        with_alerts(&store).await;
        drop(store);
        service.close().await.unwrap();
    }
}

const STORE_WRITTEN: &str = "daemon not running: wrote to the store at";

#[tokio::test]
async fn enrol_works_with_and_without_a_daemon_and_says_which() {
    let house = House::new();
    let words = ["enrol", "--id", "S01-1-1-C1"];
    house.run(&words).await.expect(
        Exit::Ok,
        &["shop/charge/S01-1-1-C1 is watched from now on"],
        &[STORE_WRITTEN],
    );
    let fixture = Fixture { held_for: Some(std::time::Duration::from_secs(60)), ..Fixture::default() };
    let (service, _) = service_in(&house.local.store, fixture).await;
    let server = Server::bind(Options::at(&house.local.socket)).await.unwrap();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(server.serve(service, stop.clone()));
    let via = format!("via the running daemon (pid {})", std::process::id());
    let via = via.as_str();
    house.run(&words).await.expect(Exit::Ok, &["already watched, nothing new"], &[via]);
    let more =
        ["--amount", "14", "--currency", "EUR", "--reference", "A-1", "--created-at", "2026-01-15T09:00:00Z"];
    house.run(&[&words[..], &more].concat()).await.expect(Exit::Ok, &["the new details were added"], &[via]);
    let other = ["--amount", "15", "--currency", "EUR"];
    house.run(&[&words[..], &other].concat()).await.expect(
        Exit::Data,
        &[],
        &["14.00 EUR", "nothing was changed"],
    );
    house.run(&["reload"]).await.expect(Exit::Ok, &["in force"], &[via]);
    house.run(&["status"]).await.expect(
        Exit::Ok,
        &[&format!("running as pid {}", std::process::id()), "1 open of 1", "held until"],
        &[via],
    );
    stop.cancel();
    serving.await.unwrap();
}

#[tokio::test]
async fn flags_that_make_no_sense_are_refused() {
    let house = House::new();
    house.run(&["enrol", "--id", "a b"]).await.expect(Exit::Usage, &[], &["not allowed"]);
    house.run(&["enrol", "--id", "X1"]).await.expect(Exit::Data, &[], &["fits no configured account"]);
    for words in [
        &["enrol"][..],
        &["enrol", "--id", "S1", "--amount", "1"],
        &["enrol", "--id", "S1", "file.csv"],
        &["poll"],
        &["poll", "S1", "--all"],
        &["poll", "S1", "--account", "shop"],
        &["list", "--json", "--csv"],
        &["list", "--older-than", "soon"],
        &["alerts", "redeliver"],
        &["events", "list", "--state", "silenced"],
        &["events", "list", "--state", "acknowledged"],
        &["report", "--date", "yesterday"],
        &["completions", "tcsh"],
        &[],
    ] {
        assert!(Arguments::try_parse_from([&["reconciled"], words].concat()).is_err(), "{words:?}");
    }
}

#[tokio::test]
async fn a_label_that_is_given_twice_is_refused() {
    let house = House::new();
    let silence = ["silence", "add", "--for", "2h", "--because", "maintenance", "--label", "team=de"];
    let twice = [&silence[..], &["--label", "team=fr"]].concat();
    house.run(&twice).await.expect(Exit::Usage, &[], &["--label team is given twice, first as \"de\""]);
    house.run(&["events", "list", "--state", "dead"]).await.expect(Exit::Ok, &[], &["0 events"]);
}

#[tokio::test]
async fn files_are_taken_line_by_line_and_bad_lines_are_kept() {
    let house = House::new();
    let file = house.write(
        "charges.csv",
        "\u{feff}Charge ID;Amount;Currency;Colour\r\nS01;1,400;EUR;x\r\nS02;14.00;EUR;x\r\n\r\nX9;;;\r\nS02;15.00;EUR;\r\nS03;1;EUR;x;y\r\n\"S04;1;EUR;\r\nS05;;;\r\n",
    );
    let rejects = house.folder.path().join("bad.csv").display().to_string();
    let refused = "column Colour is not known; remove or rename, or leave out with --ignore-columns";
    house.run(&["enrol", &file]).await.expect(Exit::Data, &[], &[refused]);
    house.run(&["enrol", &file, "--ignore-columns", "--rejects", &rejects]).await.expect(
        Exit::Data,
        &["2 new, 0 enriched, 0 same, 1 conflict, 4 bad"],
        &[
            "charges.csv:2: amount \"1,400\" may be 1400 or 1.400",
            "charges.csv:5: the format of id X9 fits no configured account",
            "charges.csv:6: shop/charge/S02 is already enrolled with amount 14.00 EUR",
            "charges.csv:7: 5 cells where the header has 4",
            "charges.csv:8: a quote is opened",
            "unknown columns ignored: Colour",
            STORE_WRITTEN,
        ],
    );
    let mut reader = csv::Reader::from_path(&rejects).unwrap();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let mut numbers: Vec<u64> = rows.iter().map(|row| row[1].parse().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [2, 5, 6, 7, 8]);
    assert!(rows.iter().any(|row| &row[1] == "2" && &row[3] == "S01;1,400;EUR;x"), "{rows:?}");
}

#[tokio::test]
async fn a_large_file_goes_in_batches_and_a_second_time_changes_nothing() {
    let house = House::new();
    let lines: String = (0..2_500).map(|number| format!("{{\"id\":\"S{number}\"}}\n")).collect();
    let file = house.write("all.jsonl", &lines);
    house.run(&["enrol", &file]).await.expect(Exit::Ok, &["2500 new, 0 enriched, 0 same"], &[]);
    house.run(&["enrol", &file, "--format", "jsonl"]).await.expect(
        Exit::Ok,
        &["0 new, 0 enriched, 2500 same"],
        &[],
    );
    let listed = house.run(&["list", "--json"]).await.expect(Exit::Ok, &[], &["2500 objects\n"]);
    assert_eq!(listed.out.lines().count(), 2_500);
    let listed = house.run(&["list", "--csv", "--limit", "1200"]).await.expect(
        Exit::Ok,
        &[],
        &["and there may be more"],
    );
    assert_eq!(listed.out.matches("\r\n").count(), 1_201);
    let plan = house.run(&["poll", "--all", "--dry-run"]).await;
    plan.expect(
        Exit::Ok,
        &["2500 objects would cost 2500 requests", "41 min", "2 at once, then 1 every 1 s"],
        &[],
    );
    house.run(&["poll", "--all"]).await.expect(
        Exit::Ok,
        &["polled first once the daemon runs"],
        &[STORE_WRITTEN],
    );
}

#[tokio::test]
async fn files_that_cannot_be_read_say_why() {
    let house = House::new();
    house.run(&["enrol", "/nowhere.csv"]).await.expect(Exit::NoInput, &[], &["cannot read /nowhere.csv"]);
    let file = house.write("odd.csv", "colour,shape\nred,round\n");
    house.run(&["enrol", &file]).await.expect(
        Exit::Data,
        &[],
        &["odd.csv: line 1: no column names the objects"],
    );
    let file = house.write("empty.csv", "");
    house.run(&["enrol", &file]).await.expect(Exit::Ok, &["0 new"], &[]);
    let file = house.write("plain.csv", "id\nP1\n");
    house.run(&["enrol", &file, "--account", "market", "--kind", "capture"]).await.expect(
        Exit::Ok,
        &["1 new"],
        &[],
    );
}

#[tokio::test]
async fn lists_and_objects_are_shown_for_people_and_for_programs() {
    let house = House::new();
    house.furnish().await;
    let read = "daemon not running: read the store at";
    let table = house.run(&["list"]).await.expect(
        Exit::Ok,
        &["ACCOUNT", "S01-1-1-C1  Declined  final"],
        &[read, "2 objects"],
    );
    assert!(!table.out.contains('\u{1b}'));
    house.run(&["list", "--phase", "moving", "--open"]).await.expect(Exit::Ok, &["S02"], &["1 object"]);
    house.run(&["list", "--quarantined"]).await.expect(Exit::Ok, &[], &["0 objects"]);
    let csv = house.run(&["list", "--csv", "--finished"]).await;
    assert_eq!(
        csv.out.lines().nth(1).unwrap(),
        "shop,charge,S01-1-1-C1,Declined,final,true,,14.00,EUR,A-1,2026-01-15T09:00:00Z,2026-01-15T09:00:00Z,2026-01-15T09:00:00Z,,,0,live,HardDeclined,declined,,2026-01-15T09:00:00Z"
    );
    house.run(&["show", "S01-1-1-C1"]).await.expect(
        Exit::Ok,
        &["shop/charge/S01-1-1-C1", "Declined (final, declined)", "14.00 EUR", "HardDeclined", "HAPPENED"],
        &[read],
    );
    let json = house.run(&["show", "shop/charge/S01-1-1-C1", "--json"]).await;
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["object"]["amount"], "14.00");
    house.run(&["rhythm"]).await.expect(Exit::Ok, &["nothing is polled by learnt ages"], &[]);
    house.run(&["rhythm", "--account", "nobody"]).await.expect(
        Exit::NoInput,
        &[],
        &["the configuration has no account nobody"],
    );
    house.run(&["explain", "S01-1-1-C1"]).await.expect(
        Exit::Ok,
        &["This is final: the money was refused", "what to do:", "Ask for another payment method."],
        &[read],
    );
    house.run(&["explain", "S02", "--json"]).await.expect(
        Exit::Ok,
        &["not been observed at the provider yet"],
        &[],
    );
    house.run(&["show", "S99"]).await.expect(Exit::NoInput, &[], &["S99 is not watched", "reconciled list"]);
}

#[tokio::test]
async fn poll_forget_report_and_reload_on_a_stopped_daemon() {
    let house = House::new();
    house.furnish().await;
    house.run(&["poll", "S02", "S98"]).await.expect(
        Exit::NoInput,
        &["1 object will be polled first"],
        &["S98 is not watched"],
    );
    house.run(&["poll", "S02", "-n", "--json"]).await.expect(Exit::Ok, &["\"dry_run\": true"], &[]);
    house.run(&["forget", "S02"]).await.expect(
        Exit::Ok,
        &["shop/charge/S02 is no longer watched"],
        &[STORE_WRITTEN],
    );
    house.run(&["forget", "S02"]).await.expect(Exit::NoInput, &[], &["was not watched"]);
    house.run(&["report"]).await.expect(Exit::Ok, &["/2026-01-14"], &["made"]);
    house.run(&["report", "--date", "2026-01-16"]).await.expect(
        Exit::Data,
        &[],
        &["cannot be reported before"],
    );
    house.run(&["reload"]).await.expect(Exit::Unavailable, &[], &["the daemon is not running"]);
}

#[tokio::test]
async fn status_asks_only_the_daemon() {
    let house = House::new();
    house.run(&["status"]).await.expect(Exit::Critical, &["CRITICAL: the daemon is not running"], &[]);
    let stopped = house.run(&["status", "--json"]).await.expect(Exit::Critical, &[], &[]).out;
    let stopped: serde_json::Value = serde_json::from_str(&stopped).unwrap();
    assert_eq!((&stopped["level"], stopped.get("counts")), (&"critical".into(), None));
    assert!(!house.local.store.exists(), "a status makes no store");

    house.furnish().await;
    let (service, _) = service_in(&house.local.store, Fixture::default()).await;
    let server = Server::bind(Options::at(&house.local.socket)).await.unwrap();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(server.serve(service, stop.clone()));
    house.run(&["status"]).await.expect(
        Exit::Critical,
        &[
            "objects:         1 open of 2",
            "Declined",
            "1 delivery of alerts given up",
            "10 0 * * *",
            "Europe/Berlin",
        ],
        &["via the running daemon"],
    );
    let json = house.run(&["status", "--json"]).await.expect(Exit::Critical, &[], &[]).out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["level"], &json["objects"]), (&"critical".into(), &2.into()));
    assert!(json["findings"][0]["remedy"].as_str().unwrap().contains("redeliver"), "{json}");
    stop.cancel();
    serving.await.unwrap();
}

#[tokio::test]
async fn alerts_are_listed_sent_again_and_tested() {
    let house = House::new();
    house.furnish().await;
    house.run(&["alerts", "list"]).await.expect(
        Exit::Ok,
        &["declined/1", "pending", "404 no such channel"],
        &["2 alerts"],
    );
    house.run(&["alerts", "list", "--state", "dead", "--json"]).await.expect(
        Exit::Ok,
        &["\"declined/2\""],
        &["1 alert"],
    );
    house.run(&["alerts", "redeliver", "--all-dead"]).await.expect(
        Exit::Ok,
        &["1 delivery pending again"],
        &[],
    );
    house.run(&["alerts", "redeliver", "declined/9"]).await.expect(
        Exit::NoInput,
        &["0 deliveries"],
        &["declined/9 is not the key"],
    );
    house.run(&["alerts", "test"]).await.expect(Exit::Ok, &["chat accepted it"], &[]);
    house.run(&["alerts", "test", "--target", "pager"]).await.expect(
        Exit::Data,
        &[],
        &["no alert target \"pager\""],
    );
}
