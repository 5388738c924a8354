//! What is wrong with a configuration: all of it at once, each with line, key and remedy.

use super::lines::Lines;
use crate::problem::Problem;

/// Problems found so far, and the file in which to find their lines.
pub(super) struct Findings<'a> {
    lines: &'a Lines,
    problems: Vec<Problem>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(lines: &'a Lines) -> Findings<'a> {
        Findings { lines, problems: Vec::new() }
    }

    /// Adds a problem of the key at `path`. Its line is that of the nearest part of the path that exists.
    pub(super) fn add(&mut self, path: &str, what: impl Into<String>, remedy: impl Into<String>) {
        self.extend([Problem::new(path, what, remedy)]);
    }

    /// Adds the problems that a room found in its own section.
    pub(super) fn extend(&mut self, problems: impl IntoIterator<Item = Problem>) {
        for problem in problems {
            let key = problem.key.replace('[', ".").replace(']', "");
            self.problems.push(Problem { line: self.lines.of(&key), key, ..problem });
        }
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
