//! Answers that must not be believed at all.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

/// Reads a broken answer and checks why it is refused.
fn check_garbled(body: &str, why: &str) {
    let asked = id(usual_id(ObjectKind::Authorization));
    let failure = read(ObjectKind::Authorization, &asked, body.as_bytes(), None).unwrap_err();
    assert!(matches!(failure, Failure::Garbled { .. }), "{failure:?}");
    assert!(failure.to_string().contains(why), "{failure} lacks {why:?}");
}

#[test]
fn every_form_of_namespace_and_declaration_is_taken() {
    let details = usual_children(ObjectKind::Authorization).concat();
    let asked = id(usual_id(ObjectKind::Authorization));
    let expected = usual(ObjectKind::Authorization);
    for space in [
        "",
        "http://mws.amazonservices.com/schema/OffAmazonPayments/2013-01-01",
        "https://mws.amazonservices.com/schema/OffAmazonPayments_Sandbox/2013-01-01",
        "https://mws-eu.amazonservices.com/OffAmazonPayments_Sandbox/2013-01-01/",
        "https://mws.amazonservices.jp/ipn/OffAmazonPayments/2013-01-01",
    ] {
        let body = answer(ObjectKind::Authorization, space, &details);
        for body in [body.clone(), format!("\u{feff}<?xml version=\"1.0\"?>\n{body}\n<!-- end -->\n")] {
            let seen = read(ObjectKind::Authorization, &asked, body.as_bytes(), None).unwrap();
            assert!(seen.says_the_same(&expected), "{space}: {seen:?}");
        }
    }
    for space in [
        "urn:other",
        "http://mws.amazonservices.com/schema/Orders/2013-09-01",
        "http://evil/schema/OffAmazonPayments/2013-01-01",
    ] {
        check_garbled(&answer(ObjectKind::Authorization, space, &details), "not in the namespace");
    }
}

#[test]
fn an_answer_about_something_else_is_garbled() {
    check_garbled(&changed("S01-1234567-1234567-A012345", "S01-1234567-1234567-A099999"), "another");
    check_garbled(
        &changed("<AmazonAuthorizationId>", "<AmazonAuthorizationId/><Other>")
            .replace("</AmazonAuthorizationId>", "</Other>"),
        "missing",
    );
    check_garbled(&changed("<State>Declined</State>", "<State/>"), "element State is missing");
    let long = format!("<State>{}</State>", "x".repeat(65));
    check_garbled(&changed("<State>Declined</State>", &long), "element State cannot be read");
    let capture = answer(ObjectKind::Capture, SPACE, &usual_children(ObjectKind::Capture).concat());
    check_garbled(&capture, "the root element is not GetAuthorizationDetailsResponse");
    check_garbled("<html><body>Sorry</body></html>", "the root element is not");
    check_garbled("", "empty");
    check_garbled("Service is busy", "outside the root");
    check_garbled(
        &format!("<ErrorResponse xmlns='{SPACE}'><Error><Code>AccessDenied</Code></Error></ErrorResponse>"),
        "but the body is an error: AccessDenied",
    );
}

#[test]
fn every_cut_of_every_answer_is_an_error_and_not_half_a_sight() {
    for kind in ObjectKind::ALL {
        let body = answer(kind, SPACE, &usual_children(kind).concat());
        for length in 0..body.len() {
            let failure = read(kind, &id(usual_id(kind)), &body.as_bytes()[..length], None).unwrap_err();
            assert_eq!(failure.class(), "garbled");
        }
        assert!(read(kind, &id(usual_id(kind)), format!("{body}x").as_bytes(), None).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_order_of_children_does_not_matter(
        kind in proptest::sample::select(ObjectKind::ALL.to_vec()),
        moves in proptest::collection::vec(any::<(Index, Index)>(), 0..20),
    ) {
        let mut children = usual_children(kind);
        for (from, to) in moves {
            let (from, to) = (from.index(children.len()), to.index(children.len()));
            children.swap(from, to);
        }
        prop_assert!(read_details(kind, &children.concat()).unwrap().says_the_same(&usual(kind)));
    }

    #[test]
    fn answers_with_random_bytes_in_them_never_panic(
        kind in proptest::sample::select(ObjectKind::ALL.to_vec()),
        place in any::<Index>(),
        bytes in proptest::collection::vec(any::<u8>(), 1..12),
    ) {
        let mut body = answer(kind, SPACE, &usual_children(kind).concat()).into_bytes();
        let at = place.index(body.len());
        body.splice(at..(at + bytes.len()).min(body.len()), bytes);
        if let Ok(seen) = read(kind, &id(usual_id(kind)), &body, None) {
            prop_assert_eq!(seen.id, usual_id(kind));
        }
    }

    #[test]
    fn random_bytes_are_never_a_sight(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(read(ObjectKind::Refund, &id(usual_id(ObjectKind::Refund)), &bytes, None).is_err());
    }
}
