//! The walls between the rooms: which room may name which. `src/lib.rs` explains them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::tools::files_ending;

#[path = "../planted/bugs.rs"]
#[allow(dead_code, reason = "the judge uses the rest")]
mod bugs;

/// Which rooms each room may name. A room that is not listed is refused.
const ARROWS: &[(&str, &[&str])] = &[
    ("access", &["text"]),
    ("clock", &["time"]),
    ("secret", &["text"]),
    ("delimited", &[]),
    ("blocking", &[]),
    ("text", &[]),
    ("time", &[]),
    ("payments", &["text", "time"]),
    ("timetable", &[]),
    ("signals", &[]),
    ("webhook", &[]),
    ("task", &["clock"]),
    ("telemetry", &["text"]),
    ("metrics", &[]),
    ("intake", &["control", "delimited", "text"]),
    ("spool", &["blocking", "control", "files", "http", "intake", "payments"]),
    ("http", &["clock", "text", "time"]),
    ("apis", &["problem", "text", "time", "payments", "clock", "telemetry", "http", "secret", "delimited"]),
    ("problem", &["secret", "text"]),
    ("files", &["blocking"]),
    ("notifications", &["documents", "text", "time", "payments", "apis", "store", "clock", "http", "secret"]),
    ("documents", &["store"]),
    ("store", &["text", "payments", "blocking", "clock", "secret", "telemetry"]),
    ("reconcile", &["documents", "text", "time", "payments", "apis", "store", "clock", "telemetry"]),
    (
        "batches",
        &[
            "documents",
            "files",
            "text",
            "time",
            "payments",
            "apis",
            "store",
            "blocking",
            "clock",
            "telemetry",
        ],
    ),
    ("calls", &["documents", "problem", "time", "payments", "apis", "store", "clock", "telemetry"]),
    (
        "provider_reports",
        &[
            "text",
            "blocking",
            "documents",
            "files",
            "time",
            "payments",
            "apis",
            "store",
            "clock",
            "telemetry",
        ],
    ),
    (
        "alerts",
        &[
            "problem",
            "text",
            "time",
            "payments",
            "store",
            "clock",
            "telemetry",
            "http",
            "secret",
            "delimited",
            "webhook",
        ],
    ),
    (
        "events",
        &[
            "problem",
            "documents",
            "text",
            "time",
            "payments",
            "store",
            "clock",
            "telemetry",
            "http",
            "secret",
            "alerts",
            "webhook",
        ],
    ),
    ("backtest", &["time", "payments", "apis", "store", "reconcile", "clock", "delimited"]),
    ("reports", &["files", "problem", "text", "time", "payments", "store", "blocking", "clock", "telemetry"]),
    (
        "control",
        &[
            "access",
            "metrics",
            "secret",
            "text",
            "time",
            "payments",
            "apis",
            "store",
            "reconcile",
            "batches",
            "calls",
            "notifications",
            "provider_reports",
            "alerts",
            "events",
            "reports",
            "secret",
            "http",
            "task",
            "timetable",
            "clock",
            "telemetry",
            "delimited",
        ],
    ),
    ("dashboard", &["access", "control", "payments", "store", "text"]),
    (
        "config",
        &[
            "intake",
            "spool",
            "access",
            "problem",
            "text",
            "apis",
            "notifications",
            "alerts",
            "events",
            "reports",
            "payments",
            "timetable",
            "store",
            "telemetry",
            "http",
            "secret",
        ],
    ),
    (
        "daemon",
        &[
            "access",
            "intake",
            "spool",
            "clock",
            "time",
            "http",
            "documents",
            "payments",
            "timetable",
            "task",
            "signals",
            "telemetry",
            "text",
            "apis",
            "notifications",
            "store",
            "reconcile",
            "batches",
            "calls",
            "provider_reports",
            "alerts",
            "events",
            "reports",
            "control",
            "config",
            "dashboard",
        ],
    ),
    (
        "cli",
        &[
            "access",
            "backtest",
            "config",
            "control",
            "daemon",
            "events",
            "files",
            "intake",
            "metrics",
            "payments",
            "store",
            "clock",
            "telemetry",
            "signals",
            "text",
            "time",
            "blocking",
            "problem",
            "delimited",
        ],
    ),
    ("main", &["cli"]),
    ("lib", &[]),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All files under `src`, each with its room.
fn rooms() -> Vec<(String, PathBuf)> {
    let source = root().join("src");
    let files = files_ending(&source, "rs");
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
        .filter(|entry| {
            let module = fs::read_to_string(entry.path().join("mod.rs"));
            module.is_ok_and(|module| module.contains("REGISTRATION"))
        })
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    assert!(apis.len() >= 2);
    for api in &apis {
        let files = files_ending(&folder.join(api), "rs");
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
    let files = files_ending(&source, "rs");
    assert!(files.len() > 20, "the simulator's source was not found");
    for path in files.into_iter().filter(|path| *path != source.join("clock.rs")) {
        reads_no_time(&path, &fs::read_to_string(&path).unwrap());
    }
}

/// It is published on its own: a function of bytes and time.
#[test]
fn the_verifier_of_sns_messages_reads_no_time_and_knows_nothing_of_the_project() {
    let files = files_ending(&root().join("sns-verifier/src"), "rs");
    assert!(files.len() > 4, "the verifier's source was not found");
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        reads_no_time(&path, &text);
        for other in
            ["reconciled::", "amazon_pay_simulator::", "std::net", "std::fs", "std::env", "std::thread"]
        {
            assert!(!text.contains(other), "{} names {other}", path.display());
        }
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

/// Phrases that make a text hard to read, each with better words.
const BANNED: &[(&str, &str)] = &[
    ("a look", "a poll, a check"),
    ("anew", "again"),
    ("as well as is known", "as far as is known"),
    ("asked about", "polled"),
    ("asks about", "polls"),
    ("by itself", "automatically"),
    ("by themselves", "automatically"),
    ("for ever", "permanently"),
    ("give back", "return"),
    ("gives back", "returns"),
    ("hear of", "receive"),
    ("heard of", "received"),
    ("held apart", "kept separately"),
    ("is told", "is reported"),
    ("are told", "are reported"),
    ("was told", "was reported"),
    ("leave to", "permission to"),
    ("looked at", "polled, checked"),
    ("made small", "compacted"),
    ("of which", "two sentences"),
    ("owed", "due, pending"),
    ("owes", "has due"),
    ("play money", "sandbox"),
    ("set apart", "quarantined"),
    ("sight", "observation"),
    ("sights", "observations"),
    ("so long as", "while"),
    ("so many", "this many, N"),
    ("stands twice", "appears twice"),
    ("take leave", "acquire a permit"),
    ("takes leave", "acquires a permit"),
    ("tells of", "describes, reports"),
    ("under way", "in flight, running"),
    ("what became of", "the outcome of"),
    ("whoever", "a caller, a person"),
];

/// Finds the banned phrases in comments and, where `has_texts`, in the texts of the code. Old names of stored fields
/// stay readable, so they are no texts.
fn banned_phrases(path: &Path, has_texts: bool) -> Vec<String> {
    let shown = path.strip_prefix(root()).unwrap().display().to_string();
    let mut found = Vec::new();
    for (number, line) in fs::read_to_string(path).unwrap().lines().enumerate() {
        let prose = if line.trim_start().starts_with("//") {
            line.to_lowercase()
        } else if has_texts && !line.contains("serde(alias") {
            line.to_lowercase().split('"').skip(1).step_by(2).collect::<Vec<_>>().join(" | ")
        } else {
            continue;
        };
        let words = prose.split(|letter: char| !(letter.is_alphanumeric() || letter == '_' || letter == '|'));
        let words = format!(" {} ", words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" "));
        for (phrase, better) in BANNED {
            if words.contains(&format!(" {phrase} ")) {
                found.push(format!("{shown}:{}: \"{phrase}\": better {better}", number + 1));
            }
        }
    }
    found
}

#[test]
fn texts_avoid_phrases_that_are_hard_to_read() {
    let mut found = Vec::new();
    for (_, path) in rooms() {
        found.extend(banned_phrases(&path, true));
    }
    let verifier = files_ending(&root().join("sns-verifier/src"), "rs");
    found.extend(verifier.iter().flat_map(|path| banned_phrases(path, true)));
    // The texts in tests are often quotations, so only their comments are checked.
    for folder in ["tests", "benches", "examples", "fuzz/src"] {
        let files = files_ending(&root().join(folder), "rs");
        found.extend(files.iter().flat_map(|path| banned_phrases(path, false)));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The bugs by which the judge of the months is judged are replacements in our source. They are compiled only in
/// `cargo test -p reconciled-planted`; a change of the text around one fails here.
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
