//! The account's private key: any copy of it that can be understood is read, and what cannot is named.
//!
//! Owns: PEM as people really have it, signing. Must never know: where the key lies, what is signed.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, STANDARD};

use super::sign::Algorithm;

/// Standard letters, with or without `=` at the end.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    NO_PAD.with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The object identifier of RSA keys in PKCS#8 (rsaEncryption).
const RSA: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// No key of 2048 bits is shorter, in bytes of DER; those of 1024 bits have some 630.
const SHORTEST: usize = 1_000;

/// A private key that cannot be used. Never holds any of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// A public key or certificate in place of the private key.
    #[error("it is not a private key but a public one or a certificate")]
    Public,
    /// Protected by a passphrase.
    #[error("it is protected by a passphrase, which nobody could type in at the start")]
    Encrypted,
    /// OpenSSH's own form.
    #[error("it has OpenSSH's own form, not PEM's")]
    OpenSsh,
    /// PuTTY's own form.
    #[error("it has PuTTY's own form (.ppk), not PEM's")]
    Putty,
    /// Text of two bytes a letter.
    #[error("it is UTF-16 text, as PowerShell writes it")]
    Utf16,
    /// DER, or a .pfx.
    #[error("it is a binary key file, not PEM text")]
    Binary,
    /// Not PEM.
    #[error("it is not a PEM file: no line says -----BEGIN PRIVATE KEY-----")]
    NotPem,
    /// The file stops too early.
    #[error("its end is missing: no line says -----END PRIVATE KEY-----")]
    NoEnd,
    /// Not Base64 between the first and the last line.
    #[error("between its first and its last line stands something that is not Base64")]
    NotBase64,
    /// The key says that it is longer or shorter than what is there.
    #[error("it is not whole: a line was lost, doubled or changed in copying")]
    Damaged,
    /// RSA, but too weak.
    #[error("it is an RSA key of fewer than 2048 bits")]
    Short,
    /// Another sort of key.
    #[error("it is not an RSA key")]
    NotRsa,
    /// It was never read, because secrets were not looked for.
    #[error("it was not looked for")]
    Absent,
    /// The signature could not be made.
    #[error("it does not sign")]
    Unusable,
}

impl BadKey {
    /// What to do about it; `FILE` stands for the key's file.
    pub fn remedy(self) -> &'static str {
        match self {
            BadKey::Public => {
                "name the file of the private key that belongs to public_key_id; Seller Central offers it once, \
                 when the pair is made"
            }
            BadKey::Encrypted => {
                "run: openssl pkey -in FILE -out FILE.new (it asks for the passphrase), and name FILE.new"
            }
            BadKey::OpenSsh => "run: ssh-keygen -p -m PEM -N '' -f FILE",
            BadKey::Putty => {
                "run: puttygen FILE -O private-openssh -o FILE.new && ssh-keygen -p -m PEM -N '' -f FILE.new, and \
                 name FILE.new"
            }
            BadKey::Utf16 => "run: iconv -f UTF-16 -t UTF-8 FILE > FILE.new, and name FILE.new",
            BadKey::Binary => {
                "run: openssl pkey -inform DER -in FILE -out FILE.new (a .pfx or .p12: openssl pkcs12 -in FILE \
                 -nocerts -nodes -out FILE.new), and name FILE.new"
            }
            BadKey::NotPem => {
                "use the private key file (.pem) that belongs to public_key_id, whole, with its first and last line"
            }
            BadKey::NoEnd | BadKey::NotBase64 | BadKey::Damaged => {
                "copy the file again as a file, not through an editor or a form; it is whole when this says so: \
                 openssl pkey -in FILE -check -noout"
            }
            BadKey::Short | BadKey::NotRsa => {
                "run: openssl genrsa -out FILE.new 2048, register its public half in Seller Central, and name FILE.new"
            }
            BadKey::Absent => "look for it: leave out what keeps secrets unread",
            BadKey::Unusable => "make a new key pair in Seller Central",
        }
    }
}

/// The account's private key, parsed once.
#[derive(Clone)]
pub struct SigningKey {
    /// None when secrets were not looked for.
    pair: Option<Arc<KeyPair>>,
    random: SystemRandom,
}

