//! Throw-away credentials for pretend merchants, and the reading of their public keys.
//!
//! Owns: key generation and key files. Must never know: what is signed with them.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::scenario::{Credentials, Scenario};

/// An RSA-2048 key pair made for one run.
#[derive(Clone)]
pub struct ThrowAwayKey {
    /// The private key, PKCS#8 PEM (`BEGIN PRIVATE KEY`).
    pub private_key_pem: String,
    /// The public key, DER (SubjectPublicKeyInfo).
    pub public_key_der: Vec<u8>,
}

impl std::fmt::Debug for ThrowAwayKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ThrowAwayKey").finish_non_exhaustive()
    }
}

/// What a client needs to sign as one generated account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratedCredentials {
    /// The account's name in the scenario.
    pub account: String,
    /// The public key id, the access key id or the access code.
    pub key_id: String,
    /// The file with the private key (PEM), with the secret key or with a phrase (one line).
    pub secret_file: PathBuf,
}

impl ThrowAwayKey {
    /// A fresh key pair, from the system's randomness: it takes some 100 ms.
    ///
    /// # Errors
    /// When the system yields no randomness.
    pub fn generate() -> io::Result<ThrowAwayKey> {
        let failed = |_| io::Error::other("an RSA key could not be generated");
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
        let private: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(failed)?;
        Ok(ThrowAwayKey {
            private_key_pem: pem("PRIVATE KEY", private.as_ref()),
            public_key_der: public.as_ref().to_vec(),
        })
    }

    /// The public key, PEM.
    pub fn public_key_pem(&self) -> String {
        pem("PUBLIC KEY", &self.public_key_der)
    }
}

impl Scenario {
    /// Generates what the scenario's accounts lack and writes the secret halves to `folder`, readable by
    /// the owner alone: `NAME.private-key.pem` for v2, `NAME.secret-key` for MWS, `NAME.request-phrase` and
    /// `NAME.response-phrase` for aps. Accounts that have their keys are left alone.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn generate_credentials(&mut self, folder: &Path) -> io::Result<Vec<GeneratedCredentials>> {
        let mut generated = Vec::new();
        for account in &mut self.accounts {
            let (key_id, secret_file) = match &mut account.credentials {
                Credentials::PublicKey { id, der: der @ None } => {
                    let key = ThrowAwayKey::generate()?;
                    let file = folder.join(format!("{}.private-key.pem", account.name));
                    write_secret(&file, &key.private_key_pem)?;
                    *der = Some(key.public_key_der);
                    (id.clone(), file)
                }
                Credentials::AccessKey { id, secret: secret @ None } => {
                    let key = random_text()?;
                    let file = folder.join(format!("{}.secret-key", account.name));
                    write_secret(&file, &key)?;
                    *secret = Some(key);
                    (id.clone(), file)
                }
                Credentials::Phrases { access_code, phrases: phrases @ None, .. } => {
                    let (request, response) = (random_text()?, random_text()?);
                    let file = folder.join(format!("{}.response-phrase", account.name));
                    write_secret(&file, &response)?;
                    generated.push(GeneratedCredentials {
                        account: account.name.clone(),
                        key_id: access_code.clone(),
                        secret_file: file,
                    });
                    let file = folder.join(format!("{}.request-phrase", account.name));
                    write_secret(&file, &request)?;
                    *phrases = Some((request, response));
                    (access_code.clone(), file)
                }
                Credentials::PublicKey { .. }
                | Credentials::AccessKey { .. }
                | Credentials::Phrases { .. } => continue,
            };
            generated.push(GeneratedCredentials { account: account.name.clone(), key_id, secret_file });
        }
        Ok(generated)
    }
}

/// 240 random bits as letters and digits that every file and phrase may hold.
fn random_text() -> io::Result<String> {
    let mut bytes = [0_u8; 30];
    rand::fill(&mut bytes).map_err(|_| io::Error::other("no randomness"))?;
    Ok(STANDARD.encode(bytes))
}

/// The public key (SubjectPublicKeyInfo, DER) in a PEM text that holds a public or an RSA private key.
///
/// # Errors
/// A sentence saying why the text holds no such key.
pub fn public_key_der(text: &str) -> Result<Vec<u8>, String> {
    let (label, der) = unpem(text).ok_or("holds no PEM block")?;
    match label.as_str() {
        "PUBLIC KEY" => Ok(der),
        "PRIVATE KEY" | "RSA PRIVATE KEY" => {
            let pair =
                if label == "PRIVATE KEY" { KeyPair::from_pkcs8(&der) } else { KeyPair::from_der(&der) };
            let pair = pair.map_err(|error| format!("holds no usable RSA key: {error}"))?;
            let public: Result<PublicKeyX509Der<'_>, _> = pair.public_key().as_der();
            Ok(public.map_err(|_| "holds a key without a public half")?.as_ref().to_vec())
        }
        other => Err(format!("holds a `{other}`, not an RSA key")),
    }
}

/// Writes a secret so that only its owner can read it.
///
/// # Errors
/// When the file cannot be written.
pub fn write_secret(file: &Path, secret: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)?.write_all(secret.as_bytes())
}

fn pem(label: &str, der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    let lines: Vec<&str> = (0..encoded.len())
        .step_by(64)
        .filter_map(|from| encoded.get(from..(from + 64).min(encoded.len())))
        .collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn unpem(text: &str) -> Option<(String, Vec<u8>)> {
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once("-----END ")?;
    let encoded: String = body.chars().filter(|letter| !letter.is_whitespace()).collect();
    Some((label.to_owned(), STANDARD.decode(encoded).ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_halves_of_a_generated_key_name_the_same_public_key() {
        let key = ThrowAwayKey::generate().expect("randomness is there");
        assert_eq!(public_key_der(&key.private_key_pem), Ok(key.public_key_der.clone()));
        assert_eq!(public_key_der(&key.public_key_pem()), Ok(key.public_key_der.clone()));
        assert!(!format!("{key:?}").contains("BEGIN"));
    }

    #[test]
    fn other_texts_hold_no_key() {
        for text in
            ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "-----BEGIN PUBLIC KEY"]
        {
            assert!(public_key_der(text).is_err(), "{text}");
        }
        assert!(public_key_der("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----").is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn pem_and_unpem_are_inverse(der in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(unpem(&pem("X", &der)), Some(("X".to_owned(), der)));
        }

        #[test]
        fn any_text_is_answered(text in ".{0,200}") {
            let _ = public_key_der(&text);
        }
    }
}
