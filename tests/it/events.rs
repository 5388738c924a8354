//! Events for the shop's back office: a simulated world, and the real binary with kills in between, against the back
//! office of the simulator. What was really sent is checked by others: the official Standard Webhooks packages, a JSON
//! Schema validator, and the example receivers of the documentation.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use amazon_pay_simulator::ChatMessage;
use amazon_pay_simulator::chat::{MailStage, Script, ScriptedAnswer, WaitHint};
use amazon_pay_simulator::credentials::write_secret;
use reconciled::apis::registry;
use reconciled::control::messages::{EventRow, EventsRequest};
use reconciled::events::{schema, types};
use reconciled::payments::change::Change;
use reconciled::payments::record::{Enrolment, Record, Transition};
use reconciled::store::DeliveryStatus;
use serde_json::{Value, json};

use crate::process::Host;
use crate::scenario::{self, old_shop, population, quota, shop};
use crate::world::World;
use crate::{sdk_node, tools};

/// Two keys, as while a receiver changes its key.
const KEYS: [&str; 2] = [
    "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    "whsec_ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=",
];
const PATH: &str = "/hooks/json/events";

#[test]
fn every_documented_state_of_every_api_has_a_type_of_its_own_table() {
    let (mut used, mut states) = (BTreeSet::new(), 0);
    for kind in registry::kinds() {
        for state in kind.lifecycle.states() {
            let object = format!("shop/{}/X1", kind.name).parse().unwrap();
            let now = "2026-01-15T09:30:00Z".parse().unwrap();
            let record = Record::enrolled(Enrolment { object, details: Default::default() }, now);
            let row: Transition = serde_json::from_value(json!({
                "object": record.object, "from": null, "to": state, "reasons": [], "phase": "final",
                "outcome": "open", "amount": null, "merchant_reference": null, "happened_at": now, "seen_at": now,
                "note": "polled",
            }))
            .unwrap();
            let change = Change { record: &record, row: &row, earlier: &[], is_sandbox: false };
            let event_type = types::of(&change).unwrap();
            assert!(!event_type.ends_with(types::UNKNOWN_STATE), "{}: {state}", kind.name);
            used.insert(event_type);
            states += 1;
        }
    }
    assert!(states > 40, "{states}");
    let others = [types::UPDATED, types::QUARANTINED, types::UNKNOWN_STATE];
    let all = types::all().into_iter();
    let unused: Vec<String> = all
        .filter(|known| {
            !used.contains(known) && !others.iter().any(|word| known.ends_with(&format!(".{word}")))
        })
        .collect();
    assert!(unused.is_empty(), "no state has these types: {unused:?}");
    assert!(types::all().iter().all(|known| schema::of(known).is_some()));
}

#[test]
fn the_documentation_lists_every_type() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/src/events.md");
    let page = std::fs::read_to_string(page).unwrap();
    let missing: Vec<String> =
        types::all().into_iter().filter(|known| !page.contains(&format!("`{known}`"))).collect();
    // These three exist for every kind.
    let general = |known: &String| {
        [types::UPDATED, types::QUARANTINED, types::UNKNOWN_STATE].iter().any(|word| known.ends_with(word))
    };
    let missing: Vec<&String> = missing.iter().filter(|known| !general(known)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    for word in [types::UPDATED, types::QUARANTINED, types::UNKNOWN_STATE] {
        assert!(page.contains(&format!("`KIND.{word}`")), "{word}");
    }
}

/// A section for a receiver at this address.
fn section(folder: &Path, name: &str, url: &str, more: &str) -> String {
    let (address, key) = (folder.join(format!("{name}-url")), folder.join(format!("{name}-keys")));
    write_secret(&address, url).unwrap();
    write_secret(&key, &KEYS.join("\n")).unwrap();
    format!(
        "[[events]]\nname = \"{name}\"\nurl = \"file:{}\"\nsecret = \"file:{}\"\n\
         environments = [\"live\", \"sandbox\"]\n{more}\n",
        address.display(),
        key.display()
    )
}

fn header<'a>(message: &'a ChatMessage, name: &str) -> &'a str {
    let found = message.headers.iter().find(|(known, _)| known == name);
    found.map_or("", |(_, value)| value.as_str())
}

fn accepted(messages: Vec<ChatMessage>, path: &str) -> Vec<ChatMessage> {
    messages.into_iter().filter(|message| message.path == path).collect()
}

