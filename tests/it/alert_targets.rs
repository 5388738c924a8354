//! Every kind of alert target against its twin in the simulator, which is written from the targets' manuals alone: a
//! real daemon, real sockets, a mail server and a program.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use amazon_pay_simulator::chat::{MailOptions, MailSecurity, Script, ScriptedAnswer, WaitHint};
use amazon_pay_simulator::credentials::write_secret;
use amazon_pay_simulator::plan::{Plan, Step};
use amazon_pay_simulator::{ChatMessage, serve_mail};
use tokio_util::sync::CancellationToken;

use crate::killing::kills;
use crate::process::Host;

/// The order number of a shop that somebody wants to be called names.
const HOSTILE: &str = "<!channel> @everyone @here_all [x](https://evil.example) *A* \u{202e}1";

/// A target's kind, which is its twin's name too, the key of its secret, other keys, and the secret. `BASE` is the
/// simulator's address.
pub const TARGETS: &[(&str, &str, &str, &str)] = &[
    ("slack", "url = SECRET", "", "BASE/services/T0/B0/all"),
    (
        "teams",
        "url = SECRET",
        "",
        "BASE/workflows/w/triggers/manual/paths/invoke?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=s",
    ),
    ("discord", "url = SECRET", "", "BASE/api/webhooks/1234567890/token"),
    ("google-chat", "url = SECRET", "", "BASE/v1/spaces/SPACE/messages?key=k&token=t"),
    ("mattermost", "url = SECRET", "", "BASE/hooks/k1234567890123456789012345"),
    ("rocket-chat", "url = SECRET", "", "BASE/hooks/id/token"),
    (
        "telegram",
        "token = SECRET",
        "chat_id = -1001234567890",
        "123456789:AAEexampleexampleexampleexampleexam",
    ),
    ("ntfy", "topic = SECRET", "", "payments-7f3a"),
    ("pagerduty", "routing_key = SECRET", "", "0123456789abcdef0123456789abcdef"),
    ("opsgenie", "api_key = SECRET", "", "eb243592-faa2-4ba2-a551-1afdf565c889"),
    ("alertmanager", "", "", ""),
    ("webhook", "url = SECRET", "", "BASE/hooks/json/office"),
    (
        "template",
        "url = SECRET",
        "template = '{\"ticket\": {{ title | tojson }}}'",
        "BASE/hooks/json/tickets",
    ),
];

/// The section of one target.
fn section(kind: &str, keys: &str) -> String {
    format!(
        "[[alert]]\nname = \"to-{kind}\"\nkind = \"{kind}\"\nenvironments = [\"live\", \"sandbox\"]\n{keys}\n"
    )
}

/// A section for each target that takes HTTP requests, with its secret in the folder.
pub fn sections(folder: &Path, base: &str) -> String {
    let mut sections = String::new();
    for (kind, keys, more, secret) in TARGETS {
        let file = folder.join(format!("{kind}-secret"));
        write_secret(&file, &secret.replace("BASE", base)).unwrap();
        let keys = keys.replace("SECRET", &format!("\"file:{}\"", file.display()));
        let has_base = ["telegram", "ntfy", "pagerduty", "opsgenie", "alertmanager"].contains(kind);
        let base = if has_base { format!("base_url = \"{base}\"") } else { String::new() };
        sections.push_str(&section(kind, &format!("{keys}\n{more}\n{base}")));
    }
    sections
}

/// Adds a section for each target, for e-mail and for a command. Returns the file that the command writes.
fn configure(host: &Host, base: &str, mail: SocketAddr) -> std::path::PathBuf {
    let mut sections = sections(host.folder.path(), base);
    sections.push_str(&section(
        "email",
        &format!(
            "server = \"127.0.0.1\"\nport = {}\nsecurity = \"none\"\nfrom = \"Shop <alerts@shop.example>\"\nto = \
             [\"ops@shop.example\"]",
            mail.port()
        ),
    ));
    let (program, received) = (host.path("receive"), host.path("received.jsonl"));
    std::fs::write(&program, format!("#!/bin/sh\ncat >> {0}\necho >> {0}\n", received.display())).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    sections.push_str(&section("exec", &format!("command = [\"{}\"]", program.display())));
    host.rewrite_config(|config| config + &*sections);
    received
}

