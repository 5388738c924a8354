use proptest::prelude::*;

use super::*;
use crate::apis::aps::tests::settings;

/// A capture as the provider reports it.
const CAPTURE: [(&str, &str); 10] = [
    ("command", "CAPTURE"),
    ("access_code", "zx0IPmPy5jp1vAz8Kpg7"),
    ("merchant_identifier", "CycHZxVj"),
    ("merchant_reference", "XYZ9239-yu898o"),
    ("order_description", "two cups"),
    ("amount", "10000"),
    ("fort_id", "149295435400084008"),
    ("response_code", "04000"),
    ("response_message", "Success"),
    ("status", "04"),
];

fn fields(of: &[(&str, &str)]) -> Parameters {
    of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn signed(parameters: Parameters) -> Parameters {
    settings().response_signer.signed(parameters)
}

fn json(parameters: &Parameters) -> Vec<u8> {
    serde_json::to_vec(parameters).unwrap()
}

fn form_of(parameters: &Parameters) -> Vec<u8> {
    let escaped = |text: &str| -> String {
        text.bytes().map(|byte| if byte == b' ' { "+".to_owned() } else { format!("%{byte:02x}") }).collect()
    };
    let pairs: Vec<String> =
        parameters.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
    pairs.join("&").into_bytes()
}

fn read_text(text: &[u8], media_type: &str) -> Result<(String, String), &'static str> {
    let read = super::read(&settings(), text, media_type).map_err(|refused| refused.reason)?;
    Ok((read.hints[0].id.to_string(), read.key.unwrap()))
}

fn reason(parameters: &Parameters) -> &'static str {
    read_text(&json(parameters), "application/json").unwrap_err()
}

#[test]
fn json_and_form_are_one_message() {
    let capture = signed(fields(&CAPTURE));
    let expected = Ok(("XYZ9239-yu898o".to_owned(), capture[SIGNATURE].clone()));
    for media_type in ["application/json", "application/x-www-form-urlencoded", "text/plain", ""] {
        assert_eq!(read_text(&json(&capture), media_type), expected, "{media_type}");
        assert_eq!(read_text(&form_of(&capture), media_type), expected, "{media_type}");
    }
    let upper = Parameters::from_iter(capture.into_iter().map(|(name, value)| match name.as_str() {
        SIGNATURE => (name, value.to_uppercase()),
        _ => (name, value),
    }));
    assert_eq!(read_text(&json(&upper), "application/json"), expected, "the case of the signature is free");
}

#[test]
fn what_is_not_signed_by_the_response_phrase_is_refused() {
    let unsigned = fields(&CAPTURE);
    assert_eq!(reason(&unsigned), "unsigned");
    assert_eq!(reason(&settings().request_signer.signed(unsigned.clone())), "wrong_signature");
    let mut changed = signed(unsigned.clone());
    changed.insert("status".to_owned(), "06".to_owned());
    assert_eq!(reason(&changed), "wrong_signature");
    let with = |name: &str, value: &str| {
        let mut other = unsigned.clone();
        other.insert(name.to_owned(), value.to_owned());
        signed(other)
    };
    assert_eq!(reason(&with("merchant_identifier", "other")), "other_account");
    assert_eq!(reason(&with("access_code", "other")), "other_account");
    assert_eq!(reason(&with("merchant_reference", "")), "missing_field");
    assert_eq!(reason(&with("response_code", "")), "missing_field");
    assert_eq!(reason(&with("merchant_reference", "a b")), "unreadable");
    for text in ["", "{}", "[]", "x", "a=1&a=2", r#"{"a":"1","a":"2"}"#, "a=%zz"] {
        let refused = read_text(text.as_bytes(), "application/json");
        assert!(matches!(refused, Err("unreadable" | "unsigned")), "{text}: {refused:?}");
    }
}

/// The same signed text, cut in other places.
#[test]
fn a_recut_message_is_refused() {
    let genuine = signed(fields(&CAPTURE));
    let recut = |remove: &[&str], add: &[(&str, &str)]| {
        let mut parameters = genuine.clone();
        for name in remove {
            parameters.remove(*name);
        }
        parameters.extend(fields(add));
        let signer = settings().response_signer;
        assert!(signer.is_genuine(&parameters, &parameters[SIGNATURE]), "its signed text is the same");
        reason(&parameters)
    };
    let cut = [("merchant_reference", "XYZ9239-yu898"), ("oorder_description", "two cups")];
    assert_eq!(recut(&["order_description"], &cut), "recut");
    let joined = [("merchant_identifier", "CycHZxVjmerchant_reference=XYZ9239-yu898o")];
    assert_eq!(recut(&["merchant_reference"], &joined), "recut");
    let all = [("access_code", "zx0IPmPy5jp1vAz8Kpg7amount=10000")];
    assert_eq!(recut(&["amount"], &all), "recut");
    let name = [("response_code", "0"), ("4000response_message", "Success")];
    assert!(["recut", "wrong_signature"].contains(&{
        let mut parameters = genuine.clone();
        parameters.remove("response_message");
        parameters.extend(fields(&name));
        reason(&parameters)
    }));
}

#[test]
fn a_text_that_only_looks_like_parameters_is_no_recut() {
    let mut capture = fields(&CAPTURE);
    capture.insert("return_url".to_owned(), "https://shop.example/back?status=ok&amount=1".to_owned());
    capture.insert("order_description".to_owned(), "size=XL".to_owned());
    assert!(read_text(&json(&signed(capture)), "application/json").is_ok());
}

proptest! {
    #[test]
    fn random_bytes_are_refused(bytes: Vec<u8>, is_form: bool) {
        let media_type = if is_form { "application/x-www-form-urlencoded" } else { "" };
        prop_assert!(read_text(&bytes, media_type).is_err());
    }
}
