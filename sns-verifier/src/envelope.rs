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

/// A field that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Type,
    MessageId,
    TopicArn,
    Subject,
    Message,
    Timestamp,
    SignatureVersion,
    Signature,
    SigningCertUrl,
    UnsubscribeUrl,
    SubscribeUrl,
    Token,
}

const FIELDS: usize = 12;

impl Field {
    /// The field of a key. Lambda functions receive two of them in another spelling.
    fn of_key(key: &str) -> Option<Field> {
        Some(match key {
            "Type" => Field::Type,
            "MessageId" => Field::MessageId,
            "TopicArn" => Field::TopicArn,
            "Subject" => Field::Subject,
            "Message" => Field::Message,
            "Timestamp" => Field::Timestamp,
            "SignatureVersion" => Field::SignatureVersion,
            "Signature" => Field::Signature,
            "SigningCertURL" | "SigningCertUrl" => Field::SigningCertUrl,
            "UnsubscribeURL" | "UnsubscribeUrl" => Field::UnsubscribeUrl,
            "SubscribeURL" => Field::SubscribeUrl,
            "Token" => Field::Token,
            _ => return None,
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Field::Type => "Type",
            Field::MessageId => "MessageId",
            Field::TopicArn => "TopicArn",
            Field::Subject => "Subject",
            Field::Message => "Message",
            Field::Timestamp => "Timestamp",
            Field::SignatureVersion => "SignatureVersion",
            Field::Signature => "Signature",
            Field::SigningCertUrl => "SigningCertURL",
            Field::UnsubscribeUrl => "UnsubscribeURL",
            Field::SubscribeUrl => "SubscribeURL",
            Field::Token => "Token",
        }
    }
}

/// The decoded strings of an envelope. A field that is null counts as absent.
#[derive(Default)]
pub(crate) struct Envelope<'a> {
    values: [Option<Cow<'a, str>>; FIELDS],
}

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
    pub(crate) fn take(&mut self, field: Field) -> Option<Cow<'a, str>> {
        self.values.get_mut(field as usize)?.take()
    }

    pub(crate) fn required(&mut self, field: Field) -> Result<Cow<'a, str>, Refusal> {
        self.take(field).ok_or(Refusal::MissingField(field.name()))
    }

    /// A required field of one line: see the crate's documentation on messages that are cut in another way.
    pub(crate) fn line(&mut self, field: Field) -> Result<Cow<'a, str>, Refusal> {
        self.required(field).and_then(|value| one_line(field, value))
    }

    /// The field must not be there.
    pub(crate) fn absent(&mut self, field: Field) -> Result<(), Refusal> {
        self.take(field).map_or(Ok(()), |_| Err(Refusal::UnexpectedField(field.name())))
    }
}

pub(crate) fn one_line(field: Field, value: Cow<'_, str>) -> Result<Cow<'_, str>, Refusal> {
    if value.contains(['\n', '\r']) { Err(Refusal::Recut(field.name())) } else { Ok(value) }
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
        // A field that was null still counts as given.
        let mut is_given = [false; FIELDS];
        let mut unknown: Vec<Cow<'de, str>> = Vec::new();
        while let Some(key) = map.next_key_seed(Any(0))? {
            let Given::Text(key) = key else { return Err(A::Error::custom("a key is no string")) };
            let value = map.next_value_seed(Any(DEPTH))?;
            let Some(field) = Field::of_key(&key) else {
                if unknown.contains(&key) {
                    self.refusal.get_or_insert(Refusal::DuplicateField);
                } else if unknown.len() == self.unknown_fields {
                    self.refusal.get_or_insert(Refusal::TooLarge("the number of unknown fields"));
                } else {
                    unknown.push(key);
                }
                continue;
            };
            if let Some(given) = is_given.get_mut(field as usize)
                && std::mem::replace(given, true)
            {
                self.refusal.get_or_insert(Refusal::DuplicateField);
            }
            match value {
                Given::Text(text) => {
                    if let Some(slot) = envelope.values.get_mut(field as usize) {
                        *slot = Some(text);
                    }
                }
                Given::Null => {}
                Given::Other => {
                    self.refusal.get_or_insert(Refusal::FieldType(field.name()));
                }
            }
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
