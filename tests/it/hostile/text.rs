//! A provider whose texts control terminals, forge lines and change the writing direction. Nothing that
//! leaves the daemon carries them unescaped, and the store keeps them word for word.

use std::fs;
use std::path::Path;
use std::time::Duration;

use amazon_pay_simulator::plan::{Plan, Step};
use reconciled::control::enrolment_request::EnrolmentRequest;
use reconciled::text::is_harmful;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::ANY;
use crate::process::Host;
use crate::scenario::{self, shop};
use crate::world::World;

/// Erases the screen, rings the bell, starts a forged journal line, changes the writing direction, is
/// invisible.
const HOSTILE: &str = "X\u{1b}[2J\u{7}\0\r\n<2>the store failed\u{9b}31m\u{202e}\u{2028}\u{200b}\u{feff}";

/// Only line ends may stand between safe lines.
#[track_caller]
fn check(what: &str, text: &str) {
    let bad = text.chars().find(|letter| is_harmful(*letter) && !matches!(letter, '\n' | '\r'));
    assert_eq!(bad, None, "{what} has a harmful character: {text:?}");
    assert!(
        !text.lines().any(|line| line.trim_start().starts_with("<2>")),
        "{what} has a forged line: {text}"
    );
    assert!(!text.replace("\r\n", "").contains('\r'), "{what} has a lone CR: {text:?}");
}

