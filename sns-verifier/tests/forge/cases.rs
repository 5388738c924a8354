//! The table of genuine and forged messages, each with the reason for which it must be refused.

use jiff::{SignedDuration, Timestamp};
use rcgen::{ExtendedKeyUsagePurpose, KeyUsagePurpose};
use serde_json::{Value, json};

use super::{CERTIFICATE, Draft, ID, Leaf, TOKEN, TOPIC, TOPIC_CN, body, now, world};

/// What is expected of a genuine message.
pub const VERIFIED: &str = "verified";

/// One message with the file that its certificate's URL would return.
pub struct Case {
    pub name: &'static str,
    /// `verified`, or the reason.
    pub expected: &'static str,
    pub body: Vec<u8>,
    pub pem: String,
    pub now: Timestamp,
}

struct Table {
    pem: String,
    cases: Vec<Case>,
}

impl Table {
    fn add(&mut self, name: &'static str, expected: &'static str, draft: Draft) {
        self.raw(name, expected, draft.json());
    }

    fn raw(&mut self, name: &'static str, expected: &'static str, body: impl Into<Vec<u8>>) {
        let pem = self.pem.clone();
        self.cases.push(Case { name, expected, body: body.into(), pem, now: now() });
    }

    /// The genuine message with another certificate.
    fn certificate(&mut self, name: &'static str, expected: &'static str, pem: String) {
        let body = Draft::notification().signed().json();
        self.cases.push(Case { name, expected, body, pem, now: now() });
    }

    fn later(&mut self, name: &'static str, expected: &'static str, draft: Draft, later: SignedDuration) {
        self.add(name, expected, draft);
        if let Some(case) = self.cases.last_mut() {
            case.now += later;
        }
    }
}

/// All cases.
pub fn all() -> Vec<Case> {
    let mut table = Table { pem: world().genuine_pem(), cases: Vec::new() };
    genuine(&mut table);
    json_forms(&mut table);
    fields(&mut table);
    changed(&mut table);
    signatures(&mut table);
    certificate_urls(&mut table);
    other_urls(&mut table);
    certificates(&mut table);
    times(&mut table);
    for (name, recut, genuine) in recuts() {
        assert_eq!(recut.signed_text(), genuine.signed_text(), "{name} is not another cut of the same text");
        table.add(name, "recut", recut);
    }
    table.cases
}

fn genuine(table: &mut Table) {
    let notification = Draft::notification;
    let verified = [
        ("notification, version 2", notification().with("SignatureVersion", "2")),
        ("notification, version 1", notification().with("SignatureVersion", "1")),
        (
            "subject, version 2",
            notification().with("SignatureVersion", "2").with("Subject", "A charge changed"),
        ),
        ("subject, version 1", notification().with("SignatureVersion", "1").with("Subject", "Größe 5")),
        (
            "subscription, version 2",
            Draft::confirmation("SubscriptionConfirmation").with("SignatureVersion", "2"),
        ),
        (
            "subscription, version 1",
            Draft::confirmation("SubscriptionConfirmation").with("SignatureVersion", "1"),
        ),
        (
            "unsubscription, version 2",
            Draft::confirmation("UnsubscribeConfirmation").with("SignatureVersion", "2"),
        ),
        (
            "unsubscription, version 1",
            Draft::confirmation("UnsubscribeConfirmation").with("SignatureVersion", "1"),
        ),
        ("unicode body", notification().with("Message", "Größe 日本 🍌 \u{7f}\u{0} \u{2028}")),
        ("empty body", notification().with("Message", "")),
        (
            "body with lines like fields",
            notification().with("Message", format!("hi\nMessageId\n{ID}\nSubject\nhello\n")),
        ),
        ("subject is null", notification().with("Subject", Value::Null)),
        ("spelling of Lambda", notification().renamed("SigningCertURL", "SigningCertUrl")),
        ("another order of fields", notification().reversed()),
        ("without UnsubscribeURL", notification().without("UnsubscribeURL")),
        (
            "unknown fields",
            notification()
                .with("MessageAttributes", json!({"a": {"Type": "String", "Value": [1, true, null]}})),
        ),
        ("timestamp without decimals", notification().with("Timestamp", "2026-01-15T11:59:00Z")),
        ("another account's topic, which the caller compares", {
            notification()
                .with("TopicArn", "arn:aws:sns:eu-west-1:999999999999:Mallory")
                .without("UnsubscribeURL")
        }),
    ];
    for (name, draft) in verified {
        table.add(name, VERIFIED, draft.signed());
    }
    let escaped = String::from_utf8(notification().signed().json()).unwrap();
    table.raw(
        "escapes of plain letters",
        VERIFIED,
        escaped.replace("Notification\"", "Notifi\\u0063ation\""),
    );
    table.add(
        "UnsubscribeURL removed after signing",
        VERIFIED,
        notification().signed().without("UnsubscribeURL"),
    );
    let gov = Draft::notification()
        .with("TopicArn", "arn:aws-us-gov:sns:us-gov-east-1:291180941288:A1EXAMPLE.fifo")
        .with("SigningCertURL", "https://sns.us-gov-east-1.amazonaws.com/S.pem")
        .without("UnsubscribeURL");
    table.add("government region, first in first out", VERIFIED, gov.clone().signed());
    for (name, draft, signer) in [
        ("China, by the host's name", china(), "sns.cn-north-1.amazonaws.com.cn"),
        ("China, by the signer's name", china(), "sns-cn-north-1.amazonaws.com.cn"),
        ("China, by the domain's name", china(), "sns.amazonaws.com.cn"),
        ("government, signed in the other region", gov, "sns-us-gov-west-1.amazonaws.com"),
    ] {
        table.add(name, VERIFIED, draft.signed());
        if let Some(case) = table.cases.last_mut() {
            case.pem = world().issue_by_intermediate(&Leaf::named(signer));
        }
    }
}

