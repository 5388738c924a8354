//! A status with everything in it: how it is judged, and that it fits a terminal of 80 columns.

use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

use super::judge::{Level, judge, level};
use super::overview;
use crate::cli::screen::tests::written;
use crate::control::messages::Status;

const LONG: &str = "a-merchant-with-a-name-as-long-as-a-name-may-be-0123456789";

fn count(account: &str, kind: &str, phase: &str, state: Value, number: u64) -> Value {
    json!({
        "account": account, "kind": kind, "phase": phase, "state": state, "quarantined": false,
        "finished": phase == "final", "number": number,
    })
}

fn account(name: &str, state: Value, service: Value) -> Value {
    let quota = |operation: &str| {
        json!({
            "operation": operation, "burst": 10, "refill_ms": 1000, "available": 3, "held_until": null,
        })
    };
    let quotas = ["GetAuthorizationDetails", "GetBillingAgreementDetails", "GetCaptureDetails"].map(quota);
    json!({
        "name": name, "api": "amazon-pay-mws", "region": "na", "environment": "sandbox", "state": state,
        "quotas": quotas, "service": service,
    })
}

/// All is well.
fn well() -> Value {
    let moving = count("shop-de", "charge", "moving", json!("AuthorizationInitiated"), 1);
    json!({
        "health": {
            "version": "0.1.0", "pid": 4_194_304, "is_daemon": true, "since": "2026-01-10T00:00:00Z",
            "is_ready": true, "complaints": [], "last_round_at": "2026-01-15T09:29:59Z", "clock": null,
            "accounts": [account("shop-de", json!({ "word": "ok" }), Value::Null)],
            "targets": ["chat"], "schedules": [], "last_reload": null,
        },
        "now": "2026-01-15T09:30:00Z", "open": 1, "objects": 1, "counts": [moving], "oldest_moving": null,
        "outbox": [{ "target": "chat", "pending": 0, "next_at": null }],
        "store": {
            "journal_bytes": 1_048_576, "journal_sequence": 1, "synced_groups": 1, "index_bytes": 1_048_576,
            "outbox_pending": 0, "outbox_dead": 0, "broken": null,
        },
    })
}

/// Everything that can be said, with long names.
fn full() -> Value {
    let mut status = well();
    let since = "2026-01-15T08:00:00Z";
    let says = "Some requests to GetAuthorizationDetails take longer than usual in this region; we are at work on it.";
    let refused = json!({ "word": "refused", "since": since, "next_try_at": "2026-01-15T09:35:00Z",
        "detail": "401 UNAUTHORIZED_ACCESS for public key LIVE-AEXAMPLEKEYID00000000000" });
    let mute = json!({ "word": "no-success", "since": since, "detail": "the deadline of 30 seconds passed" });
    let yellow = |steers| json!({ "word": "YELLOW", "since": since, "heard_at": since, "message": says, "steers": steers });
    let health = &mut status["health"];
    health["is_ready"] = json!(false);
    health["complaints"] =
        json!([format!("the provider of {LONG} allows no GetCharge before 2026-01-15T10:30:00Z (in 1 h)")]);
    health["clock"] = json!({ "trust": "unconfirmed", "confirmed_at": null, "machine_ahead_s": 0 });
    health["accounts"] = json!([
        account(LONG, refused, Value::Null),
        account("shop-us", mute, Value::Null),
        account("shop-jp", json!({ "word": "ok" }), yellow(true)),
        account("shop-uk", json!({ "word": "held", "until": "2026-01-15T10:00:00Z" }), yellow(false)),
    ]);
    health["schedules"] = json!([{
        "name": format!("provider reports of {LONG}"), "cron": "30 2 * * *",
        "zone": "America/Argentina/Buenos_Aires", "last_at": since, "next_at": "2026-01-16T05:30:00Z",
        "last_result": "12 reports fetched, 3 could not be read and are kept aside for a person to look into",
    }]);
    health["last_reload"] = json!({
        "is_applied": false, "at": since,
        "problems": ["line 12: account.0.region: \"mars\" is not known (na, eu or jp)"],
    });
    status["oldest_moving"] = json!({
        "object": { "account": LONG, "kind": "authorization", "id": "P02-2337916-4827897-A987680" },
        "made_at": since, "age_s": 5400,
    });
    status["counts"] = json!([
        count(LONG, "charge", "moving", json!("AuthorizationInitiated"), 1_000_000),
        count(LONG, "capture", "final", Value::Null, 9_000_000),
        count("shop-us", "refund", "resting", json!("A_STATE_THAT_A_PROVIDER_ADDED".repeat(4)), 12),
    ]);
    status["outbox"] = json!([{ "target": LONG, "pending": 1000, "next_at": "2026-01-15T09:31:00Z" }]);
    status["events"] = json!([{
        "receiver": LONG, "pending": 123_456, "dead": 12, "next_at": "2026-01-15T09:31:00Z", "disabled_since": since,
        "last_error": "HTTP 500 internal_error_of_the_back_office",
    }]);
    status["store"]["outbox_dead"] = json!(1);
    status["store"]["broken"] =
        json!("write journal/00000000000000000001.log: No space left on device (os error 28)");
    status["batches"] = json!([{
        "account": LONG, "under_way": 2, "waiting_for_a_person": 1, "rows_waiting": 46_400, "ended": 12_000,
    }]);
    status["tails"] = json!([{
        "account": LONG, "kind": "capture", "moving": 50_000, "interval_s": 3600, "singly": 3600,
        "by_batch": 46_400, "batches": 2, "saved": 46_380,
    }]);
    status["backlogs"] = json!([{
        "account": LONG, "operation": "GetCharge", "kinds": ["charge"], "moving": 1_000_000,
        "interval_s": 3600, "round_s": 1_000_000, "batch_would_help": true,
    }]);
    status
}

