//! Help, examples, completions and man pages.

use super::*;

/// Every subcommand, with its full name.
fn commands(command: &clap::Command, name: &str, found: &mut Vec<(String, clap::Command)>) {
    for sub in command.get_subcommands() {
        let name = format!("{name} {}", sub.get_name());
        commands(sub, &name, found);
        found.push((name, sub.clone()));
    }
}

#[test]
fn every_command_explains_itself_with_an_example_and_every_option_is_explained() {
    Arguments::command().debug_assert();
    let mut found = vec![("reconciled".to_owned(), Arguments::command())];
    commands(&Arguments::command(), "reconciled", &mut found);
    assert!(found.len() > 18, "{}", found.len());
    for (name, command) in &found {
        assert!(command.get_about().is_some(), "{name} has no description");
        let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(
            after.contains(&format!("  {name}")) || after.contains(&format!("| {name}")),
            "{name} has no example"
        );
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{name} {} is not explained", argument.get_id());
        }
        for line in after.lines().filter_map(|line| line.trim().strip_prefix("reconciled ")) {
            let words = line.split("  ").next().unwrap_or_default().split(" > ").next().unwrap_or_default();
            let words: Vec<String> =
                words.split(' ').map(|word| word.trim_matches('\'').to_owned()).collect();
            if words.last().is_some_and(|word| word == "\\") {
                continue;
            }
            let typed = std::iter::once("reconciled".to_owned()).chain(words);
            assert!(Arguments::try_parse_from(typed).is_ok(), "the example {line:?} of {name} is wrong");
        }
    }
    let help = Arguments::command().render_help().to_string();
    for word in ["enrol", "explain", "RECONCILED_CONFIG", "Exit codes", "reconciled demo"] {
        assert!(help.contains(word), "{word} is not in the help:\n{help}");
    }
}

/// Long examples of a few commands are typed on one line.
#[test]
fn help_fits_80_columns() {
    let mut root = Arguments::command();
    root.build();
    let mut found = vec![("reconciled".to_owned(), root.clone())];
    commands(&root, "reconciled", &mut found);
    for (name, mut command) in found {
        let help = command.render_long_help().to_string();
        for line in help.lines().filter(|line| !line.contains("reconciled ") && !line.contains("'declined/"))
        {
            assert!(line.chars().count() <= 80, "{name}: {line}");
        }
    }
}

fn quickly(words: &[&str]) -> Vec<u8> {
    let typed = Arguments::try_parse_from([&["reconciled"], words].concat()).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut screen = Screen { out: &mut out, err: &mut err, has_colour: false, is_watched: false };
    assert_eq!(quick(typed.command, Path::new("none"), &mut screen), Ok(Exit::Ok));
    out
}

#[test]
fn completions_are_made_for_every_shell() {
    for (shell, part) in [
        ("bash", "complete -F _reconciled"),
        ("zsh", "#compdef reconciled"),
        ("fish", "complete -c reconciled"),
    ] {
        let script = String::from_utf8(quickly(&["completions", shell])).unwrap();
        assert!(script.contains(part), "{shell}");
        assert!(script.contains("check-config") && script.contains("dry-run"), "{shell}");
    }
}

#[test]
fn every_command_has_a_man_page() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("man");
    quickly(&["man", "--dir", dir.to_str().unwrap()]);
    let mut found = Vec::new();
    commands(&Arguments::command(), "reconciled", &mut found);
    for (name, _) in found {
        let page = std::fs::read_to_string(dir.join(format!("{}.1", name.replace(' ', "-")))).unwrap();
        assert!(page.contains(".SH SYNOPSIS") && page.contains(".SH EXAMPLES"), "{name}");
    }
    assert!(std::fs::read_to_string(dir.join("reconciled.1")).unwrap().contains("Exit codes"));
    for (page, part) in [("reconciled-config.5", ".SH [[account]]"), ("reconciled.service.8", ".SH SIGNALS")]
    {
        let text = std::fs::read_to_string(dir.join(page)).unwrap();
        assert!(text.contains(".SH NAME") && text.contains(part), "{page}");
    }
}
