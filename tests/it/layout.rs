//! The walls between the rooms: which room may name which. `src/lib.rs` explains them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

#[path = "../planted/bugs.rs"]
#[allow(dead_code, reason = "the judge uses the rest")]
mod bugs;

/// "May name." A room not listed here is unknown and therefore refused.
const ARROWS: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("secret", &[]),
    ("delimited", &[]),
    ("blocking", &[]),
    ("text", &[]),
    ("payments", &["text"]),
    ("timetable", &[]),
    ("task", &["clock"]),
    ("telemetry", &["text"]),
    ("http", &[]),
    ("apis", &["text", "payments", "clock", "telemetry", "http", "secret", "delimited"]),
    ("store", &["payments", "blocking", "telemetry"]),
    ("reconcile", &["payments", "apis", "store", "clock", "telemetry"]),
    ("batches", &["payments", "apis", "store", "blocking", "clock", "telemetry"]),
    ("calls", &["payments", "apis", "store", "clock", "telemetry"]),
    ("settlements", &["payments", "apis", "store", "clock", "telemetry"]),
    ("alerts", &["text", "payments", "store", "clock", "telemetry", "http", "secret"]),
    ("backtest", &["payments", "apis", "store", "reconcile", "clock", "delimited"]),
    ("reports", &["text", "payments", "store", "blocking", "clock", "telemetry"]),
    ("control", &["payments", "store", "task", "clock", "telemetry", "delimited"]),
    (
        "config",
        &["text", "apis", "alerts", "reports", "control", "payments", "timetable", "store", "http", "secret"],
    ),
    (
        "daemon",
        &[
            "clock",
            "payments",
            "timetable",
            "task",
            "telemetry",
            "text",
            "apis",
            "store",
            "reconcile",
            "batches",
            "calls",
            "settlements",
            "alerts",
            "reports",
            "control",
            "config",
        ],
    ),
    (
        "cli",
        &[
            "backtest",
            "config",
            "control",
            "daemon",
            "payments",
            "store",
            "clock",
            "telemetry",
            "text",
            "delimited",
        ],
    ),
    ("main", &["cli"]),
    ("lib", &[]),
];

fn source_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            source_files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All files under `src`, each with the room it stands in.
fn rooms() -> Vec<(String, PathBuf)> {
    let source = root().join("src");
    let mut files = Vec::new();
    source_files(&source, &mut files);
    assert!(files.len() > 20, "the source folder was not found");
    files
        .into_iter()
        .map(|path| {
            let inside = path.strip_prefix(&source).unwrap();
            let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
            (first.trim_end_matches(".rs").to_owned(), path)
        })
        .collect()
}

/// The rooms that a file names by a `crate::` (or, in the binary, `reconciled::`) path.
fn named(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in text.lines().map(str::trim_start).filter(|line| !line.starts_with("//")) {
        for prefix in ["crate::", "reconciled::"] {
            for (position, _) in line.match_indices(prefix) {
                let rest = &line[position + prefix.len()..];
                if let Some(group) = rest.strip_prefix('{') {
                    let group = group.split('}').next().unwrap_or_default();
                    found.extend(
                        group.split(',').filter_map(|part| part.trim().split("::").next()).map(str::to_owned),
                    );
                } else {
                    found.extend(
                        rest.split(|letter: char| !(letter.is_alphanumeric() || letter == '_'))
                            .next()
                            .map(str::to_owned),
                    );
                }
            }
        }
    }
    found.remove("");
    found
}

#[test]
fn every_room_names_only_the_rooms_it_may() {
    let arrows: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    let mut wrong = Vec::new();
    for (room, path) in rooms() {
        let shown = path.strip_prefix(root()).unwrap().display().to_string();
        let Some(allowed) = arrows.get(room.as_str()) else {
            wrong.push(format!("{shown}: the room {room} is not in the list of arrows"));
            continue;
        };
        let text = fs::read_to_string(&path).unwrap();
        for other in named(&text) {
            if other != room && !allowed.contains(&other.as_str()) {
                wrong.push(format!("{shown} names {other}, which {room} may not"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_payment_api_names_another() {
    let folder = root().join("src/apis");
    let apis: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().join("mod.rs").exists())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    assert!(apis.len() >= 2);
    for api in &apis {
        let mut files = Vec::new();
        source_files(&folder.join(api), &mut files);
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            for other in apis.iter().filter(|other| *other != api) {
                assert!(!text.contains(&format!("apis::{other}")), "{} names {other}", file.display());
            }
        }
    }
}

#[test]
fn only_the_store_names_the_engine_and_only_the_clock_reads_the_time() {
    for (room, path) in rooms() {
        let text = fs::read_to_string(&path).unwrap();
        let shown = path.display();
        if room != "store" {
            assert!(!text.contains("sled::"), "{shown} names the store's engine");
        }
        if room != "clock" {
            reads_no_time(&path, &text);
        }
    }
}

fn reads_no_time(path: &Path, text: &str) {
    for reading in ["Timestamp::now(", "SystemTime::now(", "Zoned::now(", "Instant::now("] {
        assert!(!text.contains(reading), "{} reads the time by {reading}", path.display());
    }
}

/// The simulator is a crate of its own, so the compiler keeps it from our rooms. This keeps our rooms from it: the
/// daemon must not know whether its provider is a pretended one.
#[test]
fn only_the_commands_and_the_clock_name_the_simulator() {
    for (room, path) in rooms() {
        let text = fs::read_to_string(&path).unwrap();
        let is_allowed = ["cli", "clock"].contains(&room.as_str());
        assert!(
            is_allowed || !text.contains("amazon_pay_simulator::"),
            "{} names the simulator",
            path.display()
        );
    }
}

#[test]
fn only_the_clock_of_the_simulator_reads_the_time() {
    let source = root().join("simulator/src");
    let mut files = Vec::new();
    source_files(&source, &mut files);
    assert!(files.len() > 20, "the simulator's source was not found");
    for path in files.into_iter().filter(|path| *path != source.join("clock.rs")) {
        reads_no_time(&path, &fs::read_to_string(&path).unwrap());
    }
}

#[test]
fn paths_named_in_the_readme_and_the_map_exist() {
    for document in ["README.md", "src/lib.rs"] {
        let text = fs::read_to_string(root().join(document)).unwrap_or_default();
        for word in text.split(|letter: char| letter.is_whitespace() || "`()[],;".contains(letter)) {
            let is_path = ["src/", "simulator/", "tests/", "systemd/", "benches/"]
                .iter()
                .any(|start| word.starts_with(start));
            if is_path && !word.contains('*') && !word.contains('<') {
                let path = word.trim_end_matches(['.', ':']);
                assert!(root().join(path).exists(), "{document} names {path}, which does not exist");
            }
        }
    }
}

/// The bugs by which the judge of the months is judged are replacements in our source. They are compiled only in
/// `cargo test -p reconciled-planted`; whoever changes the text around one learns it here.
#[test]
fn every_known_bug_still_fits_the_source() {
    let source = root().join("src");
    bugs::files_exist(&source).unwrap_or_else(|problem| panic!("{problem}"));
    for (_, path) in rooms() {
        let file = path.strip_prefix(&source).unwrap().to_str().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        bugs::apply(file, text).unwrap_or_else(|problem| panic!("{problem}"));
    }
}
