//! The address at which a person who gets an alert can say that they take care of it.
//!
//! Owns: the address and its signature. Must never know: what is shown there, who calls.
//!
//! The signature is over the key of the alert, so an address acknowledges this alert and nothing else. It has only small
//! letters and digits after its base: no target escapes or cuts anything in it.

use aws_lc_rs::hmac;

use crate::secret::Secret;
use crate::text::hex;

/// Begins the path of every such address.
pub const PATH: &str = "/acknowledge/";
/// How many bytes of the signature an address has.
const TAG_BYTES: usize = 16;

/// Makes the addresses, and recognises them again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Links {
    base: String,
    secret: Secret<String>,
}

impl Links {
    /// `base` is where people reach the API's port: `https://reconciled.example`.
    pub fn new(base: &str, secret: Secret<String>) -> Links {
        Links { base: base.trim_end_matches('/').to_owned(), secret }
    }

    /// The address for the alert of this key.
    pub fn address(&self, key: &str) -> String {
        format!("{}{PATH}{}/{}", self.base, hex(key.as_bytes()), hex(&self.tag(key)))
    }

    /// The key of the alert, if this is the path of one of our addresses.
    pub fn key_of(&self, path: &str) -> Option<String> {
        let (key, tag) = path.strip_prefix(PATH)?.split_once('/')?;
        let key = String::from_utf8(unhex(key)?).ok()?;
        aws_lc_rs::constant_time::verify_slices_are_equal(&unhex(tag)?, &self.tag(&key)).ok()?;
        Some(key)
    }

    fn tag(&self, key: &str) -> Vec<u8> {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, self.secret.expose().as_bytes());
        let signature = hmac::sign(&secret, format!("{PATH}{key}").as_bytes());
        signature.as_ref().iter().take(TAG_BYTES).copied().collect()
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let is_ours =
        text.len() % 2 == 0 && text.bytes().all(|letter| matches!(letter, b'0'..=b'9' | b'a'..=b'f'));
    let places = (0..text.len()).step_by(2);
    is_ours.then(|| places.filter_map(|place| u8::from_str_radix(&text[place..place + 2], 16).ok()).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn links(secret: &str) -> Links {
        Links::new("https://reconciled.example/", Secret::new(secret.to_owned()))
    }

    #[test]
    fn an_address_is_good_for_its_alert_under_its_secret_only() {
        let key = "declined/shop/charge/S01-1/Declined@2026-11-29T23:36:24Z";
        let address = links("one").address(key);
        let path = address.strip_prefix("https://reconciled.example").unwrap();
        assert_eq!(links("one").key_of(path).as_deref(), Some(key));
        assert_eq!(links("two").key_of(path), None);
        let other = links("one").address("declined/shop/charge/S01-2/Declined@2026-11-29T23:36:24Z");
        let (start, _) = path.rsplit_once('/').unwrap();
        let (_, tag) = other.rsplit_once('/').unwrap();
        for wrong in [
            format!("{start}/{tag}"),
            format!("{start}/"),
            format!("{start}/{}", "0".repeat(32)),
            start.to_owned(),
            path[..path.len() - 1].to_owned(),
            path.to_uppercase(),
            format!("{path}00"),
            PATH.to_owned(),
        ] {
            assert_eq!(links("one").key_of(&wrong), None, "{wrong}");
        }
        assert!(!format!("{:?}", links("canary")).contains("canary"));
    }

    proptest! {
        #[test]
        fn any_key_is_found_again_and_any_path_is_read_or_refused(key in ".{0,80}", path in ".{0,80}") {
            let links = links("one");
            let address = links.address(&key);
            let path_of_key = address.strip_prefix("https://reconciled.example").unwrap();
            prop_assert!(path_of_key[PATH.len()..].bytes().all(|letter| letter.is_ascii_alphanumeric() || letter == b'/'));
            prop_assert_eq!(links.key_of(path_of_key), Some(key));
            prop_assert_eq!(links.key_of(&format!("{PATH}{path}")), None);
        }
    }
}
