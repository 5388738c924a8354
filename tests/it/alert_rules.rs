//! Rules, silences, acknowledgement and escalation: a whole daemon in virtual time, and the real binary that is killed.

use std::path::Path;

use amazon_pay_simulator::credentials::write_secret;
use reconciled::control::messages::AcknowledgeRequest;

use crate::process::{Host, Planted};
use crate::scenario::{self, population, quota, shop};
use crate::world::World;

/// Declines go to the chat, and to a pager if nobody acknowledges them; everything else goes to the back office.
const RULES: &str = r#"
[[route]]
kinds = ["declined"]
min_amount = "10.00 EUR"
targets = ["chat"]
escalate_after_min = 15
escalate_to = ["pager"]
[[route]]
kinds = ["declined"]
targets = ["back-office"]
"#;

/// A second chat room, which stands for a pager.
fn pager(folder: &Path, base: &str) -> String {
    let file = folder.join("pager-url");
    write_secret(&file, &format!("{base}/services/T0/B0/pager")).unwrap();
    format!("[[alert]]\nname = \"pager\"\nkind = \"slack\"\nurl = \"file:{}\"\n", file.display())
}

/// A shop with one authorization that is declined after ten minutes.
fn scenario() -> String {
    let steps = r#"[{ after_s = 600, state = "Declined", reason = "HardDeclined" }]"#;
    let declined = population("shop", "authorization", 1, steps).price("EUR", "14.00", "14.00");
    scenario::of(7, &[&shop(), &quota(10, 1), &declined])
}

/// What a chat room got.
fn room(world: &World, name: &str) -> Vec<String> {
    let messages = world.simulator.chat_messages().into_iter();
    let of_room = messages.filter(|message| message.path.ends_with(name));
    of_room.map(|message| message.body.to_string()).collect()
}

/// A world with these rules in which the decline has just been reported.
async fn declined() -> World {
    let mut world = World::new("2027-01-15T06:00:00Z", &scenario(), "").await;
    world.stop().await;
    let sections = pager(world.folder.path(), "http://127.0.0.1:9") + RULES;
    world.rewrite_config(|config| config + &*sections);
    world.start().await;
    world.enrol_all("shop").await;
    for _ in 0..180 {
        if !room(&world, "/x").is_empty() {
            return world;
        }
        world.pass_minutes(1.0).await;
    }
    panic!("no decline was reported within three hours");
}

