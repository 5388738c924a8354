//! The five kinds of objects of this API and the forms of their ids (docs/src/reference/amazon-pay-mws.md,
//! section 3.3).
//!
//! Owns: names, operations, what the form of an id shows. Must never know: the network, XML, states. Amazon guarantees
//! no form, so an id of any other form is accepted everywhere. An id is refused only if its form clearly contradicts
//! the kind or environment.

use crate::payments::object::{Kind, ObjectId};

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ObjectKind {
    /// Money reserved on an order.
    Authorization,
    /// Money captured from an authorization.
    Capture,
    /// Money refunded from a capture.
    Refund,
    /// An order reference: what authorizations are made on.
    OrderReference,
    /// A billing agreement: what recurring orders are made on.
    BillingAgreement,
}

impl ObjectKind {
    /// All of them.
    pub const ALL: [ObjectKind; 5] = [
        ObjectKind::Authorization,
        ObjectKind::Capture,
        ObjectKind::Refund,
        ObjectKind::OrderReference,
        ObjectKind::BillingAgreement,
    ];

    /// Their names, in the same order.
    pub const NAMES: [&'static str; 5] =
        ["authorization", "capture", "refund", "order-reference", "billing-agreement"];

    /// The name by which it is enrolled and stored.
    pub fn name(self) -> &'static str {
        match self {
            ObjectKind::Authorization => "authorization",
            ObjectKind::Capture => "capture",
            ObjectKind::Refund => "refund",
            ObjectKind::OrderReference => "order-reference",
            ObjectKind::BillingAgreement => "billing-agreement",
        }
    }

    /// The kind of that name, if this API has it.
    pub fn of(kind: &Kind) -> Option<ObjectKind> {
        ObjectKind::ALL.into_iter().find(|known| known.name() == kind.as_str())
    }

    /// Its name as a [`Kind`].
    pub fn kind(self) -> Kind {
        Kind::new(self.name()).expect("every name consists of lower-case letters and dashes")
    }

    /// The operation that reads one (section 3.2), which is also the key of its quota (section 3.1).
    pub fn operation(self) -> &'static str {
        match self {
            ObjectKind::Authorization => "GetAuthorizationDetails",
            ObjectKind::Capture => "GetCaptureDetails",
            ObjectKind::Refund => "GetRefundDetails",
            ObjectKind::OrderReference => "GetOrderReferenceDetails",
            ObjectKind::BillingAgreement => "GetBillingAgreementDetails",
        }
    }

    /// The parameter, and the element of the answer, that hold its id.
    pub fn id_name(self) -> &'static str {
        match self {
            ObjectKind::Authorization => "AmazonAuthorizationId",
            ObjectKind::Capture => "AmazonCaptureId",
            ObjectKind::Refund => "AmazonRefundId",
            ObjectKind::OrderReference => "AmazonOrderReferenceId",
            ObjectKind::BillingAgreement => "AmazonBillingAgreementId",
        }
    }
}

/// What an id in one of the known forms shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// Created in the sandbox (`S`, `C`), not live (`P`, `B`).
    pub is_sandbox: bool,
    /// The kind of the object; none if the form does not show it or the object is not watched (provider credits).
    pub kind: Option<ObjectKind>,
}

