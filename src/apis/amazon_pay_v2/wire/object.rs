//! The objects themselves (sections 4.1, 5 and 6.1).
//!
//! Owns: which fields of each object are kept, and under which names. Must never know: statuses, headers.
//! An answer needs the object's id and state. Any other field that cannot be read is marked.

use std::collections::BTreeMap;

use crate::apis::decoding::decode;
use crate::apis::marks::Marks;
use crate::payments::money::{Amounts, Money};
use crate::payments::observation::Observation;

use super::ObjectKind;
use super::scalar::{Object, OddField, Scalar, price, timestamp};

/// The longest text of a field that is kept, in characters.
const LONGEST_EVIDENCE: usize = 256;
/// The longest id, state or reason code that is accepted, in bytes; the documented ones have at most 50.
const LONGEST_WORD: usize = 128;
/// The most reasons of one state that are read.
const MOST_REASONS: usize = 16;

/// Reads the body of a 2xx answer. The error says what is wrong and where, but never quotes the body.
pub(super) fn read(object_kind: ObjectKind, body: &[u8]) -> Result<Observation, String> {
    let text = decode(body, None).text;
    let root: Object<'_> =
        serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| place(&error))?;
    let mut reader = Reader::default();
    let (id, parent, amount) = match object_kind {
        ObjectKind::Charge => ("chargeId", Some("chargePermissionId"), Some("chargeAmount")),
        ObjectKind::Refund => ("refundId", Some("chargeId"), Some("refundAmount")),
        ObjectKind::ChargePermission => ("chargePermissionId", None, None),
    };
    let id = reader.needed(&root, id, "the answer has no object id")?;
    let status = root.part("statusDetails", &mut reader.marks);
    let state = reader.needed(&status, "state", "the answer has no state")?;
    let reasons = reader.reasons(&status);
    let amount = amount.and_then(|name| reader.money(&root, name));
    let other_amounts = reader.other_amounts(object_kind, &root);
    let named = |name: &str| other_amounts.get(name).copied();
    let amounts = match object_kind {
        ObjectKind::Charge => Amounts {
            authorized: amount,
            captured: named("captureAmount"),
            refunded: named("refundedAmount"),
        },
        ObjectKind::Refund => Amounts { refunded: amount, ..Amounts::default() },
        ObjectKind::ChargePermission => Amounts::default(),
    };
    reader.marks.check_amounts(amount, &amounts);
    let metadata = root.part("merchantMetadata", &mut reader.marks);
    let merchant_reference = reader.text(&metadata, "merchantReferenceId").map(shortened);
    let parent = parent.and_then(|name| reader.word(&root, name));
    let environment = reader.word(&root, "releaseEnvironment");
    let updated_at = reader.time(&status, "lastUpdatedTimestamp");
    let created_at = reader.time(&root, "creationTimestamp");
    let expires_at = reader.time(&root, "expirationTimestamp");
    reader.keep_facts(&root, &metadata);
    Ok(Observation {
        id,
        state,
        is_soft_decline: reasons.iter().any(|reason| reason.eq_ignore_ascii_case("SoftDeclined")),
        reasons,
        updated_at,
        created_at,
        expires_at,
        amount,
        amounts,
        other_amounts,
        merchant_reference,
        parent,
        children: Vec::new(),
        environment,
        evidence: reader.evidence,
        request_id: None,
        answer_sha256: None,
        marks: reader.marks.into_list(),
    })
}

/// The message of a serde_json error, without the text that it is about.
fn place(error: &serde_json::Error) -> String {
    let kind = match error.classify() {
        serde_json::error::Category::Eof => "ends too early",
        serde_json::error::Category::Syntax => "is not JSON",
        serde_json::error::Category::Data | serde_json::error::Category::Io => "is not an object",
    };
    format!("the answer {kind} (line {}, column {})", error.line(), error.column())
}

/// An id or a word of Amazon's vocabulary: kept exactly as it is, up to a maximum length.
fn word(name: &'static str, value: Option<Scalar<'_>>) -> Result<Option<String>, OddField> {
    let text = value.map_or(Ok(None), |value| value.text(name))?;
    if text.as_ref().is_some_and(|text| text.len() > LONGEST_WORD) {
        Err(OddField::Unfit(name))
    } else {
        Ok(text)
    }
}

fn shortened(text: String) -> String {
    if text.len() <= LONGEST_EVIDENCE { text } else { text.chars().take(LONGEST_EVIDENCE).collect() }
}

/// Collects what is found besides the fields with a place of their own.
#[derive(Default)]
struct Reader {
    /// Fields kept as text under Amazon's names.
    evidence: BTreeMap<String, String>,
    marks: Marks,
}

impl Reader {
    /// A required word; it must be a string.
    fn needed(&mut self, object: &Object<'_>, name: &'static str, missing: &str) -> Result<String, String> {
        let value =
            object.only(name, &mut self.marks).map_err(|problem| format!("{problem}, with two values"))?;
        let read =
            word(name, value.filter(|value| value.is_string())).map_err(|problem| problem.to_string())?;
        read.ok_or_else(|| missing.to_owned())
    }

