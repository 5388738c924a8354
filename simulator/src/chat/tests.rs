//! The pretended chat: what is kept, what is refused, and scripted answers.

use proptest::prelude::*;

use super::*;

const SLACK: &str = "/services/T0/B0/secret";

fn post(path: &str, body: &str) -> Incoming {
    Incoming {
        method: "POST".into(),
        host: "localhost".into(),
        path: path.into(),
        query: String::new(),
        headers: vec![
            ("content-type".into(), "application/json".into()),
            ("authorization".into(), "Bearer x".into()),
            ("webhook-id".into(), "key-1".into()),
        ],
        body: body.into(),
        at: Timestamp::UNIX_EPOCH,
    }
}

fn status(chat: &mut Chat, incoming: &Incoming, second: u64) -> u16 {
    chat.answer(incoming, Duration::from_secs(second), false, &mut Random::new(1)).status
}

#[test]
fn what_is_accepted_is_kept_and_written_without_secrets() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("alerts.jsonl");
    let mut chat = Chat::new(ChatSettings { file: Some(file.clone()), ..ChatSettings::default() });
    assert_eq!(status(&mut chat, &post(SLACK, r#"{"text":"hello"}"#), 0), 200);
    assert_eq!(status(&mut chat, &post("/hooks/json", r#"{"any":1}"#), 0), 200);
    assert_eq!(chat.messages().len(), 2);
    assert!(chat.messages()[0].headers.iter().all(|(name, _)| name != "authorization"));
    let text = std::fs::read_to_string(file).expect("the file is there");
    assert_eq!(text.lines().count(), 2);
    assert!(!text.contains("secret") && text.contains("hello"));
    assert_eq!(chat.counts(), ChatCounts { accepted: 2, ..ChatCounts::default() });
}

#[test]
fn refusals_are_not_kept() {
    let mut chat = Chat::new(ChatSettings::default());
    let mut plain = post(SLACK, "{}");
    plain.headers.clear();
    let mut get = post(SLACK, "{}");
    get.method = "GET".into();
    for (incoming, expected) in [
        (post(SLACK, "not json"), 400),
        (post(SLACK, "{}"), 400),
        (post("/services/T0", r#"{"text":"x"}"#), 404),
        (plain, 400),
        (get, 405),
    ] {
        assert_eq!(status(&mut chat, &incoming, 0), expected);
    }
    assert!(chat.messages().is_empty());
    assert_eq!(chat.answered(), 5);
}

#[test]
fn windows_throttle_and_shares_fail() {
    let window = (Duration::from_secs(5), Duration::from_secs(6));
    let mut chat = Chat::new(ChatSettings {
        throttled_windows: vec![window],
        retry_after_s: 30,
        ..ChatSettings::default()
    });
    let message = post(SLACK, r#"{"text":"x"}"#);
    assert_eq!(status(&mut chat, &message, 4), 200);
    let answer = chat.answer(&message, window.0, false, &mut Random::new(1));
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("30")));
    assert_eq!(chat.answer(&message, window.0, true, &mut Random::new(1)).status, 200);
    assert_eq!(status(&mut chat, &message, 6), 200);
    let mut broken = Chat::new(ChatSettings { failure_share: 1.0, ..ChatSettings::default() });
    assert_eq!(status(&mut broken, &message, 0), 500);
}

#[test]
fn scripted_answers_come_in_order_and_then_the_usual_ones() {
    let wait = Duration::from_millis(2500);
    let throttle = |hint| ScriptedAnswer::Throttle { wait, hint };
    let answers = [
        throttle(WaitHint::Own),
        throttle(WaitHint::Seconds),
        throttle(WaitHint::Date),
        throttle(WaitHint::None),
        ScriptedAnswer::Refuse { status: 410, body: None, stage: MailStage::Message },
        ScriptedAnswer::Refuse { status: 404, body: Some("no_team".into()), stage: MailStage::Message },
        ScriptedAnswer::ErrorIn200,
        ScriptedAnswer::Lose,
        ScriptedAnswer::Hang { is_kept: false },
        ScriptedAnswer::Reset { is_kept: true },
    ];
    let script = Script { target: "slack".into(), path: None, answers: answers.into() };
    let mut chat = Chat::new(ChatSettings { scripts: vec![script], ..ChatSettings::default() });
    let message = post(SLACK, r#"{"text":"x"}"#);
    let date = "Thu, 01 Jan 1970 00:00:02 GMT";
    for (status, body, retry_after, carriage, kept) in [
        (429, "rate_limited", Some("3"), Carriage::Whole, 0),
        (429, "rate_limited", Some("3"), Carriage::Whole, 0),
        (429, "rate_limited", Some(date), Carriage::Whole, 0),
        (429, "rate_limited", None, Carriage::Whole, 0),
        (410, "channel_is_archived", None, Carriage::Whole, 0),
        (404, "no_team", None, Carriage::Whole, 0),
        (200, "{\"ok\":false,\"error\":\"channel_not_found\"}", None, Carriage::Whole, 0),
        (200, "ok", None, Carriage::Whole, 0),
        (200, "", None, Carriage::Hang, 0),
        (200, "", None, Carriage::Reset, 1),
        (200, "ok", None, Carriage::Whole, 2),
    ] {
        let answer = chat.answer(&message, Duration::ZERO, false, &mut Random::new(1));
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let got = (answer.status, text.as_str(), answer.header("retry-after"), answer.carriage);
        assert_eq!(got, (status, body, retry_after, carriage));
        assert_eq!(chat.messages().len(), kept);
    }
    let expected = ChatCounts { accepted: 2, throttled: 4, scripted: 5, ..ChatCounts::default() };
    assert_eq!(chat.counts(), expected);
}

#[test]
fn a_limit_lets_one_message_a_second_through_also_when_all_is_calm() {
    let limits = vec![("slack".to_owned(), Quota::new(1, 1, 1))];
    let mut chat = Chat::new(ChatSettings { limits, ..ChatSettings::default() });
    let message = post(SLACK, r#"{"text":"x"}"#);
    for (milliseconds, status) in [(0, 200), (1, 429), (999, 429), (1001, 200), (1500, 429), (2001, 200)] {
        let since_start = Duration::from_millis(milliseconds);
        let answer = chat.answer(&message, since_start, true, &mut Random::new(1));
        assert_eq!(answer.status, status, "{milliseconds}");
        assert_eq!(answer.header("retry-after"), (status == 429).then_some("1"));
    }
    assert_eq!(status(&mut chat, &post("/hooks/json", "{}"), 0), 200);
}

#[test]
fn names_of_targets_are_unique() {
    let mut names = targets();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), TWINS.len() + 1);
}

/// An address of each target, with which nothing else is wrong.
const ADDRESSES: [(&str, &str); 13] = [
    ("slack", SLACK),
    ("json", "/hooks/json"),
    ("teams", "/workflows/0f/triggers/manual/paths/invoke?api-version=1&sp=s&sv=1.0&sig=s"),
    ("connector", "/webhookb2/a"),
    ("discord", "/api/webhooks/1/t?wait=true"),
    ("google-chat", "/v1/spaces/A/messages?key=k&token=t"),
    ("mattermost", "/hooks/abc"),
    ("rocket-chat", "/hooks/a/b"),
    ("telegram", "/bot1:a/sendMessage"),
    ("pagerduty", "/v2/enqueue"),
    ("opsgenie", "/v2/alerts"),
    ("alertmanager", "/api/v2/alerts"),
    ("ntfy", "/"),
];

#[test]
fn every_target_has_its_own_address_and_speaks_when_it_is_throttled_or_broken() {
    let names: Vec<&str> = TWINS.iter().map(|twin| twin.name).collect();
    for (target, url) in ADDRESSES {
        let twin = twin_of(&tests_support::post(url, "{}")).expect("somebody claims it");
        assert_eq!(twin.name, target);
        for status in [400, 401, 403, 404, 410, 413, 422, 500, 502, 503] {
            assert_eq!((twin.refused)(status).status, status, "{target}");
        }
        let wait = Wait { time: Duration::from_secs(7), now: Timestamp::UNIX_EPOCH };
        let expected = if target == "connector" { 200 } else { 429 };
        for answer in [(twin.throttled)(Some(wait)), (twin.throttled)(None)] {
            assert_eq!((answer.status, answer.body.is_empty()), (expected, false), "{target}");
        }
        assert_eq!((twin.throttled)(None).header("retry-after"), None, "{target}");
        assert!(twin.error_in_200.is_none_or(|answer| answer().status == 200), "{target}");
    }
    assert_eq!(ADDRESSES.map(|(target, _)| target).to_vec(), names);
}

#[test]
fn every_target_says_a_wait_in_each_scripted_way_and_in_no_other() {
    let wait = Wait { time: Duration::from_millis(90_500), now: Timestamp::UNIX_EPOCH };
    for twin in TWINS {
        let say = |hint| throttled(twin, wait, hint);
        let is_retry = |answer: &Outgoing| answer.header("retry-after").is_some();
        let names = |answer: &Outgoing| -> Vec<String> {
            let mut names: Vec<String> = answer.headers.iter().map(|(name, _)| name.clone()).collect();
            names.sort();
            names
        };
        let silent = say(WaitHint::None);
        assert!(!is_retry(&silent), "{}", twin.name);
        assert_eq!(say(WaitHint::Seconds).header("retry-after"), Some("91"), "{}", twin.name);
        assert_eq!(say(WaitHint::Date).header("retry-after"), Some("Thu, 01 Jan 1970 00:01:30 GMT"));
        let (own, body, header) = (say(WaitHint::Own), say(WaitHint::Body), say(WaitHint::Header));
        assert_eq!((&body.body, names(&body)), (&own.body, names(&silent)), "{}", twin.name);
        assert!(header.body == silent.body && !is_retry(&header), "{}", twin.name);
        // Those whose manuals have a place for it besides Retry-After.
        let speaks = (body.body != silent.body, names(&header) != names(&silent));
        let expected = match twin.name {
            "discord" | "rocket-chat" => (true, true),
            "telegram" => (true, false),
            "mattermost" => (false, true),
            _ => (false, false),
        };
        assert_eq!(speaks, expected, "{}", twin.name);
    }
}

/// JSON from the words that targets look for.
fn any_json() -> impl Strategy<Value = Value> {
    let keys = proptest::sample::select(vec![
        "text",
        "content",
        "embeds",
        "fields",
        "name",
        "value",
        "attachments",
        "blocks",
        "type",
        "body",
        "topic",
        "message",
        "payload",
        "labels",
        "cardsV2",
        "card",
        "sections",
        "widgets",
        "facts",
        "title",
        "chat_id",
        "parse_mode",
        "allowed_mentions",
        "priority",
        "routing_key",
        "tags",
        "details",
    ]);
    let words = proptest::sample::select(vec![
        "message",
        "AdaptiveCard",
        "TextBlock",
        "HTML",
        "MarkdownV2",
        "<b>@all</b>",
        "@everyone <!x> [a](b)",
        "\\",
    ]);
    let leaf = proptest::prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        words.prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        proptest::prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((keys.clone(), inner), 0..6)
                .prop_map(|pairs| pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn any_json_is_answered_by_every_target(body in any_json()) {
        let mut chat = Chat::new(ChatSettings::default());
        for (_, url) in ADDRESSES {
            let incoming = tests_support::post(url, &body.to_string());
            let incoming = tests_support::with_header(incoming, "authorization", "GenieKey k");
            let answer = chat.answer(&incoming, Duration::ZERO, false, &mut Random::new(1));
            prop_assert!((200..500).contains(&answer.status));
        }
        for message in chat.messages() {
            prop_assert_eq!(message.mentions.is_empty(), !message.shown.contains("⟦@"));
        }
    }
}
