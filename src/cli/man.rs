//! `reconciled man --dir DIR`
//!
//! Owns: the form of the manual pages. Must never know: what a command or a key means: the texts are those of `--help`,
//! of the shipped configuration and of the page about the service.

use std::fs;
use std::io;
use std::path::Path;

use clap::CommandFactory;

use super::args::Arguments;
use super::exit::{Ended, Exit, Failed};
use super::options::ManArguments;
use super::screen::Screen;

/// The configuration that explains every key.
const CONFIG: &str = include_str!("../../config.toml");
/// The page about the service.
const SERVICE: &str = include_str!("../../systemd/reconciled.service.8");

/// Writes one page per command, one about the configuration and one about the service.
pub(super) fn man(options: &ManArguments, screen: &mut Screen<'_>) -> Ended {
    let dir = &options.dir;
    write(dir).map_err(|error| {
        let what = format!("cannot write man pages to {}: {error}", dir.display());
        Failed::new(Exit::CannotCreate, what, "")
    })?;
    let shown = dir.display();
    screen.line(&format!("man pages written to {shown}; read one with `man {shown}/reconciled.1`"))?;
    Ok(Exit::Ok)
}

fn write(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    clap_mangen::generate_to(Arguments::command(), dir)?;
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let is_ours = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("reconciled"));
        if is_ours && path.extension().is_some_and(|ending| ending == "1") {
            fs::write(&path, with_examples(&fs::read_to_string(&path)?))?;
        }
    }
    fs::write(dir.join("reconciled-config.5"), config_page(CONFIG))?;
    fs::write(dir.join("reconciled.service.8"), SERVICE)
}

/// The page with its examples in a section of their own, line by line as they are typed.
fn with_examples(page: &str) -> String {
    let Some((before, rest)) = page.split_once("\n.SH EXTRA\n") else { return page.to_owned() };
    let (extra, after) =
        rest.split_once("\n.SH ").map_or((rest, None), |(extra, after)| (extra, Some(after)));
    let is_heading = |line: &&str| matches!(*line, "Examples:" | "Example:");
    let notes: Vec<&str> = extra.lines().take_while(|line| !is_heading(line)).collect();
    let mut examples: Vec<&str> = extra.lines().skip_while(|line| !is_heading(line)).skip(1).collect();
    // What follows the examples after an empty line is a note again.
    let end = examples.iter().position(|line| line.is_empty()).unwrap_or(examples.len());
    let more = examples.split_off(end);
    let mut text = before.to_owned();
    let notes: Vec<&str> = notes.into_iter().chain(more).collect();
    if notes.iter().any(|line| !line.is_empty()) {
        text.push_str(&format!("\n.SH NOTES\n.nf\n{}\n.fi", notes.join("\n").trim()));
    }
    if !examples.is_empty() {
        text.push_str(&format!("\n.SH EXAMPLES\n.nf\n{}\n.fi", examples.join("\n")));
    }
    match after {
        Some(after) => format!("{text}\n.SH {after}"),
        None => text + "\n",
    }
}

/// The shipped configuration as a page: each ruler begins a section.
fn config_page(config: &str) -> String {
    let mut page =
        ".TH reconciled-config 5 \"\" reconciled\n.SH NAME\nreconciled-config \\- the configuration of reconciled\n\
                    .SH SYNOPSIS\n/etc/reconciled/config.toml\n.SH DESCRIPTION\n.nf\n"
            .to_owned();
    for line in config.lines() {
        match line.strip_prefix("# -----") {
            Some(ruler) => page.push_str(&format!(".fi\n.SH {}\n.nf\n", ruler.trim_matches(['-', ' ']))),
            None => {
                let line = line.replace('\\', "\\e").replace('-', "\\-");
                // A dot or an apostrophe at the start would be a command.
                let guard = if line.starts_with(['.', '\'']) { "\\&" } else { "" };
                page.push_str(&format!("{guard}{line}\n"));
            }
        }
    }
    page + ".fi\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_have_a_section_of_their_own() {
        let page =
            "a\n.SH EXTRA\nSome words.\n\nExamples:\n  reconciled list\n\nExit codes\n.SH VERSION\nv1\n";
        let expected = "a\n.SH NOTES\n.nf\nSome words.\n\n\nExit codes\n.fi\n.SH EXAMPLES\n.nf\n  reconciled list\n.fi\n\
                        .SH VERSION\nv1\n";
        assert_eq!(with_examples(page), expected);
        assert_eq!(with_examples("a\n"), "a\n");
    }

    #[test]
    fn the_configuration_is_a_page_with_every_section() {
        let page = config_page(CONFIG);
        for part in [
            ".SH [store]\n",
            ".SH [[account]]\n",
            ".SH [[alert]]\n",
            ".SH [[events]]\n",
            "folder = \"/var/lib",
            ".SH NAME\n",
        ] {
            assert!(page.contains(part), "{part}");
        }
        assert!(config_page("a\n.x\n'y\n").contains("\na\n\\&.x\n\\&'y\n"));
    }
}
