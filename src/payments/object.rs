//! Names of what is watched: an account, a kind of object, an object's id.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A name that cannot be used, with the reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {text:?} {problem}")]
pub struct BadName {
    what: &'static str,
    text: String,
    problem: &'static str,
}

fn check(what: &'static str, text: &str, longest: usize, allowed: fn(char) -> bool) -> Result<(), BadName> {
    let problem = if text.is_empty() {
        "is empty"
    } else if text.len() > longest {
        "is too long"
    } else if text.chars().all(allowed) {
        return Ok(());
    } else {
        "has a character that is not allowed there"
    };
    Err(BadName { what, text: text.chars().take(80).collect(), problem })
}

/// The schema of a text that has this form, for the description of the API.
pub(super) fn text_schema(pattern: &str) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).into()
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $longest:literal, $pattern:literal, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks the text. Fails when it is empty, too long or has a character that is not allowed.
            pub fn new(text: impl Into<String>) -> Result<Self, BadName> {
                let text = text.into();
                check($what, &text, $longest, $allowed)?;
                Ok(Self(text))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadName;
            fn try_from(text: String) -> Result<Self, BadName> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = BadName;
            fn from_str(text: &str) -> Result<Self, BadName> {
                Self::new(text)
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                text_schema($pattern)
            }
        }

        impl ToSchema for $name {}

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.pad(&self.0)
            }
        }
    };
}

name!(
    /// The operator's name for a set of credentials: letters, digits, `-`, `_`, `.`; at most 64.
    AccountName, "account name", 64, "^[A-Za-z0-9_.-]{1,64}$",
    |letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.')
);
name!(
    /// What an object is, in its API's words: `charge`, `refund`, `authorization`...
    /// Lower-case letters, digits and `-`; at most 32. Each API defines its own kinds.
    Kind, "kind", 32, "^[a-z0-9-]{1,32}$",
    |letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-'
);
name!(
    /// The provider's id: opaque, at most 64 of `A-Z a-z 0-9 - _ . ~`. Observed ids have at most 50, but nothing
    /// promises that. No character needs escaping in a URL or a table.
    ObjectId, "object id", 64, "^[A-Za-z0-9_.~-]{1,64}$",
    |letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.' | '~')
);

impl ObjectId {
    /// Whether it is `.` or `..`. In a URL these are path steps, which HTTP clients remove (RFC 3986 section 5.2.4),
    /// so the request would go to another address than the signed one. Stored records may have such an id; new ones
    /// are refused.
    pub fn is_folded_in_paths(&self) -> bool {
        matches!(self.as_str(), "." | "..")
    }
}

/// One object, unique across accounts and kinds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ObjectRef {
    /// The account whose credentials can read it.
    pub account: AccountName,
    /// Its kind.
    pub kind: Kind,
    /// The provider's id.
    pub id: ObjectId,
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}/{}", self.account, self.kind, self.id)
    }
}

impl std::str::FromStr for ObjectRef {
    type Err = BadName;

    /// The inverse of `Display`: `account/kind/id`.
    fn from_str(text: &str) -> Result<Self, BadName> {
        let mut parts = text.splitn(3, '/');
        let mut part = || parts.next().unwrap_or_default();
        Ok(ObjectRef { account: part().parse()?, kind: part().parse()?, id: part().parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_refuse_what_could_break_a_url_a_path_or_a_table() {
        for bad in ["", "a/b", "a b", "ä", "a\n", "x?y", "%41", &"x".repeat(65)] {
            assert!(ObjectId::new(bad).is_err(), "{bad:?}");
            assert!(AccountName::new(bad).is_err(), "{bad:?}");
        }
        assert!(Kind::new("Charge").is_err());
        assert!(ObjectId::new("S01-1234567-1234567-C123456").is_ok());
    }

    #[test]
    fn a_reference_survives_its_own_text() {
        let text = "shop-de/charge/S01-1234567-1234567-C123456";
        let object: ObjectRef = text.parse().unwrap();
        assert_eq!(object.to_string(), text);
        assert!("shop-de/charge".parse::<ObjectRef>().is_err());
    }
}