impl SigningKey {
    /// Reads PKCS#8 or PKCS#1 from PEM, whatever of the two its first line says; with a byte order mark, on
    /// one line, or with `\n` written out, as environment variables and JSON carry it.
    ///
    /// # Errors
    /// What is wrong with it; [`BadKey::remedy`] says what to do.
    pub fn from_pem(pem: &[u8]) -> Result<SigningKey, BadKey> {
        let der = der_of(pem)?;
        let pair = KeyPair::from_pkcs8(&der).or_else(|_| KeyPair::from_der(&der)).map_err(|_| {
            match (der.windows(RSA.len()).any(|part| part == RSA) || is_pkcs1(&der), der.len() < SHORTEST) {
                (true, true) => BadKey::Short,
                (true, false) => BadKey::Damaged,
                (false, _) => BadKey::NotRsa,
            }
        })?;
        if pair.public_modulus_len() < 256 {
            return Err(BadKey::Short);
        }
        Ok(SigningKey { pair: Some(Arc::new(pair)), random: SystemRandom::new() })
    }

    /// Stands in where secrets were not looked for: it signs nothing.
    pub fn absent() -> SigningKey {
        SigningKey { pair: None, random: SystemRandom::new() }
    }

    /// Signs; no two signatures are alike, because the salt is random.
    ///
    /// # Errors
    /// When there is no key, or it fails.
    pub fn sign(&self, algorithm: Algorithm, string_to_sign: &str) -> Result<String, BadKey> {
        let pair = self.pair.as_ref().ok_or(BadKey::Absent)?;
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(algorithm.encoding(), &self.random, string_to_sign.as_bytes(), &mut signature)
            .map_err(|_| BadKey::Unusable)?;
        Ok(STANDARD.encode(signature))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[hidden]")
    }
}

/// The bytes of the first private key in a PEM text, as long as they say themselves.
fn der_of(pem: &[u8]) -> Result<Vec<u8>, BadKey> {
    if pem.starts_with(&[0x30, 0x82]) {
        return Err(BadKey::Binary);
    }
    if pem.starts_with(&[0xFF, 0xFE]) || pem.starts_with(&[0xFE, 0xFF]) || pem.contains(&0) {
        return Err(BadKey::Utf16);
    }
    let text = String::from_utf8_lossy(pem);
    let (label, body) = private_block(&text)?;
    match label {
        "ENCRYPTED PRIVATE KEY" => return Err(BadKey::Encrypted),
        "OPENSSH PRIVATE KEY" => return Err(BadKey::OpenSsh),
        "PRIVATE KEY" | "RSA PRIVATE KEY" => {}
        _ => return Err(BadKey::NotRsa),
    }
    let (body, _) = body.split_once("-----END").ok_or(BadKey::NoEnd)?;
    if body.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(BadKey::Encrypted);
    }
    let letters: String = body.replace("\\r", "").replace("\\n", "").split_whitespace().collect();
    let der = LENIENT.decode(letters).map_err(|_| BadKey::NotBase64)?;
    if claimed_length(&der) == Some(der.len()) { Ok(der) } else { Err(BadKey::Damaged) }
}

/// The label of the first private key, and what follows its first line.
fn private_block(text: &str) -> Result<(&str, &str), BadKey> {
    let mut rest = text;
    let mut is_public = text.starts_with("ssh-rsa ");
    while let Some((_, after)) = rest.split_once("-----BEGIN ") {
        let Some((label, body)) = after.split_once("-----") else { break };
        if label.ends_with("PRIVATE KEY") {
            return Ok((label, body));
        }
        is_public |= label.ends_with("PUBLIC KEY") || label.ends_with("CERTIFICATE");
        rest = body;
    }
    Err(match (is_public, text.starts_with("PuTTY-User-Key-File")) {
        (true, _) => BadKey::Public,
        (false, true) => BadKey::Putty,
        (false, false) => BadKey::NotPem,
    })
}

/// How long a DER sequence says that it is, its head included; none when it is no sequence.
fn claimed_length(der: &[u8]) -> Option<usize> {
    match *der {
        [0x30, short, ..] if short < 0x80 => Some(2 + usize::from(short)),
        [0x30, 0x81, length, ..] => Some(3 + usize::from(length)),
        [0x30, 0x82, high, low, ..] => Some(4 + usize::from(u16::from_be_bytes([high, low]))),
        _ => None,
    }
}

/// Whether it begins as a PKCS#1 key does: version 0, then a number of more than 63 bytes, the modulus.
fn is_pkcs1(der: &[u8]) -> bool {
    let head = match *der {
        [0x30, 0x81, ..] => 3,
        [0x30, 0x82, ..] => 4,
        _ => return false,
    };
    matches!(der.get(head..), Some([0x02, 0x01, 0x00, 0x02, 0x81 | 0x82, ..]))
}

#[cfg(test)]
#[path = "key/tests.rs"]
mod tests;
