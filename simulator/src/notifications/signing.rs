//! RSA signatures of notifications: PKCS #1 v1.5 over SHA-1 (version 1) and over SHA-256 (version 2).
//!
//! Owns: the keys and both computations. Must never know: what is signed.
//!
//! The cryptographic library signs no SHA-1 any more, so version 1 is computed here from the key's numbers. That takes no
//! care of timing: the key signs pretended messages only.

use std::fmt;
use std::io;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use num_bigint::BigUint;

/// How a message is signed; the word is that of the envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SignatureVersion {
    /// `1`: SHA-1, the default of SNS.
    #[default]
    One,
    /// `2`: SHA-256.
    Two,
}

impl SignatureVersion {
    /// As the envelope writes it.
    pub fn word(self) -> &'static str {
        match self {
            SignatureVersion::One => "1",
            SignatureVersion::Two => "2",
        }
    }
}

/// An RSA key of 2048 bits that signs notifications.
pub struct SigningKey {
    pair: KeyPair,
    pkcs8: Vec<u8>,
    numbers: Numbers,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SigningKey").finish_non_exhaustive()
    }
}

/// The primes of a key and what belongs to them (RFC 8017, section 3.2).
struct Numbers {
    p: BigUint,
    q: BigUint,
    dp: BigUint,
    dq: BigUint,
    q_inverse: BigUint,
}

/// `DigestInfo` of SHA-1 up to the digest (RFC 8017, section 9.2).
const SHA1_PREFIX: [u8; 15] =
    [0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14];

impl SigningKey {
    /// A fresh key, from the system's randomness: it takes some 100 ms.
    ///
    /// # Errors
    /// When the system yields no randomness.
    pub fn generate() -> io::Result<SigningKey> {
        let failed = |_| io::Error::other("an RSA key could not be generated");
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
        let pkcs8: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
        let pkcs8 = pkcs8.as_ref().to_vec();
        let numbers = Numbers::read(&pkcs8).ok_or_else(|| io::Error::other("the key is not PKCS #8"))?;
        Ok(SigningKey { pair, pkcs8, numbers })
    }

    /// The private key, PKCS #8 DER.
    pub fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// The signature of a text, base64.
    pub fn sign(&self, version: SignatureVersion, text: &str) -> String {
        let signature = match version {
            SignatureVersion::One => self.sign_sha1(text.as_bytes()),
            SignatureVersion::Two => {
                let mut signature = vec![0; self.pair.public_modulus_len()];
                self.pair
                    .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
                    .expect("a sound RSA key signs into a buffer of its own length");
                signature
            }
        };
        STANDARD.encode(signature)
    }

    fn sign_sha1(&self, text: &[u8]) -> Vec<u8> {
        let length = self.pair.public_modulus_len();
        let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, text);
        let tail: Vec<u8> = [&[0], SHA1_PREFIX.as_slice(), digest.as_ref()].concat();
        let mut encoded = vec![0xff; length];
        encoded[..2].copy_from_slice(&[0, 1]);
        encoded[length - tail.len()..].copy_from_slice(&tail);
        let signature = self.numbers.power(&BigUint::from_bytes_be(&encoded)).to_bytes_be();
        [vec![0; length - signature.len()], signature].concat()
    }
}

impl Numbers {
    fn read(pkcs8: &[u8]) -> Option<Numbers> {
        let (mut outer, _) = element(pkcs8, 0x30)?;
        for tag in [0x02, 0x30] {
            outer = element(outer, tag)?.1;
        }
        let (key, _) = element(element(outer, 0x04)?.0, 0x30)?;
        let (mut rest, mut numbers) = (key, Vec::new());
        while !rest.is_empty() {
            let (number, after) = element(rest, 0x02)?;
            numbers.push(BigUint::from_bytes_be(number));
            rest = after;
        }
        // Version, modulus and both exponents stand before them.
        let [_, _, _, _, p, q, dp, dq, q_inverse] = <[BigUint; 9]>::try_from(numbers).ok()?;
        Some(Numbers { p, q, dp, dq, q_inverse })
    }

    /// `message` to the private exponent, by the Chinese remainder theorem (RFC 8017, section 5.1.2).
    fn power(&self, message: &BigUint) -> BigUint {
        let first = message.modpow(&self.dp, &self.p);
        let second = message.modpow(&self.dq, &self.q);
        let difference = (first + &self.p - (&second % &self.p)) % &self.p;
        second + (&self.q_inverse * difference % &self.p) * &self.q
    }
}

/// The content of a DER element with this tag at the beginning, and what follows the element.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, length, mut rest) = (*bytes.first()?, *bytes.get(1)?, bytes.get(2..)?);
    let mut size = usize::from(length);
    if length >= 0x80 {
        let digits = usize::from(length & 0x7f);
        size = rest
            .get(..digits)?
            .iter()
            .try_fold(0_usize, |size, digit| size.checked_mul(256)?.checked_add(usize::from(*digit)))?;
        rest = rest.get(digits..)?;
    }
    (first == tag).then_some(())?;
    Some((rest.get(..size)?, rest.get(size..)?))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::PublicKeyX509Der;
    use aws_lc_rs::signature::{
        KeyPair as _, RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256,
        UnparsedPublicKey,
    };

    use super::*;

    #[test]
    fn the_library_verifies_both_versions() {
        let key = SigningKey::generate().unwrap();
        let public: PublicKeyX509Der<'_> = key.pair.public_key().as_der().unwrap();
        for text in ["", "Message\n\nMessageId\nx\n", "zażółć\n", &"long ".repeat(10_000)] {
            for version in [SignatureVersion::One, SignatureVersion::Two] {
                let algorithm = match version {
                    SignatureVersion::One => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
                    SignatureVersion::Two => &RSA_PKCS1_2048_8192_SHA256,
                };
                let signature = STANDARD.decode(key.sign(version, text)).unwrap();
                let public = UnparsedPublicKey::new(algorithm, public.as_ref());
                assert!(public.verify(text.as_bytes(), &signature).is_ok(), "{version:?}");
                assert!(public.verify(b"another text", &signature).is_err(), "{version:?}");
            }
        }
    }

    #[test]
    fn a_signature_may_begin_with_zeros() {
        let key = SigningKey::generate().unwrap();
        // One text in 256 has such a signature.
        let lengths = (0..600).map(|n| STANDARD.decode(key.sign(SignatureVersion::One, &n.to_string())));
        assert!(lengths.into_iter().all(|signature| signature.unwrap().len() == 256));
    }
}
