//! Every link in the documentation leads somewhere, and every page stands in its summary.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::tools::files_ending;

/// A heading as a link names it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    kept.chars()
        .filter(|letter| letter.is_alphanumeric() || "-_ ".contains(*letter))
        .map(|letter| if letter == ' ' { '-' } else { letter })
        .collect()
}

/// Lines outside code blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        if line.starts_with("```") {
            is_code = !is_code;
            return false;
        }
        !is_code
    })
}

#[test]
fn every_link_of_the_documentation_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "SECURITY.md"].iter().map(|name| root.join(name)).collect();
    files.extend(files_ending(&root.join("docs/src"), "md"));
    let summary = fs::read_to_string(root.join("docs/src/SUMMARY.md")).unwrap();
    let mut wrong = Vec::new();
    for file in &files {
        let text = fs::read_to_string(file).unwrap();
        let folder = file.parent().unwrap();
        for link in prose(&text).flat_map(|line| line.split("](").skip(1)) {
            let link = link.split(')').next().unwrap_or_default();
            if link.starts_with("http") {
                continue;
            }
            let (path, wanted) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { file.clone() } else { folder.join(path) };
            let known: BTreeSet<String> = match fs::read_to_string(&target) {
                Ok(text) => prose(&text)
                    .filter(|line| line.starts_with('#'))
                    .map(|line| anchor(line.trim_start_matches('#')))
                    .collect(),
                Err(_) if target.exists() => BTreeSet::new(),
                Err(_) => {
                    wrong.push(format!("{}: {link}", file.display()));
                    continue;
                }
            };
            if !wanted.is_empty() && !known.contains(wanted) {
                wrong.push(format!("{}: {link} has no such heading", file.display()));
            }
        }
        if let Ok(name) = file.strip_prefix(root.join("docs/src")) {
            let name = name.display().to_string();
            if name != "SUMMARY.md" && !summary.contains(&format!("({name})")) {
                wrong.push(format!("{name} is not in the summary"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_smallest_configuration_is_valid() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/src/configuration.md");
    let text = fs::read_to_string(&path).unwrap();
    let (_, rest) =
        text.split_once("## The smallest configuration\n\n```toml\n").expect("it is in its place");
    let (config, _) = rest.split_once("```").unwrap();
    let checked = reconciled::config::check_text(config, &path, &reconciled::config::Surroundings::default());
    assert!(checked.is_ok(), "{:?}", checked.err());
}