/// A declined charge with this order number.
fn declined(host: &Host, reference: &str) -> String {
    let plan = Plan {
        kind: "authorization".to_owned(),
        amount: "14.00".to_owned(),
        currency: "EUR".to_owned(),
        merchant_reference: reference.to_owned(),
        steps: vec![Step {
            after: Duration::ZERO,
            state: "Declined".to_owned(),
            reason: Some("HardDeclined".to_owned()),
        }],
        invisible_for: Duration::ZERO,
    };
    host.simulator.plant("shop", &plan).unwrap()
}

/// What each twin has accepted since the first `from` messages. `webhook` and `template` share the twin `json`.
fn accepted(host: &Host, from: usize) -> BTreeMap<&'static str, Vec<ChatMessage>> {
    let mut by_twin: BTreeMap<&str, Vec<ChatMessage>> = BTreeMap::new();
    for message in host.simulator.chat_messages().into_iter().skip(from) {
        by_twin.entry(message.target).or_default().push(message);
    }
    by_twin
}

#[tokio::test(flavor = "multi_thread")]
async fn every_target_takes_a_decline_once_and_nothing_in_it_calls_anybody() {
    let host = Host::new().await;
    let shutdown = CancellationToken::new();
    let options = MailOptions { security: MailSecurity::None, ..MailOptions::default() };
    let listen = ([127, 0, 0, 1], 0).into();
    let mail =
        serve_mail(Arc::clone(&host.simulator), listen, options, None, shutdown.clone()).await.unwrap();
    let received = configure(&host, &host.base(), mail.address);
    let daemon = host.start().await;
    let tried = host.run(&["alerts", "test"]).await;
    for (kind, ..) in TARGETS.iter().chain(&[("email", "", "", ""), ("exec", "", "", "")]) {
        assert!(
            tried.out.contains(&format!("to-{kind} accepted it")),
            "{kind}: {}\n{}",
            tried.out,
            tried.err
        );
    }

    // One of them asks to wait, in its own words; it still gets the message, and once.
    let throttled = ["telegram", "discord", "rocket-chat"];
    for target in throttled {
        let answer = ScriptedAnswer::Throttle { wait: Duration::from_secs(1), hint: WaitHint::Own };
        let answers = [answer].into();
        host.simulator.script_chat(Script { target: target.to_owned(), path: None, answers });
    }
    let from = host.simulator.chat_messages().len();
    let id = declined(&host, HOSTILE);
    host.run(&["enrol", "--account", "shop", "--kind", "charge", "--id", &id]).await.expect(0, &[]);
    let twin = |kind: &'static str| if ["webhook", "template"].contains(&kind) { "json" } else { kind };
    let twins: Vec<&str> = TARGETS.iter().map(|(kind, ..)| twin(kind)).chain(["smtp"]).collect();
    host.until("every target has the decline", async || {
        let accepted = accepted(&host, from);
        let has_hooks = accepted.get("json").is_some_and(|messages| messages.len() >= 3);
        let has_all = twins.iter().all(|twin| accepted.contains_key(twin)) && has_hooks;
        let has_program = std::fs::read_to_string(&received).is_ok_and(|text| text.contains(&id));
        (has_all && has_program).then_some(())
    })
    .await;
    daemon.stop(&host).await;

    let accepted = accepted(&host, from);
    for (twin, messages) in &accepted {
        // The host has a chat and a back office besides.
        let expected = match *twin {
            "slack" => 2,
            "json" => 3,
            _ => 1,
        };
        assert_eq!(messages.len(), expected, "{twin}: {messages:?}");
        for message in messages {
            assert!(message.mentions.is_empty(), "{twin} calls {:?}: {}", message.mentions, message.shown);
            let evil = message.links.iter().find(|link| link.contains("evil"));
            assert_eq!(evil, None, "{twin}: {}", message.shown);
            // A back office gets the order number letter for letter: it looks the order up by it.
            let is_for_people = *twin != "json";
            assert!(!is_for_people || !message.shown.contains('\u{202e}'), "{twin}: {}", message.shown);
            let is_ours = message.body.get("ticket").is_none();
            assert!(!is_ours || message.shown.contains("14.00"), "{twin}: {}", message.shown);
        }
    }
    let program = std::fs::read_to_string(&received).unwrap();
    assert_eq!(program.lines().filter(|line| line.contains(&id)).count(), 1, "{program}");
    let counts = host.simulator.counts().chat;
    assert_eq!((counts.refused, counts.throttled), (0, 3), "no twin had to refuse anything: {counts:?}");
    shutdown.cancel();
}

