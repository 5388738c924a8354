//! The front door: who calls, and is the request really theirs?
//!
//! Owns: endpoints, common parameters, Signature Version 2, the clock window. Must never know: payments.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};

use crate::exchange::Incoming;

use super::form::{self, FormError, Parameters};
use super::merchant::MwsMerchant;
use super::refusal::{Code, Refusal};

/// The only version of this section.
const VERSION: &str = "2013-01-01";
/// How far a Timestamp may be from the server's clock (docs/src/reference/amazon-pay-mws.md section 1.4).
const SKEW: SignedDuration = SignedDuration::from_mins(15);

/// A request that was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Visitor {
    /// The seller acted for.
    pub(super) seller_id: String,
    pub(super) is_sandbox: bool,
    pub(super) region_digits: &'static str,
    pub(super) action: String,
    /// Everything but the common parameters.
    pub(super) parameters: Parameters,
}

/// Which endpoint a path names: `Some(is_sandbox)`, with or without the trailing slash (section 1.1).
pub(super) fn environment(path: &str) -> Option<bool> {
    match path.strip_suffix('/').unwrap_or(path) {
        "/OffAmazonPayments/2013-01-01" => Some(false),
        "/OffAmazonPayments_Sandbox/2013-01-01" => Some(true),
        _ => None,
    }
}

/// Whether a path is of this section at all, whatever the version.
pub(super) fn is_of_this_section(path: &str) -> bool {
    let section = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    section == "OffAmazonPayments" || section == "OffAmazonPayments_Sandbox"
}

/// All parameters of a request, from the query and the body together.
pub(super) fn parameters(incoming: &Incoming) -> Result<Parameters, FormError> {
    let mut parameters = Parameters::new();
    form::read_into(&mut parameters, incoming.query.as_bytes())?;
    if incoming.method == "POST" {
        form::read_into(&mut parameters, &incoming.body)?;
    }
    Ok(parameters)
}

/// The string that is signed (section 2.1 step 5).
pub(super) fn string_to_sign(incoming: &Incoming, parameters: &Parameters) -> String {
    let host = incoming.host.to_ascii_lowercase();
    let host = host.strip_suffix(":443").unwrap_or(&host);
    let path = if incoming.path.is_empty() { "/" } else { &incoming.path };
    let pairs: Vec<String> = parameters
        .iter()
        .filter(|(name, _)| *name != "Signature")
        .map(|(name, value)| format!("{}={}", form::encode(name), form::encode(value)))
        .collect();
    format!("{}\n{host}\n{path}\n{}", incoming.method, pairs.join("&"))
}

/// Whether the signature is the one that this secret makes for this request.
pub(super) fn is_signed_with(secret: &str, incoming: &Incoming, parameters: &Parameters) -> bool {
    let algorithm = match parameters.get("SignatureMethod").map(String::as_str) {
        Some("HmacSHA256") => hmac::HMAC_SHA256,
        Some("HmacSHA1") => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        _ => return false,
    };
    let Some(signature) = parameters.get("Signature").and_then(|text| STANDARD.decode(text).ok()) else {
        return false;
    };
    let key = hmac::Key::new(algorithm, secret.as_bytes());
    hmac::verify(&key, string_to_sign(incoming, parameters).as_bytes(), &signature).is_ok()
}

/// Lets a request in or says why not. `delegations` are the pairs of seller and `MWSAuthToken`.
pub(super) fn let_in(
    incoming: &Incoming,
    merchants: &[MwsMerchant],
    delegations: &[(String, String)],
) -> Result<Visitor, Refusal> {
    let Some(is_sandbox) = environment(&incoming.path) else {
        return Err(Code::InvalidAddress.because("This section and version do not exist"));
    };
    check_carriage(incoming)?;
    // Its form is not checked: production takes that of the official clients, which is not the documented one.
    if incoming.header("user-agent").is_none_or(str::is_empty) {
        return Err(Code::UserAgentHeaderMissing.because("The User-Agent header is missing"));
    }
    let mut parameters =
        parameters(incoming).map_err(|error| Code::InvalidParameterValue.because(error.to_string()))?;
    let (seller_id, seller) = verify(incoming, &parameters, VERSION, merchants, delegations)?;
    let action = required(&parameters, "Action")?.to_owned();
    for common in [
        "AWSAccessKeyId",
        "Action",
        "SellerId",
        "MWSAuthToken",
        "SignatureVersion",
        "SignatureMethod",
        "Timestamp",
        "Version",
        "Signature",
    ] {
        parameters.remove(common);
    }
    Ok(Visitor { seller_id, is_sandbox, region_digits: seller.region_digits(), action, parameters })
}

/// Verifies signature, clock and seller of a request to any section of this version. Older clients of other
/// sections write `Merchant` for the seller.
pub(super) fn verify<'a>(
    incoming: &Incoming,
    parameters: &Parameters,
    version: &'static str,
    merchants: &'a [MwsMerchant],
    delegations: &[(String, String)],
) -> Result<(String, &'a MwsMerchant), Refusal> {
    let caller = check_signature(incoming, parameters, version, merchants)?;
    check_timestamp(parameters.get("Timestamp").map_or("", String::as_str), incoming.at)?;
    let seller_name =
        if version == VERSION || parameters.contains_key("SellerId") { "SellerId" } else { "Merchant" };
    let seller_id = required(parameters, seller_name)?.to_owned();
    let token = parameters.get("MWSAuthToken").filter(|token| !token.is_empty()).cloned();
    let seller = seller_acted_for(caller, &seller_id, token, merchants, delegations)?;
    Ok((seller_id, seller))
}

