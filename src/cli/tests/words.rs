//! Commands that an alert, a message or a remedy names can be typed exactly as written.

use std::path::{Path, PathBuf};

use super::*;
use crate::control::verbs::TABLE;

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// The program's text without comments. Strings that span several lines are joined.
fn text_of(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let mut joined = String::new();
    for line in lines {
        match line.strip_suffix('\\') {
            Some(begun) if joined.ends_with('\n') => joined.push_str(begun),
            Some(begun) => joined.push_str(begun.trim_start()),
            None if joined.ends_with('\n') || joined.is_empty() => joined.push_str(&format!("{line}\n")),
            None => joined.push_str(&format!("{}\n", line.trim_start())),
        }
    }
    joined
}

/// What replaces a word that varies: `{account}`, `ACCOUNT`, `...`.
fn example(word: &str, before: &str) -> String {
    let is_placeholder = word == "..."
        || word.contains('{')
        || word.len() > 1 && word.chars().all(|letter| letter.is_ascii_uppercase() || "_-".contains(letter));
    match (is_placeholder, before) {
        (false, _) => word.to_owned(),
        (true, "--from" | "--to") => "2026-01-15".to_owned(),
        (true, _) => "x1".to_owned(),
    }
}

/// The command at the start of a text, word by word, up to where the sentence continues.
fn command(text: &str) -> Vec<String> {
    let ends = ['`', '"', '\'', ';', ',', '(', ')', '\n', '\\', '|', '<', '>'];
    let end = text.find(ends).unwrap_or(text.len());
    let text = text[..end].split(". ").next().unwrap_or_default().trim_end_matches(['.', ':', ' ']);
    let mut words: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let before = words.last().cloned().unwrap_or_default();
        words.push(example(word, &before));
    }
    words
}

fn parses(words: &[String]) -> bool {
    let typed = std::iter::once("reconciled".to_owned()).chain(words.iter().cloned());
    match Arguments::try_parse_from(typed) {
        Ok(_) => true,
        Err(error) => error.kind() == clap::error::ErrorKind::DisplayHelp,
    }
}

/// Whether the words are a command that can be typed, or name a command without its arguments. Inside a sentence, it
/// is enough that the words start with a command.
fn is_possible(words: &[String], is_quoted: bool) -> bool {
    let names_only =
        words.iter().all(|word| word.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-'));
    let mut command = Arguments::command();
    let is_named = names_only
        && words.iter().all(|word| match command.find_subcommand(word).cloned() {
            Some(found) => {
                command = found;
                true
            }
            None => false,
        });
    let shortest = if is_quoted { words.len() } else { words.len().min(2) };
    is_named || (shortest..=words.len()).any(|length| parses(&words[..length]))
}

#[test]
fn every_command_that_a_text_names_parses() {
    let names: Vec<String> =
        Arguments::command().get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let (mut checked, mut wrong) = (0, Vec::new());
    let is_product =
        |path: &&PathBuf| !path.ends_with("cli/args.rs") && !path.to_string_lossy().contains("/tests");
    for path in files.iter().filter(is_product) {
        let text = text_of(path);
        for (position, _) in text.match_indices("reconciled ") {
            let words = command(&text[position + "reconciled ".len()..]);
            if !words.first().is_some_and(|first| names.contains(first)) {
                continue;
            }
            checked += 1;
            if !is_possible(&words, text[..position].ends_with('`')) {
                wrong.push(format!("{}: reconciled {}", path.display(), words.join(" ")));
            }
        }
    }
    assert!(checked > 40, "only {checked} were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_verb_names_a_command_that_there_is() {
    for spec in TABLE.iter().map(|entry| entry.spec).filter(|spec| !spec.command.is_empty()) {
        let mut command = Arguments::command();
        for word in spec.command.split(' ') {
            command = command.find_subcommand(word).unwrap_or_else(|| panic!("no {}", spec.command)).clone();
        }
    }
}
