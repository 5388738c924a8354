//! The canonical request, computed from what arrived (docs/src/reference/amazon-pay-v2.md 2.2 and 2.3).
//!
//! Owns: the text whose digest is signed. Must never know: keys, signatures, the time.

use aws_lc_rs::digest::{SHA256, digest};

use super::super::exchange::Incoming;

/// The canonical requests that a client may have meant: with its path and query escaped as the manual
/// says, and with both exactly as sent, for the SDKs sign them unchanged. Mostly the two are one.
pub(super) fn canonical_requests(incoming: &Incoming, signed: &[&str]) -> Vec<String> {
    let escaped = (escaped_path(&incoming.path), escaped_query(&incoming.query));
    let sent = (incoming.path.clone(), incoming.query.clone());
    let mut texts = vec![canonical(incoming, signed, &escaped.0, &escaped.1)];
    if sent != escaped {
        texts.push(canonical(incoming, signed, &sent.0, &sent.1));
    }
    texts
}

fn canonical(incoming: &Incoming, signed: &[&str], path: &str, query: &str) -> String {
    let mut text = format!("{}\n{path}\n{query}\n", incoming.method);
    for name in signed {
        let values: Vec<String> = incoming
            .headers
            .iter()
            .filter(|(known, _)| known == name)
            .map(|(_, value)| value.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        text.push_str(&format!("{name}:{}\n", values.join(",")));
    }
    text.push('\n');
    text.push_str(&signed.join(";"));
    text.push('\n');
    text.push_str(&hex_digest(&incoming.body));
    text
}

/// SHA-256 in lower-case hexadecimal digits.
pub(super) fn hex_digest(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn escaped_path(path: &str) -> String {
    let mut escaped = String::new();
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        escaped.push('/');
        escaped.push_str(&escape(&unescape(segment)));
    }
    if path.ends_with('/') || escaped.is_empty() {
        escaped.push('/');
    }
    escaped
}

fn escaped_query(query: &str) -> String {
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (escape(&unescape(key)), escape(&unescape(value))))
        .collect();
    pairs.sort();
    let joined: Vec<String> = pairs.into_iter().map(|(key, value)| format!("{key}={value}")).collect();
    joined.join("&")
}

/// RFC 3986: unreserved characters stay, every other byte becomes `%XX`.
fn escape(bytes: &[u8]) -> String {
    let mut escaped = String::with_capacity(bytes.len());
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(byte) {
            escaped.push(char::from(*byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

fn unescape(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut position = 0;
    while let Some(byte) = bytes.get(position) {
        let digits =
            bytes.get(position + 1..position + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        let is_hex = |digits: &&str| digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let code = digits.filter(is_hex).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code {
            Some(code) if *byte == b'%' => {
                plain.push(code);
                position += 3;
            }
            _ => {
                plain.push(*byte);
                position += 1;
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests_support::{EXAMPLES, Example, OFFICIAL};
    use super::*;

    #[test]
    fn every_worked_example_has_its_digest_and_length() {
        for Example { incoming, signed, digest, bytes } in EXAMPLES.iter().map(|example| example()) {
            let signed: Vec<&str> = signed.split(';').collect();
            let texts = canonical_requests(&incoming, &signed);
            assert_eq!(texts.len(), 1, "{}", incoming.path);
            assert_eq!(texts[0].len(), bytes, "{}", texts[0]);
            assert_eq!(hex_digest(texts[0].as_bytes()), digest, "{}", texts[0]);
        }
    }

    #[test]
    fn every_official_vector_has_its_digest() {
        for (method, path, query, digest) in OFFICIAL {
            let incoming = Incoming {
                method: (*method).into(),
                path: (*path).into(),
                query: (*query).into(),
                ..super::super::tests_support::official()
            };
            let signed = ["accept", "content-type", "x-amz-pay-date", "x-amz-pay-host", "x-amz-pay-region"];
            let texts = canonical_requests(&incoming, &signed);
            assert_eq!(hex_digest(texts[0].as_bytes()), *digest, "{method} {path} {query}");
        }
    }

    #[test]
    fn values_are_trimmed_and_repeated_headers_joined() {
        let mut incoming = super::super::tests_support::official();
        incoming.headers = vec![("a".into(), "  one   two ".into()), ("a".into(), "three".into())];
        assert!(canonical_requests(&incoming, &["a"])[0].contains("\na:one two,three\n"));
    }

    #[test]
    fn what_is_sent_otherwise_than_the_manual_escapes_it_has_two_readings() {
        let mut incoming = super::super::tests_support::official();
        incoming.query = "a=!*".into();
        let texts = canonical_requests(&incoming, &[]);
        assert_eq!(texts.len(), 2);
        assert!(texts[0].contains("\na=%21%2A\n") && texts[1].contains("\na=!*\n"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn escaping_is_undone(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(unescape(&escape(&bytes)), bytes);
        }

        #[test]
        fn any_path_and_query_are_answered(path in ".{0,40}", query in ".{0,40}") {
            let _ = (escaped_path(&path), escaped_query(&query));
        }
    }
}