fn check_carriage(incoming: &Incoming) -> Result<(), Refusal> {
    match incoming.method.as_str() {
        "GET" => Ok(()),
        "POST" => {
            let content_type = incoming.header("content-type").unwrap_or_default();
            let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            // The documentation prints the second, non-standard form (section 1.2).
            if media == "application/x-www-form-urlencoded" || media == "x-www-form-urlencoded" {
                Ok(())
            } else {
                Err(Code::InvalidParameterValue.because("Content-Type must be x-www-form-urlencoded"))
            }
        }
        _ => Err(Code::InvalidParameterValue.because("The method must be GET or POST")),
    }
}

fn required<'a>(parameters: &'a Parameters, name: &str) -> Result<&'a str, Refusal> {
    match parameters.get(name) {
        Some(value) if !value.is_empty() => Ok(value),
        _ => Err(Code::InvalidParameterValue.because(format!("Parameter {name} is required"))),
    }
}

fn check_signature<'a>(
    incoming: &Incoming,
    parameters: &Parameters,
    version: &'static str,
    merchants: &'a [MwsMerchant],
) -> Result<&'a MwsMerchant, Refusal> {
    for name in ["AWSAccessKeyId", "Signature"] {
        if parameters.get(name).is_none_or(String::is_empty) {
            return Err(Code::MissingAuthenticationToken.because("The request is not signed"));
        }
    }
    for (name, allowed) in [
        ("SignatureVersion", &["2"][..]),
        ("SignatureMethod", &["HmacSHA256", "HmacSHA1"][..]),
        ("Version", &[version][..]),
    ] {
        if !allowed.contains(&required(parameters, name)?) {
            return Err(
                Code::InvalidParameterValue.because(format!("{name} must be {}", allowed.join(" or ")))
            );
        }
    }
    let access_key_id = required(parameters, "AWSAccessKeyId")?;
    let mut known = merchants.iter().filter(|merchant| merchant.access_key_id == access_key_id).peekable();
    if known.peek().is_none() {
        return Err(Code::InvalidAccessKeyId.because("The access key id is not known"));
    }
    // One key pair may serve several sellers; the one acted for is preferred.
    let seller_id = parameters.get("SellerId").map_or("", String::as_str);
    let mut signers: Vec<&MwsMerchant> =
        known.filter(|merchant| is_signed_with(&merchant.secret_key, incoming, parameters)).collect();
    signers.sort_by_key(|merchant| merchant.seller_id != seller_id);
    signers.first().copied().ok_or_else(|| {
        Code::SignatureDoesNotMatch.because(
            "The request signature we calculated does not match the signature you provided. Check your AWS \
             Secret Access Key and signing method.",
        )
    })
}

fn seller_acted_for<'a>(
    caller: &'a MwsMerchant,
    seller_id: &str,
    token: Option<String>,
    merchants: &'a [MwsMerchant],
    delegations: &[(String, String)],
) -> Result<&'a MwsMerchant, Refusal> {
    let is_delegated = caller.seller_id != seller_id;
    let is_known_token = token.is_some_and(|token| {
        delegations.iter().any(|(seller, known)| seller == seller_id && *known == token)
    });
    if is_delegated && !is_known_token {
        return Err(Code::AccessDenied.because("Access to this seller is denied"));
    }
    Ok(merchants.iter().find(|merchant| merchant.seller_id == seller_id).unwrap_or(caller))
}

fn check_timestamp(text: &str, now: Timestamp) -> Result<(), Refusal> {
    let at = read_timestamp(text).ok_or_else(|| {
        Code::InvalidParameterValue.because("Timestamp must be like 2015-12-31T23:59:58Z, in UTC")
    })?;
    if now.duration_since(at).abs() > SKEW {
        return Err(Code::InvalidParameterValue.because("The request has expired: check the clock"));
    }
    Ok(())
}

/// Whole seconds or milliseconds, `Z` at the end (section 1.4).
fn read_timestamp(text: &str) -> Option<Timestamp> {
    let shape = match text.len() {
        20 => "0000-00-00T00:00:00Z",
        24 => "0000-00-00T00:00:00.000Z",
        _ => return None,
    };
    let fits = text.bytes().zip(shape.bytes()).all(|(byte, wanted)| match wanted {
        b'0' => byte.is_ascii_digit(),
        literal => byte == literal,
    });
    if fits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_timestamp_forms_and_no_other() {
        for good in ["2015-12-31T23:59:58Z", "2015-12-31T23:59:58.000Z"] {
            assert!(read_timestamp(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "2015-12-31T23:59:58",
            "2015-12-31 23:59:58Z",
            "2015-12-31T23:59:58+0",
            "2015-12-31T23:59:58.0Z",
            "2015-13-31T23:59:58Z",
        ] {
            assert!(read_timestamp(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn fifteen_minutes_are_allowed_and_not_one_second_more() {
        let sent = "2015-12-31T23:45:00Z";
        let check = |now: &str| check_timestamp(sent, now.parse().expect("a time")).is_ok();
        assert!(check("2015-12-31T23:45:00Z"));
        assert!(check("2016-01-01T00:00:00Z") && check("2015-12-31T23:30:00Z"));
        assert!(!check("2016-01-01T00:00:01Z") && !check("2015-12-31T23:29:59Z"));
    }

    #[test]
    fn paths_of_both_environments() {
        assert_eq!(environment("/OffAmazonPayments/2013-01-01"), Some(false));
        assert_eq!(environment("/OffAmazonPayments_Sandbox/2013-01-01/"), Some(true));
        assert_eq!(environment("/OffAmazonPayments/2013-01-02"), None);
        assert_eq!(environment("/OffAmazonPayments/2013-01-01//"), None);
        assert!(is_of_this_section("/OffAmazonPayments/2012-01-01"));
        assert!(!is_of_this_section("/live/v2/charges"));
    }
}
