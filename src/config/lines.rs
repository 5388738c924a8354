//! The line of each key in the file.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Line numbers by the key's full path. Array members are numbered from 0.
#[derive(Debug, Default)]
pub(super) struct Lines {
    known: BTreeMap<String, usize>,
}

impl Lines {
    /// Reads the positions. A file that is not TOML has none.
    pub(super) fn read(text: &str) -> Lines {
        let mut lines = Lines::default();
        if let Ok(table) = DeTable::parse(text) {
            let starts: Vec<usize> = std::iter::once(0)
                .chain(text.match_indices('\n').map(|(position, _)| position + 1))
                .collect();
            lines.walk("", table.get_ref(), &starts);
        }
        lines
    }

    fn walk(&mut self, path: &str, table: &DeTable<'_>, starts: &[usize]) {
        for (key, value) in table.iter() {
            let path = join(path, key.get_ref().as_ref());
            self.note(path.clone(), key.span().start, starts);
            self.value(&path, value, starts);
        }
    }

    fn value(&mut self, path: &str, value: &Spanned<DeValue<'_>>, starts: &[usize]) {
        match value.get_ref() {
            DeValue::Table(table) => self.walk(path, table, starts),
            DeValue::Array(members) => {
                for (number, member) in members.iter().enumerate() {
                    let path = join(path, &number.to_string());
                    self.note(path.clone(), member.span().start, starts);
                    self.value(&path, member, starts);
                }
            }
            _ => {}
        }
    }

    fn note(&mut self, path: String, offset: usize, starts: &[usize]) {
        self.known.entry(path).or_insert_with(|| starts.partition_point(|start| *start <= offset));
    }

    /// The line of a key, or of the nearest enclosing key.
    pub(super) fn of(&self, path: &str) -> Option<usize> {
        let mut path = path;
        loop {
            if let Some(line) = self.known.get(path) {
                return Some(*line);
            }
            path = path.rsplit_once('.')?.0;
        }
    }
}

/// `around.key`, or just `key` at the top level.
pub(super) fn join(around: &str, key: &str) -> String {
    if around.is_empty() { key.to_owned() } else { format!("{around}.{key}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_on_their_lines() {
        let lines = Lines::read("a = 1\n\n[b]\nc = 2\n[[d]]\ne = 1\n[[d]]\ne = 2\nf = { g = 3 }\n");
        assert_eq!(lines.of("a"), Some(1));
        assert_eq!(lines.of("b.c"), Some(4));
        assert_eq!(lines.of("b.missing"), Some(3));
        assert_eq!(lines.of("d.0.e"), Some(6));
        assert_eq!(lines.of("d.1.e"), Some(8));
        assert_eq!(lines.of("d.1.f.g"), Some(9));
        assert_eq!(lines.of("nowhere"), None);
    }
}
