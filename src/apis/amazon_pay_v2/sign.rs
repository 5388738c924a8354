//! How a request is signed (docs/src/reference/amazon-pay-v2.md, section 2).
//!
//! Owns: the canonical request, the string to sign, both algorithms. The key is that of [`super::key`].
//! Must never know: the time, the network, what a request is for. Pure.

use aws_lc_rs::signature::{RSA_PSS_SHA256, RsaPssSaltLength, RsaSignatureEncoding};

use crate::apis::transport::Method;
use crate::text::sha256;

/// RSASSA-PSS with SHA-256. The two differ only in the length of the salt (section 2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// `AMZN-PAY-RSASSA-PSS`: 20 bytes of salt.
    Pss,
    /// `AMZN-PAY-RSASSA-PSS-V2`: 32 bytes of salt. Recommended.
    PssV2,
}

static SALT_20: RsaSignatureEncoding = RSA_PSS_SHA256.with_pss_salt_length(RsaPssSaltLength::Custom(20));
static SALT_32: RsaSignatureEncoding = RSA_PSS_SHA256.with_pss_salt_length(RsaPssSaltLength::Custom(32));

impl Algorithm {
    /// Parses a label.
    pub fn from_label(label: &str) -> Option<Algorithm> {
        [Algorithm::Pss, Algorithm::PssV2].into_iter().find(|algorithm| algorithm.label() == label)
    }

    /// The label in the string to sign and in the header.
    pub fn label(self) -> &'static str {
        match self {
            Algorithm::Pss => "AMZN-PAY-RSASSA-PSS",
            Algorithm::PssV2 => "AMZN-PAY-RSASSA-PSS-V2",
        }
    }

    pub(super) fn encoding(self) -> &'static RsaSignatureEncoding {
        match self {
            Algorithm::Pss => &SALT_20,
            Algorithm::PssV2 => &SALT_32,
        }
    }
}

/// The part of a request that is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canonical {
    /// The canonical request (section 2.2).
    pub text: String,
    /// The names of the signed headers, joined by `;`.
    pub signed_headers: String,
}

impl Canonical {
    /// `path` and `query` come from [`canonical_path`] and [`canonical_query`], so that exactly what is sent is
    /// signed. Header names may be in any case and order.
    pub fn new(method: Method, path: &str, query: &str, headers: &[(&str, &str)], body: &[u8]) -> Canonical {
        let mut lines: Vec<(String, String)> = headers
            .iter()
            .map(|(name, value)| {
                let words: Vec<&str> = value.split_ascii_whitespace().collect();
                (name.to_ascii_lowercase(), words.join(" "))
            })
            .collect();
        lines.sort();
        let names: Vec<&str> = lines.iter().map(|(name, _)| name.as_str()).collect();
        let signed_headers = names.join(";");
        let header_lines: String = lines.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let body_hash = sha256(body);
        let text =
            format!("{}\n{path}\n{query}\n{header_lines}\n{signed_headers}\n{body_hash}", method.as_str());
        Canonical { text, signed_headers }
    }

    /// The text that the signature covers.
    pub fn string_to_sign(&self, algorithm: Algorithm) -> String {
        format!("{}\n{}", algorithm.label(), sha256(self.text.as_bytes()))
    }
}

/// An unencoded path as it is signed and sent: never empty, no `//`, RFC 3986 encoded except for the slashes.
pub fn canonical_path(path: &str) -> String {
    let mut encoded = String::from("/");
    for piece in path.split('/').filter(|piece| !piece.is_empty()) {
        if !encoded.ends_with('/') {
            encoded.push('/');
        }
        encode(piece, &mut encoded);
    }
    if path.ends_with('/') && !encoded.ends_with('/') {
        encoded.push('/');
    }
    encoded
}

/// Unencoded parameters as they are signed and sent: RFC 3986 encoded, sorted by key, then by value.
pub fn canonical_query(parameters: &[(&str, &str)]) -> String {
    let mut pairs: Vec<(String, String)> =
        parameters.iter().map(|(key, value)| (encoded(key), encoded(value))).collect();
    pairs.sort();
    let joined: Vec<String> = pairs.iter().map(|(key, value)| format!("{key}={value}")).collect();
    joined.join("&")
}

fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    encode(text, &mut encoded);
    encoded
}

fn encode(text: &str, encoded: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            push_hex(byte, b"0123456789ABCDEF", encoded);
        }
    }
}

fn push_hex(byte: u8, digits: &[u8; 16], text: &mut String) {
    text.push(char::from(digits[usize::from(byte >> 4)]));
    text.push(char::from(digits[usize::from(byte & 15)]));
}

/// The value of the `authorization` header, exactly as section 2.2 shows it.
pub fn authorization(
    algorithm: Algorithm,
    public_key_id: &str,
    canonical: &Canonical,
    signature: &str,
) -> String {
    let (label, signed_headers) = (algorithm.label(), &canonical.signed_headers);
    format!("{label} PublicKeyId={public_key_id}, SignedHeaders={signed_headers}, Signature={signature}")
}

#[cfg(test)]
pub(super) mod tests;