/// An Amazon Pay v2 that shows every refund with such texts: the one ending in `-R000001` in an unknown
/// state, the others declined for an unknown reason.
async fn provider() -> String {
    let listener = TcpListener::bind(ANY).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut asked = vec![0; 8192];
                while let Ok(length @ 1..) = stream.read(&mut asked).await {
                    let head = String::from_utf8_lossy(&asked[..length]).into_owned();
                    let path = head.split(' ').nth(1).unwrap_or_default();
                    let id = path.rsplit('/').next().unwrap_or_default();
                    let is_odd = id.ends_with("R000001");
                    let body = serde_json::json!({
                        "refundId": id,
                        "chargeId": id.replace("-R", "-C"),
                        "refundAmount": {"amount": "14.00", "currencyCode": "EUR"},
                        "statusDetails": {
                            "state": if is_odd { HOSTILE } else { "Declined" },
                            "reasonCode": HOSTILE,
                            "reasonDescription": HOSTILE,
                            "lastUpdatedTimestamp": "20260115T093000Z",
                        },
                        "creationTimestamp": "20260115T092000Z",
                        "merchantMetadata": {"merchantReferenceId": HOSTILE, "merchantStoreName": HOSTILE},
                        "releaseEnvironment": "Live",
                    })
                    .to_string();
                    let head = format!(
                        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
                         x-amz-pay-request-id: <2>x\r\n\r\n",
                        body.len()
                    );
                    if stream.write_all(format!("{head}{body}").as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    format!("http://{address}")
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_texts_reach_no_terminal_no_journal_and_no_chat() {
    let host = Host::new().await;
    let endpoint = provider().await;
    host.rewrite_config(|text| {
        let at = text.find("endpoint = \"").unwrap() + "endpoint = \"".len();
        let end = at + text[at..].find('"').unwrap();
        format!(
            "{}{endpoint}{}\n[log]\nformat = \"journal\"\nfilter = \"debug\"\n",
            &text[..at],
            &text[end..]
        )
    });
    let daemon = host.start_with(&["run"]).await;
    let (odd, declined) = ("P02-1234567-1234567-R000001", "P02-1234567-1234567-R000002");
    for id in [odd, declined] {
        host.run(&["enrol", "--account", "shop", "--kind", "refund", "--id", id]).await.expect(0, &[]);
    }
    host.until("chat and back office know of both", async || {
        let messages = host.simulator.chat_messages();
        let of = |place: &str, id: &str| {
            messages.iter().any(|one| one.path.starts_with(place) && one.body.to_string().contains(id))
        };
        [odd, declined].iter().all(|id| of("/services/", id) && of("/hooks/", id)).then_some(())
    })
    .await;
    for message in host.simulator.chat_messages() {
        if message.path.starts_with("/services/") {
            let mut texts = Vec::new();
            texts_of(&message.body, &mut texts);
            texts.iter().for_each(|text| check("the chat", text));
        } else {
            let data = &message.body["data"];
            if data["object"]["id"] == declined {
                assert_eq!(data["object"]["reference"], HOSTILE, "a program gets it word for word");
            }
            for words in ["headline", "explanation", "advice", "dashboard_url"] {
                check("words of an event", data[words].as_str().unwrap());
            }
        }
    }
    for words in [
        &["list"][..],
        &["list", "--csv"],
        &["list", "--json"],
        &["show", odd],
        &["show", declined],
        &["show", odd, "--json"],
        &["explain", odd],
        &["explain", declined],
        &["status"],
        &["alerts", "list"],
        &["alerts", "list", "--json"],
        &["poll", "--all", "--dry-run"],
        &["call", "shop", "GetRefund", &format!("refundId={odd}")],
    ] {
        let ran = host.run(words).await;
        assert!(ran.code == 0 || ran.code == 69 || ran.code == 75, "{words:?}: {ran:?}");
        check(&format!("{words:?}"), &ran.out);
        check(&format!("notes of {words:?}"), &ran.err);
    }
    let shown = host.run(&["show", odd, "--json"]).await.expect(0, &[]).json();
    let evidence = &shown["object"]["quarantine"]["evidence"];
    assert_eq!(evidence["state"], HOSTILE, "the store keeps it word for word");
    assert_eq!(evidence["merchant_reference"], HOSTILE);
    daemon.stop(&host).await;
    let log = host.log();
    check("the journal", &log);
    assert!(log.contains("state observed") && log.contains("the store failed"), "{log}");
    for line in log.lines() {
        let priority = line.get(..3).unwrap_or_default();
        assert!(["<3>", "<4>", "<6>", "<7>"].contains(&priority), "no line of ours: {line:?}");
    }
}

/// Every text in a JSON value.
fn texts_of(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::String(text) => found.push(text.clone()),
        serde_json::Value::Array(list) => list.iter().for_each(|value| texts_of(value, found)),
        serde_json::Value::Object(fields) => fields.values().for_each(|value| texts_of(value, found)),
        _ => {}
    }
}

fn files_of(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_of(&path, found);
        } else if let Ok(text) = fs::read_to_string(&path) {
            found.push((path.display().to_string(), text));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn hostile_references_reach_no_spreadsheet_and_no_page() {
    let scenario = scenario::of(7, &[&shop()]);
    let mut world = World::new("2027-01-15T06:00:00Z", &scenario, "").await;
    for reference in [HOSTILE, "\u{200b}=HYPERLINK(1)\n<2>x", "=1+1\u{202e}", "<script>\u{1b}"] {
        let plan = Plan {
            kind: "authorization".to_owned(),
            amount: "14.00".to_owned(),
            currency: "EUR".to_owned(),
            merchant_reference: reference.to_owned(),
            steps: vec![Step {
                after: Duration::from_secs(60),
                state: "Declined".to_owned(),
                reason: Some("HardDeclined".to_owned()),
            }],
            invisible_for: Duration::ZERO,
        };
        let id = world.simulator.plant("shop", &plan).unwrap();
        let enrolment_request = EnrolmentRequest::plain(format!("shop/charge/{id}").parse().unwrap());
        world.daemon().service().enrol(vec![enrolment_request]).await.unwrap();
    }
    world.pass_hours(30.0).await;
    world.stop().await;
    let mut files = Vec::new();
    files_of(&world.folder.path().join("reports"), &mut files);
    for (name, text) in &files {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        check(name, text);
        if name.ends_with(".csv") {
            let rows = text.lines().count();
            let cells = text.lines().flat_map(|line| line.split(',')).map(|cell| cell.trim_matches('"'));
            assert!(!cells.clone().any(|cell| cell.starts_with('=')), "{name} has a formula: {text}");
            assert!(!name.contains("declined") || rows == 5, "{name} has {rows} lines: {text}");
        }
    }
    let declined =
        files.iter().find(|(name, _)| name.contains("declined") && name.ends_with(".csv")).unwrap();
    assert!(declined.1.contains("X\\u{1b}[2J\\u{7}\\u{0}\\r\\n<2>the store failed"), "{}", declined.1);
    let page = files.iter().find(|(name, _)| name.ends_with(".html")).unwrap();
    assert!(page.1.contains("the store failed") && !page.1.contains("<script>"), "{}", page.1);
}
