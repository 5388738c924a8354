//! Scripted answers and limits of the pretended chat, as written and checked.
//!
//! Owns: the keys of `[[chat.script]]` and `[[chat.limit]]` and the rules between them. Must never know: what a target answers.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Deserialize;

use super::super::chat::{self, MailStage, Script, ScriptedAnswer, WaitHint};
use super::super::provider::Quota;
use super::check::Findings;
use super::written::Seconds;

/// The most answers that one script may hold.
const MOST_ANSWERS: usize = 1_000_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenScript {
    target: String,
    path: Option<String>,
    answers: Vec<WrittenAnswer>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenLimit {
    target: String,
    capacity: u32,
    refill: u32,
    per_s: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenAnswer {
    kind: Kind,
    #[serde(default = "once")]
    times: usize,
    wait_s: Option<Seconds>,
    hint: Option<WaitHint>,
    status: Option<u16>,
    body: Option<String>,
    stage: Option<MailStage>,
    kept: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Accept,
    Throttle,
    Refuse,
    #[serde(rename = "error_in_200")]
    ErrorIn200,
    Lose,
    Hang,
    Reset,
}

fn once() -> usize {
    1
}

pub(super) fn scripts(written: Vec<WrittenScript>, findings: &mut Findings<'_>) -> Vec<Script> {
    written.into_iter().map(|written| script(written, findings)).collect()
}

fn script(written: WrittenScript, findings: &mut Findings<'_>) -> Script {
    let target = written.target;
    check_target("script.target", &target, findings);
    if written.answers.iter().map(|answer| answer.times).fold(0, usize::saturating_add) > MOST_ANSWERS {
        let remedy = format!("write at most {MOST_ANSWERS}");
        findings.add("script.answers.times", "adds up to too many answers", remedy);
        return Script { target, path: written.path, answers: VecDeque::new() };
    }
    let mut answers = VecDeque::new();
    for written in &written.answers {
        check_keys(written, &target, findings);
        answers.extend(std::iter::repeat_n(answer(written), written.times));
    }
    Script { target, path: written.path, answers }
}

pub(super) fn limits(written: Vec<WrittenLimit>, findings: &mut Findings<'_>) -> Vec<(String, Quota)> {
    let mut limits: Vec<(String, Quota)> = Vec::new();
    for WrittenLimit { target, capacity, refill, per_s } in written {
        check_target("limit.target", &target, findings);
        if capacity == 0 || per_s == 0 {
            let problem = format!("`{target}` would take nothing");
            findings.add("limit", problem, "write capacity and per_s of 1 or more");
        }
        if limits.iter().any(|(known, _)| *known == target) {
            findings.add("limit.target", format!("`{target}` has two limits"), "leave one out");
        }
        limits.push((target, Quota::new(capacity, refill, per_s)));
    }
    limits
}

fn check_target(key: &str, target: &str, findings: &mut Findings<'_>) {
    if !chat::targets().contains(&target) {
        let remedy = format!("write one of {}", chat::targets().join(", "));
        findings.add(key, format!("`{target}` is no target"), remedy);
    }
}

fn check_keys(written: &WrittenAnswer, target: &str, findings: &mut Findings<'_>) {
    let kind = written.kind;
    for (key, is_written, is_meant) in [
        ("wait_s", written.wait_s.is_some(), kind == Kind::Throttle),
        ("hint", written.hint.is_some(), kind == Kind::Throttle),
        ("status", written.status.is_some(), kind == Kind::Refuse),
        ("body", written.body.is_some(), kind == Kind::Refuse),
        ("stage", written.stage.is_some(), kind == Kind::Refuse && target == "smtp"),
        ("kept", written.kept.is_some(), matches!(kind, Kind::Hang | Kind::Reset)),
    ] {
        if is_written && !is_meant {
            findings.add(
                &format!("script.answers.{key}"),
                "means nothing for this kind and target",
                "leave it out",
            );
        }
    }
    if kind == Kind::Refuse && !written.status.is_some_and(|status| (400..600).contains(&status)) {
        findings.add("script.answers.status", "is missing or no error", "write a number from 400 to 599");
    }
    if kind == Kind::ErrorIn200 && !chat::has_error_in_200(target) {
        let problem = format!("`{target}` never reports a failure under a success status");
        findings.add("script.answers.kind", problem, "write another kind");
    }
}

fn answer(written: &WrittenAnswer) -> ScriptedAnswer {
    let is_kept = written.kept.unwrap_or(false);
    match written.kind {
        Kind::Accept => ScriptedAnswer::Accept,
        Kind::Throttle => ScriptedAnswer::Throttle {
            wait: written.wait_s.map_or(Duration::from_secs(1), |seconds| seconds.0),
            hint: written.hint.unwrap_or_default(),
        },
        Kind::Refuse => ScriptedAnswer::Refuse {
            status: written.status.unwrap_or(500),
            body: written.body.clone(),
            stage: written.stage.unwrap_or_default(),
        },
        Kind::ErrorIn200 => ScriptedAnswer::ErrorIn200,
        Kind::Lose => ScriptedAnswer::Lose,
        Kind::Hang => ScriptedAnswer::Hang { is_kept },
        Kind::Reset => ScriptedAnswer::Reset { is_kept },
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{EXAMPLE, Scenario};

    #[test]
    fn the_example_has_a_script_and_names_every_target() {
        let scenario = Scenario::parse(EXAMPLE, Path::new(".")).expect("the example is good");
        assert_eq!(scenario.chat.scripts[0].answers.len(), 6);
        for target in super::chat::targets() {
            assert!(EXAMPLE.contains(&format!(" {target}")), "{target}");
        }
    }

    #[test]
    fn bad_scripts_are_refused_with_key_and_remedy() {
        for (target, answer, key) in [
            ("pigeon", "kind = \"accept\"", "chat[0].script.target"),
            ("json", "kind = \"error_in_200\"", "chat[0].script.answers.kind"),
            ("slack", "kind = \"refuse\"", "chat[0].script.answers.status"),
            ("slack", "kind = \"refuse\", status = 200", "chat[0].script.answers.status"),
            ("slack", "kind = \"accept\", wait_s = 1", "chat[0].script.answers.wait_s"),
            ("slack", "kind = \"lose\", kept = true", "chat[0].script.answers.kept"),
            ("slack", "kind = \"refuse\", status = 500, stage = \"rcpt\"", "chat[0].script.answers.stage"),
            ("slack", "kind = \"accept\", times = 2000000", "chat[0].script.answers.times"),
        ] {
            let text = format!("[chat]\n[[chat.script]]\ntarget = \"{target}\"\nanswers = [{{ {answer} }}]");
            let error = Scenario::parse(&text, Path::new(".")).expect_err("it is bad");
            let keys: Vec<&str> = error.problems.iter().map(|problem| problem.key.as_str()).collect();
            assert_eq!(keys, [key], "{error}");
        }
    }

    #[test]
    fn bad_limits_are_refused_with_key_and_remedy() {
        let slack = "target = \"slack\", capacity = 1, refill = 1, per_s = 1";
        for (limits, key) in [
            (vec!["target = \"pigeon\", capacity = 1, refill = 1, per_s = 1"], "chat[0].limit.target"),
            (vec!["target = \"slack\", capacity = 0, refill = 1, per_s = 1"], "chat[0].limit"),
            (vec![slack, slack], "chat[0].limit.target"),
        ] {
            let limits: Vec<String> = limits.iter().map(|limit| format!("{{ {limit} }}")).collect();
            let text = format!("[chat]\nlimit = [{}]", limits.join(", "));
            let error = Scenario::parse(&text, Path::new(".")).expect_err("it is bad");
            let keys: Vec<&str> = error.problems.iter().map(|problem| problem.key.as_str()).collect();
            assert_eq!(keys, [key], "{error}");
        }
    }
}
