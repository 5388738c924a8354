//! Keys by the names that they had before 1.0: still read, with a word about it.
//!
//! Owns: which key has which name now. Must never know: what a key means.

use toml::{Table, Value};

use super::lines::{Lines, join};

/// The path as it was written (`*`: any name or place in a list), and the key's name now.
const RENAMED: &[(&str, &str)] = &[
    ("store.free_floor_mib", "min_free_mib"),
    ("polling.most_in_flight", "max_in_flight"),
    ("polling.most_in_flight_per_kind", "max_in_flight_per_kind"),
    ("poll.early", "first_polls"),
    ("poll.kinds.*.early", "first_polls"),
    ("account.*.poll.early", "first_polls"),
    ("account.*.poll.kinds.*.early", "first_polls"),
    ("account.*.batch.most_requests", "max_requests"),
    ("account.*.batch.most_mb", "max_mb"),
    ("alert.*.least_severity", "min_severity"),
];

/// Gives every key its present name, and says which had another. A key that stands under both names keeps them: the
/// old one is then unknown.
pub(super) fn rename(table: &mut Table, lines: &Lines) -> Vec<String> {
    let mut notes = Vec::new();
    for (old, new) in RENAMED {
        let (around, key) = old.rsplit_once('.').unwrap_or(("", old));
        let around: Vec<&str> = around.split('.').collect();
        within(table, &around, "", &mut |table, path| {
            if table.contains_key(*new) {
                return;
            }
            if let Some(value) = table.remove(key) {
                table.insert((*new).to_owned(), value);
                let path = join(path, key);
                let line = lines.of(&path).map(|line| format!("line {line}: ")).unwrap_or_default();
                notes.push(format!("{line}{path} is called {new} now; the old name is read until 1.0"));
            }
        });
    }
    notes
}

/// Visits every table at a path of names.
fn within(table: &mut Table, names: &[&str], path: &str, visit: &mut dyn FnMut(&mut Table, &str)) {
    let Some((name, rest)) = names.split_first() else { return visit(table, path) };
    for (key, value) in table.iter_mut().filter(|(key, _)| *name == "*" || key == name) {
        let path = join(path, key);
        match value {
            Value::Table(inner) => within(inner, rest, &path, visit),
            Value::Array(members) if rest.first() == Some(&"*") => {
                for (number, member) in members.iter_mut().enumerate() {
                    if let Value::Table(inner) = member {
                        within(inner, &rest[1..], &join(&path, &number.to_string()), visit);
                    }
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renamed(text: &str) -> (Table, Vec<String>) {
        let mut table: Table = toml::from_str(text).unwrap();
        let notes = rename(&mut table, &Lines::read(text));
        (table, notes)
    }

    #[test]
    fn old_names_are_read_wherever_they_stand_and_each_is_told() {
        let old = "[store]\nfree_floor_mib = 1\n[poll]\nearly = []\nkinds = { refund = { early = [] } }\n\
            [[account]]\nbatch = { most_mb = 2 }\npoll = { early = ['1m'] }\n[[alert]]\n[[alert]]\nleast_severity = 'info'\n";
        let new = "[store]\nmin_free_mib = 1\n[poll]\nfirst_polls = []\nkinds = { refund = { first_polls = [] } }\n\
            [[account]]\nbatch = { max_mb = 2 }\npoll = { first_polls = ['1m'] }\n[[alert]]\n[[alert]]\nmin_severity = 'info'\n";
        let (table, notes) = renamed(old);
        assert_eq!(table, toml::from_str::<Table>(new).unwrap());
        assert_eq!(notes.len(), 6, "{notes:#?}");
        assert_eq!(
            notes[0],
            "line 2: store.free_floor_mib is called min_free_mib now; the old name is read until 1.0"
        );
        assert!(notes.iter().any(|note| note.starts_with("line 11: alert.1.least_severity")), "{notes:#?}");
        assert_eq!(renamed(new), (table, Vec::new()));
    }

    #[test]
    fn both_names_at_once_are_left_to_be_refused() {
        let text = "[alert]\n[polling]\nmost_in_flight = 1\nmax_in_flight = 2\n";
        assert_eq!(renamed(text), (toml::from_str(text).unwrap(), Vec::new()));
    }
}
