//! The walls inside the rooms: who may name a payment provider, and that files do not depend on each other in a circle.
//!
//! Both are read from the text: comments and tests are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::tools::files_ending;

/// Words by which code names a provider.
const PROVIDERS: [&str; 8] = [
    "amazon_pay_mws",
    "amazon_pay_v2",
    "aps",
    "AmazonPayMws",
    "AmazonPayV2",
    "Aps",
    "amazon-pay-mws",
    "amazon-pay-v2",
];

/// Places that may name providers, each with its reason.
const MAY_NAME: [(&str, &str); 7] = [
    ("apis/amazon_pay_mws", "its own folder"),
    ("apis/amazon_pay_v2", "its own folder"),
    ("apis/aps", "its own folder"),
    ("apis/registry.rs", "the list of APIs: one line each"),
    ("events/types.rs", "the one table of the types of events, which spans all APIs"),
    ("cli/setup", "it writes first configurations, which differ from API to API"),
    ("cli/demo", "it writes a configuration for the simulated providers"),
];

/// Rooms in which files still depend on each other in a circle, with the reason.
const CIRCLES: [(&str, &str); 1] =
    [("store", "its folders name the types of the room's root, and the root joins the folders")];

/// A module by its path below the crate.
type Module = Vec<String>;

struct Source {
    shown: String,
    module: Module,
    /// Without comments and tests.
    code: String,
}

fn is_test(path: &Path) -> bool {
    path.iter().any(|part| {
        let part = part.to_str().unwrap().trim_end_matches(".rs");
        part == "tests" || part.ends_with("_tests") || ["tests_support", "test_service"].contains(&part)
    }) || path.ends_with("signing_for_tests.rs")
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let found = files_ending(&root, "rs");
    let inside = |path: &Path| path.strip_prefix(&root).unwrap().to_owned();
    let sources = found.iter().filter(|path| !is_test(&inside(path))).map(|path| {
        let shown = inside(path).to_str().unwrap().to_owned();
        let mut module: Module = shown.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if ["mod", "lib", "main"].contains(&module.last().unwrap().as_str()) {
            module.pop();
        }
        Source { module, code: code_of(&fs::read_to_string(path).unwrap()), shown }
    });
    sources.collect()
}

/// The text without comments, up to the tests at its end.
fn code_of(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let next = lines.peek().copied().unwrap_or_default();
        if line == "#[cfg(test)]" && next.contains("mod ") && next.ends_with('{') {
            break;
        }
        if !line.trim_start().starts_with("//") {
            code.push_str(line);
            code.push('\n');
        }
    }
    code
}

fn is_letter(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// Whether a text has this word, and not as a part of a longer one.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        !text[..at].ends_with(|letter| is_letter(letter) || letter == '-')
            && !text[at + word.len()..].starts_with(|letter| is_letter(letter) || letter == '-')
    })
}