fn china() -> Draft {
    Draft::notification()
        .with("TopicArn", TOPIC_CN)
        .with("SigningCertURL", "https://sns.cn-north-1.amazonaws.com.cn/S.pem")
        .without("UnsubscribeURL")
}

fn json_forms(table: &mut Table) {
    let signed = || Draft::notification().signed();
    let text = String::from_utf8(signed().json()).unwrap();
    table.raw("no JSON", "json", "Type=Notification");
    table.raw("empty", "json", "");
    table.raw("a list", "json", "[]");
    table.raw("a list of one message", "json", format!("[{text}]"));
    table.raw("two messages", "json", format!("{text}{text}"));
    table.raw("a byte order mark", "json", format!("\u{feff}{text}"));
    table.raw("a comma too many", "json", text.replace("\n}", ",\n}"));
    table.raw("a line feed inside of a string", "json", text.replace("Notification\"", "Notification\n\""));
    table.raw("a lone surrogate", "json", text.replace("C123456", "\\ud800"));
    table.raw("a lone surrogate in a field that is ignored", "json", {
        text.replace("{\n", "{\n\"x\": \"\\udc00\",\n")
    });
    let mut broken = text.clone().into_bytes();
    let place = text.find("C123456").unwrap();
    broken[place] = 0xff;
    table.raw("not UTF-8", "json", broken);
    table.raw("deep JSON", "json", {
        text.replace("{\n", &format!("{{\n\"x\": {}{},\n", "[".repeat(50_000), "]".repeat(50_000)))
    });
    table.raw("deep JSON without an end", "json", "{\"x\":".repeat(100_000));
    table.add("a message twice", "duplicate_field", signed().with_again("Message", body()));
    table.add("another message behind", "duplicate_field", signed().with_again("Message", "other"));
    table.add("a null message behind", "duplicate_field", signed().with_again("Message", Value::Null));
    table.add("null and subject", "duplicate_field", {
        signed().with("Subject", Value::Null).with_again("Subject", "hi")
    });
    table.add("certificate in both spellings", "duplicate_field", {
        signed().with("SigningCertUrl", "https://evil.example/x.pem")
    });
    table.raw("the same key escaped", "duplicate_field", {
        text.replace("{\n", "{\n\"\\u004dessage\": \"other\",\n")
    });
    table.add("an unknown field twice", "duplicate_field", signed().with("x", 1).with_again("x", 2));
    let many = (0..33).fold(signed(), |draft, number| draft.with(&format!("x{number}"), number));
    table.add("33 unknown fields", "too_large", many);
    table.add("huge body", "too_large", signed().with("x", "x".repeat(1024 * 1024)));
    table.add("huge message", "too_large", {
        Draft::notification().with("Message", "x".repeat(256 * 1024 + 1)).signed()
    });
}

