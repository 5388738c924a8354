//! Whether a request is genuine (docs/src/reference/amazon-pay-v2.md sections 1, 2 and 8.2).
//!
//! Owns: the checks of key, date, signed headers and signature. Must never know: what is asked for.

use std::time::Duration;

use aws_lc_rs::signature::{ParsedPublicKey, RSA_PSS_2048_8192_SHA256, RsaParameters, RsaPssSaltLength};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::super::exchange::Incoming;
use super::canonical::{canonical_requests, hex_digest};
use super::errors::Refusal;

static SALT_20: RsaParameters = RSA_PSS_2048_8192_SHA256.with_pss_salt_length(RsaPssSaltLength::Custom(20));
static SALT_32: RsaParameters = RSA_PSS_2048_8192_SHA256.with_pss_salt_length(RsaPssSaltLength::Custom(32));

/// Every SDK signs at least these (2.4).
const ALWAYS_SIGNED: [&str; 5] =
    ["accept", "content-type", "x-amz-pay-date", "x-amz-pay-host", "x-amz-pay-region"];

const HOSTS: [(&str, &str); 3] =
    [("pay-api.amazon.com", "na"), ("pay-api.amazon.eu", "eu"), ("pay-api.amazon.jp", "jp")];

const OLD_LABEL: &str = "AMZN-PAY-RSASSA-PSS";
const V2_LABEL: &str = "AMZN-PAY-RSASSA-PSS-V2";

/// A public key, ready for both algorithms.
#[derive(Debug)]
pub(super) struct PublicKey {
    salt_20: ParsedPublicKey,
    salt_32: ParsedPublicKey,
}

impl PublicKey {
    pub(super) fn read(der: &[u8]) -> Result<PublicKey, String> {
        let parse = |parameters: &'static RsaParameters| {
            ParsedPublicKey::new(parameters, der).map_err(|error| format!("is no usable RSA key: {error}"))
        };
        Ok(PublicKey { salt_20: parse(&SALT_20)?, salt_32: parse(&SALT_32)? })
    }
}

/// The parts of an `authorization` header.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Authorization<'header> {
    label: &'header str,
    pub(super) public_key_id: &'header str,
    signed_headers: Vec<&'header str>,
    signature: &'header str,
}

