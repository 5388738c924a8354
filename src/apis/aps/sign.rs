//! Signatures: every parameter in order, between two copies of a phrase (docs/src/reference/aps.md, section 4).
//!
//! Owns: what is signed, in which order, with which digest. Must never know: the clock, the network, what a
//! parameter means.

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::{constant_time, digest, hmac};
use serde_json::{Map, Value};

use crate::secret::Secret;
use crate::text::{hex, sha256};

/// Parameters in the order in which they are signed: bytewise by name, so that `_` comes before lower-case
/// letters and `batch_id` before `batch_reference` (section 4.1, step 2).
pub type Parameters = BTreeMap<String, String>;

/// The parameter that holds the signature and is never signed itself.
pub const SIGNATURE: &str = "signature";

/// The only parameter that the provider's own SDK does not sign (section 4.1).
const LEFT_OUT: &str = "installment_detail";

/// How a signature is made; the account's technical settings say which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// SHA-256 of the wrapped text; the provider recommends it.
    Sha256,
    /// SHA-512 of the wrapped text.
    Sha512,
    /// HMAC-SHA-256 of the wrapped text under the phrase.
    Hmac256,
    /// HMAC-SHA-512 of the wrapped text under the phrase.
    Hmac512,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Algorithm; 4] =
        [Algorithm::Sha256, Algorithm::Sha512, Algorithm::Hmac256, Algorithm::Hmac512];

    /// Parses `SHA-256`, `SHA-512`, `HMAC-256` or `HMAC-512`, in any case. `SHA-128` is refused: what the provider
    /// means by it is not known, and the provider advises against it (section 4.1).
    pub fn from_word(word: &str) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(word.trim()))
    }

    /// The word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::Sha256 => "SHA-256",
            Algorithm::Sha512 => "SHA-512",
            Algorithm::Hmac256 => "HMAC-256",
            Algorithm::Hmac512 => "HMAC-512",
        }
    }
}

/// Signs with one phrase: the request phrase for what is sent, the response phrase for what is received
/// (section 4.1, step 4). It never prints its phrase.
#[derive(Clone)]
pub struct Signer {
    algorithm: Algorithm,
    phrase: Secret<String>,
}

impl Signer {
    /// Signs with `algorithm` and with `phrase` as shown in the back office.
    pub fn new(algorithm: Algorithm, phrase: Secret<String>) -> Signer {
        Signer { algorithm, phrase }
    }

    /// The signature in lower-case hexadecimal. A parameter named `signature` is left out.
    pub fn sign(&self, parameters: &Parameters) -> String {
        let text = self.wrapped(parameters);
        match self.algorithm {
            Algorithm::Sha256 => sha256(text.as_bytes()),
            Algorithm::Sha512 => hex(digest::digest(&digest::SHA512, text.as_bytes()).as_ref()),
            Algorithm::Hmac256 => self.keyed(hmac::HMAC_SHA256, &text),
            Algorithm::Hmac512 => self.keyed(hmac::HMAC_SHA512, &text),
        }
    }

    /// Whether `signature` is the right one for these parameters, in upper or lower case. The comparison takes constant
    /// time.
    pub fn is_genuine(&self, parameters: &Parameters, signature: &str) -> bool {
        let expected = self.sign(parameters);
        let given = signature.trim().to_ascii_lowercase();
        constant_time::verify_slices_are_equal(expected.as_bytes(), given.as_bytes()).is_ok()
    }

    /// The parameters with their signature added.
    pub fn signed(&self, mut parameters: Parameters) -> Parameters {
        let signature = self.sign(&parameters);
        parameters.insert(SIGNATURE.to_owned(), signature);
        parameters
    }

    fn keyed(&self, algorithm: hmac::Algorithm, text: &str) -> String {
        let key = hmac::Key::new(algorithm, self.phrase.expose().as_bytes());
        hex(hmac::sign(&key, text.as_bytes()).as_ref())
    }

    fn wrapped(&self, parameters: &Parameters) -> String {
        let phrase = self.phrase.expose();
        let mut text = phrase.clone();
        for (name, value) in parameters {
            if name != SIGNATURE && name != LEFT_OUT {
                text.push_str(name);
                text.push('=');
                text.push_str(value);
            }
        }
        text.push_str(phrase);
        text
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Signer").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// What an answer's signature covers: every received field, including unknown ones, each in the form that is
/// signed (section 4.1, "Responses").
pub fn parameters_of(answer: &Map<String, Value>) -> Parameters {
    answer.iter().map(|(name, value)| (name.clone(), signed_text(value))).collect()
}

/// A value as it is signed: strings unchanged, lists as `[a, b]`, objects as `{k=v, k=v}` in the order in
/// which they were sent, nothing for null (section 4.1, "Lists" and below).
pub fn signed_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(signed_text).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|(name, value)| format!("{name}={}", signed_text(value))).collect();
            format!("{{{}}}", fields.join(", "))
        }
    }
}

#[cfg(test)]
#[path = "sign/tests.rs"]
mod tests;
