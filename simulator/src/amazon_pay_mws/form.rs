//! The parameters of a request: `application/x-www-form-urlencoded` text in a body or a query.
//!
//! Owns: percent-decoding, the RFC 3986 encoding that is signed. Must never know: what a parameter means.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Parameters by name, in byte order, which is the order that Signature Version 2 signs
/// (docs/src/reference/amazon-pay-mws.md section 2.1).
pub(super) type Parameters = BTreeMap<String, String>;

/// Why a form could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum FormError {
    /// A `%` without two hexadecimal digits, or bytes that are not UTF-8.
    #[error("the request is not properly percent-encoded UTF-8")]
    BadEncoding,
    /// The same name twice: what would be signed is then ambiguous.
    #[error("parameter {0} is given more than once")]
    Repeated(String),
}

/// Adds the pairs of `text` to `into`.
pub(super) fn read_into(into: &mut Parameters, text: &[u8]) -> Result<(), FormError> {
    for piece in text.split(|byte| *byte == b'&').filter(|piece| !piece.is_empty()) {
        let (name, value) = match piece.iter().position(|byte| *byte == b'=') {
            Some(at) => (&piece[..at], &piece[at + 1..]),
            None => (piece, &[][..]),
        };
        let (name, value) = (decode(name)?, decode(value)?);
        if into.insert(name.clone(), value).is_some() {
            return Err(FormError::Repeated(name));
        }
    }
    Ok(())
}

fn decode(text: &[u8]) -> Result<String, FormError> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = bytes.next().and_then(|digit| hexadecimal(*digit));
                let low = bytes.next().and_then(|digit| hexadecimal(*digit));
                match (high, low) {
                    (Some(high), Some(low)) => high * 16 + low,
                    _ => return Err(FormError::BadEncoding),
                }
            }
            plain => *plain,
        });
    }
    String::from_utf8(decoded).map_err(|_| FormError::BadEncoding)
}

fn hexadecimal(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// RFC 3986 encoding of every byte outside `A-Z a-z 0-9 - _ . ~`, upper-case hexadecimal
/// (docs/src/reference/amazon-pay-mws.md section 2.1 step 2).
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("writing into a String cannot fail");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Parameters, FormError> {
        let mut parameters = Parameters::new();
        read_into(&mut parameters, text.as_bytes())?;
        Ok(parameters)
    }

    #[test]
    fn plus_and_percent_20_are_both_a_space() {
        let parameters = read("a=x+y&b=x%20y&c=&d&%7e=1").expect("well-formed");
        assert_eq!(parameters["a"], "x y");
        assert_eq!(parameters["b"], "x y");
        assert_eq!(parameters["c"], "");
        assert_eq!(parameters["d"], "");
        assert_eq!(parameters["~"], "1");
    }

    #[test]
    fn what_is_ambiguous_is_refused() {
        assert_eq!(read("a=1&a=1"), Err(FormError::Repeated("a".into())));
        for bad in ["a=%", "a=%4", "a=%zz", "a=%ff", "%+1=2"] {
            assert_eq!(read(bad), Err(FormError::BadEncoding), "{bad}");
        }
    }

    #[test]
    fn the_note_of_vector_d_is_encoded_as_published() {
        assert_eq!(
            encode("Größe 5*~ (a/b) 'q' !@#$%^&=+,;:?[] 日本 x"),
            "Gr%C3%B6%C3%9Fe%205%2A~%20%28a%2Fb%29%20%27q%27%20%21%40%23%24%25%5E%26%3D%2B%2C%3B%3A%3F%5B%5D%20%E6%97%A5%E6%9C%AC%20x"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn decoding_undoes_encoding(name in "\\PC{1,20}", value in "\\PC{0,40}") {
            let parameters = read(&format!("{}={}", encode(&name), encode(&value))).expect("well-formed");
            prop_assert_eq!(&parameters[&name], &value);
        }

        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut parameters = Parameters::new();
            let outcome = read_into(&mut parameters, &bytes);
            prop_assert!(outcome.is_ok() || outcome.is_err());
        }
    }
}
