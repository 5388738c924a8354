//! Reading request bodies strictly.
//!
//! Owns: the checks that every body gets. Must never know: what a field is for.

use serde_json::{Map, Value};

use super::errors::Refusal;
use super::price::Price;

/// A request's JSON object, all of whose keys are known.
#[derive(Debug)]
pub(super) struct Fields {
    fields: Map<String, Value>,
}

impl Fields {
    /// Reads a body that may have these keys and no others.
    pub(super) fn read(body: &[u8], known: &[&str]) -> Result<Fields, Refusal> {
        let value: Value = serde_json::from_slice(body).map_err(|_| {
            Refusal::new(400, "InvalidRequestFormat", "The request body is not well-formed JSON.")
        })?;
        let Value::Object(fields) = value else {
            return Err(Refusal::new(400, "InvalidRequestFormat", "The request body is not a JSON object."));
        };
        if let Some(unknown) = fields.keys().find(|key| !known.contains(&key.as_str())) {
            let message = format!("The field [{unknown}] is not recognized.");
            return Err(Refusal::new(400, "UnrecognizedField", message));
        }
        Ok(Fields { fields })
    }

    pub(super) fn price(&self, name: &str) -> Result<Price, Refusal> {
        Price::read(self.given(name).ok_or_else(|| Refusal::missing(name))?, name)
    }

    pub(super) fn text(&self, name: &str) -> Result<&str, Refusal> {
        let value = self.given(name).ok_or_else(|| Refusal::missing(name))?;
        let text = value.as_str().ok_or_else(|| Refusal::invalid(name))?;
        if text.is_empty() { Err(Refusal::missing(name)) } else { Ok(text) }
    }

    /// A text of at most so many characters, if given.
    pub(super) fn short_text(&self, name: &str, longest: usize) -> Result<Option<String>, Refusal> {
        let Some(value) = self.given(name) else { return Ok(None) };
        let text = value.as_str().ok_or_else(|| Refusal::invalid(name))?;
        if text.chars().count() > longest { Err(Refusal::invalid(name)) } else { Ok(Some(text.to_owned())) }
    }

    /// A flag; false when not given.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        self.given(name).map_or(Ok(false), |value| value.as_bool().ok_or_else(|| Refusal::invalid(name)))
    }

    /// An object that may have these keys and no others, if given.
    pub(super) fn object(&self, name: &str, known: &[&str]) -> Result<Option<&Map<String, Value>>, Refusal> {
        let Some(value) = self.given(name) else { return Ok(None) };
        let object = value.as_object().ok_or_else(|| Refusal::invalid(name))?;
        if let Some(unknown) = object.keys().find(|key| !known.contains(&key.as_str())) {
            let message = format!("The field [{name}.{unknown}] is not recognized.");
            return Err(Refusal::new(400, "UnrecognizedField", message));
        }
        Ok(Some(object))
    }

    /// The merchant's own reference within `merchantMetadata`, if given.
    pub(super) fn merchant_reference(&self) -> Result<Option<String>, Refusal> {
        let Some(metadata) = self.given("merchantMetadata") else { return Ok(None) };
        let metadata = metadata.as_object().ok_or_else(|| Refusal::invalid("merchantMetadata"))?;
        match metadata.get("merchantReferenceId") {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(reference)) if reference.chars().count() <= 256 => Ok(Some(reference.clone())),
            Some(_) => Err(Refusal::invalid("merchantMetadata.merchantReferenceId")),
        }
    }

    fn given(&self, name: &str) -> Option<&Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn code<T: std::fmt::Debug>(result: Result<T, Refusal>) -> &'static str {
        result.expect_err("it is refused").reason_code
    }

    #[test]
    fn bodies_are_read_strictly() {
        let known = ["name", "flag", "merchantMetadata"];
        assert_eq!(code(Fields::read(b"{", &known)), "InvalidRequestFormat");
        assert_eq!(code(Fields::read(b"[]", &known)), "InvalidRequestFormat");
        assert_eq!(code(Fields::read(br#"{"other":1}"#, &known)), "UnrecognizedField");
        let fields = Fields::read(br#"{"name":"longer","flag":"yes"}"#, &known).expect("it is read");
        assert_eq!(fields.text("name"), Ok("longer"));
        assert_eq!(code(fields.text("missing")), "MissingParameterValue");
        assert_eq!(code(fields.flag("flag")), "InvalidParameterValue");
        assert_eq!(code(fields.short_text("name", 5)), "InvalidParameterValue");
        assert_eq!(fields.flag("absent"), Ok(false));
        assert_eq!(fields.merchant_reference(), Ok(None));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_bytes_are_answered(body in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(fields) = Fields::read(&body, &["a"]) {
                let _ = (fields.price("a"), fields.text("a"), fields.merchant_reference());
            }
        }
    }
}