fn fields(table: &mut Table) {
    for (name, key) in [
        ("no Type", "Type"),
        ("no MessageId", "MessageId"),
        ("no TopicArn", "TopicArn"),
        ("no Message", "Message"),
        ("no Timestamp", "Timestamp"),
        ("no SignatureVersion", "SignatureVersion"),
        ("no Signature", "Signature"),
        ("no SigningCertURL", "SigningCertURL"),
    ] {
        table.add(name, "missing_field", Draft::notification().without(key).signed().without(key));
    }
    let confirmation = || Draft::confirmation("SubscriptionConfirmation");
    table.add("no Token", "missing_field", confirmation().without("Token").signed());
    table.add("no SubscribeURL", "missing_field", confirmation().without("SubscribeURL").signed());
    table.add(
        "Message is null",
        "missing_field",
        Draft::notification().with("Message", Value::Null).signed(),
    );
    let notification = Draft::notification;
    let wrong: Vec<(&str, &str, Draft)> = vec![
        ("Message is an object", "field_type", notification().with("Message", json!({"a": 1}))),
        ("Message is a number", "field_type", notification().with("Message", 5)),
        ("Subject is false", "field_type", notification().with("Subject", false)),
        ("version is a number", "field_type", notification().with("SignatureVersion", 2)),
        ("version 3", "version", notification().with("SignatureVersion", "3")),
        ("version 2.0", "version", notification().with("SignatureVersion", "2.0")),
        ("version with a space", "version", notification().with("SignatureVersion", "2 ")),
        ("empty version", "version", notification().with("SignatureVersion", "")),
        ("unknown type", "type", notification().with("Type", "Alarm")),
        ("type in lower case", "type", notification().with("Type", "notification")),
        ("keys in lower case", "missing_field", notification().renamed("Message", "message")),
        ("MessageId is no UUID", "message_id", notification().with("MessageId", "17")),
        ("MessageId with braces", "message_id", notification().with("MessageId", format!("{{{ID}}}"))),
        ("empty MessageId", "message_id", notification().with("MessageId", "")),
        ("TopicArn of a queue", "topic", notification().with("TopicArn", TOPIC.replace(":sns:", ":sqs:"))),
        (
            "TopicArn without a name",
            "topic",
            notification().with("TopicArn", "arn:aws:sns:eu-west-1:291180941288:"),
        ),
        ("TopicArn of a subscription", "topic", notification().with("TopicArn", format!("{TOPIC}:c9135db0"))),
        ("TopicArn with a short account", "topic", notification().with("TopicArn", TOPIC.replace("291", ""))),
        ("region with a dot", "topic", notification().with("TopicArn", TOPIC.replace("eu-west-1", "x.evil"))),
        (
            "region with a slash",
            "topic",
            notification().with("TopicArn", TOPIC.replace("eu-west-1", "evil/")),
        ),
        ("unknown partition", "topic", notification().with("TopicArn", TOPIC.replace(":aws:", ":aws-x:"))),
        ("Chinese region in the usual partition", "topic", {
            china().with("TopicArn", TOPIC_CN.replace("aws-cn", "aws"))
        }),
        ("usual region in the Chinese partition", "topic", {
            notification().with("TopicArn", TOPIC.replace(":aws:", ":aws-cn:"))
        }),
        ("empty Subject", "subject", notification().with("Subject", "")),
        ("long Subject", "subject", notification().with("Subject", "ü".repeat(101))),
        ("Subject with a tab", "subject", notification().with("Subject", "a\tb")),
        (
            "Timestamp with an offset",
            "timestamp",
            notification().with("Timestamp", "2026-01-15T11:59:00+00:00"),
        ),
        ("Timestamp with a space", "timestamp", notification().with("Timestamp", "2026-01-15 11:59:00Z")),
        ("Timestamp of no day", "timestamp", notification().with("Timestamp", "2026-02-30T11:59:00.000Z")),
        ("Timestamp with a zone", "timestamp", notification().with("Timestamp", "2026-01-15T11:59:00Z[UTC]")),
        ("Timestamp as a number of seconds", "timestamp", notification().with("Timestamp", "1768478340")),
        ("empty Token", "token", confirmation().with("Token", "")),
        ("Token with a space", "token", confirmation().with("Token", "a b")),
        ("huge Token", "token", confirmation().with("Token", "a".repeat(1025))),
        ("notification with a Token", "unexpected_field", notification().with("Token", TOKEN)),
        ("notification with a SubscribeURL", "unexpected_field", {
            notification().with("SubscribeURL", confirmation().get("SubscribeURL").unwrap())
        }),
        ("confirmation with a Subject", "unexpected_field", confirmation().with("Subject", "hi")),
    ];
    for (name, reason, draft) in wrong {
        table.add(name, reason, draft.signed());
    }
}

