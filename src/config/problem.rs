//! The problems of a configuration: all at once, each with line, key and remedy.

use std::fmt;

use super::lines::Lines;
use crate::text;

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line in the file, counted from 1, if known.
    pub line: Option<usize>,
    /// The key's full path: `account.1.private_key`.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// How to correct it.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(formatter, "line {line}: ")?;
        }
        write!(
            formatter,
            "{}: {}",
            text::short(&self.key, KEY_BYTES_SHOWN),
            text::short(&self.what, WHAT_BYTES_SHOWN)
        )?;
        if !self.remedy.is_empty() {
            write!(formatter, " → {}", self.remedy)?;
        }
        Ok(())
    }
}

/// The most bytes shown of a key and of a problem: both may repeat text of the file.
const KEY_BYTES_SHOWN: usize = 120;
const WHAT_BYTES_SHOWN: usize = 300;

/// The problems found so far, and the file's line numbers.
pub(super) struct Findings<'a> {
    lines: &'a Lines,
    problems: Vec<Problem>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(lines: &'a Lines) -> Findings<'a> {
        Findings { lines, problems: Vec::new() }
    }

    /// Adds a problem with the key at `path`. Its line is that of the nearest existing part of the path.
    pub(super) fn add(&mut self, path: &str, what: impl Into<String>, remedy: impl Into<String>) {
        let what = what.into();
        let key = path.replace('[', ".").replace(']', "");
        let line = self.lines.of(&key);
        self.problems.push(Problem { line, key, what, remedy: remedy.into() });
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// All problems in the order of the file.
    pub(super) fn into_problems(mut self) -> Vec<Problem> {
        self.problems.sort_by(|one, other| (one.line, &one.key).cmp(&(other.line, &other.key)));
        self.problems
    }
}