#[tokio::test(start_paused = true)]
async fn a_decline_that_nobody_acknowledges_reaches_the_pager_after_a_quarter_of_an_hour() {
    let mut world = declined().await;
    let chat = room(&world, "/x");
    assert!(chat.len() == 1 && chat[0].contains("or others are alerted at"), "{chat:?}");
    assert!(world.events("declined").is_empty(), "the rule sends it to the chat alone");
    world.pass_minutes(7.0).await;
    world.stop().await;
    world.start().await;
    world.pass_minutes(6.0).await;
    assert!(room(&world, "/pager").is_empty());
    world.pass_minutes(3.0).await;
    let paged = room(&world, "/pager");
    assert!(paged.len() == 1 && paged[0].contains("Escalation, not acknowledged since"), "{paged:?}");
    world.stop().await;
    world.start().await;
    world.pass_hours(3.0).await;
    assert_eq!((room(&world, "/pager").len(), room(&world, "/x").len()), (1, 1), "once");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_keeps_a_decline_from_the_pager_across_a_restart() {
    let mut world = declined().await;
    let all = AcknowledgeRequest { all: true, ..AcknowledgeRequest::default() };
    let done = world.daemon().service().acknowledge(all, "uid:1000").await.unwrap();
    assert_eq!(done.keys.len(), 1);
    world.stop().await;
    world.start().await;
    world.pass_hours(3.0).await;
    assert!(room(&world, "/pager").is_empty());
    world.stop().await;
}

/// Enrols a decline with a reason.
async fn decline(host: &Host, reason: &str) -> Planted {
    let planted = host.plant("shop", "authorization", "Declined", Some(reason), 0);
    let words = ["enrol", "--account", "shop", "--kind", "charge", "--reference", &planted.reference];
    let amount = ["--amount", "14.00", "--currency", "EUR", "--id", planted.id()];
    host.run(&[&words[..], &amount[..]].concat()).await.expect(0, &[]);
    planted
}

async fn listed(host: &Host, state: &str, planted: &Planted) -> Option<String> {
    let ran = host.run(&["alerts", "list", "--state", state, "--json"]).await;
    ran.out.lines().find(|line| line.contains(planted.id())).map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_holds_declines_back_and_survives_kill_dash_nine() {
    let host = Host::new().await;
    let sections = pager(host.folder.path(), &host.base()) + RULES;
    host.rewrite_config(|config| config + &*sections);
    host.run(&["check-config"]).await.expect(0, &["is valid"]);
    let daemon = host.start().await;
    host.run(&["alerts", "route", "--example", "--amount", "14.00", "--currency", "EUR"]).await.expect(
        0,
        &[
            "rule 1 (kinds: declined; at least 10.00 EUR): matches",
            "chat gets it at once",
            "pager gets it at",
        ],
    );
    let adding = ["silence", "add", "--account", "shop", "--reason", "AmazonRejected", "--for", "2h"];
    host.run(&[&adding[..], &["--because", "a test of the shop"]].concat())
        .await
        .expect(0, &["silence 1 until", "reasons: AmazonRejected"]);
    let first = decline(&host, "AmazonRejected").await;
    let held = host.until("the decline is held back", async || listed(&host, "silenced", &first).await).await;
    assert!(held.contains("\"silence\":1"), "{held}");
    host.run(&["alerts", "route", "--example", "--reason", "AmazonRejected"])
        .await
        .expect(69, &["silence 1 holds it back now"]);
    daemon.kill();

    let daemon = host.start().await;
    let second = decline(&host, "AmazonRejected").await;
    let other = decline(&host, "HardDeclined").await;
    host.until("the second one is held back, too", async || listed(&host, "silenced", &second).await).await;
    host.until("the other one is reported", async || {
        (host.chat_speaks_of(&other.reference) == 1).then_some(())
    })
    .await;
    assert_eq!(host.chat_speaks_of(&first.reference) + host.chat_speaks_of(&second.reference), 0);
    host.run(&["silence", "list"])
        .await
        .expect(0, &["in force", "a test of the shop", "1 silence, 1 in force"]);
    let waiting = host
        .until("it waits for an acknowledgement", async || {
            listed(&host, "delivered", &other).await.filter(|row| row.contains("\"status\":\"pending\""))
        })
        .await;
    assert!(waiting.contains("\"is_escalation\":true"), "{waiting}");
    daemon.kill();

    let daemon = host.start().await;
    host.run(&["alerts", "acknowledge", "--all"]).await.expect(0, &["1 alert acknowledged"]);
    host.run(&["silence", "end", "1"]).await.expect(0, &["silence 1 has ended; it held back 2 alerts"]);
    daemon.kill();

    let daemon = host.start().await;
    let third = decline(&host, "AmazonRejected").await;
    host.until("the silence is over", async || (host.chat_speaks_of(&third.reference) == 1).then_some(()))
        .await;
    let row = listed(&host, "acknowledged", &other).await.unwrap();
    assert!(row.contains("\"acknowledged\":{\"by\":\"uid:"), "{row}");
    host.run(&["silence", "list"]).await.expect(0, &["ended by uid:", "1 silence, 0 in force"]);
    host.run(&["audit"]).await.expect(0, &["silence add", "silence end", "alerts acknowledge"]);
    assert_eq!(host.chat_speaks_of(&first.reference), 0, "what was held back stays undelivered");
    daemon.stop(&host).await;
}
