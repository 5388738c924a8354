//! What the form of an id reveals (docs/src/reference/amazon-pay-v2.md, section 3).
//!
//! Owns: the observed forms of ids. Must never know: an account, the wire.
//!
//! The forms are observed, not promised: an id with another form is accepted as it is. An id is refused only if it has
//! the known form and clearly belongs elsewhere. The digits after the letter (01, 02, 03) seem to name the region. That
//! is inferred, so no id is refused because of them.

use crate::apis::config::Environment;
use crate::payments::object::ObjectId;

use super::wire::ObjectKind;

/// `L99-9999999-9999999` with or without `-L999999`.
struct Form {
    first: u8,
    last: Option<u8>,
}

impl Form {
    fn of(id: &str) -> Option<Form> {
        let are_digits = |text: &str, length: usize| {
            text.len() == length && text.bytes().all(|letter| letter.is_ascii_digit())
        };
        let mut parts = id.split('-');
        let (head, second, third) = (parts.next()?, parts.next()?, parts.next()?);
        let (tail, rest) = (parts.next(), parts.next());
        let first = *head.as_bytes().first().filter(|letter| letter.is_ascii_uppercase())?;
        let is_known = are_digits(&head[1..], 2) && are_digits(second, 7) && are_digits(third, 7);
        let last = match tail {
            None => None,
            Some(tail) => {
                let letter = *tail.as_bytes().first().filter(|letter| letter.is_ascii_uppercase())?;
                if !are_digits(&tail[1..], 6) {
                    return None;
                }
                Some(letter)
            }
        };
        (is_known && rest.is_none()).then_some(Form { first, last })
    }

    /// Sandbox ids start with `S` or `C`, live ids with `P` or `B` (one-time, recurring).
    fn environment(&self) -> Option<Environment> {
        match self.first {
            b'S' | b'C' => Some(Environment::Sandbox),
            b'P' | b'B' => Some(Environment::Live),
            _ => None,
        }
    }

    fn object_kind(&self) -> Option<ObjectKind> {
        match self.last {
            None => Some(ObjectKind::ChargePermission),
            Some(b'C') => Some(ObjectKind::Charge),
            Some(b'R') => Some(ObjectKind::Refund),
            Some(_) => None,
        }
    }
}

/// The id as Amazon writes it: an id with the known form becomes upper case.
pub(super) fn canonical(id: &ObjectId) -> ObjectId {
    let capitals = ObjectId::new(id.as_str().to_ascii_uppercase()).ok();
    capitals.filter(|capitals| Form::of(capitals.as_str()).is_some()).unwrap_or_else(|| id.clone())
}

/// The kind of object that an id's form suggests.
pub(super) fn suggested(id: &str) -> Option<ObjectKind> {
    Form::of(id)?.object_kind()
}

/// Whether an object of this kind and id can be in this environment, or why not.
pub(super) fn accepts(object_kind: ObjectKind, id: &str, environment: Environment) -> Result<(), String> {
    let Some(form) = Form::of(id) else { return Ok(()) };
    if let Some(of_id) = form.environment()
        && of_id != environment
    {
        let (theirs, ours) = (of_id.as_str(), environment.as_str());
        return Err(format!("{id} has the form of a {theirs} id, but this account is {ours}"));
    }
    if form.last == Some(b'A') {
        return Err(format!(
            "{id} is an authorization id as shown in reports; the id of its charge has C in place of A"
        ));
    }
    match form.object_kind() {
        Some(suggested) if suggested != object_kind => {
            Err(format!("{id} has the form of a {}, not of a {}", name(suggested), name(object_kind)))
        }
        _ => Ok(()),
    }
}

fn name(object_kind: ObjectKind) -> &'static str {
    match object_kind {
        ObjectKind::Charge => "charge",
        ObjectKind::Refund => "refund",
        ObjectKind::ChargePermission => "charge permission",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_its_kind() {
        assert_eq!(suggested("S03-5890444-1926095-C064126"), Some(ObjectKind::Charge));
        assert_eq!(suggested("S01-5105180-3221187-R022311"), Some(ObjectKind::Refund));
        assert_eq!(suggested("C03-1442027-5744374"), Some(ObjectKind::ChargePermission));
        for other in [
            "",
            "-",
            "S",
            "é01-1234567-1234567",
            "S01-1234567-1234567-A123456",
            "S01-1234567-1234567-",
            "S01-1234567-1234567-C12345",
            "S01-1234567-1234567-C123456-1",
            "s01-1234567-1234567",
        ] {
            assert_eq!(suggested(other), None, "{other:?}");
        }
    }

    #[test]
    fn an_id_of_the_known_form_has_capitals() {
        let check = |id: &str, expected: &str| {
            assert_eq!(canonical(&ObjectId::new(id).unwrap()).as_str(), expected);
        };
        check("s03-5890444-1926095-c064126", "S03-5890444-1926095-C064126");
        check("S03-5890444-1926095-c064126", "S03-5890444-1926095-C064126");
        check("c03-1442027-5744374", "C03-1442027-5744374");
        check("something-quite-new", "something-quite-new");
    }

    #[test]
    fn only_a_clear_contradiction_is_refused() {
        let is_accepted = |object_kind, id, environment| accepts(object_kind, id, environment).is_ok();
        let (live, sandbox) = (Environment::Live, Environment::Sandbox);
        assert!(is_accepted(ObjectKind::Charge, "S01-1234567-1234567-C123456", sandbox));
        assert!(is_accepted(ObjectKind::Charge, "P01-1234567-1234567-C123456", live));
        assert!(
            is_accepted(ObjectKind::Charge, "P03-1234567-1234567-C123456", live),
            "the region is not judged"
        );
        assert!(is_accepted(ObjectKind::ChargePermission, "B02-1234567-1234567", live));
        assert!(is_accepted(ObjectKind::Charge, "something-quite-new", live));
        assert!(is_accepted(ObjectKind::Charge, "X01-1234567-1234567-C123456", live));
        assert!(!is_accepted(ObjectKind::Charge, "S01-1234567-1234567-C123456", live));
        assert!(!is_accepted(ObjectKind::Charge, "P01-1234567-1234567-C123456", sandbox));
        assert!(!is_accepted(ObjectKind::ChargePermission, "C03-1442027-5744374", live));
        assert!(!is_accepted(ObjectKind::Charge, "S01-1234567-1234567-R123456", sandbox));
        assert!(!is_accepted(ObjectKind::Refund, "S01-1234567-1234567-C123456", sandbox));
        assert!(!is_accepted(ObjectKind::Charge, "S01-1234567-1234567", sandbox));
        assert!(!is_accepted(ObjectKind::Charge, "S01-1234567-1234567-A123456", sandbox));
    }
}
