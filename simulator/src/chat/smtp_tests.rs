//! The dialogue of the mail server.

use std::cell::RefCell;

use super::*;

/// Says each line; what is answered begins as expected.
fn check(session: &mut Session, world: World<'_>, rows: &[(&str, &str)]) {
    for (line, expected) in rows {
        let answer = match session.line(line.as_bytes(), world) {
            Step::Say(text) | Step::BeginTls(text) | Step::End(text) => text,
            Step::Listen => String::new(),
            Step::Hang => "hang".to_owned(),
        };
        assert!(answer.starts_with(expected), "{line}: {answer}");
        assert!(!expected.is_empty() || answer.is_empty(), "{line}: {answer}");
    }
}

const DELIVERY: [(&str, &str); 9] = [
    ("MAIL FROM:<a@b.example> SIZE=20 BODY=8BITMIME", "250 "),
    ("RCPT TO:<c@d.example>", "250 "),
    ("DATA", "354 "),
    ("Subject: x", ""),
    ("", ""),
    ("..dot", ""),
    (".", "250 "),
    ("NOOP", "250 "),
    ("QUIT", "221 "),
];

#[test]
fn a_delivery_brings_envelope_and_content_without_dots() {
    let taken = RefCell::new(Vec::new());
    let world = |_, mail: Option<Mail>| {
        taken.borrow_mut().extend(mail);
        MailAnswer::Accept
    };
    let mut session = Session::new(MailOptions::default(), true);
    assert_eq!(session.greeting(&world), say("220 simulator.example ESMTP"));
    check(&mut session, &world, &[("EHLO client", "250-")]);
    check(&mut session, &world, &DELIVERY);
    let expected = Mail {
        from: "a@b.example".into(),
        to: vec!["c@d.example".into()],
        content: b"Subject: x\r\n\r\n.dot\r\n".to_vec(),
        is_utf8: false,
    };
    assert_eq!(*taken.borrow(), [expected]);
}

#[test]
fn order_and_forms_are_strict() {
    let world = |_, _| MailAnswer::Accept;
    let options = MailOptions { most_bytes: Some(30), ..MailOptions::default() };
    let mut session = Session::new(options, true);
    check(
        &mut session,
        &world,
        &[
            ("MAIL FROM:<a@b>", "503 "),
            ("EHLO", "501 "),
            ("EHLO x", "250-"),
            ("STARTTLS", "503 "),
            ("RCPT TO:<a@b>", "503 "),
            ("DATA", "503 "),
            ("MAIL FROM:a@b", "501 "),
            ("MAIL FROM:<ab>", "501 "),
            ("MAIL FROM:<a@b> SIZE=31", "552 "),
            ("MAIL FROM:<a@b> NOTIFY=NEVER", "555 "),
            ("MAIL FROM:<ä@b>", "553 "),
            ("MAIL FROM:<>", "250 "),
            ("MAIL FROM:<a@b>", "503 "),
            ("DATA", "503 "),
            ("RCPT TO:<>", "501 "),
            ("RCPT TO:<a@b>", "250 "),
            ("DATA", "354 "),
            ("012345678901234567890123456789", ""),
            ("0", ""),
            (".", "552 "),
            ("HELP", "500 "),
        ],
    );
}

#[test]
fn tls_and_passwords_come_first_where_they_are_demanded() {
    let world = |_, _| MailAnswer::Accept;
    let options = MailOptions {
        security: MailSecurity::StartTls,
        credentials: Some(("user".into(), "word".into())),
        most_bytes: None,
    };
    let mut session = Session::new(options, false);
    check(
        &mut session,
        &world,
        &[
            ("EHLO x", "250-"),
            ("AUTH PLAIN AHVzZXIAd29yZA==", "538 "),
            ("MAIL FROM:<a@b>", "530 5.7.0 STARTTLS"),
            ("STARTTLS", "220 "),
            ("MAIL FROM:<a@b>", "503 "),
            ("EHLO x", "250-"),
            ("MAIL FROM:<a@b>", "530 5.7.0 Authentication"),
            ("AUTH CRAM-MD5", "504 "),
            ("AUTH PLAIN AHVzZXIAd3Jvbmc=", "535 "),
            ("AUTH PLAIN", "334 "),
            ("x", "501 "),
            ("AUTH LOGIN", "334 VXNlcm5hbWU6"),
            ("dXNlcg==", "334 UGFzc3dvcmQ6"),
            ("d29yZA==", "235 "),
            ("AUTH PLAIN AHVzZXIAd29yZA==", "503 "),
        ],
    );
    check(&mut session, &world, &DELIVERY);
}

#[test]
fn the_world_answers_at_every_step() {
    for (stage, answer, last) in [
        (MailStage::Mail, MailAnswer::Reply(451, "later".into()), 0),
        (MailStage::Rcpt, MailAnswer::Reply(550, "no such user".into()), 1),
        (MailStage::Data, MailAnswer::Reply(421, "closing".into()), 2),
        (MailStage::Message, MailAnswer::Hang, 6),
        (MailStage::Message, MailAnswer::Close, 6),
    ] {
        let world = |asked, _: Option<Mail>| if asked == stage { answer.clone() } else { MailAnswer::Accept };
        let mut session = Session::new(MailOptions::default(), true);
        check(&mut session, &world, &[("EHLO x", "250-")]);
        check(&mut session, &world, &DELIVERY[..last]);
        let expected = match &answer {
            MailAnswer::Reply(421, words) => Step::End(format!("421 {words}\r\n")),
            MailAnswer::Reply(code, words) => say(&format!("{code} {words}")),
            MailAnswer::Hang => Step::Hang,
            _ => Step::End(String::new()),
        };
        assert_eq!(session.line(DELIVERY[last].0.as_bytes(), &world), expected);
    }
}
