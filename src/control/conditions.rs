//! Conditional requests (RFC 9110, section 13): the tag of an answer, and whether what a request expects is so.
//!
//! Owns: tags and their comparison. Must never know: what an answer says, sockets.

use axum::http::HeaderMap;
use axum::http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};

use crate::text::sha256;

/// How many letters of a digest make a tag.
const TAG_LETTERS: usize = 32;

/// The strong tag of an answer: equal bytes have equal tags.
pub(super) fn tag(body: &[u8]) -> String {
    format!("\"{:.TAG_LETTERS$}\"", sha256(body))
}

/// What a request expects of the state that it wants to read or change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Conditions {
    is_one_of: Option<Tags>,
    is_none_of: Option<Tags>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Tags {
    /// `*`: any state, as long as there is one.
    Any,
    Listed(Vec<String>),
}

impl Tags {
    fn of(headers: &HeaderMap, name: &HeaderName) -> Option<Tags> {
        let mut listed = Vec::new();
        for value in headers.get_all(name) {
            // What cannot be read is no tag of ours.
            let text = value.to_str().unwrap_or_default();
            listed.extend(text.split(',').map(|tag| tag.trim().to_owned()));
        }
        match listed.as_slice() {
            [] => None,
            [only] if only == "*" => Some(Tags::Any),
            _ => Some(Tags::Listed(listed)),
        }
    }

    fn contain(&self, current: Option<&str>) -> bool {
        match (self, current) {
            (_, None) => false,
            (Tags::Any, Some(_)) => true,
            (Tags::Listed(tags), Some(current)) => tags.iter().any(|tag| tag == current),
        }
    }
}

impl Conditions {
    pub(super) fn of(headers: &HeaderMap) -> Conditions {
        Conditions { is_one_of: Tags::of(headers, &IF_MATCH), is_none_of: Tags::of(headers, &IF_NONE_MATCH) }
    }

    /// Whether there is any.
    pub(super) fn are_given(&self) -> bool {
        *self != Conditions::default()
    }

    /// Whether something must be new.
    pub(super) fn ask_for_new(&self) -> bool {
        self.is_none_of == Some(Tags::Any)
    }

    /// Whether a state with this tag, or none, may be changed.
    pub(super) fn hold(&self, current: Option<&str>) -> bool {
        self.is_one_of.as_ref().is_none_or(|tags| tags.contain(current))
            && !self.is_none_of.as_ref().is_some_and(|tags| tags.contain(current))
    }

    /// Whether the caller has an answer with this tag already.
    pub(super) fn know(&self, tag: &str) -> bool {
        let is_it = |known: &String| known.strip_prefix("W/").unwrap_or(known) == tag;
        match &self.is_none_of {
            None => false,
            Some(Tags::Any) => true,
            Some(Tags::Listed(tags)) => tags.iter().any(is_it),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conditions(headers: &[(HeaderName, &str)]) -> Conditions {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value.parse().unwrap());
        }
        Conditions::of(&map)
    }

    #[test]
    fn a_change_is_made_only_in_the_expected_state() {
        let (ours, other) = (tag(b"one"), tag(b"two"));
        let listed = format!("{other}, {ours}");
        for (expected, headers, current) in [
            (true, vec![], Some(&ours)),
            (true, vec![(IF_MATCH, ours.as_str())], Some(&ours)),
            (true, vec![(IF_MATCH, listed.as_str())], Some(&ours)),
            (true, vec![(IF_MATCH, other.as_str()), (IF_MATCH, ours.as_str())], Some(&ours)),
            (false, vec![(IF_MATCH, other.as_str())], Some(&ours)),
            (false, vec![(IF_MATCH, ours.as_str())], None),
            (true, vec![(IF_MATCH, "*")], Some(&ours)),
            (false, vec![(IF_MATCH, "*")], None),
            (true, vec![(IF_NONE_MATCH, "*")], None),
            (false, vec![(IF_NONE_MATCH, "*")], Some(&ours)),
            (false, vec![(IF_NONE_MATCH, ours.as_str())], Some(&ours)),
            (false, vec![(IF_MATCH, "")], Some(&ours)),
        ] {
            let held = conditions(&headers).hold(current.map(String::as_str));
            assert_eq!(held, expected, "{headers:?} {current:?}");
        }
    }

    #[test]
    fn a_weak_tag_suffices_to_read_and_not_to_change() {
        let ours = tag(b"one");
        let weak = format!("W/{ours}");
        assert!(conditions(&[(IF_NONE_MATCH, &weak)]).know(&ours));
        assert!(!conditions(&[(IF_NONE_MATCH, &tag(b"two"))]).know(&ours));
        assert!(!conditions(&[(IF_MATCH, &weak)]).hold(Some(&ours)));
    }
}