/// Kills in the story below: `RECONCILED_KILLS`, or twenty. Each kill comes after another number of messages, from none
/// to seven, so twenty of them meet each of these moments at least twice; the messages of one decline are sixteen. A
/// second a kill makes `RECONCILED_KILLS=60` the minute of "killed every second".
const KILLS: u64 = 20;

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_it_tells_every_target_of_every_decline_and_none_counts_one_twice() {
    let host = Host::new().await;
    let shutdown = CancellationToken::new();
    let options = MailOptions { security: MailSecurity::None, ..MailOptions::default() };
    let listen = ([127, 0, 0, 1], 0).into();
    let mail =
        serve_mail(Arc::clone(&host.simulator), listen, options, None, shutdown.clone()).await.unwrap();
    let received = configure(&host, &host.base(), mail.address);
    // Every decline is a message of its own here. A combined message has a key of its own, which follows from the alerts
    // in it. A kill between its sending and its recording may put them together differently the next time, and a pager
    // shows them twice. So what must appear once is what is sent alone.
    host.rewrite_config(|text| text + "[alerting]\ngroup_over = 1000\nstorm_over = 1000\n");
    let mut declines = Vec::new();
    let kills = usize::try_from(kills(KILLS)).unwrap();
    for round in 0..kills {
        let daemon = host.start().await;
        let before = host.simulator.chat_messages().len();
        let id = declined(&host, &format!("ORDER-{round}"));
        host.run(&["enrol", "--account", "shop", "--kind", "charge", "--id", &id]).await.expect(0, &[]);
        declines.push(id);
        // In the middle of the poll, of the first messages, or of later ones.
        let arrived = round % 8;
        host.until("some messages have arrived", async || {
            (host.simulator.chat_messages().len() >= before + arrived).then_some(())
        })
        .await;
        daemon.kill();
    }
    let daemon = host.start().await;
    let twin = |kind: &'static str| if ["webhook", "template"].contains(&kind) { "json" } else { kind };
    let twins: Vec<&str> = TARGETS.iter().map(|(kind, ..)| twin(kind)).chain(["smtp"]).collect();
    let number_of = |messages: &[ChatMessage], id: &str| {
        messages.iter().filter(|message| message.body.to_string().contains(id)).count()
    };
    host.until("every target has every decline", async || {
        let accepted = accepted(&host, 0);
        let told = |twin: &&str| {
            let messages = accepted.get(*twin);
            messages.is_some_and(|messages| declines.iter().all(|id| number_of(messages, id) > 0))
        };
        let text = std::fs::read_to_string(&received).unwrap_or_default();
        (twins.iter().all(told) && declines.iter().all(|id| text.contains(id))).then_some(())
    })
    .await;
    daemon.stop(&host).await;
    // What recognises a repetition by its key shows each decline once.
    let accepted = accepted(&host, 0);
    for twin in ["pagerduty", "opsgenie", "alertmanager"] {
        let messages = &accepted[twin];
        let mut keys: BTreeMap<&str, std::collections::BTreeSet<&str>> = BTreeMap::new();
        for message in messages {
            let key = message.key.as_deref().unwrap_or_else(|| panic!("{twin}: no key: {}", message.body));
            for id in declines.iter().filter(|id| message.body.to_string().contains(*id)) {
                keys.entry(id).or_default().insert(key);
            }
        }
        assert!(keys.len() >= kills, "{twin}: {} declines have a key", keys.len());
        for (id, keys) in keys {
            assert_eq!(keys.len(), 1, "{twin}: {id} came under several keys: {keys:?}");
        }
    }
    shutdown.cancel();
}