#[tokio::test(start_paused = true)]
async fn every_row_of_every_history_reaches_every_receiver_whatever_the_one_beside_it_does() {
    let charges = population(
        "shop",
        "authorization",
        12,
        r#"[{ after_s = 7200, state = "Declined", reason = "HardDeclined" }]"#,
    )
    .or(r#"[{ after_s = 3600, state = "Authorized" }, { after_s = 20000, state = "Captured" }]"#)
    .price("EUR", "14.00", "99.00");
    let refunds = population("old-shop", "refund", 6, r#"[{ after_s = 9000, state = "Completed" }]"#)
        .prefix("REFUND-")
        .price("USD", "5.00", "9.00");
    let quota = quota(100, 10);
    let scenario = scenario::of(3, &[&shop(), &quota, &old_shop("sandbox"), &quota, &charges, &refunds]);
    let mut world = World::new("2027-01-15T06:00:00Z", &scenario, "").await;
    world.stop().await;
    let folder = world.folder.path().to_owned();
    let at = |path: &str| format!("http://127.0.0.1:9{path}");
    let second = "/hooks/json/cloud";
    let sections = section(&folder, "office", &at(PATH), "allow_private = true")
        + &*section(&folder, "cloud", &at(second), "allow_private = true\nformat = \"cloudevents\"");
    world.rewrite_config(|text| text + &*sections);
    // The first receiver fails and hangs at first; the second is not delayed by it.
    let refuse = |status: u16| ScriptedAnswer::Refuse { status, body: None, stage: MailStage::Message };
    let wait = ScriptedAnswer::Throttle { wait: Duration::from_secs(600), hint: WaitHint::Seconds };
    let answers = [refuse(500), wait, ScriptedAnswer::Hang { is_kept: true }, refuse(404)];
    let answers = answers.into_iter().cycle().take(24).collect();
    world.simulator.script_chat(Script { target: "json".to_owned(), path: Some(PATH.to_owned()), answers });
    world.start().await;
    let mut objects = world.enrol_all("shop").await;
    objects.extend(world.enrol_all("old-shop").await);
    world.pass_hours(6.0).await;
    world.stop().await;
    world.start().await;
    world.pass_hours(20.0).await;

    let messages = world.simulator.chat_messages();
    let (plain, cloud) = (accepted(messages.clone(), PATH), accepted(messages, second));
    let mut rows = 0;
    for object in &objects {
        let history = world.daemon().store().history(object).await.unwrap();
        rows += history.len();
        let of = |messages: &[ChatMessage]| -> Vec<(u64, String, Value)> {
            let about = |message: &&ChatMessage| message.body["data"]["id"] == object.id.as_str();
            let mut found: Vec<(u64, String, Value)> = Vec::new();
            for message in messages.iter().filter(about) {
                let number = message.body["data"]["sequence"].as_u64().unwrap();
                let row = (number, header(message, "webhook-id").to_owned(), message.body["data"].clone());
                // One that was kept before the answer got lost comes again, the same.
                if found.last() != Some(&row) {
                    found.push(row);
                }
            }
            found
        };
        let (one, other) = (of(&plain), of(&cloud));
        assert_eq!(one, other, "both receivers get the same");
        let numbers: Vec<u64> = one.iter().map(|(number, ..)| *number).collect();
        assert_eq!(numbers, (1..=history.len() as u64).collect::<Vec<_>>(), "{object}");
        for ((_, _, data), row) in one.iter().zip(&history) {
            assert_eq!(data["state"], row.to.as_str());
            assert_eq!(data["previous_state"].as_str(), row.from.as_deref());
            assert_eq!(data["found_at"], row.seen_at.to_string().as_str());
        }
    }
    let ids: BTreeSet<&str> = plain.iter().map(|message| header(message, "webhook-id")).collect();
    assert_eq!((ids.len(), rows), (rows, rows));
    let declined = plain.iter().filter(|message| message.body["type"] == "charge.declined").count();
    assert!(declined > 0 && plain.iter().any(|message| message.body["type"] == "refund.completed"));
    let late = cloud.iter().filter(|message| {
        let found: jiff::Timestamp = message.body["data"]["found_at"].as_str().unwrap().parse().unwrap();
        message.at.duration_since(found).as_secs() > 5
    });
    assert_eq!(late.count(), 0, "a receiver that hangs delays no other");
    for message in &cloud {
        assert_eq!(message.body["id"], header(message, "webhook-id"));
        assert_eq!(message.body["specversion"], "1.0");
        assert!(message.body["source"].is_string() && message.body["type"].is_string());
    }
    let status = world.daemon().service().status().await.unwrap();
    assert_eq!(status.events.len(), 2);
    assert!(status.events.iter().all(|row| (row.pending, row.dead) == (0, 0)), "{:?}", status.events);

    // Alerts are counted and listed apart.
    let service = world.daemon().service();
    let listed =
        service.events(&EventsRequest { limit: Some(1_000), ..EventsRequest::default() }).await.unwrap();
    assert_eq!(listed.items.len(), 2 * rows);
    assert!(
        service.alerts(&Default::default()).await.unwrap().items.iter().all(|row| row.alert.event.is_none())
    );
    validate(&plain.iter().map(|message| message.body.clone()).collect::<Vec<_>>());
    world.stop().await;
}

/// A virtual environment with the packages of `tests/sdk/events`. An error says what is missing.
fn python() -> Result<PathBuf, String> {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    PYTHON.get_or_init(|| crate::sdk_python::install("events")).clone()
}

/// Feeds JSON to a program and returns what it prints.
fn judge(command: &mut Command, input: &Value) -> String {
    use std::io::Write;
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// An independent validator accepts every body by the schema of its type, and refuses it when a field is missing.
fn validate(bodies: &[Value]) {
    let python = match python() {
        Ok(python) => python,
        Err(why) => return tools::skipped("JSON Schema of events", &why),
    };
    tools::not_skipped("JSON Schema of events");
    let cases: Vec<Value> = bodies
        .iter()
        .map(|body| json!({"schema": schema::of(body["type"].as_str().unwrap()).unwrap(), "body": body}))
        .collect();
    assert!(cases.len() > 10);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk/events/schema.py");
    let printed = judge(Command::new(python).arg(script), &json!(cases));
    assert_eq!(printed.trim(), format!("{} valid, {} refused without a field", cases.len(), cases.len()));
}

/// The events that the daemon lists, oldest first.
async fn listed(host: &Host) -> Vec<EventRow> {
    let ran = host.run(&["events", "list", "--limit", "0", "--json"]).await;
    let ran = ran.expect(0, &[]);
    let rows = ran.out.lines().map(|line| serde_json::from_str(line).unwrap());
    let mut rows: Vec<EventRow> = rows.collect();
    rows.reverse();
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_failures_and_a_receiver_that_is_gone_lose_nothing_and_reorder_nothing() {
    let host = Host::new().await;
    let sections = section(host.folder.path(), "office", &format!("{}{PATH}", host.base()), "timeout_s = 60");
    host.rewrite_config(|config| config + &*sections);
    let refuse = |status: u16| ScriptedAnswer::Refuse { status, body: None, stage: MailStage::Message };
    let script = |answers: Vec<ScriptedAnswer>| {
        let answers = answers.into();
        host.simulator.script_chat(Script {
            target: "json".to_owned(),
            path: Some(PATH.to_owned()),
            answers,
        });
    };
    // The test is accepted, an event fails, and the next one gets no answer, so that the kill hits it in flight.
    let (hang, reset) = (ScriptedAnswer::Hang { is_kept: true }, ScriptedAnswer::Reset { is_kept: true });
    script(vec![ScriptedAnswer::Accept, refuse(500), hang, reset]);
    let daemon = host.start().await;
    host.run(&["events", "test"]).await.expect(0, &["office accepted it"]);
    let good = host.plant("shop", "authorization", "Authorized", None, 3_000);
    let bad = host.plant("shop", "authorization", "Declined", Some("HardDeclined"), 3_000);
    for planted in [&good, &bad] {
        let words = ["enrol", "--account", "shop", "--kind", "charge", "--id", planted.id()];
        host.run(&words).await.expect(0, &[]);
    }
    let about = |id: &str| -> Vec<(u64, String, String)> {
        let messages = accepted(host.simulator.chat_messages(), PATH).into_iter();
        let about = messages.filter(|message| message.body["data"]["id"] == id);
        about
            .map(|message| {
                let number = message.body["data"]["sequence"].as_u64().unwrap();
                let event_type = message.body["type"].as_str().unwrap().to_owned();
                (number, event_type, header(&message, "webhook-id").to_owned())
            })
            .collect()
    };
    host.until("both first events are pending, and one of them is in flight", async || {
        let in_flight = about(good.id()).len() + about(bad.id()).len();
        (in_flight == 1 && listed(&host).await.len() >= 2).then_some(())
    })
    .await;
    let in_flight = [about(good.id()), about(bad.id())].concat();
    let [(_, _, in_flight)] = in_flight.as_slice() else { panic!("{in_flight:?}") };
    daemon.kill();
    let daemon = host.start().await;
    host.until("all events are delivered", async || {
        let rows = listed(&host).await;
        let is_done = rows.iter().all(|row| row.state == DeliveryStatus::Delivered);
        (rows.len() == 4 && is_done).then_some(())
    })
    .await;
    for (planted, last) in [(&good, "charge.authorized"), (&bad, "charge.declined")] {
        let mut found = about(planted.id());
        found.dedup();
        let types: Vec<(u64, &str)> =
            found.iter().map(|(number, word, _)| (*number, word.as_str())).collect();
        assert_eq!(types, [(1, "charge.authorization_initiated"), (2, last)], "{found:?}");
    }
    let arrived = accepted(host.simulator.chat_messages(), PATH);
    let arrived = arrived.iter().filter(|message| header(message, "webhook-id") == in_flight.as_str());
    assert!(arrived.count() >= 2, "what was in flight comes again under its id");
    let ids: Vec<String> = listed(&host).await.into_iter().map(|row| row.id).collect();

    // Gone: it gets nothing until it is enabled, and status says so.
    script(vec![refuse(410)]);
    host.run(&["events", "redeliver", &ids[0]]).await.expect(0, &["1 delivery pending again"]);
    host.until("the receiver is disabled", async || {
        let ran = host.run(&["status"]).await;
        ran.out.contains("office has received no events since").then_some(())
    })
    .await;
    host.run(&["events", "list", "--state", "pending"]).await.expect(0, &[&ids[0]]);
    let before = accepted(host.simulator.chat_messages(), PATH).len();
    host.run(&["events", "enable", "office"]).await.expect(0, &["office gets events again"]);
    host.until("it is sent again", async || {
        (accepted(host.simulator.chat_messages(), PATH).len() > before).then_some(())
    })
    .await;
    let last = accepted(host.simulator.chat_messages(), PATH).pop().unwrap();
    assert_eq!(header(&last, "webhook-id"), ids[0], "under the same id");
    host.run(&["events", "redeliver", "evt_nobody"]).await.expect(66, &["is not the id of an event"]);
    let object = bad.object.to_string();
    host.run(&["events", "redeliver", "--object", &object]).await.expect(0, &["2 deliveries pending again"]);
    host.run(&["events", "redeliver", "--since", "1h"]).await.expect(0, &["4 deliveries pending again"]);
    host.run(&["events", "schema", "charge.declined"]).await.expect(0, &["draft/2020-12"]);
    host.run(&["events", "schema", "charge.wibble"]).await.expect(64, &["there is no type"]);
    host.run(&["events", "test", "nobody"]).await.expect(65, &["known receivers: office"]);

    let rows = listed(&host).await;
    verify(&host, &rows);
    daemon.stop(&host).await;
}

/// The official packages accept what was really sent by either key, and nothing that was changed.
fn verify(host: &Host, rows: &[EventRow]) {
    let messages = accepted(host.simulator.chat_messages(), PATH);
    let messages = messages.iter().filter_map(|message| {
        let row = rows.iter().find(|row| row.id == header(message, "webhook-id"))?;
        let headers: serde_json::Map<String, Value> =
            message.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        Some(json!({"body": row.body, "headers": headers}))
    });
    let input = json!({"keys": KEYS, "messages": messages.collect::<Vec<_>>()});
    let sent = input["messages"].as_array().unwrap().len();
    assert!(sent >= 5, "{sent}");
    let expected = format!("{} verified, {} refused", 2 * sent, 3 * sent);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk/events");
    match python() {
        Ok(python) => {
            tools::not_skipped("Standard Webhooks for Python");
            let printed = judge(Command::new(python).arg(source.join("verify.py")), &input);
            assert_eq!(printed.trim(), expected);
        }
        Err(why) => tools::skipped("Standard Webhooks for Python", &why),
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sdk-events-node");
    match sdk_node::install(&source, &folder, "standardwebhooks") {
        Ok(()) => {
            tools::not_skipped("Standard Webhooks for Node");
            let printed = judge(Command::new("node").arg("run.js").current_dir(&folder), &input);
            assert_eq!(printed.trim(), expected);
        }
        Err(why) => tools::skipped("Standard Webhooks for Node", &why),
    }
}
