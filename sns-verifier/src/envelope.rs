//! Owns: reading the JSON of an envelope strictly: known fields once each and as strings.
//! Must never know: what a field means.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::refusal::Refusal;

/// How large a message may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole body.
    pub envelope: usize,
    /// Bytes of the decoded `Message`.
    pub message: usize,
    /// Unknown fields, which are ignored.
    pub unknown_fields: usize,
}

impl Default for Limits {
    /// What SNS itself can send: messages of 256 KiB, which escapes may make longer in JSON.
    fn default() -> Limits {
        Limits { envelope: 1024 * 1024, message: 256 * 1024, unknown_fields: 32 }
    }
}

/// Arrays and objects within each other inside of an unknown field, such as `MessageAttributes`.
const DEPTH: u8 = 8;

/// The fields that count.
const FIELDS: [&str; 12] = [
    "Type",
    "MessageId",
    "TopicArn",
    "Subject",
    "Message",
    "Timestamp",
    "SignatureVersion",
    "Signature",
    "SigningCertURL",
    "UnsubscribeURL",
    "SubscribeURL",
    "Token",
];

/// The field of a key. Lambda functions receive two of them in another spelling.
fn field_of(key: &str) -> Option<&'static str> {
    match key {
        "SigningCertUrl" => Some("SigningCertURL"),
        "UnsubscribeUrl" => Some("UnsubscribeURL"),
        _ => FIELDS.into_iter().find(|field| *field == key),
    }
}

/// The decoded strings of an envelope. A field that is null counts as absent.
#[derive(Default)]
pub(crate) struct Envelope<'a>(Vec<(&'static str, Option<Cow<'a, str>>)>);

impl<'a> Envelope<'a> {
    pub(crate) fn read(body: &'a [u8], limits: &Limits) -> Result<Envelope<'a>, Refusal> {
        if body.len() > limits.envelope {
            return Err(Refusal::TooLarge("the body"));
        }
        let text = std::str::from_utf8(body).map_err(|_| Refusal::Json)?;
        let mut refusal = None;
        let mut json = serde_json::Deserializer::from_str(text);
        let reader = Reader { unknown_fields: limits.unknown_fields, refusal: &mut refusal };
        let envelope = json.deserialize_map(reader).map_err(|_| Refusal::Json)?;
        json.end().map_err(|_| Refusal::Json)?;
        refusal.map_or(Ok(envelope), Err)
    }

    /// The value of a field, at most once.
    pub(crate) fn take(&mut self, field: &str) -> Option<Cow<'a, str>> {
        self.0.iter_mut().find(|(given, _)| *given == field)?.1.take()
    }

    pub(crate) fn required(&mut self, field: &'static str) -> Result<Cow<'a, str>, Refusal> {
        self.take(field).ok_or(Refusal::MissingField(field))
    }

    /// A required field of one line: see README.md on messages that are cut in another way.
    pub(crate) fn line(&mut self, field: &'static str) -> Result<Cow<'a, str>, Refusal> {
        self.required(field).and_then(|value| one_line(field, value))
    }

    /// The field must not be there.
    pub(crate) fn absent(&mut self, field: &'static str) -> Result<(), Refusal> {
        self.take(field).map_or(Ok(()), |_| Err(Refusal::UnexpectedField(field)))
    }
}

pub(crate) fn one_line<'a>(field: &'static str, value: Cow<'a, str>) -> Result<Cow<'a, str>, Refusal> {
    if value.contains(['\n', '\r']) { Err(Refusal::Recut(field)) } else { Ok(value) }
}

struct Reader<'r> {
    unknown_fields: usize,
    /// The first problem that is not one of the JSON itself, which is read to its end nevertheless.
    refusal: &'r mut Option<Refusal>,
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Envelope<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Envelope<'de>, A::Error> {
        let mut envelope = Envelope::default();
        let mut unknown: Vec<Cow<'de, str>> = Vec::new();
        while let Some(key) = map.next_key_seed(Any(0))? {
            let Given::Text(key) = key else { return Err(A::Error::custom("a key is no string")) };
            let value = map.next_value_seed(Any(DEPTH))?;
            let field = field_of(&key);
            let is_twice = match field {
                Some(field) => envelope.0.iter().any(|(given, _)| *given == field),
                None => unknown.contains(&key),
            };
            let problem = match (field, value) {
                _ if is_twice => Some(Refusal::DuplicateField),
                (Some(field), Given::Other) => Some(Refusal::FieldType(field)),
                (Some(field), Given::Text(text)) => {
                    envelope.0.push((field, Some(text)));
                    None
                }
                (Some(field), Given::Null) => {
                    envelope.0.push((field, None));
                    None
                }
                (None, _) if unknown.len() >= self.unknown_fields => {
                    Some(Refusal::TooLarge("the number of unknown fields"))
                }
                (None, _) => {
                    unknown.push(key);
                    None
                }
            };
            *self.refusal = self.refusal.or(problem);
        }
        Ok(envelope)
    }
}

enum Given<'de> {
    Text(Cow<'de, str>),
    Null,
    Other,
}

/// Any value, with this many levels of arrays and objects in it.
struct Any(u8);

impl Any {
    fn below<E: Error>(&self) -> Result<Any, E> {
        self.0.checked_sub(1).map(Any).ok_or_else(|| E::custom("nested too deep"))
    }
}

impl<'de> DeserializeSeed<'de> for Any {
    type Value = Given<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Given<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Any {
    type Value = Given<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Given<'de>, E> {
        Ok(Given::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Given<'de>, E> {
        Ok(Given::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E: Error>(self) -> Result<Given<'de>, E> {
        Ok(Given::Null)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Given<'de>, E> {
        Ok(Given::Other)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Given<'de>, E> {
        Ok(Given::Other)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Given<'de>, E> {
        Ok(Given::Other)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Given<'de>, E> {
        Ok(Given::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Given<'de>, A::Error> {
        while seq.next_element_seed(self.below()?)?.is_some() {}
        Ok(Given::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Given<'de>, A::Error> {
        while map.next_key_seed(Any(0))?.is_some() {
            map.next_value_seed(self.below()?)?;
        }
        Ok(Given::Other)
    }
}
