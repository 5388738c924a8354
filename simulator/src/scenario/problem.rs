//! What is wrong with a scenario, in words that name the place and the remedy.
//!
//! Owns: the wording. Must never know: what a scenario means.

use std::fmt;

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line of the file, from 1, where known.
    pub line: Option<usize>,
    /// The key concerned, as a path such as `account[0].region`.
    pub key: String,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
}

/// All problems of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ScenarioError {
    /// In the order of the file; never empty.
    pub problems: Vec<Problem>,
}

impl ScenarioError {
    /// A single problem.
    pub fn one(problem: Problem) -> ScenarioError {
        ScenarioError { problems: vec![problem] }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(formatter, "line {line}: ")?;
        }
        write!(
            formatter,
            "{}: {}; {}",
            plain(&self.key, KEY_BYTES_SHOWN),
            plain(&self.problem, WHAT_BYTES_SHOWN),
            self.remedy
        )
    }
}

/// Bytes of a key that are shown, and of what is wrong with it: both may repeat words of the file.
const KEY_BYTES_SHOWN: usize = 120;
const WHAT_BYTES_SHOWN: usize = 300;

/// Words of the file may be endless, and hold letters that steer a terminal: they are cut, and written as escapes.
fn plain(words: &str, most: usize) -> String {
    let mut shown = String::new();
    for letter in words.chars() {
        if shown.len() >= most {
            shown.push('…');
            break;
        }
        match letter.is_control() {
            true => shown.extend(letter.escape_default()),
            false => shown.push(letter),
        }
    }
    shown
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the scenario has problems:")?;
        for problem in &self.problems {
            write!(formatter, "\n  {problem}")?;
        }
        Ok(())
    }
}

/// The line, from 1, in which this byte stands.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
