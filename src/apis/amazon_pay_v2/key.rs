//! The account's private key: any usable copy is read, and for others the problem is named.
//!
//! Owns: PEM as it occurs in practice, signing. Must never know: where the key is stored, what is signed.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, STANDARD};

use super::sign::Algorithm;

/// The standard Base64 alphabet, with or without `=` at the end.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    NO_PAD.with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The object identifier of RSA keys in PKCS#8 (rsaEncryption).
const RSA: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// No 2048-bit key is shorter, in bytes of DER; 1024-bit keys have about 630.
const SHORTEST: usize = 1_000;

/// A private key that cannot be used. Never contains any of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// A public key or certificate in place of the private key.
    #[error("it is a public key or a certificate, not a private key")]
    Public,
    /// Protected by a passphrase.
    #[error("it is protected by a passphrase, which nobody could enter at startup")]
    Encrypted,
    /// OpenSSH's own format.
    #[error("it is in OpenSSH's own format, not PEM")]
    OpenSsh,
    /// PuTTY's own format.
    #[error("it is in PuTTY's own format (.ppk), not PEM")]
    Putty,
    /// Text with two bytes per character.
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
    #[error("something between its first and last line is not Base64")]
    NotBase64,
    /// The length that the key states differs from its actual length.
    #[error("it is damaged: a line was lost, duplicated or changed when it was copied")]
    Damaged,
    /// RSA, but too weak.
    #[error("it is an RSA key of fewer than 2048 bits")]
    Short,
    /// Another type of key.
    #[error("it is not an RSA key")]
    NotRsa,
    /// It was never read, because secrets were not loaded.
    #[error("it was not loaded")]
    Absent,
    /// The signature could not be made.
    #[error("it cannot sign")]
    Unusable,
}

impl BadKey {
    /// What to do about it; `FILE` is a placeholder for the key's file.
    pub fn remedy(self) -> &'static str {
        match self {
            BadKey::Public => {
                "name the file of the private key that belongs to public_key_id; Seller Central offers it only \
                 once, when the key pair is created"
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
                "use the complete private key file (.pem) that belongs to public_key_id, with its first and last line"
            }
            BadKey::NoEnd | BadKey::NotBase64 | BadKey::Damaged => {
                "copy the file again as a file, not through an editor or a form; to verify the copy, run: \
                 openssl pkey -in FILE -check -noout"
            }
            BadKey::Short | BadKey::NotRsa => {
                "run: openssl genrsa -out FILE.new 2048, register its public half in Seller Central, and name FILE.new"
            }
            BadKey::Absent => "leave out the option that keeps secrets from being read",
            BadKey::Unusable => "create a new key pair in Seller Central",
        }
    }
}

/// The account's private key, parsed once.
#[derive(Clone)]
pub struct SigningKey {
    /// None when secrets were not loaded.
    pair: Option<Arc<KeyPair>>,
    random: SystemRandom,
}

impl SigningKey {
    /// Reads PKCS#8 or PKCS#1 from PEM, whichever of the two its first line names. Also accepts a byte order mark, a
    /// key on one line, and line breaks written as `\n`, as in environment variables and JSON.
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

    /// A placeholder for when secrets were not loaded. It cannot sign.
    pub fn absent() -> SigningKey {
        SigningKey { pair: None, random: SystemRandom::new() }
    }

    /// Signs a text. Every signature is different, because the salt is random.
    ///
    /// # Errors
    /// When there is no key, or signing fails.
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

/// The DER bytes of the first private key in a PEM text; their length must be the one that they state.
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

/// The label of the first private key, and the text after its first line.
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

/// The length that a DER sequence states for itself, including its header. None when it is not a sequence.
fn claimed_length(der: &[u8]) -> Option<usize> {
    match *der {
        [0x30, short, ..] if short < 0x80 => Some(2 + usize::from(short)),
        [0x30, 0x81, length, ..] => Some(3 + usize::from(length)),
        [0x30, 0x82, high, low, ..] => Some(4 + usize::from(u16::from_be_bytes([high, low]))),
        _ => None,
    }
}

/// Whether it starts like a PKCS#1 key: version 0, then a number of more than 63 bytes, the modulus.
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
