//! What is wrong with something that a person wrote, in words that they can act on.
//!
//! Owns: the one shape of a problem, and collecting all of a section instead of the first. Must never know: any key,
//! files, the whole configuration.

use std::fmt;

use crate::secret::BadSecret;
use crate::text;

/// Bytes of a key that are shown, and of what is wrong with it: both may repeat words of the file.
const KEY_BYTES_SHOWN: usize = 120;
const WHAT_BYTES_SHOWN: usize = 300;

/// One thing to mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where in the file, counted from 1, when that is known.
    pub line: Option<usize>,
    /// The key's full path: `account.1.private_key`.
    pub key: String,
    /// What is wrong, without secrets.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl Problem {
    /// A problem at a key, wherever that stands.
    pub fn new(key: impl Into<String>, what: impl Into<String>, remedy: impl Into<String>) -> Problem {
        Problem { line: None, key: key.into(), what: what.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(formatter, "line {line}: ")?;
        }
        let (key, what) =
            (text::short(&self.key, KEY_BYTES_SHOWN), text::short(&self.what, WHAT_BYTES_SHOWN));
        write!(formatter, "{key}: {what}")?;
        if !self.remedy.is_empty() {
            write!(formatter, " → {}", self.remedy)?;
        }
        Ok(())
    }
}

/// Collects all problems of one section, so that an operator sees them at once.
#[derive(Debug)]
pub struct Check {
    path: String,
    problems: Vec<Problem>,
}

impl Check {
    /// For the section at `path` (`account.shop`), which stands before every key.
    pub fn new(path: impl Into<String>) -> Check {
        Check { path: path.into(), problems: Vec::new() }
    }

    /// A key of this section, with its path.
    pub fn key(&self, field: &str) -> String {
        format!("{}.{field}", self.path)
    }

    /// Notes a problem of a field.
    pub fn problem(&mut self, field: &str, what: impl Into<String>, remedy: impl Into<String>) {
        self.problems.push(Problem::new(self.key(field), what, remedy));
    }

    /// The value, or notes the problem.
    pub fn good<T>(&mut self, outcome: Result<T, Problem>) -> Option<T> {
        outcome.map_err(|problem| self.problems.push(problem)).ok()
    }

    /// The secret of a field, or notes why it cannot be had.
    pub fn secret<T>(&mut self, field: &str, outcome: Result<T, BadSecret>) -> Option<T> {
        outcome.map_err(|bad| self.problem(field, bad.what, bad.remedy)).ok()
    }

    /// The text of a field that must be there, trimmed.
    pub fn required<'a>(&mut self, field: &str, value: Option<&'a str>, remedy: &str) -> Option<&'a str> {
        let text = value.map(str::trim).filter(|text| !text.is_empty());
        if text.is_none() {
            self.problem(field, "is missing", remedy);
        }
        text
    }

    /// All problems; the value when there are none.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Vec<Problem>> {
        match value {
            Some(value) if self.problems.is_empty() => Ok(value),
            Some(_) => Err(self.problems),
            None => {
                debug_assert!(!self.problems.is_empty(), "nothing is missing without a problem");
                Err(self.problems)
            }
        }
    }
}