    fn word(&mut self, object: &Object<'_>, name: &'static str) -> Option<String> {
        let value = object.get(name, &mut self.marks);
        self.marks.take(word(name, value))
    }

    fn text(&mut self, object: &Object<'_>, name: &'static str) -> Option<String> {
        let read = object.get(name, &mut self.marks)?.text(name);
        self.marks.take(read)
    }

    /// The single `reasonCode` of charges and refunds, and the list of a charge permission (section 3).
    fn reasons(&mut self, status: &Object<'_>) -> Vec<String> {
        let name = "statusDetails.reasons";
        let listed = status.get("reasons", &mut self.marks).map(|value| match value.is_string() {
            // One code in place of a list.
            true => Ok(vec![value]),
            false => value.list(name),
        });
        let listed = listed.map(|listed| self.marks.take(listed)).unwrap_or_default();
        if listed.len() > MOST_REASONS {
            self.marks.take::<(), _>(Err(OddField::TooMany(name, MOST_REASONS)));
        }
        let mut codes: Vec<String> = self.reason(status).into_iter().collect();
        for entry in listed.into_iter().take(MOST_REASONS) {
            let code = match entry.object(name) {
                Ok(reason) => self.reason(&reason),
                Err(_) => self.marks.take(word(name, Some(entry))),
            };
            // A bare code is understood, but it is not the documented form.
            if entry.is_string() || code.is_none() {
                self.marks.take::<(), _>(Err(OddField::Unfit(name)));
            }
            codes.extend(code);
        }
        let mut seen = Vec::new();
        codes.retain(|code| {
            let is_new = !seen.contains(code);
            seen.push(code.clone());
            is_new
        });
        codes
    }

    fn reason(&mut self, object: &Object<'_>) -> Option<String> {
        let description = object.get("reasonDescription", &mut self.marks);
        self.keep("reasonDescription", description);
        self.word(object, "reasonCode")
    }

    /// An amount. One that cannot be read exactly is kept as raw text in the evidence.
    fn money(&mut self, object: &Object<'_>, name: &'static str) -> Option<Money> {
        let value = object.get(name, &mut self.marks)?;
        let read = price(value, name, &mut self.marks);
        if read.is_err() {
            self.evidence.insert(name.to_owned(), shortened(value.raw().to_owned()));
        }
        self.marks.take(read)
    }

    fn other_amounts(&mut self, object_kind: ObjectKind, root: &Object<'_>) -> BTreeMap<String, Money> {
        let limits = root.part("limits", &mut self.marks);
        let (place, names): (_, &[&'static str]) = match object_kind {
            ObjectKind::Charge => (root, &["captureAmount", "refundedAmount"]),
            ObjectKind::Refund => (root, &[]),
            ObjectKind::ChargePermission => (&limits, &["amountLimit", "amountBalance"]),
        };
        let read = names.iter().filter_map(|name| Some(((*name).to_owned(), self.money(place, name)?)));
        read.collect()
    }

    /// A time. One that cannot be read is kept as text.
    fn time(&mut self, object: &Object<'_>, name: &'static str) -> Option<jiff::Timestamp> {
        let text = self.text(object, name)?;
        let read = timestamp(&text);
        if read.is_none() {
            self.evidence.insert(name.to_owned(), shortened(text));
            self.marks.take::<(), _>(Err(OddField::Unfit(name)));
        }
        read
    }

    fn keep_facts(&mut self, root: &Object<'_>, metadata: &Object<'_>) {
        // Fields that are kept only for display do not deserve a mark.
        let unmarked = &mut Marks::default();
        let provider = root.part("providerMetadata", unmarked);
        for (object, name) in [
            (root, "channel"),
            (root, "chargeInitiator"),
            (root, "chargePermissionReferenceId"),
            (root, "chargePermissionType"),
            (root, "conversionRate"),
            (metadata, "merchantStoreName"),
            (root, "platformId"),
            (root, "presentmentCurrency"),
            (&provider, "providerReferenceId"),
        ] {
            self.keep(name, object.get(name, unmarked));
        }
        // The guide shows a bare number here, recorded answers a price. It is shown, but never used in calculations.
        let Some(converted) = root.get("convertedAmount", unmarked) else { return };
        match price(converted, "convertedAmount", unmarked) {
            Ok(Some(price)) => drop(self.evidence.insert("convertedAmount".to_owned(), price.to_string())),
            _ => self.keep("convertedAmount", Some(converted)),
        }
    }

    fn keep(&mut self, name: &'static str, value: Option<Scalar<'_>>) {
        if let Some(Ok(Some(text))) = value.map(|value| value.text(name)) {
            self.evidence.insert(name.to_owned(), shortened(text));
        }
    }
}