/// Changes after signing.
fn changed(table: &mut Table) {
    let signed = || Draft::notification().with("Subject", "A charge changed").signed();
    let confirmation = || Draft::confirmation("SubscriptionConfirmation").signed();
    let other_token = TOKEN.replace('f', "e");
    for (name, draft) in [
        ("changed Message", signed().with("Message", body().replace("C123456", "C123457"))),
        ("Message written again with spaces", signed().with("Message", body().replace(':', ": "))),
        ("changed MessageId", signed().with("MessageId", ID.replace('f', "e"))),
        ("MessageId in upper case", signed().with("MessageId", ID.to_uppercase())),
        ("changed Timestamp", signed().with("Timestamp", "2026-01-15T11:59:01.123Z")),
        ("the same time in other words", signed().with("Timestamp", "2026-01-15T11:59:00.1230Z")),
        ("changed TopicArn", signed().with("TopicArn", TOPIC.replace("A1EXAMPLE", "A2EXAMPLE"))),
        ("changed Subject", signed().with("Subject", "A charge did not change")),
        ("removed Subject", signed().without("Subject")),
        ("Subject set to null", signed().with("Subject", Value::Null)),
        ("added Subject", Draft::notification().signed().with("Subject", "hi")),
        ("Subject with the word null", Draft::notification().signed().with("Subject", "null")),
        ("Message in another normal form", {
            Draft::notification()
                .with("Message", "Gr\u{f6}\u{df}e")
                .signed()
                .with("Message", "Gro\u{308}\u{df}e")
        }),
        ("subscription turned into unsubscription", confirmation().with("Type", "UnsubscribeConfirmation")),
        ("changed Token", {
            let url = confirmation().get("SubscribeURL").unwrap().replace(TOKEN, &other_token);
            confirmation().with("Token", other_token.as_str()).with("SubscribeURL", url)
        }),
    ] {
        table.add(name, "wrong_signature", draft);
    }
    table.add("notification turned into a confirmation", "missing_field", {
        Draft::notification().signed().with("Type", "SubscriptionConfirmation")
    });
    table.add("confirmation turned into a notification", "unexpected_field", {
        confirmation().with("Type", "Notification")
    });
}

fn signatures(table: &mut Table) {
    let signed = || Draft::notification().signed();
    let signature = signed().get("Signature").unwrap().to_owned();
    let with = |text: &str| Draft::notification().with("Signature", text);
    let version_1 = || Draft::notification().with("SignatureVersion", "1");
    table.add("wrong key", "wrong_signature", Draft::notification().signed_by(&world().other_key));
    table.add("wrong key, version 1", "wrong_signature", version_1().signed_by(&world().other_key));
    table.add("signed with SHA-1, called SHA-256", "wrong_signature", {
        version_1().signed().with("SignatureVersion", "2")
    });
    table.add(
        "signed with SHA-256, called SHA-1",
        "wrong_signature",
        Draft::notification().with("SignatureVersion", "2").signed().with("SignatureVersion", "1"),
    );
    table.add("signature of another message", "wrong_signature", {
        with(Draft::notification().with("Message", "other").signed().get("Signature").unwrap())
    });
    table.add("empty signature", "wrong_signature", with(""));
    table.add("short signature", "wrong_signature", with(&signature[..340]));
    table.add("signature of zeros", "wrong_signature", with(&format!("{}==", "A".repeat(342))));
    table.add("signature is the padded hash", "wrong_signature", {
        use base64::Engine;
        let padded = super::padded_sha1(&version_1().signed_text(), 256);
        version_1().with("Signature", base64::engine::general_purpose::STANDARD.encode(padded))
    });
    table.add(
        "signature with white space",
        "signature_form",
        with(&format!("{}\n{}", &signature[..100], &signature[100..])),
    );
    table.add("signature with a space behind", "signature_form", with(&format!("{signature} ")));
    table.add("signature without padding", "signature_form", with(signature.trim_end_matches('=')));
    table.add("signature in hexadecimal with colons", "signature_form", with("a1:b2:c3"));
    // Not every signature has a letter that is another one in URL-safe base64.
    let of_subject = |number: u32| Draft::notification().with("Subject", number.to_string()).signed();
    let draft =
        (0..).map(of_subject).find(|draft| draft.get("Signature").unwrap().contains(['+', '/'])).unwrap();
    let url_safe = draft.get("Signature").unwrap().replace('+', "-").replace('/', "_");
    table.add("signature in URL-safe base64", "signature_form", draft.with("Signature", url_safe));
    // The last letter before the padding has four bits that count for nothing.
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let last = LETTERS.iter().position(|letter| *letter == signature.as_bytes()[341]).unwrap();
    let loose = format!("{}{}==", &signature[..341], char::from(LETTERS[last | 1]));
    table.add("signature with bits that count for nothing", "signature_form", with(&loose));
    table.add("huge signature", "too_large", with(&"A".repeat(1372)));
}