fn status(value: Value) -> Status {
    serde_json::from_value(value).unwrap()
}

fn shown(status: &Status) -> String {
    let findings = judge(status);
    let (out, _) = written(|screen| {
        overview::write(level(&findings), &findings, Some(status), screen).unwrap();
    });
    out
}

#[test]
fn a_full_status_fits_80_columns() {
    let out = shown(&status(full()));
    assert!(out.lines().count() > 60, "{out}");
    for line in out.lines() {
        assert!(line.width() <= 80, "{} columns: {line}", line.width());
    }
    for part in ["CRITICAL: ", "FINAL", "9000000", "held until", "BATCHES OF", "schedule: ", "by batch: "] {
        assert!(out.contains(part), "{part:?} is missing:\n{out}");
    }
}

#[test]
fn all_is_well_in_one_line() {
    let status = status(well());
    assert_eq!(judge(&status), []);
    assert_eq!(shown(&status).lines().next(), Some("OK: 1 open object"));
}

/// Changes one thing of a good status, and returns the level and the words of the only finding.
fn judged(place: &str, value: Value) -> (Level, String) {
    let mut changed = well();
    *changed.pointer_mut(place).unwrap_or_else(|| panic!("{place}")) = value;
    let findings = judge(&status(changed));
    assert_eq!(findings.len(), 1, "{findings:?}");
    (findings[0].level, format!("{} -> {}", findings[0].what, findings[0].remedy))
}