#[test]
fn only_a_providers_folder_and_the_registry_name_a_provider() {
    let mut wrong = Vec::new();
    for source in sources() {
        let may = MAY_NAME.iter().any(|(place, _)| source.shown.starts_with(place));
        let is_list_of_modules = source.shown == "apis/mod.rs";
        for (number, line) in source.code.lines().enumerate() {
            let is_module = is_list_of_modules && line.starts_with("pub mod ");
            for word in PROVIDERS.iter().filter(|word| !may && !is_module && has_word(line, word)) {
                wrong.push(format!("{} names {word}, near line {}: {line}", source.shown, number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The paths that a text names from here on: `a::b`, or each of `a::{b, c::{d, e}}`; and what comes after them. The
/// last part of a renamed path (`b as c`) is its new name.
fn paths(text: &str) -> (Vec<Vec<String>>, &str) {
    let mut path: Vec<String> = Vec::new();
    let mut rest = text.trim_start();
    loop {
        if let Some(inner) = rest.strip_prefix('{') {
            let mut found = Vec::new();
            rest = inner.trim_start();
            while !rest.starts_with('}') {
                let (inside, after) = paths(rest);
                assert!(after.len() < rest.len() || after.starts_with(','), "a list of names: {rest}");
                found.extend(inside.into_iter().map(|inside| [path.clone(), inside].concat()));
                rest = after.trim_start();
                rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
            }
            return (found, &rest[1..]);
        }
        let end = rest.find(|letter| !is_letter(letter) && letter != '*').unwrap_or(rest.len());
        path.push(rest[..end].to_owned());
        rest = &rest[end..];
        match rest.strip_prefix("::") {
            Some(after) if !after.starts_with('<') => rest = after,
            _ => return (vec![path], rest),
        }
    }
}

/// The module and item that a path means, seen from a module.
fn absolute(module: &[String], path: &[String]) -> Option<Module> {
    let mut from = module.to_vec();
    let mut path = path.iter();
    match path.next()?.as_str() {
        "crate" => from.clear(),
        "self" => {}
        "super" => drop(from.pop()),
        _ => return None,
    }
    for part in path {
        match part.as_str() {
            "super" => drop(from.pop()),
            "self" => {}
            name => from.push(name.to_owned()),
        }
    }
    Some(from)
}

/// What a module calls by a short name because it uses it, as a path.
type Uses = BTreeMap<Module, BTreeMap<String, Module>>;

fn uses(sources: &[Source]) -> Uses {
    let modules: BTreeSet<&Module> = sources.iter().map(|source| &source.module).collect();
    let mut uses = Uses::new();
    for Source { module, code, .. } in sources {
        let names = uses.entry(module.clone()).or_default();
        let words = code.match_indices("use ").filter(|(at, _)| !code[..*at].ends_with(is_letter));
        for line in words.map(|(at, _)| &code[at + 4..]) {
            for path in paths(line).0 {
                let child: Module = [module.clone(), path[..1].to_vec()].concat();
                let meant = match absolute(module, &path) {
                    Some(meant) => meant,
                    None if modules.contains(&child) => [module.clone(), path.clone()].concat(),
                    None => continue,
                };
                names.insert(path[path.len() - 1].clone(), meant);
            }
        }
    }
    uses
}

/// The file in which something stands, followed through the modules that only pass it on.
fn file_of(modules: &BTreeSet<&Module>, uses: &Uses, path: &Module, passed: usize) -> Option<Module> {
    let (length, file) = (1..=path.len())
        .rev()
        .map(|length| (length, path[..length].to_vec()))
        .find(|(_, file)| modules.contains(file))?;
    match path.get(length).and_then(|name| uses.get(&file)?.get(name)) {
        Some(meant) if meant != path && passed < 6 => {
            let further = [meant.clone(), path[length + 1..].to_vec()].concat();
            file_of(modules, uses, &further, passed + 1)
        }
        _ => Some(file),
    }
}

/// Which children of the same folder name which. What a parent and its own child say of each other is left out: the
/// parent holds what its children share.
fn arrows(sources: &[Source]) -> BTreeMap<Module, BTreeSet<Module>> {
    let modules: BTreeSet<&Module> = sources.iter().map(|source| &source.module).collect();
    let uses = uses(sources);
    let mut arrows: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
    for Source { module, code, .. } in sources {
        for start in ["crate::", "super::", "self::"] {
            for (at, _) in code.match_indices(start) {
                if code[..at].ends_with(|letter| is_letter(letter) || letter == ':') {
                    continue;
                }
                for path in paths(&code[at..]).0 {
                    let meant = absolute(module, &path);
                    let Some(file) = meant.and_then(|meant| file_of(&modules, &uses, &meant, 0)) else {
                        continue;
                    };
                    let shared = module.iter().zip(&file).take_while(|(one, other)| one == other).count();
                    if shared > 0 && shared < module.len() && shared < file.len() {
                        let to = file[..=shared].to_vec();
                        arrows.entry(module[..=shared].to_vec()).or_default().insert(to);
                    }
                }
            }
        }
    }
    arrows
}

/// Everything that can be reached.
fn reached(arrows: &BTreeMap<Module, BTreeSet<Module>>, from: &Module) -> BTreeSet<Module> {
    let (mut reached, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(module) = next.pop() {
        for to in arrows.get(module).into_iter().flatten() {
            if reached.insert(to.clone()) {
                next.push(to);
            }
        }
    }
    reached
}

#[test]
fn no_files_of_a_room_depend_on_each_other_in_a_circle() {
    let sources = sources();
    let arrows = arrows(&sources);
    assert!(arrows.len() > 100, "the paths were not read: {}", arrows.len());
    let reach: BTreeMap<&Module, BTreeSet<Module>> =
        arrows.keys().map(|module| (module, reached(&arrows, module))).collect();
    let mut wrong = BTreeSet::new();
    for (module, to) in &reach {
        let is_excepted = CIRCLES.iter().any(|(room, _)| module[0] == *room);
        if !is_excepted && to.contains(*module) {
            let circle =
                to.iter().filter(|other| reach.get(other).is_some_and(|back| back.contains(*module)));
            let circle: BTreeSet<String> = circle.map(|module| module.join("/")).collect();
            wrong.insert(circle.into_iter().collect::<Vec<_>>().join(", "));
        }
    }
    assert!(wrong.is_empty(), "circles:\n{}", wrong.into_iter().collect::<Vec<_>>().join("\n"));
}