fn certificate_urls(table: &mut Table) {
    for (name, reason, url) in [
        ("http", "certificate_scheme", "http://sns.eu-west-1.amazonaws.com/S.pem"),
        ("ftp", "certificate_scheme", "ftp://sns.eu-west-1.amazonaws.com/S.pem"),
        ("scheme in upper case", "certificate_scheme", "HTTPS://sns.eu-west-1.amazonaws.com/S.pem"),
        ("no scheme", "certificate_scheme", "//sns.eu-west-1.amazonaws.com/S.pem"),
        ("tab in the scheme", "certificate_scheme", "ht\ttps://sns.eu-west-1.amazonaws.com/S.pem"),
        ("space before the scheme", "certificate_scheme", " https://sns.eu-west-1.amazonaws.com/S.pem"),
        ("one slash", "certificate_scheme", "https:/sns.eu-west-1.amazonaws.com/S.pem"),
        ("backslashes", "certificate_scheme", "https:\\\\sns.eu-west-1.amazonaws.com\\S.pem"),
        ("empty URL", "certificate_scheme", ""),
        ("data URL", "certificate_scheme", "data:text/plain,.pem"),
        (
            "host with another end",
            "certificate_host",
            "https://sns.eu-west-1.amazonaws.com.evil.example/S.pem",
        ),
        ("host with hyphens", "certificate_host", "https://sns-eu-west-1.amazonaws.com/S.pem"),
        ("host with another beginning", "certificate_host", "https://xsns.eu-west-1.amazonaws.com/S.pem"),
        ("host below SNS", "certificate_host", "https://evil.sns.eu-west-1.amazonaws.com/S.pem"),
        ("other domain", "certificate_host", "https://sns.eu-west-1.amazonaws.org/S.pem"),
        ("domain run together", "certificate_host", "https://sns.eu-west-1-amazonaws.com/S.pem"),
        (
            "host of another owner",
            "certificate_host",
            "https://evil.example/sns.eu-west-1.amazonaws.com/S.pem",
        ),
        ("host without a region", "certificate_host", "https://sns.amazonaws.com/S.pem"),
        ("unicode dot", "certificate_host", "https://sns.eu-west-1.amazonaws\u{3002}com/S.pem"),
        ("Cyrillic letter", "certificate_host", "https://sns.eu-west-1.am\u{430}zonaws.com/S.pem"),
        ("host in upper case", "certificate_host", "https://SNS.eu-west-1.amazonaws.com/S.pem"),
        ("dot behind the host", "certificate_host", "https://sns.eu-west-1.amazonaws.com./S.pem"),
        ("percent in the host", "certificate_host", "https://sns.eu-west-1.amazonaws%2Ecom/S.pem"),
        ("user before the host", "certificate_host", "https://user@sns.eu-west-1.amazonaws.com/S.pem"),
        ("host as a user", "certificate_host", "https://sns.eu-west-1.amazonaws.com@evil.example/S.pem"),
        ("host as a user with a password", "certificate_host", {
            "https://sns.eu-west-1.amazonaws.com:x@evil.example/S.pem"
        }),
        ("port", "certificate_host", "https://sns.eu-west-1.amazonaws.com:443/S.pem"),
        ("other port", "certificate_host", "https://sns.eu-west-1.amazonaws.com:8443/S.pem"),
        (
            "backslash before a user",
            "certificate_host",
            "https://evil.example\\@sns.eu-west-1.amazonaws.com/S.pem",
        ),
        ("backslash for a slash", "certificate_host", "https://sns.eu-west-1.amazonaws.com\\S.pem"),
        ("tab in the host", "certificate_host", "https://sns.eu-west-1.amazonaws.com\t/S.pem"),
        ("three slashes", "certificate_host", "https:///sns.eu-west-1.amazonaws.com/S.pem"),
        ("no path", "certificate_host", "https://sns.eu-west-1.amazonaws.com"),
        ("bucket called sns", "certificate_host", "https://sns.s3.amazonaws.com/S.pem"),
        ("bucket called sns, regional", "certificate_host", "https://sns.s3-eu-west-1.amazonaws.com/S.pem"),
        ("bucket by path", "certificate_host", "https://s3.eu-west-1.amazonaws.com/sns/S.pem"),
        ("another region than the topic's", "certificate_host", "https://sns.us-east-1.amazonaws.com/S.pem"),
        ("another partition than the topic's", "certificate_host", {
            "https://sns.eu-west-1.amazonaws.com.cn/S.pem"
        }),
        ("no name", "certificate_path", "https://sns.eu-west-1.amazonaws.com/"),
        ("only .pem", "certificate_path", "https://sns.eu-west-1.amazonaws.com/.pem"),
        ("not .pem", "certificate_path", "https://sns.eu-west-1.amazonaws.com/S.crt"),
        (".PEM", "certificate_path", "https://sns.eu-west-1.amazonaws.com/S.PEM"),
        ("query", "certificate_path", "https://sns.eu-west-1.amazonaws.com/S.pem?x=1"),
        ("query that ends in .pem", "certificate_path", "https://sns.eu-west-1.amazonaws.com/?x=S.pem"),
        ("fragment", "certificate_path", "https://sns.eu-west-1.amazonaws.com/S.pem#x"),
        ("fragment that ends in .pem", "certificate_path", "https://sns.eu-west-1.amazonaws.com/S#.pem"),
        ("way upward", "certificate_path", "https://sns.eu-west-1.amazonaws.com/../S.pem"),
        ("way upward with percent", "certificate_path", "https://sns.eu-west-1.amazonaws.com/%2e%2e/S.pem"),
        ("folder", "certificate_path", "https://sns.eu-west-1.amazonaws.com/x/S.pem"),
        ("two slashes in the path", "certificate_path", "https://sns.eu-west-1.amazonaws.com//S.pem"),
        ("line feed in the path", "certificate_path", "https://sns.eu-west-1.amazonaws.com/S\n.pem"),
        ("zero byte in the path", "certificate_path", "https://sns.eu-west-1.amazonaws.com/S\0.pem"),
    ] {
        table.add(name, reason, Draft::notification().with("SigningCertURL", url).signed());
    }
    table.add("huge URL", "certificate_path", {
        let url = CERTIFICATE.replace("0123", &"0".repeat(4096));
        Draft::notification().with("SigningCertURL", url).signed()
    });
    table.add("Chinese topic, usual host", "certificate_host", {
        china().with("SigningCertURL", "https://sns.cn-north-1.amazonaws.com/S.pem").signed()
    });
}

