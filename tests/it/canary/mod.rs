//! Secrets and buyer data never leak: a whole daemon runs through a bad day with a canary in every
//! credential, URL, header and personal field, and then everything that it left behind is searched.

mod day;
mod hunt;
mod tap;

use std::path::Path;

use reconciled::telemetry::{LogFormat, start};

use crate::alone;
use day::{Day, MARKER};

pub use day::FAULTS;
use hunt::{Canary, hunt};

#[test]
fn no_secret_and_no_buyer_data_leaks_in_a_day_of_faults() {
    const NAME: &str = "canary::no_secret_and_no_buyer_data_leaks_in_a_day_of_faults";
    match alone::folder() {
        Some(folder) => {
            start(LogFormat::Json, "trace").unwrap();
            let paused =
                tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
            leave(&folder, paused.unwrap().block_on(day::in_memory(&folder)));
        }
        None => judge(NAME, &["answers", "alerts", "store", "backup", "reports", "log"]),
    }
}

#[test]
fn no_secret_and_no_buyer_data_leaks_through_the_libraries_logs() {
    const NAME: &str = "canary::no_secret_and_no_buyer_data_leaks_through_the_libraries_logs";
    match alone::folder() {
        Some(folder) => {
            start(LogFormat::Text, "trace").unwrap();
            let real = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
            leave(&folder, real.unwrap().block_on(day::over_sockets(&folder)));
        }
        None => judge(NAME, &["answers", "alerts", "store", "backup", "log"]),
    }
}

/// Files hold these in another form.
const RAW: [&str; 2] = ["the private key", "the webhook's key"];

fn leave(folder: &Path, day: Day) {
    let left = folder.join("left");
    std::fs::create_dir(&left).unwrap();
    hunt::save(&day.canaries, &left.join("canaries"));
    std::fs::write(left.join("traffic"), day.traffic).unwrap();
    for (place, bytes) in day.places {
        std::fs::write(left.join(place), bytes).unwrap();
    }
}

/// Runs the day in its own process, and searches its files and its output.
fn judge(name: &str, marked: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let output = alone::run(name, folder.path());
    let left = folder.path().join("left");
    std::fs::write(left.join("log"), [output.stdout, output.stderr].concat()).unwrap();
    let canaries = hunt::load(&left.join("canaries"));
    assert!(canaries.len() > 300, "{} canaries", canaries.len());
    let marker = [Canary::new("the marker", MARKER)];
    let mut escaped = Vec::new();
    for place in ["answers", "alerts", "store", "backup", "reports", "log"] {
        let bytes = std::fs::read(left.join(place)).unwrap();
        let is_marked = !hunt(&marker, &bytes).is_empty();
        assert!(is_marked || !marked.contains(&place), "nothing is in {place}: {} bytes", bytes.len());
        escaped.extend(hunt(&canaries, &bytes).into_iter().map(|found| format!("{place}: {found}")));
    }
    assert!(escaped.is_empty(), "{} escaped:\n{}", escaped.len(), escaped.join("\n"));
    all_flew(&canaries, &left, folder.path());
}

/// Proves that there was something to find: each canary was sent, received, or is in its file.
fn all_flew(canaries: &[Canary], left: &Path, folder: &Path) {
    let mut hay = std::fs::read(left.join("traffic")).unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            hay.extend(std::fs::read(path).unwrap());
        }
    }
    let names = |found: &mut dyn Iterator<Item = &str>| -> std::collections::BTreeSet<String> {
        found.map(|name| name.split([',', ':']).next().unwrap().to_owned()).collect()
    };
    let flown = hunt(canaries, &hay);
    let all = names(&mut canaries.iter().map(|canary| canary.name.as_str()));
    let flown = names(&mut flown.iter().map(String::as_str));
    let missing: Vec<_> = all.difference(&flown).filter(|name| !RAW.contains(&name.as_str())).collect();
    assert!(missing.is_empty(), "these never flew: {missing:?}");
}