/// Reads an id of a known form: `S01-1234567-1234567`, optionally followed by `-A`, `-C`, `-R`... and digits. The
/// documentation's samples whose last part has no letter show no kind. None for any other form.
pub fn form(id: &ObjectId) -> Option<Form> {
    let mut parts = id.as_str().split('-');
    let head = parts.next()?.as_bytes();
    let (&letter, digits) = head.split_first()?;
    let is_head = digits.len() == 2 && digits.iter().all(u8::is_ascii_digit);
    let is_number = |part: Option<&str>| {
        part.is_some_and(|part| part.len() == 7 && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    if !is_head || !is_number(parts.next()) || !is_number(parts.next()) {
        return None;
    }
    let (is_sandbox, is_agreement) = match letter {
        b'S' => (true, false),
        b'P' => (false, false),
        b'C' => (true, true),
        b'B' => (false, true),
        _ => return None,
    };
    let kind = match (parts.next(), parts.next()) {
        (None, _) if is_agreement => Some(ObjectKind::BillingAgreement),
        (None, _) => Some(ObjectKind::OrderReference),
        (Some(tail), None) => kind_of_tail(tail)?,
        (Some(_), Some(_)) => return None,
    };
    Some(Form { is_sandbox, kind })
}

/// The id as the provider writes it: an id of a known form is in upper case, whatever case it was given in.
pub fn canonical(id: &ObjectId) -> ObjectId {
    let capitals = ObjectId::new(id.as_str().to_ascii_uppercase()).ok();
    capitals.filter(|capitals| form(capitals).is_some()).unwrap_or_else(|| id.clone())
}

/// The kind shown by the last part of an id. The inner value is none if it shows no kind, the outer if its form is
/// unknown.
fn kind_of_tail(tail: &str) -> Option<Option<ObjectKind>> {
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_digits(tail) {
        return Some(None);
    }
    let digits = tail.get(1..).filter(|rest| is_digits(rest));
    digits?;
    match tail.as_bytes().first() {
        Some(b'A') => Some(Some(ObjectKind::Authorization)),
        Some(b'C') => Some(Some(ObjectKind::Capture)),
        Some(b'R') => Some(Some(ObjectKind::Refund)),
        Some(b'P' | b'Q') => Some(None),
        _ => None,
    }
}

/// Whether an id can be of this kind and environment; if not, why.
pub fn check(kind: ObjectKind, id: &ObjectId, is_sandbox: bool) -> Result<(), String> {
    let Some(form) = form(id) else { return Ok(()) };
    let place = |is_sandbox| if is_sandbox { "sandbox" } else { "live" };
    if form.is_sandbox != is_sandbox {
        return Err(format!(
            "{id} has the form of a {} id, but the account is {}",
            place(form.is_sandbox),
            place(is_sandbox)
        ));
    }
    match form.kind {
        Some(told) if told != kind => {
            Err(format!("{id} has the form of an id of kind {}, not {}", told.name(), kind.name()))
        }
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check_form(id: &str, expected: Option<(bool, Option<ObjectKind>)>) {
        let id = ObjectId::new(id).unwrap();
        let told = form(&id).map(|form| (form.is_sandbox, form.kind));
        assert_eq!(told, expected, "{id}");
    }

    #[test]
    fn names_and_kinds_belong_together() {
        for (kind, name) in ObjectKind::ALL.into_iter().zip(ObjectKind::NAMES) {
            assert_eq!(kind.name(), name);
            assert_eq!(ObjectKind::of(&kind.kind()), Some(kind));
            assert!(kind.operation().starts_with("Get") && kind.operation().ends_with("Details"));
        }
        assert_eq!(ObjectKind::of(&Kind::new("charge").unwrap()), None);
    }

    #[test]
    fn the_known_forms_tell_environment_and_kind() {
        check_form("S01-1234567-1234567", Some((true, Some(ObjectKind::OrderReference))));
        check_form("P03-1234567-1234567", Some((false, Some(ObjectKind::OrderReference))));
        check_form("C01-1234567-1234567", Some((true, Some(ObjectKind::BillingAgreement))));
        check_form("B02-1234567-1234567", Some((false, Some(ObjectKind::BillingAgreement))));
        check_form("S01-1234567-1234567-A012345", Some((true, Some(ObjectKind::Authorization))));
        check_form("P02-1234567-1234567-C012345", Some((false, Some(ObjectKind::Capture))));
        check_form("P03-1234567-1234567-R012345", Some((false, Some(ObjectKind::Refund))));
        check_form("B03-1234567-1234567-A012345", Some((false, Some(ObjectKind::Authorization))));
        check_form("P01-1234567-1234567-0000001", Some((false, None)));
        check_form("P01-1234567-1234567-P012345", Some((false, None)));
        for other in [
            "X01-1234567-1234567",
            "S01-123456-1234567",
            "S01",
            "S01-1234567-1234567-A",
            "abc",
            "S01-1234567-1234567-A01-2",
            "S01-1234567-1234567-",
            "S1-1234567-1234567",
            "S01-1234567-12345x7",
        ] {
            check_form(other, None);
        }
    }

    #[test]
    fn an_id_of_a_known_form_has_capitals() {
        for (id, expected) in [
            ("p02-1234567-1234567-c012345", "P02-1234567-1234567-C012345"),
            ("abc", "abc"),
            ("C01-1234567-1234567", "C01-1234567-1234567"),
        ] {
            assert_eq!(canonical(&ObjectId::new(id).unwrap()).as_str(), expected);
        }
    }

    #[test]
    fn an_id_is_refused_only_where_its_form_plainly_says_otherwise() {
        let says = |kind, id: &str, is_sandbox| check(kind, &ObjectId::new(id).unwrap(), is_sandbox);
        let authorization = ObjectKind::Authorization;
        assert_eq!(says(authorization, "S01-1234567-1234567-A012345", true), Ok(()));
        assert_eq!(says(authorization, "S01-1234567-1234567-0123456", true), Ok(()));
        assert_eq!(says(authorization, "something-else", false), Ok(()));
        assert_eq!(
            says(authorization, "S01-1234567-1234567-A012345", false).unwrap_err(),
            "S01-1234567-1234567-A012345 has the form of a sandbox id, but the account is live"
        );
        assert_eq!(
            says(authorization, "S01-1234567-1234567-C012345", true).unwrap_err(),
            "S01-1234567-1234567-C012345 has the form of an id of kind capture, not authorization"
        );
        assert!(says(ObjectKind::OrderReference, "C01-1234567-1234567", true).is_err());
        assert!(says(ObjectKind::BillingAgreement, "B01-1234567-1234567", true).is_err());
        assert!(says(ObjectKind::Refund, "P01-1234567-1234567", false).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_id_is_read_without_panic(text in "[SPBC]?[0-9]{0,3}-?[0-9]{0,8}-?[0-9ACRPQ~._-]{0,12}") {
            if let Ok(id) = ObjectId::new(text) {
                let _ = form(&id);
            }
        }
    }
}