fn other_urls(table: &mut Table) {
    let confirmation = || Draft::confirmation("SubscriptionConfirmation");
    let url = confirmation().get("SubscribeURL").unwrap().to_owned();
    for (name, other) in [
        ("confirmation on another host", url.replace("sns.eu", "evil.example/sns.eu")),
        ("confirmation by http", url.replace("https", "http")),
        ("confirmation in another region", url.replace("sns.eu-west-1", "sns.us-east-1")),
        ("confirmation of another topic", url.replace("A1EXAMPLE", "A2EXAMPLE")),
        ("confirmation with another token", url.replace("2336", "2337")),
        ("confirmation that does something else", url.replace("ConfirmSubscription", "Unsubscribe")),
        ("confirmation with a second action", format!("{url}&Action=Unsubscribe")),
        ("confirmation with a second action in lower case", format!("{url}&action=Unsubscribe")),
        ("confirmation with a fragment", format!("{url}#x")),
        ("confirmation with a path", url.replace(".com/?", ".com/x?")),
        ("confirmation with a space", format!("{url} x")),
        ("confirmation with unicode", format!("{url}ü")),
        ("huge confirmation", format!("{url}&x={}", "x".repeat(2048))),
    ] {
        table.add(name, "confirmation_url", confirmation().with("SubscribeURL", other).signed());
    }
    let escaped = url.replace("=arn:aws:sns:", "=arn%3Aaws%3Asns%3A");
    table.add(
        "confirmation with escaped colons",
        VERIFIED,
        confirmation().with("SubscribeURL", escaped).signed(),
    );
    // Never signed, so the signature stays right.
    for (name, other) in [
        ("unsubscription on another host", "https://evil.example/?Action=Unsubscribe"),
        ("unsubscription by a script", "javascript:alert(1)"),
        ("unsubscription that confirms", "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription"),
    ] {
        table.add(name, "unsubscribe_url", Draft::notification().signed().with("UnsubscribeURL", other));
    }
}

