//! What went wrong with a request, as RFC 9457 problem details: what, and what to do about it.
//!
//! Owns: the problem's classes, statuses and JSON form. Must never know: which verb failed, HTTP servers.

use serde::{Deserialize, Serialize};

/// The classes of problems. The provider's and the store's own words stand in the detail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The request cannot be read.
    Malformed,
    /// The caller may not.
    Forbidden,
    /// There is no such object, report, alert or address.
    NotFound,
    /// The address knows other methods only.
    WrongMethod,
    /// The request took too long to arrive or to answer.
    TooSlow,
    /// It contradicts what is stored.
    Conflict,
    /// The id alone names several objects.
    Ambiguous,
    /// The request is larger than it may be.
    TooLarge,
    /// The request can be read, but what it says cannot be.
    Unprocessable,
    /// The daemon is starting, stopping, or its store is out of order.
    Unavailable,
    /// Our own fault.
    Internal,
}

impl Cause {
    /// The HTTP status (operations.md section 8.4, "Status use").
    pub fn status(self) -> u16 {
        match self {
            Cause::Malformed => 400,
            Cause::Forbidden => 403,
            Cause::NotFound => 404,
            Cause::WrongMethod => 405,
            Cause::TooSlow => 408,
            Cause::Conflict | Cause::Ambiguous => 409,
            Cause::TooLarge => 413,
            Cause::Unprocessable => 422,
            Cause::Internal => 500,
            Cause::Unavailable => 503,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Cause::Malformed => "The request cannot be read",
            Cause::Forbidden => "Not allowed",
            Cause::NotFound => "Not found",
            Cause::WrongMethod => "The address does not know this method",
            Cause::TooSlow => "Too slow",
            Cause::Conflict => "It contradicts what is stored",
            Cause::Ambiguous => "The id names several objects",
            Cause::TooLarge => "The request is too large",
            Cause::Unprocessable => "The request makes no sense",
            Cause::Internal => "Internal error",
            Cause::Unavailable => "Not available now",
        }
    }
}

/// A refused or failed request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{detail}")]
pub struct Problem {
    /// The class again as a URI (RFC 9457 section 3.1.1).
    #[serde(rename = "type")]
    pub uri: String,
    /// The class in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The class.
    pub cause: Cause,
    /// What is wrong with this very request.
    pub detail: String,
    /// What to do about it; may be empty.
    #[serde(default)]
    pub remedy: String,
    /// The objects that could be meant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<String>,
}

impl Problem {
    /// A problem of a class, with what is wrong and what to do.
    pub fn new(cause: Cause, detail: impl Into<String>, remedy: impl Into<String>) -> Problem {
        let word = serde_json::to_value(cause).expect("a unit variant always becomes JSON text");
        Problem {
            uri: format!("urn:reconciled:problem:{}", word.as_str().unwrap_or_default()),
            title: cause.title().to_owned(),
            status: cause.status(),
            cause,
            detail: detail.into(),
            remedy: remedy.into(),
            candidates: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_what_and_remedy_and_survives_its_json() {
        let mut problem = Problem::new(Cause::NotFound, "there is no charge X", "see `reconciled list`");
        problem.candidates.push("a/charge/b".to_owned());
        let json = serde_json::to_value(&problem).unwrap();
        assert_eq!(json["type"], "urn:reconciled:problem:not-found");
        assert_eq!(json["status"], 404);
        assert_eq!(json["detail"], "there is no charge X");
        assert_eq!(json["remedy"], "see `reconciled list`");
        assert_eq!(serde_json::from_value::<Problem>(json).unwrap(), problem);
    }
}