#[test]
fn each_trouble_has_its_level_and_its_remedy() {
    let all = full();
    let check = |place: &str, value: Value, expected: Level, parts: &[&str]| {
        let (level, words) = judged(place, value);
        assert_eq!(level, expected, "{words}");
        for part in parts {
            assert!(words.contains(part), "{part:?} is not in {words}");
        }
    };
    let accounts = &all["health"]["accounts"];
    check("/health/is_ready", json!(false), Level::Critical, &["journalctl"]);
    check("/store/broken", json!("disk full"), Level::Critical, &["disk full", "restart"]);
    check("/store/outbox_dead", json!(1), Level::Critical, &["1 delivery of", "redeliver --all-dead"]);
    check("/store/outbox_dead", json!(2), Level::Critical, &["2 deliveries of"]);
    check("/health/accounts/0", accounts[0].clone(), Level::Critical, &["refuses", "401", "in 5 min"]);
    check("/health/accounts/0", accounts[1].clone(), Level::Critical, &["1 h 30 min ago", "proxy"]);
    check("/health/accounts/0", accounts[2].clone(), Level::Warning, &["YELLOW", "polled less often"]);
    check("/health/complaints", json!(["the clock is off"]), Level::Warning, &["the clock is off"]);
    check("/health/last_reload", all["health"]["last_reload"].clone(), Level::Warning, &["mars", "reload"]);
    let mut lost = well();
    lost["events"] = all["events"].clone();
    let findings = judge(&status(lost));
    let [gone, dead] = findings.as_slice() else { panic!("{findings:?}") };
    assert_eq!((gone.level, dead.level), (Level::Critical, Level::Critical));
    assert!(gone.what.contains("HTTP 410") && gone.remedy.contains("events enable"), "{gone:?}");
    assert!(dead.what.starts_with("12 events for") && dead.remedy.contains("events redeliver"), "{dead:?}");
    let mut removed = well();
    removed["events"] = json!([{
        "receiver": "old-shop", "pending": 2, "dead": 1, "next_at": null, "disabled_since": null,
        "last_error": "no longer configured", "is_removed": true,
    }]);
    let findings = judge(&status(removed));
    let [only] = findings.as_slice() else { panic!("{findings:?}") };
    assert_eq!(only.level, Level::Warning);
    assert!(only.what.starts_with("old-shop is no longer configured: 2 events pending"), "{only:?}");
    let mut removed = well();
    removed["outbox"] = json!([{ "target": "old-chat", "pending": 2, "next_at": null, "is_removed": true }]);
    let findings = judge(&status(removed));
    let [only] = findings.as_slice() else { panic!("{findings:?}") };
    assert_eq!(only.level, Level::Warning);
    assert!(only.what.starts_with("old-chat is no longer configured: 2 messages pending"), "{only:?}");
    let mut stuck = well();
    stuck["batches"] = all["batches"].clone();
    assert_eq!(level(&judge(&status(stuck))), Level::Warning);
}

#[test]
fn a_backlog_says_how_long_it_takes_and_what_helps() {
    let mut busy = well();
    busy["backlogs"] = full()["backlogs"].clone();
    let findings = judge(&status(busy));
    let [only] = findings.as_slice() else { panic!("{findings:?}") };
    assert_eq!(only.level, Level::Warning);
    assert!(only.what.contains("one round takes 11 d 13 h, not 1 h"), "{}", only.what);
    for part in ["poll.batch = \"auto\"", "`quota`", "poll.interval = \"278h\""] {
        assert!(only.remedy.contains(part), "{}", only.remedy);
    }
}

#[test]
fn the_worst_comes_first() {
    let findings = judge(&status(full()));
    assert_eq!(findings.first().map(|finding| finding.level), Some(Level::Critical));
    assert_eq!(findings.last().map(|finding| finding.level), Some(Level::Warning));
    assert_eq!(level(&findings), Level::Critical);
    assert!(Level::Unknown > Level::Critical);
}

/// A channel without trouble that trusts these topics, with these counts.
fn channel(topics: Value, counts: Value) -> Value {
    json!({
        "account": "shop-de", "is_on": true, "url": null, "where_to_paste": "Seller Central", "needs_topic": true,
        "topics": topics, "offered": [], "pending": [], "confirmed_at": null, "unsubscribed_at": null,
        "counts": counts, "unknown": [], "unverified_waiting": 0, "health": "unknown", "health_since": null,
        "kinds": {}, "last_hint_at": null, "delay_p50_below_s": null, "delay_p95_below_s": null,
    })
}

#[test]
fn messages_of_a_trusted_topic_that_cannot_be_verified_are_a_finding() {
    let reasons = json!({ "certificate_chain": 12, "untrusted_topic": 3 });
    let unverified = json!({ "unverified": 15, "unverified_by_reason": reasons });
    let findings = |topics: Value, counts: &Value| {
        let mut changed = well();
        changed["notifications"] = json!([channel(topics, counts.clone())]);
        judge(&status(changed)).into_iter().map(|finding| finding.what).collect::<Vec<_>>()
    };
    let trusted = json!(["arn:aws:sns:eu-west-1:1:topic"]);
    let found = findings(trusted.clone(), &unverified);
    assert_eq!(found, ["notifications of shop-de arrive, but none could be verified: certificate_chain 12"]);
    assert_eq!(findings(json!([]), &unverified), [""; 0], "anybody can send those");
    let mut verified = unverified.clone();
    verified["last_verified_at"] = json!("2026-01-15T09:00:00Z");
    assert_eq!(findings(trusted, &verified), [""; 0]);
}