fn certificates(table: &mut Table) {
    let world = world();
    let usual = Leaf::default;
    let by_intermediate = |leaf: Leaf| world.issue_by_intermediate(&leaf);
    let accepted = [
        ("regional certificate", by_intermediate(Leaf::named("sns.eu-west-1.amazonaws.com"))),
        ("regional certificate for signing", {
            by_intermediate(Leaf {
                names: vec!["sns-signing.eu-west-1.amazonaws.com", "sns.eu-west-1.amazonaws.com"],
                common_name: Some("sns-signing.eu-west-1.amazonaws.com"),
                purposes: vec![ExtendedKeyUsagePurpose::ServerAuth],
                ..usual()
            })
        }),
        ("names in upper case", by_intermediate(Leaf::named("SNS.AmazonAWS.com"))),
        ("no common name", by_intermediate(Leaf { common_name: None, ..usual() })),
        ("further names", by_intermediate(Leaf { names: vec!["x.example", "sns.amazonaws.com"], ..usual() })),
        ("below an RSA root", world.issue(&usual(), &world.rsa_root, &[])),
        (
            "with the root in the file",
            world.issue(&usual(), &world.intermediate, &[&world.root, &world.intermediate]),
        ),
        ("with text around", format!("subject=x\n{}\nend\n", world.genuine_pem())),
    ];
    for (name, pem) in accepted {
        table.certificate(name, VERIFIED, pem);
    }
    let foreign = [&world.foreign_root];
    for (name, reason, pem) in [
        (
            "expired certificate",
            "certificate_expired",
            by_intermediate(Leaf { until: (2026, 1, 1), ..usual() }),
        ),
        ("certificate not valid yet", "certificate_not_yet_valid", {
            by_intermediate(Leaf { from: (2026, 2, 1), ..usual() })
        }),
        ("expired issuer", "certificate_expired", {
            world.issue(&usual(), &world.expired_intermediate, &[&world.expired_intermediate])
        }),
        ("chain to another root", "certificate_chain", world.issue(&usual(), &world.foreign_root, &foreign)),
        ("self-signed", "certificate_chain", world.self_signed(&usual())),
        ("missing issuer", "certificate_chain", world.issue(&usual(), &world.intermediate, &[])),
        ("wrong issuer", "certificate_chain", world.issue(&usual(), &world.intermediate, &foreign)),
        ("leaf as an issuer", "certificate_chain", world.issued_by_leaf()),
        ("too many issuers", "certificate_chain", {
            let below = &world.below_path_length_zero;
            world.issue(&usual(), below, &[below, &world.path_length_zero])
        }),
        ("issuer that must not issue", "certificate_usage", {
            world.issue(&usual(), &world.not_for_certificates, &[&world.not_for_certificates])
        }),
        ("authority as a leaf", "certificate_usage", by_intermediate(Leaf { is_ca: true, ..usual() })),
        ("issuer first", "certificate_usage", world.intermediate.pem() + &*world.genuine_pem()),
        ("not for servers", "certificate_usage", {
            by_intermediate(Leaf { purposes: vec![ExtendedKeyUsagePurpose::ClientAuth], ..usual() })
        }),
        ("not for signatures", "certificate_usage", {
            by_intermediate(Leaf { usages: vec![KeyUsagePurpose::KeyEncipherment], ..usual() })
        }),
        ("other name", "certificate_subject", by_intermediate(Leaf::named("evil.example"))),
        ("other alternative name", "certificate_subject", {
            by_intermediate(Leaf { names: vec!["sqs.amazonaws.com"], ..usual() })
        }),
        ("other common name", "certificate_subject", {
            by_intermediate(Leaf { common_name: Some("evil.example"), ..usual() })
        }),
        ("only a common name", "certificate_subject", by_intermediate(Leaf { names: vec![], ..usual() })),
        ("name for all hosts", "certificate_subject", by_intermediate(Leaf::named("*.amazonaws.com"))),
        ("name for all regions", "certificate_subject", by_intermediate(Leaf::named("sns.*.amazonaws.com"))),
        ("name with another end", "certificate_subject", {
            by_intermediate(Leaf::named("sns.amazonaws.com.evil.example"))
        }),
        (
            "name of a bucket",
            "certificate_subject",
            by_intermediate(Leaf::named("sns.s3-eu-west-1.amazonaws.com")),
        ),
        ("name of a bucket for signing", "certificate_subject", {
            by_intermediate(Leaf::named("sns-signing.s3-eu-west-1.amazonaws.com"))
        }),
        (
            "name with a hyphen",
            "certificate_subject",
            by_intermediate(Leaf::named("sns-eu-west-1.amazonaws.com")),
        ),
        ("signer of another region", "certificate_subject", {
            by_intermediate(Leaf::named("sns-signing.us-east-1.amazonaws.com"))
        }),
        ("signer of governments", "certificate_subject", {
            by_intermediate(Leaf::named("sns-us-gov-west-1.amazonaws.com"))
        }),
        ("certificate of another region", "certificate_subject", {
            by_intermediate(Leaf::named("sns.us-east-1.amazonaws.com"))
        }),
        ("certificate of another partition", "certificate_subject", {
            by_intermediate(Leaf::named("sns.amazonaws.com.cn"))
        }),
        ("key on an elliptic curve", "certificate_key", world.issue_elliptic()),
        ("key of 1024 bits", "certificate_key", world.issue_raw(128, 3)),
        ("key of 16384 bits", "certificate_key", world.issue_raw(2048, 3)),
        ("exponent 1", "certificate_key", world.issue_raw(256, 1)),
        ("even exponent", "certificate_key", world.issue_raw(256, 2)),
        ("no certificate", "certificate_form", String::new()),
        ("a web page", "certificate_form", "<html>captive portal</html>".to_owned()),
        ("broken PEM", "certificate_form", world.genuine_pem().replacen("MII", "M I", 1)),
        ("PEM of something else", "certificate_form", {
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned()
        }),
        ("ten certificates", "too_large", world.genuine_pem().repeat(5)),
        ("huge file", "too_large", "x".repeat(65 * 1024)),
    ] {
        table.certificate(name, reason, pem);
    }
}

