//! The dialect: what CockroachDB, YugabyteDB and a pooler between the host and the database do not have is refused.

use std::fs;
use std::path::Path;

use crate::tools::files_ending;

/// Words that no statement may have, each with the reason.
const REFUSED: &[(&str, &str)] = &[
    ("listen", "not everywhere, and a session behind a pooler loses it"),
    ("notify", "not everywhere"),
    ("pg_advisory", "a stub in CockroachDB; stranded behind a pooler"),
    ("pg_try_advisory", "a stub in CockroachDB; stranded behind a pooler"),
    ("for share", "not in Aurora DSQL"),
    ("unlogged", "not everywhere, and empty after a crash"),
    ("serial", "numbers come from the journal"),
    ("bigserial", "numbers come from the journal"),
    ("set local", "session state"),
    ("set search_path", "session state"),
    ("set statement_timeout", "session state"),
    ("temporary", "session state"),
    ("temp", "session state"),
    ("prepare", "session state"),
    ("declare", "session state"),
    ("skip locked", "not needed: the statements name the rows that they want"),
];

/// In small letters, without comments, one space between words.
fn words(text: &str) -> String {
    let code = text.lines().map(|line| line.split("--").next().unwrap_or_default());
    let code = code.collect::<Vec<_>>().join(" ").to_lowercase();
    let words = code.split(|letter: char| !(letter.is_alphanumeric() || "_$".contains(letter)));
    format!(" {} ", words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" "))
}

fn problems(text: &str) -> Vec<String> {
    let words = words(text);
    let refused = REFUSED.iter().filter(|(refused, _)| {
        let begins = [" pg_advisory", " pg_try_advisory"].contains(&format!(" {refused}").as_str());
        words.contains(&if begins { format!(" {refused}") } else { format!(" {refused} ") })
    });
    let mut found: Vec<String> = refused.map(|(word, why)| format!("{word}: {why}")).collect();
    if text.split(';').any(|statement| self::words(statement).starts_with(" set ")) {
        found.push("set: session state".to_owned());
    }
    if words.contains(" for update ") && words.contains(" limit ") {
        found.push("for update with limit: may lock more rows than the limit".to_owned());
    }
    found
}

#[test]
fn every_statement_keeps_to_the_restrained_dialect() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = files_ending(&root, "sql");
    assert!(files.len() > 8, "the statements were not found");
    for file in files {
        let found = problems(&fs::read_to_string(&file).unwrap());
        assert!(found.is_empty(), "{}: {found:?}", file.display());
    }
}

#[test]
fn what_breaks_elsewhere_is_noticed() {
    for bad in [
        "LISTEN news",
        "SELECT pg_advisory_xact_lock(1)",
        "SELECT 1 FROM t FOR SHARE",
        "CREATE UNLOGGED TABLE t (a int)",
        "CREATE TABLE t (a bigserial)",
        "SET search_path = x",
        "UPDATE t SET a = 1 WHERE id IN (SELECT id FROM t ORDER BY id LIMIT 5 FOR UPDATE)",
        "CREATE TEMPORARY TABLE t (a int)",
    ] {
        assert!(!problems(bad).is_empty(), "{bad}");
    }
    assert!(problems("UPDATE t SET a = 1 -- LISTEN").is_empty());
}

#[test]
fn statements_stand_in_files_of_their_own() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/postgres");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let text = fs::read_to_string(&path).unwrap();
            for word in ["\"SELECT ", "\"UPDATE ", "\"INSERT ", "\"DELETE ", "\"CREATE "] {
                assert!(!text.contains(word), "{} has a statement: {word}", path.display());
            }
        }
    }
}
