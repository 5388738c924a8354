//! What a signed message to a program shares, whatever it is about: Standard Webhooks 1.0.0
//! (docs/src/reference/operations.md, sections 2.1, 2.2 and 2.4).
//!
//! Owns: signing keys, the headers of a message, ids that survive a lost database. Must never know: alerts, events, the
//! outbox.

use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A signing key that the receiver shares with us.
pub struct SigningKey(hmac::Key);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("[hidden]")
    }
}

impl SigningKey {
    /// Parses `whsec_` + base64 of 24 to 64 bytes (section 2.1).
    ///
    /// # Errors
    /// In words, without quoting the key.
    pub fn parse(text: &str) -> Result<SigningKey, String> {
        let encoded =
            text.trim().strip_prefix("whsec_").ok_or("a signing secret must start with whsec_".to_owned())?;
        let bytes = STANDARD.decode(encoded).map_err(|_| "a signing secret must be base64 after whsec_")?;
        if !(24..=64).contains(&bytes.len()) {
            return Err(format!("a signing secret must have 24 to 64 bytes; this one has {}", bytes.len()));
        }
        Ok(SigningKey(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    fn sign(&self, id: &str, timestamp_s: i64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{id}.{timestamp_s}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    }
}

/// The headers that carry the id, the time of this attempt and a signature by each key. Several keys let a receiver
/// change its key without a gap. Without a key the message is not signed.
pub fn headers_of(
    keys: &[SigningKey],
    id: &str,
    timestamp_s: i64,
    body: &[u8],
) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", timestamp_s.to_string()),
        ("idempotency-key", format!("\"{id}\"")),
    ];
    if !keys.is_empty() {
        let signatures: Vec<String> = keys.iter().map(|key| key.sign(id, timestamp_s, body)).collect();
        headers.push(("webhook-signature", signatures.join(" ")));
    }
    headers
}

/// `evt_` and the lower-case base32 of the first 16 bytes of SHA-256 over the key (section 2.4). It is the same even
/// after a lost database, and contains no `.`, which the specification forbids.
pub fn event_id(key: &str) -> String {
    let hash = digest::digest(&digest::SHA256, key.as_bytes());
    format!("evt_{}", base32(&hash.as_ref()[..16]))
}

fn base32(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for group in bytes.chunks(5) {
        let mut padded = [0; 8];
        padded[3..3 + group.len()].copy_from_slice(group);
        let bits = u64::from_be_bytes(padded);
        for position in 0..(group.len() * 8).div_ceil(5) {
            let index = usize::try_from(bits >> (35 - position * 5) & 31).expect("five bits are an index");
            text.push(char::from(LETTERS[index]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const B: &str = "whsec_ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";
    const BODY: &str = r#"{"type":"charge.declined","timestamp":"2026-01-15T09:30:00Z","data":{"chargeId":"S01-0000000-0000000-C000000","chargePermissionId":"S01-0000000-0000000","state":"Declined","reasonCode":"HardDeclined","amount":"14.00","currencyCode":"EUR","merchantReferenceId":"ORDER-1001"}}"#;

    #[test]
    fn signatures_match_the_published_vectors() {
        for (secret, id, timestamp_s, body, expected) in [
            (
                "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
                "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
                1_649_367_553,
                r#"{"email":"test@example.com","username":"test_user"}"#,
                "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
            ),
            (
                A,
                "evt_01hzy0000000000000000000ab",
                1_768_469_405,
                BODY,
                "v1,AODfcLWAZK/Dn275fo7+2UBvlxRvxjB8A5mAjiNtVKA=",
            ),
            (
                B,
                "evt_01hzy0000000000000000000ab",
                1_768_469_405,
                BODY,
                "v1,YG59oj4wYa/Bt1C6+ctq/br6eTXZMQf3xVPBra1Kv0Y=",
            ),
            (A, "evt_empty", 1_768_469_405, "", "v1,u7WLwKotwujPCMBhUm7khV/0lWPhKcsSwyj2r11YOqg="),
            (
                A,
                "evt_utf8",
                1_768_469_405,
                r#"{"name":"Ünïcødé €5"}"#,
                "v1,g2dHOvvcrFuZ5GiwZU4osS4SEaxSTP6VbjkfHFIcqw0=",
            ),
        ] {
            let key = SigningKey::parse(secret).unwrap();
            assert_eq!(key.sign(id, timestamp_s, body.as_bytes()), expected, "{id}");
        }
    }

    #[test]
    fn the_event_id_is_derived_and_matches_the_sample() {
        let sample =
            "amazonpay.charge\u{1f}S01-0000000-0000000-C000000\u{1f}Declined\u{1f}2026-01-15T09:30:00Z";
        assert_eq!(event_id(sample), "evt_t7nlaow4hdwf2miplgzgbzjqsu");
    }

    #[test]
    fn bad_signing_secrets_are_refused_without_quoting_them() {
        for bad in ["canary", "whsec_canary!", "whsec_Y2FuYXJ5", ""] {
            let problem = SigningKey::parse(bad).unwrap_err();
            assert!(!problem.contains("canary"), "{problem}");
        }
        assert!(!format!("{:?}", SigningKey::parse(A).unwrap()).contains("AAEC"));
    }
}
