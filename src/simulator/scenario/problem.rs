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
        write!(formatter, "{}: {}; {}", plain(&self.key), plain(&self.problem), plain(&self.remedy))
    }
}

/// Words of the file may hold letters that steer a terminal: they are written as escapes.
fn plain(words: &str) -> String {
    let escaped = |letter: char| letter.is_control().then(|| letter.escape_default().to_string());
    words.chars().map(|letter| escaped(letter).unwrap_or_else(|| letter.to_string())).collect()
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
