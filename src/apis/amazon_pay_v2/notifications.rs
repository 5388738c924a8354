//! What a notification of this API announces (docs/src/reference/amazon-pay-v2.md, section 9).
//!
//! Owns: the JSON inside the envelope. Must never know: the envelope, the network, storage.

use std::time::Duration;

use serde_json::{Map, Value};

use super::wire::ObjectKind;
use super::{AmazonPayV2, ids};
use crate::apis::config::Environment;
use crate::apis::notifications::{
    Envelope, Hint, Notification, Notifier, OTHER_ACCOUNT, Refused, UNREADABLE, sns,
};
use crate::payments::object::ObjectId;

/// The current page says hourly for three hours after an error, an older one for fourteen days.
const REDELIVERED_FOR: Duration = Duration::from_secs(15 * 86_400);

impl Notifier for AmazonPayV2 {
    fn envelope(&self) -> Envelope {
        Envelope::Sns
    }

    fn read(&self, text: &[u8], _media_type: &str) -> Result<Notification, Refused> {
        read(text, self.settings.merchant_id(), self.settings.environment)
    }

    fn redelivered_for(&self) -> Duration {
        REDELIVERED_FOR
    }

    fn announced_kinds(&self) -> &'static [&'static str] {
        &["charge", "refund"]
    }

    fn where_to_paste(&self) -> &'static str {
        "Seller Central, Integration, Instant Notifications settings (once for live, once for sandbox)"
    }

    fn refused_example(&self) -> (&'static str, Vec<u8>) {
        sns::refused_example()
    }
}

fn read(text: &[u8], merchant_id: Option<&str>, environment: Environment) -> Result<Notification, Refused> {
    let fields: Map<String, Value> = serde_json::from_slice(text).map_err(|_| UNREADABLE)?;
    if let (Some(named), Some(own)) = (field(&fields, "MerchantID"), merchant_id)
        && !named.eq_ignore_ascii_case(own)
    {
        return Err(OTHER_ACCOUNT);
    }
    // Anything else is a notification of the API before this one.
    if !field(&fields, "NotificationVersion").is_some_and(|version| version.eq_ignore_ascii_case("V2")) {
        return Ok(Notification::default());
    }
    let kind = field(&fields, "ObjectType").ok_or(UNREADABLE)?;
    let (object_kind, name) = match kind.to_ascii_uppercase().as_str() {
        "CHARGE" => (ObjectKind::Charge, "ObjectId"),
        "REFUND" => (ObjectKind::Refund, "ObjectId"),
        "CHARGE_PERMISSION" => (ObjectKind::ChargePermission, "ObjectId"),
        // A dispute is no object of its own here. Its charge permission shows what it changed.
        "CHARGEBACK" => (ObjectKind::ChargePermission, "ChargePermissionId"),
        _ => return Ok(Notification::default()),
    };
    let id = ObjectId::new(field(&fields, name).ok_or(UNREADABLE)?).map_err(|_| UNREADABLE)?;
    let id = ids::canonical(&id);
    ids::accepts(object_kind, id.as_str(), environment).map_err(|_| OTHER_ACCOUNT)?;
    let wakes = (object_kind == ObjectKind::ChargePermission).then(|| format!("{id}-C"));
    let hints = vec![Hint { kind: object_kind.kind(), id, wakes }];
    Ok(Notification { hints, ..Notification::default() })
}

/// A field in whatever case it is written: the documentation has two.
fn field<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    let (_, value) = fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    value.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(object_type: &str, id: &str) -> String {
        format!(
            r#"{{"MerchantID":"A1SHOP","ObjectType":"{object_type}","ObjectId":"{id}","ChargePermissionId":"S01-1234567-1234567","NotificationType":"STATE_CHANGE","NotificationId":"x","NotificationVersion":"V2"}}"#
        )
    }

    /// Kind, id, and how the ids of woken objects begin.
    type Named = (String, String, Option<String>);

    fn hints(text: &str) -> Result<Vec<Named>, &'static str> {
        let read = read(text.as_bytes(), Some("A1SHOP"), Environment::Sandbox);
        let hints = read.map_err(|refused| refused.reason)?.hints.into_iter();
        Ok(hints.map(|hint| (hint.kind.to_string(), hint.id.to_string(), hint.wakes)).collect())
    }

    #[test]
    fn each_type_of_object_is_a_hint_in_either_spelling() {
        let charge = "S01-1234567-1234567-C123456";
        let found = Ok(vec![("charge".to_owned(), charge.to_owned(), None)]);
        assert_eq!(hints(&text("CHARGE", charge)), found);
        let lower = text("Charge", &charge.to_lowercase()).replace("ObjectI", "objectI");
        assert_eq!(hints(&lower.replace("MerchantID", "merchantId")), found);
        let refund = hints(&text("REFUND", "S01-1234567-1234567-R123456")).unwrap();
        assert_eq!(refund[0].0, "refund");
        let permission = "S01-1234567-1234567";
        let expected =
            ("charge-permission".to_owned(), permission.to_owned(), Some(format!("{permission}-C")));
        assert_eq!(hints(&text("CHARGE_PERMISSION", permission)), Ok(vec![expected.clone()]));
        assert_eq!(hints(&text("CHARGEBACK", "anything")), Ok(vec![expected]));
    }

    #[test]
    fn what_belongs_elsewhere_or_cannot_be_read_is_refused_and_what_is_new_is_no_hint() {
        let charge = text("CHARGE", "S01-1234567-1234567-C123456");
        assert_eq!(hints(&charge.replace("A1SHOP", "A2SHOP")), Err("other_account"));
        assert_eq!(hints(&charge.replace("S01", "P01")), Err("other_account"), "the other environment");
        assert_eq!(hints(&charge.replace("-C123456", "-R123456")), Err("other_account"), "another kind");
        assert_eq!(hints(&charge.replace("ObjectId", "Id")), Err("unreadable"));
        for text in ["", "[]", "null", "{", "\"x\""] {
            assert_eq!(hints(text), Err("unreadable"), "{text}");
        }
        assert_eq!(hints(&text("DISPUTE_OF_TOMORROW", "x")), Ok(Vec::new()));
        assert_eq!(hints(&charge.replace("\"V2\"", "\"V1\"")), Ok(Vec::new()));
    }
}
