//! What holds for all bytes: nothing panics, and a signed text can be cut into only one accepted message.

#![allow(clippy::unwrap_used, reason = "a test")]

mod forge;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use forge::{CERTIFICATE, Draft, TOKEN, TOPIC, now, world};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use sns_verifier::{AgeBound, Limits, Message, Refusal, Roots, SigningCertificate};

const AGE: AgeBound = AgeBound::new(Duration::from_secs(86_400), Duration::from_secs(300));
const LABELS: [&str; 8] =
    ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"];

fn subscribe_url() -> String {
    Draft::confirmation("SubscriptionConfirmation").get("SubscribeURL").unwrap().to_owned()
}

/// A piece of text: mostly a label with a good value, sometimes only a line.
fn piece() -> impl Strategy<Value = String> {
    let ids = ["22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", "00000000-0000-4000-8000-000000000000"];
    let kinds = ["Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"];
    let mut fields: Vec<String> = ids.map(|id| format!("MessageId\n{id}")).to_vec();
    fields.extend(kinds.map(|kind| format!("Type\n{kind}")));
    fields.extend([
        "Message\nhi".to_owned(),
        "Subject\nhello".to_owned(),
        format!("SubscribeURL\n{}", subscribe_url()),
        "Timestamp\n2026-01-15T11:59:00.123Z".to_owned(),
        format!("Token\n{TOKEN}"),
        format!("TopicArn\n{TOPIC}"),
    ]);
    let lines = LABELS.into_iter().chain(["hi", ""]).map(str::to_owned).collect::<Vec<_>>();
    prop_oneof![6 => select(fields), 1 => select(lines)]
}

/// A message that is accepted. Its text may look like any other fields.
fn message() -> impl Strategy<Value = Draft> {
    let kind = select(vec!["Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"]);
    let body = prop::collection::vec(piece(), 0..7).prop_map(|pieces| pieces.join("\n"));
    let subject = prop::option::of(select(vec!["hi", "MessageId", "Subject", "Timestamp"]));
    (kind, body, subject)
        .prop_map(|(kind, body, subject)| match (kind, subject) {
            ("Notification", Some(subject)) => {
                Draft::notification().with("Message", body).with("Subject", subject)
            }
            ("Notification", None) => Draft::notification().with("Message", body),
            (kind, _) => Draft::confirmation(kind).with("Message", body),
        })
        .prop_map(|draft| draft.without("UnsubscribeURL").with("Signature", "AAAA"))
}