fn times(table: &mut Table) {
    let minutes = |count: i64| SignedDuration::from_mins(count);
    let signed = || Draft::notification().signed();
    table.later("delivered again after 14 days", VERIFIED, signed(), minutes(14 * 24 * 60));
    table.later("replay after 16 days", "too_old", signed(), minutes(16 * 24 * 60));
    table.later("clock four minutes behind", VERIFIED, signed(), minutes(-4));
    table.later("from the future", "from_the_future", signed(), minutes(-10));
    table.later(
        "forged and old",
        "wrong_signature",
        Draft::notification().signed_by(&world().other_key),
        minutes(16 * 24 * 60),
    );
    table.later("after the certificate's end", "certificate_expired", signed(), minutes(200 * 24 * 60));
    for (name, reason, time) in [
        ("year 0", "too_old", "0000-01-01T00:00:00.000Z"),
        ("year 9999", "from_the_future", "9999-12-30T00:00:00.000Z"),
    ] {
        table.add(name, reason, Draft::notification().with("Timestamp", time).signed());
    }
}

/// Other cuts of a genuine signed text: name, the cut with the genuine signature, and the genuine message. A receiver
/// that does not look at the fields' forms takes each for a new message.
pub fn recuts() -> Vec<(&'static str, Draft, Draft)> {
    const OTHER_ID: &str = "00000000-0000-4000-8000-000000000000";
    const TIME: &str = "2026-01-15T11:59:00.123Z";
    let genuine = Draft::notification().with("Subject", "hi").signed();
    let confirmation = Draft::confirmation("SubscriptionConfirmation").signed();
    let lines = |draft: &Draft, keys: &[&str]| -> String {
        keys.iter().map(|key| format!("\n{key}\n{}", draft.get(key).unwrap_or_default())).collect()
    };
    let mut found = vec![
        (
            "MessageId takes the subject",
            genuine.clone().with("MessageId", format!("{ID}\nSubject\nhi")).without("Subject"),
            genuine.clone(),
        ),
        (
            "MessageId takes the URL and the time of a confirmation",
            confirmation
                .clone()
                .with("MessageId", format!("{ID}{}", lines(&confirmation, &["SubscribeURL", "Timestamp"])))
                .without("SubscribeURL")
                .without("Timestamp"),
            confirmation.clone(),
        ),
        (
            "Timestamp takes the token",
            confirmation.clone().with("Timestamp", format!("{TIME}\nToken\n{TOKEN}")).without("Token"),
            confirmation.clone(),
        ),
    ];
    // The publisher's text holds lines that look like the fields behind it.
    let tail = ["MessageId", "Timestamp", "TopicArn", "Type"];
    let bait = Draft::notification().with("MessageId", OTHER_ID);
    let text = format!("hi{}", lines(&bait, &tail));
    let whole = Draft::notification().with("Message", text).signed();
    for (name, last) in [
        ("Timestamp takes the rest", "Timestamp"),
        ("TopicArn takes the rest", "TopicArn"),
        ("Type takes the rest", "Type"),
        ("MessageId takes the rest", "MessageId"),
    ] {
        // Cut as early as possible: the fields before `last` come from the bait, and `last` takes the bait's others
        // and the genuine fields up to its own place.
        let place = tail.iter().position(|key| *key == last).unwrap();
        let rest = format!("{}{}", lines(&bait, &tail[place + 1..]), lines(&whole, &tail[..=place]));
        let cut = Draft::notification()
            .with("Message", "hi")
            .with("MessageId", OTHER_ID)
            .with(last, format!("{}{rest}", bait.get(last).unwrap()))
            .with("Signature", whole.get("Signature").unwrap());
        found.push((name, cut, whole.clone()));
    }
    let text = format!("hi\nMessageId\n{OTHER_ID}\nSubject\nhello");
    let whole = Draft::notification().with("Message", text).signed();
    let cut = Draft::notification()
        .with("Message", "hi")
        .with("MessageId", OTHER_ID)
        .with("Subject", format!("hello\nMessageId\n{ID}"))
        .with("Signature", whole.get("Signature").unwrap());
    found.push(("Subject takes the genuine MessageId", cut, whole));
    found
}