impl<'header> Authorization<'header> {
    /// Reads `LABEL PublicKeyId=…, SignedHeaders=a;b, Signature=…`.
    pub(super) fn read(header: &'header str) -> Option<Authorization<'header>> {
        let (label, rest) = header.split_once(' ')?;
        let mut parts = rest.split(", ");
        let public_key_id = parts.next()?.strip_prefix("PublicKeyId=")?;
        let signed_headers = parts.next()?.strip_prefix("SignedHeaders=")?.split(';').collect();
        let signature = parts.next()?.strip_prefix("Signature=")?;
        if parts.next().is_some() || public_key_id.is_empty() {
            return None;
        }
        Some(Authorization { label, public_key_id, signed_headers, signature })
    }

    /// The header of this request, if it has a readable one.
    pub(super) fn of(incoming: &'header Incoming) -> Option<Authorization<'header>> {
        Authorization::read(incoming.header("authorization")?)
    }
}

/// Checks everything but whether the key may do what is asked.
pub(super) fn verify(
    incoming: &Incoming,
    authorization: &Authorization<'_>,
    key: &PublicKey,
    tolerance: Duration,
) -> Result<(), Refusal> {
    signed_headers(incoming, &authorization.signed_headers)?;
    headers(incoming)?;
    date(incoming, tolerance)?;
    let parsed = match authorization.label {
        OLD_LABEL => &key.salt_20,
        V2_LABEL => &key.salt_32,
        _ => return Err(Refusal::signature("The signing algorithm is not supported.")),
    };
    let refused = || Refusal::signature("The request signature does not match.");
    let signature = STANDARD.decode(authorization.signature).map_err(|_| refused())?;
    let canonical = canonical_requests(incoming, &authorization.signed_headers);
    let is_genuine = canonical.iter().any(|text| {
        let to_sign = format!("{}\n{}", authorization.label, hex_digest(text.as_bytes()));
        parsed.verify_sig(to_sign.as_bytes(), &signature).is_ok()
    });
    if is_genuine { Ok(()) } else { Err(refused()) }
}

/// The list is in order, names nothing twice, and nothing that must be signed is missing.
fn signed_headers(incoming: &Incoming, signed: &[&str]) -> Result<(), Refusal> {
    let is_sorted = signed.windows(2).all(|pair| pair[0] < pair[1]);
    let is_lower = signed.iter().all(|name| !name.is_empty() && *name == name.to_lowercase());
    if !is_sorted || !is_lower {
        return Err(Refusal::signature("The signed headers are not in order."));
    }
    if let Some(absent) = signed.iter().find(|name| incoming.header(name).is_none()) {
        return Err(Refusal::missing_header(absent));
    }
    for name in ALWAYS_SIGNED {
        incoming.header(name).ok_or_else(|| Refusal::missing_header(name))?;
    }
    let key = "x-amz-pay-idempotency-key";
    let owed = ALWAYS_SIGNED.into_iter().chain(incoming.header(key).map(|_| key));
    match owed.into_iter().find(|name| !signed.contains(name)) {
        Some(name) => Err(Refusal::signature(&format!("The header [{name}] is not signed."))),
        None => Ok(()),
    }
}

fn headers(incoming: &Incoming) -> Result<(), Refusal> {
    for name in ["accept", "content-type"] {
        let value = incoming.header(name).unwrap_or_default();
        if value.split(';').next() != Some("application/json") {
            return Err(Refusal::header(name));
        }
    }
    let region = region(incoming).ok_or_else(|| Refusal::header("x-amz-pay-region"))?;
    let host = incoming.header("x-amz-pay-host").unwrap_or_default();
    let is_fitting = match HOSTS.iter().find(|(known, _)| *known == host) {
        Some((_, home)) => *home == region,
        None => is_override(host, &incoming.host),
    };
    if is_fitting { Ok(()) } else { Err(Refusal::header("x-amz-pay-host")) }
}

/// The region that the request names; matching is lenient (2.4).
pub(super) fn region(incoming: &Incoming) -> Option<&'static str> {
    match incoming.header("x-amz-pay-region")?.to_lowercase().as_str() {
        "na" | "us" => Some("na"),
        "eu" | "de" | "uk" => Some("eu"),
        "jp" => Some("jp"),
        _ => None,
    }
}

/// A client that was pointed here signs the host that it was pointed at. The manual wants no port; the
/// Node SDK signs its override as given, port and all, so that a port is let pass if it was truly sent.
fn is_override(signed: &str, sent: &str) -> bool {
    let without_port = sent.rsplit_once(':').map_or(sent, |(host, _)| host);
    !signed.is_empty() && (signed == sent || signed == without_port)
}

fn date(incoming: &Incoming, tolerance: Duration) -> Result<(), Refusal> {
    let written = incoming.header("x-amz-pay-date").unwrap_or_default();
    let signed = read_date(written).ok_or_else(|| Refusal::header("x-amz-pay-date"))?;
    let distance = incoming.at.duration_since(signed).unsigned_abs();
    if distance <= tolerance { Ok(()) } else { Err(Refusal::signature("The request date is out of range.")) }
}

/// Both forms in use: `YYYYMMDDTHHMMSSZ` and `YYYY-MM-DDTHH:MM:SSZ` (2.4).
fn read_date(written: &str) -> Option<Timestamp> {
    let form = match written.len() {
        16 => "%Y%m%dT%H%M%SZ",
        20 => "%Y-%m-%dT%H:%M:%SZ",
        _ => return None,
    };
    let civil = DateTime::strptime(form, written).ok()?;
    TimeZone::UTC.to_timestamp(civil).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::credentials::public_key_der;
    use super::super::tests_support::{
        EXAMPLES, PUBLIC_KEY_PEM, SIGNATURE_1_OLD, SIGNATURE_1_V2, SIGNATURE_2_V2, signed_at,
    };
    use super::*;

    const TOLERANCE: Duration = Duration::from_secs(900);

    fn key() -> PublicKey {
        PublicKey::read(&public_key_der(PUBLIC_KEY_PEM).expect("it is PEM")).expect("it is a key")
    }

    fn signed(example: usize, label: &str, signature: &str) -> (Incoming, String) {
        let example = EXAMPLES[example]();
        let header =
            format!("{label} PublicKeyId=SANDBOX-X, SignedHeaders={}, Signature={signature}", example.signed);
        (example.incoming, header)
    }

    fn check(incoming: &Incoming, header: &str) -> Result<(), Refusal> {
        verify(incoming, &Authorization::read(header).expect("it is readable"), &key(), TOLERANCE)
    }

    #[test]
    fn the_published_signatures_hold_with_their_own_salt_only() {
        for (example, label, signature) in
            [(0, V2_LABEL, SIGNATURE_1_V2), (0, OLD_LABEL, SIGNATURE_1_OLD), (1, V2_LABEL, SIGNATURE_2_V2)]
        {
            let (incoming, header) = signed(example, label, signature);
            assert_eq!(check(&incoming, &header), Ok(()), "{example} {label}");
        }
        for (label, signature) in [(OLD_LABEL, SIGNATURE_1_V2), (V2_LABEL, SIGNATURE_1_OLD)] {
            let (incoming, header) = signed(0, label, signature);
            assert_eq!(check(&incoming, &header).map_err(|refusal| refusal.status), Err(403), "{label}");
        }
    }

    /// Changes a genuine request and says with which code it must be refused.
    fn refuses(change: impl Fn(&mut Incoming, &mut String), status: u16, reason_code: &str) {
        let (mut incoming, mut header) = signed(1, V2_LABEL, SIGNATURE_2_V2);
        change(&mut incoming, &mut header);
        let refusal = check(&incoming, &header).expect_err("it is refused");
        assert_eq!((refusal.status, refusal.reason_code), (status, reason_code), "{}", refusal.message);
    }

    fn set(incoming: &mut Incoming, name: &str, value: &str) {
        incoming.headers.retain(|(known, _)| known != name);
        incoming.headers.push((name.to_owned(), value.to_owned()));
    }

    #[test]
    fn whatever_is_changed_is_noticed() {
        let signature = "InvalidRequestSignature";
        refuses(|incoming, _| incoming.body[20] ^= 1, 403, signature);
        refuses(|incoming, _| incoming.path.push('x'), 403, signature);
        refuses(|incoming, _| incoming.query.push_str("a=b"), 403, signature);
        refuses(|incoming, _| incoming.method = "PUT".into(), 403, signature);
        refuses(|incoming, _| set(incoming, "x-amz-pay-idempotency-key", "other"), 403, signature);
        refuses(|incoming, _| set(incoming, "x-amz-pay-region", "us"), 403, signature);
        refuses(|_, header| *header = header.replace("-V2 ", "-V3 "), 403, signature);
        refuses(|_, header| *header = header.replace("x-amz-pay-idempotency-key;", ""), 403, signature);
        refuses(
            |_, header| *header = header.replace("accept;content-type", "content-type;accept"),
            403,
            signature,
        );
        refuses(|_, header| *header = header.replace("accept;", "Accept;"), 403, signature);
        refuses(|_, header| *header = header.replace("Signature=f", "Signature=!"), 403, signature);
        refuses(
            |_, header| *header = header.replace("SignedHeaders=", "SignedHeaders=a;"),
            400,
            "MissingHeader",
        );
        refuses(|incoming, _| incoming.headers.retain(|(name, _)| name != "accept"), 400, "MissingHeader");
        refuses(|incoming, _| set(incoming, "accept", "text/html"), 400, "InvalidHeaderValue");
        refuses(|incoming, _| set(incoming, "x-amz-pay-region", "moon"), 400, "InvalidHeaderValue");
        refuses(
            |incoming, _| set(incoming, "x-amz-pay-host", "elsewhere.example"),
            400,
            "InvalidHeaderValue",
        );
        refuses(
            |incoming, _| set(incoming, "x-amz-pay-host", "pay-api.amazon.eu"),
            400,
            "InvalidHeaderValue",
        );
        refuses(|incoming, _| set(incoming, "x-amz-pay-date", "yesterday"), 400, "InvalidHeaderValue");
    }

    #[test]
    fn the_date_may_lie_a_quarter_of_an_hour_off_either_way() {
        for (seconds, is_accepted) in [(900, true), (901, false), (-900, true), (-901, false)] {
            let (mut incoming, header) = signed(0, V2_LABEL, SIGNATURE_1_V2);
            incoming.at = signed_at() + jiff::SignedDuration::from_secs(seconds);
            assert_eq!(check(&incoming, &header).is_ok(), is_accepted, "{seconds}");
        }
        assert_eq!(read_date("20260115T123456Z"), read_date("2026-01-15T12:34:56Z"));
        assert_eq!(read_date("20261315T123456Z"), None);
    }

    #[test]
    fn overrides_are_the_host_that_was_sent() {
        for (signed, sent, expected) in [
            ("127.0.0.1", "127.0.0.1:8443", true),
            ("localhost", "localhost", true),
            ("localhost:8443", "localhost:8443", true),
            ("localhost:1", "localhost:8443", false),
            ("https://localhost", "localhost", false),
            ("", "", false),
        ] {
            assert_eq!(is_override(signed, sent), expected, "{signed} {sent}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn any_header_is_answered(header in ".{0,120}", date in ".{0,24}") {
            let _ = (Authorization::read(&header), read_date(&date));
        }
    }
}