/// Every way to cut the lines into the given fields: each label at any place where its line is.
fn cuts(lines: &[&str], fields: &[&'static str], found: &mut Vec<Vec<(&'static str, String)>>) {
    fn go(
        lines: &[&str],
        fields: &[&'static str],
        cut: &mut Vec<(&'static str, String)>,
        found: &mut Vec<Vec<(&'static str, String)>>,
    ) {
        let Some((field, rest)) = fields.split_first() else {
            if lines.is_empty() {
                found.push(cut.clone());
            }
            return;
        };
        if lines.first() != Some(field) {
            return;
        }
        // A value has at least one line, perhaps an empty one.
        for end in 2..=lines.len() {
            let is_end = rest.first().map_or(end == lines.len(), |next| lines.get(end) == Some(next));
            if is_end {
                cut.push((field, lines[1..end].join("\n")));
                go(&lines[end..], rest, cut, found);
                cut.pop();
            }
        }
    }
    go(lines, fields, &mut Vec::new(), found);
}

fn envelope(cut: &[(&'static str, String)]) -> Draft {
    let start = Draft(Vec::new());
    cut.iter()
        .fold(start, |draft, (key, value)| draft.with(key, value.as_str()))
        .with("SignatureVersion", "2")
        .with("Signature", "AAAA")
        .with("SigningCertURL", CERTIFICATE)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    /// The signed text of an accepted message is cut in every possible way. Only the message itself is accepted.
    #[test]
    fn a_signed_text_has_one_reading(draft in message()) {
        let read = Message::read(&draft.json(), &Limits::default()).unwrap();
        let text = read.signed_text();
        prop_assert_eq!(&text, &draft.signed_text());
        let lines: Vec<&str> = text.strip_suffix('\n').unwrap().split('\n').collect();
        let mut found = Vec::new();
        // Every set of fields, not only those that some type has.
        for set in 0..1_u32 << LABELS.len() {
            let fields: Vec<_> =
                (0..LABELS.len()).filter(|place| set >> place & 1 == 1).map(|place| LABELS[place]).collect();
            cuts(&lines, &fields, &mut found);
        }
        let mut accepted = 0;
        for cut in &found {
            let envelope = envelope(cut);
            prop_assert_eq!(envelope.signed_text(), text.as_str(), "not a cut of the same text");
            if let Ok(other) = Message::read(&envelope.json(), &Limits::default()) {
                prop_assert_eq!(&other.message_id, &read.message_id);
                prop_assert_eq!(&other.body, &read.body);
                prop_assert_eq!(&other.subject, &read.subject);
                prop_assert_eq!(other.kind, read.kind);
                accepted += 1;
            }
        }
        prop_assert_eq!(accepted, 1, "of {} cuts", found.len());
    }

    /// The reading that the documentation promises: the lines from the last one upward, and the rest is the text.
    #[test]
    fn the_fields_are_found_from_the_end_of_the_signed_text(draft in message()) {
        let text = draft.signed_text();
        let mut lines: Vec<&str> = text.strip_suffix('\n').unwrap().split('\n').collect();
        let mut last = "";
        while last != "MessageId" {
            let value = lines.pop().unwrap();
            last = lines.pop().unwrap();
            prop_assert_eq!(draft.get(last), Some(value));
        }
        prop_assert_eq!(lines.remove(0), "Message");
        let body = lines.join("\n");
        prop_assert_eq!(draft.get("Message"), Some(body.as_str()));
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Message::read(&bytes, &Limits::default());
        let roots = Roots::from_pem(world().root.pem().as_bytes()).unwrap();
        prop_assert!(SigningCertificate::check(&bytes, &roots, now()).is_err());
        let armored = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(&bytes));
        prop_assert!(SigningCertificate::check(armored.as_bytes(), &roots, now()).is_err());
        prop_assert!(Roots::from_der([bytes.as_slice()]).is_err());
    }

    #[test]
    fn random_values_never_panic(values in prop::collection::vec((select(LABELS.as_slice()), any::<String>()), 0..8)) {
        let draft = values.into_iter().fold(Draft::notification(), |draft, (key, value)| draft.with(key, value));
        if let Ok(message) = Message::read(&draft.with("Signature", "AAAA").json(), &Limits::default()) {
            let _ = message.signed_text();
        }
    }

    /// One change of the bytes: what is verified nevertheless has the genuine signed text.
    #[test]
    fn a_changed_message_is_not_verified(place in any::<Index>(), byte in any::<u8>()) {
        let draft = Draft::notification().with("Subject", "hi").signed();
        let mut body = draft.json();
        let place = place.index(body.len());
        body[place] = byte;
        let roots = Roots::from_pem(world().root.pem().as_bytes()).unwrap();
        let certificate = SigningCertificate::check(world().genuine_pem().as_bytes(), &roots, now()).unwrap();
        if let Ok(message) = Message::read(&body, &Limits::default())
            && message.verify(&certificate, now(), &AGE).is_ok()
        {
            prop_assert_eq!(message.signed_text(), draft.signed_text());
        }
    }

    /// One changed bit anywhere in the leaf or in its issuer.
    #[test]
    fn a_changed_certificate_is_refused(is_leaf in any::<bool>(), place in any::<Index>(), bit in 0..8_u32) {
        let pem = world().genuine_pem();
        let end = "-----END CERTIFICATE-----";
        let mut certificates: Vec<Vec<u8>> = pem
            .split_inclusive(end)
            .filter_map(|part| part.trim().strip_suffix(end)?.strip_prefix("-----BEGIN CERTIFICATE-----"))
            .map(|base64| STANDARD.decode(base64.split_whitespace().collect::<String>()).unwrap())
            .collect();
        prop_assert_eq!(certificates.len(), 2);
        let changed = &mut certificates[usize::from(!is_leaf)];
        let place = place.index(changed.len());
        changed[place] ^= 1 << bit;
        let pem: String = certificates
            .iter()
            .map(|der| format!("-----BEGIN CERTIFICATE-----\n{}\n{end}\n", STANDARD.encode(der)))
            .collect();
        let roots = Roots::from_pem(world().root.pem().as_bytes()).unwrap();
        prop_assert!(SigningCertificate::check(pem.as_bytes(), &roots, now()).is_err());
    }
}

/// The reason that operators see for it.
#[test]
fn a_cut_in_a_field_of_one_line_is_called_a_recut() {
    for (name, cut, genuine) in forge::cases::recuts() {
        assert!(Message::read(&genuine.json(), &Limits::default()).is_ok(), "{name}");
        let refusal = Message::read(&cut.json(), &Limits::default()).unwrap_err();
        assert!(matches!(refusal, Refusal::Recut(_)), "{name}: {refusal}");
    }
}
