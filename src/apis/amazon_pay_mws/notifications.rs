//! What a notification of this API announces (docs/src/reference/amazon-pay-mws.md, section 8).
//!
//! Owns: the JSON and XML inside the envelope. Must never know: the envelope, the network, storage.
//!
//! Elements are matched by local name: the namespace differs between regions and between documents and captured
//! messages. The `Timestamp` inside is written in a 12-hour clock and is never used.

use std::time::Duration;

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;
use serde_json::{Map, Value};

use super::AmazonPayMws;
use super::kind::{self, ObjectKind};
use crate::apis::config::Environment;
use crate::apis::notifications::{
    Envelope, Hint, MOST_HINTS, Notification, Notifier, OTHER_ACCOUNT, Refused, UNREADABLE, sns,
};
use crate::payments::object::ObjectId;

/// Delivered again hourly for fourteen days, and a day of margin.
const REDELIVERED_FOR: Duration = Duration::from_secs(15 * 86_400);
/// Captured documents have some 40 elements.
const MOST_ELEMENTS: usize = 2_000;
/// No id is longer.
const LONGEST_ID: usize = 64;

impl Notifier for AmazonPayMws {
    fn envelope(&self) -> Envelope {
        Envelope::Sns
    }

    fn read(&self, text: &[u8], _media_type: &str) -> Result<Notification, Refused> {
        read(text, &self.settings.seller_id, self.settings.environment)
    }

    fn redelivered_for(&self) -> Duration {
        REDELIVERED_FOR
    }

    fn announced_kinds(&self) -> &'static [&'static str] {
        &["authorization", "capture", "refund", "order-reference"]
    }

    fn where_to_paste(&self) -> &'static str {
        "Seller Central, Settings, Integration Settings, Merchant URL of the instant notifications"
    }

    fn refused_example(&self) -> (&'static str, Vec<u8>) {
        sns::refused_example()
    }
}

fn read(text: &[u8], seller_id: &str, environment: Environment) -> Result<Notification, Refused> {
    let fields: Map<String, Value> = serde_json::from_slice(text).map_err(|_| UNREADABLE)?;
    let field = |name: &str| {
        let (_, value) = fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        value.as_str()
    };
    if field("SellerId").is_some_and(|named| !named.eq_ignore_ascii_case(seller_id)) {
        return Err(OTHER_ACCOUNT);
    }
    let is_live = field("ReleaseEnvironment").map(|word| !word.eq_ignore_ascii_case("Sandbox"));
    if is_live.is_some_and(|is_live| is_live != (environment == Environment::Live)) {
        return Err(OTHER_ACCOUNT);
    }
    let is_sample = fields.iter().any(|(name, value)| {
        let is_true = value == &Value::Bool(true) || value.as_str().is_some_and(|text| text == "true");
        name.eq_ignore_ascii_case("IsSample") && is_true
    });
    let data = field("NotificationData").ok_or(UNREADABLE)?;
    let Named { objects, report_id } = named(data)?;
    let mut notification = Notification { report_id, is_sample, ..Notification::default() };
    for (object_kind, id) in objects {
        let id = kind::canonical(&id);
        kind::check(object_kind, &id, environment == Environment::Sandbox).map_err(|_| OTHER_ACCOUNT)?;
        let hint = Hint { kind: object_kind.kind(), id, wakes: None };
        if !notification.hints.contains(&hint) && notification.hints.len() < MOST_HINTS {
            notification.hints.push(hint);
        }
    }
    Ok(notification)
}

/// What a document names.
#[derive(Default)]
struct Named {
    objects: Vec<(ObjectKind, ObjectId)>,
    report_id: Option<String>,
}

/// The elements of a document that name objects or a report. Nothing else of it is kept.
fn named(document: &str) -> Result<Named, Refused> {
    let mut reader = Reader::from_str(document);
    let (mut found, mut elements, mut depth) = (Named::default(), 0_usize, 0_usize);
    // The name of the innermost element, and its text so far.
    let (mut name, mut text) = (String::new(), String::new());
    loop {
        match reader.read_event().map_err(|_| UNREADABLE)? {
            Event::Start(start) => {
                (elements, depth) = (elements + 1, depth + 1);
                name = start.local_name().as_ref().to_owned();
                text.clear();
            }
            Event::Empty(_) => elements += 1,
            Event::Text(part) if text.len() <= LONGEST_ID => {
                text.push_str(&part.xml10_content());
            }
            Event::CData(part) if text.len() <= LONGEST_ID => {
                text.push_str(&part.xml10_content());
            }
            Event::GeneralRef(entity) => {
                text.push_str(resolve_predefined_entity(&entity).unwrap_or("?"));
            }
            Event::End(end) => {
                if end.local_name().as_ref() == name {
                    note(&name, text.trim(), &mut found)?;
                }
                name.clear();
                depth = depth.checked_sub(1).ok_or(UNREADABLE)?;
            }
            Event::DocType(_) => return Err(UNREADABLE),
            Event::Eof if depth == 0 && elements > 0 => return Ok(found),
            Event::Eof => return Err(UNREADABLE),
            _ => {}
        }
        if elements > MOST_ELEMENTS {
            return Err(UNREADABLE);
        }
    }
}

