//! Why a request failed, as RFC 9457 problem details: what is wrong, and what to do about it.
//!
//! Owns: the problem's classes, statuses and JSON form. Must never know: which verb failed, HTTP servers.

use serde::{Deserialize, Serialize};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// The classes of problems. The detail holds the provider's or the store's own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = ProblemCause)]
pub enum Cause {
    /// The request cannot be read.
    Malformed,
    /// The caller shows no token that is known.
    Unauthenticated,
    /// The caller lacks permission.
    Forbidden,
    /// The body is of a media type that is not understood there.
    UnsupportedMediaType,
    /// There is no such object, report, alert or path.
    NotFound,
    /// The path supports only other methods.
    WrongMethod,
    /// The request took too long to arrive or to answer.
    TooSlow,
    /// It contradicts what is stored.
    Conflict,
    /// The id alone names several objects.
    Ambiguous,
    /// The object is not in the state that the request expects (`If-Match`, `If-None-Match`).
    PreconditionFailed,
    /// The request is larger than allowed.
    TooLarge,
    /// There were too many requests.
    TooMany,
    /// The request can be parsed, but its content is invalid.
    Unprocessable,
    /// The daemon is starting or stopping, or its store is out of order.
    Unavailable,
    /// A fault of this program.
    Internal,
}

impl Cause {
    /// The HTTP status (docs/src/reference/operations.md section 8.4, "Status use").
    pub fn status(self) -> u16 {
        match self {
            Cause::Malformed => 400,
            Cause::Unauthenticated => 401,
            Cause::Forbidden => 403,
            Cause::NotFound => 404,
            Cause::WrongMethod => 405,
            Cause::TooSlow => 408,
            Cause::Conflict | Cause::Ambiguous => 409,
            Cause::PreconditionFailed => 412,
            Cause::TooLarge => 413,
            Cause::UnsupportedMediaType => 415,
            Cause::Unprocessable => 422,
            Cause::TooMany => 429,
            Cause::Internal => 500,
            Cause::Unavailable => 503,
        }
    }

    /// The class as it appears in the JSON.
    pub fn word(self) -> &'static str {
        match self {
            Cause::Malformed => "malformed",
            Cause::Unauthenticated => "unauthenticated",
            Cause::Forbidden => "forbidden",
            Cause::NotFound => "not-found",
            Cause::WrongMethod => "wrong-method",
            Cause::TooSlow => "too-slow",
            Cause::Conflict => "conflict",
            Cause::Ambiguous => "ambiguous",
            Cause::PreconditionFailed => "precondition-failed",
            Cause::TooLarge => "too-large",
            Cause::UnsupportedMediaType => "unsupported-media-type",
            Cause::Unprocessable => "unprocessable",
            Cause::TooMany => "too-many",
            Cause::Internal => "internal",
            Cause::Unavailable => "unavailable",
        }
    }

    /// The class in words.
    pub fn title(self) -> &'static str {
        match self {
            Cause::Malformed => "The request cannot be read",
            Cause::Unauthenticated => "No known token",
            Cause::Forbidden => "Not allowed",
            Cause::NotFound => "Not found",
            Cause::WrongMethod => "The path does not support this method",
            Cause::TooSlow => "Too slow",
            Cause::Conflict => "It contradicts what is stored",
            Cause::Ambiguous => "The id names several objects",
            Cause::PreconditionFailed => "It has changed",
            Cause::TooLarge => "The request is too large",
            Cause::UnsupportedMediaType => "The body is of another media type",
            Cause::TooMany => "Too many requests",
            Cause::Unprocessable => "The content of the request is invalid",
            Cause::Internal => "Internal error",
            Cause::Unavailable => "Not available now",
        }
    }
}

impl Cause {
    /// How many seconds to wait before trying again, if that may help.
    pub(super) fn retry_after(self) -> Option<&'static str> {
        match self {
            Cause::Unavailable => Some("5"),
            Cause::TooMany => Some("1"),
            _ => None,
        }
    }
}

/// A rejected or failed request. Its JSON also carries the class as `type` (a URI, RFC 9457 section 3.1.1), as
/// `title` and as `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(into = "Wire", from = "Wire")]
#[error("{detail}")]
pub struct Problem {
    /// The class.
    pub cause: Cause,
    /// What is wrong with this particular request.
    pub detail: String,
    /// What to do about it; may be empty.
    pub remedy: String,
    /// The objects that could be meant.
    pub candidates: Vec<String>,
}

impl Problem {
    /// A problem of a class, with what is wrong and what to do about it.
    pub fn new(cause: Cause, detail: impl Into<String>, remedy: impl Into<String>) -> Problem {
        Problem { cause, detail: detail.into(), remedy: remedy.into(), candidates: Vec::new() }
    }

    /// What the path names is not as the request expects.
    pub(super) fn changed(what: &str) -> Problem {
        let detail = format!("{what} is not what the request expects (If-Match, If-None-Match)");
        Problem::new(Cause::PreconditionFailed, detail, "read it again, then decide again")
    }
}

/// A rejected or failed request (RFC 9457).
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = Problem)]
struct Wire {
    /// The class, as a URI: `urn:reconciled:problem:not-found`.
    #[serde(rename = "type")]
    uri: String,
    /// The class, in words.
    title: String,
    /// The HTTP status.
    status: u16,
    /// The class.
    cause: Cause,
    /// What is wrong with this particular request.
    detail: String,
    /// What to do about it; may be empty.
    #[serde(default)]
    remedy: String,
    /// The objects that could be meant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    candidates: Vec<String>,
}

impl PartialSchema for Problem {
    fn schema() -> RefOr<Schema> {
        Wire::schema()
    }
}

impl ToSchema for Problem {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Wire::schemas(schemas);
    }
}

impl From<Problem> for Wire {
    fn from(problem: Problem) -> Wire {
        let Problem { cause, detail, remedy, candidates } = problem;
        Wire {
            uri: format!("urn:reconciled:problem:{}", cause.word()),
            title: cause.title().to_owned(),
            status: cause.status(),
            cause,
            detail,
            remedy,
            candidates,
        }
    }
}

impl From<Wire> for Problem {
    fn from(wire: Wire) -> Problem {
        let Wire { cause, detail, remedy, candidates, .. } = wire;
        Problem { cause, detail, remedy, candidates }
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
        assert_eq!((&json["status"], &json["cause"]), (&404.into(), &"not-found".into()));
        assert_eq!(json["detail"], "there is no charge X");
        assert_eq!(json["remedy"], "see `reconciled list`");
        assert_eq!(serde_json::from_value::<Problem>(json).unwrap(), problem);
    }
}