fn note(name: &str, text: &str, found: &mut Named) -> Result<(), Refused> {
    // A dispute names the capture by another name than its own notification does.
    let name = if name == "AmazonCaptureReferenceId" { "AmazonCaptureId" } else { name };
    if let Some(object_kind) = ObjectKind::ALL.into_iter().find(|kind| kind.id_name() == name) {
        found.objects.push((object_kind, ObjectId::new(text).map_err(|_| UNREADABLE)?));
    }
    // The notification of a complete batch is not documented, so any element of such a name counts.
    let is_id =
        !text.is_empty() && text.len() <= LONGEST_ID && text.bytes().all(|byte| byte.is_ascii_digit());
    if name.to_ascii_lowercase().ends_with("reportid") && is_id {
        found.report_id = Some(text.to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUTHORIZATION: &str = r#"<?xml version="1.0" encoding="UTF-8"?><AuthorizationNotification xmlns="https://mws.amazonservices.com/ipn/OffAmazonPayments/2013-01-01"><AuthorizationDetails><AmazonAuthorizationId>S01-1234567-1234567-A012345</AmazonAuthorizationId><IdList><Id>S01-1234567-1234567-C012345</Id></IdList><AuthorizationStatus><State>Closed</State></AuthorizationStatus><OrderItemCategories/></AuthorizationDetails></AuthorizationNotification>"#;

    fn text(data: &str) -> String {
        let data = Value::String(data.to_owned());
        format!(
            r#"{{"NotificationReferenceId":"r","NotificationType":"PaymentAuthorize","SellerId":"A2SHOP","ReleaseEnvironment":"Sandbox","Version":"2013-01-01","NotificationData":{data}}}"#
        )
    }

    fn read_text(text: &str) -> Result<Notification, &'static str> {
        read(text.as_bytes(), "A2SHOP", Environment::Sandbox).map_err(|refused| refused.reason)
    }

    fn ids(data: &str) -> Result<Vec<String>, &'static str> {
        Ok(read_text(&text(data))?.hints.iter().map(|hint| format!("{}/{}", hint.kind, hint.id)).collect())
    }

    #[test]
    fn objects_are_found_by_local_names() {
        let expected = Ok(vec!["authorization/S01-1234567-1234567-A012345".to_owned()]);
        assert_eq!(ids(AUTHORIZATION), expected);
        let eu = AUTHORIZATION.replace("//mws.", "//mws-eu.");
        assert_eq!(ids(&eu), expected);
        let prefixed = "<a:RefundNotification xmlns:a='x'><a:RefundDetails><a:AmazonRefundId> s01-1234567-1234567-r012345 \
                        </a:AmazonRefundId></a:RefundDetails></a:RefundNotification>";
        assert_eq!(ids(prefixed), Ok(vec!["refund/S01-1234567-1234567-R012345".to_owned()]));
        let dispute = "<C><AmazonOrderReferenceId>S01-1234567-1234567</AmazonOrderReferenceId>\
                       <AmazonCaptureReferenceId>S01-1234567-1234567-C012345</AmazonCaptureReferenceId></C>";
        assert_eq!(ids(dispute).unwrap().len(), 2);
        assert_eq!(ids("<ProviderCreditNotification><x/></ProviderCreditNotification>"), Ok(Vec::new()));
    }

    #[test]
    fn a_complete_batch_names_its_report_under_whatever_name() {
        let batch = read_text(&text("<B><Batch><FeedReportId>12345678</FeedReportId></Batch></B>")).unwrap();
        assert_eq!((batch.report_id.as_deref(), batch.hints.len()), (Some("12345678"), 0));
        let odd = read_text(&text("<B><ReportId>../../x</ReportId></B>")).unwrap();
        assert_eq!(odd.report_id, None);
    }

    #[test]
    fn what_belongs_elsewhere_or_cannot_be_read_is_refused() {
        let whole = text(AUTHORIZATION);
        assert_eq!(read_text(&whole.replace("A2SHOP", "A3SHOP")), Err("other_account"));
        assert_eq!(read_text(&whole.replace("Sandbox", "Live")), Err("other_account"));
        assert_eq!(ids(&AUTHORIZATION.replace("S01-", "P01-")), Err("other_account"));
        assert!(!read_text(&whole).unwrap().is_sample);
        assert!(read_text(&whole.replace("\"Version\"", "\"IsSample\":true,\"Version\"")).unwrap().is_sample);
        let bomb = "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>";
        let many = format!("<a>{}</a>", "<b/>".repeat(MOST_ELEMENTS + 1));
        let strange = "<a><AmazonRefundId>a b</AmazonRefundId></a>";
        for data in ["", "x", "<a>", "<a></b>", bomb, &many, strange] {
            assert_eq!(ids(data), Err("unreadable"), "{data:.40}");
        }
        for text in ["", "[]", "{}"] {
            assert_eq!(read_text(text), Err("unreadable"), "{text}");
        }
    }
}
