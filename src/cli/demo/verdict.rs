//! Compares what the daemon observed with what the simulated provider knows, and the alerts that the chat received with
//! the declines. The result decides the demo's exit code.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::civil::Date;

use super::super::exit::{Exit, Failed};
use super::chat;
use super::stage::Stage;
use crate::daemon::Daemon;
use crate::payments::object::ObjectId;
use crate::payments::record::Record;
use crate::text::count;
use amazon_pay_simulator::fault::FaultKind;
use amazon_pay_simulator::plan::{Truth, enrolled_kind};

/// The state of the demo.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    enrolled: u64,
    watched: u64,
    /// The number of ended objects, by kind and state.
    outcomes: BTreeMap<(String, String), u64>,
    pub(super) declined: u64,
    still_open: u64,
    pub(super) polls: u64,
    pub(super) throttled: u64,
    over_quota: u64,
    quota: Vec<(String, u64)>,
    pub(super) owed: u64,
    /// Final at the provider, but not observed as final.
    missed: Vec<String>,
    /// Declined, but not delivered exactly once to each target.
    mistold: Vec<String>,
    final_at_provider: u64,
    quarantined: u64,
    folder: PathBuf,
    is_temporary: bool,
    /// The first decline, as the chat shows it.
    first_decline: Option<String>,
}

/// The folder of a day's report.
pub(super) fn report_folder(folder: &Path, day: Date) -> PathBuf {
    folder.join(format!("reports/{}/{:02}/{day}", day.year(), day.month()))
}

impl Verdict {
    /// Compares both sides.
    pub(super) async fn reach(daemon: &Arc<Daemon>, stage: &Stage, enrolled: u64) -> Result<Verdict, Failed> {
        let failed = |error: crate::store::StoreError| Failed::new(Exit::Disk, error.to_string(), "");
        let mut verdict = Verdict {
            enrolled,
            folder: stage.folder.clone(),
            is_temporary: stage.is_temporary,
            ..Verdict::default()
        };
        // Messages first: otherwise a decline that happens meanwhile would look undelivered.
        let told = told(stage);
        for truth in stage.simulator.truths() {
            let Ok(id) = ObjectId::new(truth.id.as_str()) else { continue };
            let records = daemon.store().find(&id).await.map_err(failed)?;
            if let Some(record) = records.iter().find(|record| is_kind(record, &truth)) {
                verdict.compare(record, &truth, &told);
            }
        }
        for (account, tally) in daemon.reconcile().tallies() {
            verdict.polls += tally.polls;
            verdict.quota.push((account.to_string(), tally.polls));
        }
        let counts = stage.simulator.counts();
        verdict.throttled = counts.total().throttled
            + counts
                .total()
                .faults
                .iter()
                .filter(|(kind, _)| **kind == FaultKind::Throttle)
                .map(|(_, number)| number)
                .sum::<u64>();
        verdict.over_quota = counts.total().over_quota;
        verdict.first_decline = first_decline(stage);
        verdict.owed = daemon.store().stats().outbox_pending;
        Ok(verdict)
    }

    fn compare(&mut self, record: &Record, truth: &Truth, told: &BTreeMap<String, [u64; 2]>) {
        self.watched += 1;
        self.quarantined += u64::from(record.quarantine.is_some());
        let state = record.state().unwrap_or("unseen").to_owned();
        if truth.is_final {
            self.final_at_provider += 1;
            if !record.is_finished() || !state.eq_ignore_ascii_case(&truth.state) {
                self.missed.push(format!(
                    "{} is {} at the provider, observed as {state}",
                    record.object, truth.state
                ));
            }
        }
        if truth.is_declined {
            self.declined += 1;
            let times = told.get(&truth.id).copied().unwrap_or_default();
            if times != [1, 1] {
                self.mistold
                    .push(format!("{} was delivered {} and {} times", record.object, times[0], times[1]));
            }
        }
        if record.is_finished() {
            *self.outcomes.entry((record.object.kind.to_string(), state)).or_default() += 1;
        } else {
            self.still_open += 1;
        }
    }

    pub(super) fn enrolled_seen(&self) -> u64 {
        self.watched
    }

    pub(super) fn settled(&self) -> u64 {
        self.final_at_provider.saturating_sub(self.missed.len() as u64)
    }

    /// Nothing is pending: everything that is final was observed, and every decline was delivered.
    pub(super) fn is_settled(&self) -> bool {
        self.missed.is_empty() && self.mistold.is_empty() && self.owed == 0
    }

    pub(super) fn is_good(&self) -> bool {
        self.is_settled() && self.over_quota == 0 && self.final_at_provider > 0
    }

    /// The summary that a newcomer reads at the end.
    pub(super) fn summary(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: String| {
            let _ = writeln!(text, "  {name:<28}{value}");
        };
        line(
            "enrolled",
            format!(
                "{} (and {} discovered through them)",
                self.enrolled,
                self.watched.saturating_sub(self.enrolled)
            ),
        );
        for ((kind, state), number) in &self.outcomes {
            line(&format!("{kind} {state}"), number.to_string());
        }
        line(
            "declined, each delivered",
            format!("{} (once by chat, once to the back office)", self.declined),
        );
        line("still open", self.still_open.to_string());
        line("quarantined", self.quarantined.to_string());
        line("polls", self.polls.to_string());
        line("throttled answers", self.throttled.to_string());
        let over = format!("{} by the provider's count", count(self.over_quota, "request"));
        line("over the quota", over);
        line("quota used", "of 8 a second for each operation, 10 at once".to_owned());
        for (account, polls) in &self.quota {
            line(&format!("  {account}"), count(*polls, "request"));
        }
        line("reports", self.folder.join("reports").display().to_string());
        line("alerts", self.folder.join("alerts.jsonl").display().to_string());
        line("store", self.folder.join("store").display().to_string());
        if self.is_temporary {
            line("", "keep them elsewhere with --dir DIR".to_owned());
        }
        for problem in self.missed.iter().chain(&self.mistold).take(20) {
            let _ = writeln!(text, "  PROBLEM: {problem}");
        }
        let verdict = if self.is_good() {
            "everything that became final was seen final,\nand each decline was delivered exactly once"
        } else {
            "NOT everything was seen and delivered as it should be"
        };
        let first = self.first_decline.as_deref().unwrap_or_default();
        let next = "Next: open summary.html in the reports; `reconciled init` for your own account;\n\
                    `reconciled simulate --write-config DIR` to develop a shop against.";
        format!("\nThe first decline, as the chat shows it:\n\n{first}\n{text}\n{verdict}\n\n{next}\n")
    }
}

fn is_kind(record: &Record, truth: &Truth) -> bool {
    let kind = record.object.kind.as_str();
    kind == truth.kind || kind == enrolled_kind("amazon-pay-v2", &truth.kind)
}

/// The first message about a decline that the chat received.
fn first_decline(stage: &Stage) -> Option<String> {
    let messages = stage.simulator.chat_messages();
    let mut declines = messages.iter().filter(|message| {
        message.path.starts_with("/services/") && message.body["text"].to_string().contains("DECLINED")
    });
    declines.next().map(|message| chat::as_text(&message.body))
}

/// How often each object's decline was received, by the chat and by the back office.
fn told(stage: &Stage) -> BTreeMap<String, [u64; 2]> {
    let mut told: BTreeMap<String, [u64; 2]> = BTreeMap::new();
    for message in stage.simulator.chat_messages() {
        if message.path.starts_with("/hooks/") {
            let data = &message.body["data"];
            if data["kind"] == "declined"
                && let Some(id) = data["object"]["id"].as_str()
            {
                told.entry(id.to_owned()).or_default()[1] += 1;
            }
            continue;
        }
        let text = message.body["text"].as_str().unwrap_or_default();
        if text.contains("DECLINED") || text.contains("declined") {
            for truth in
                stage.simulator.truths().iter().filter(|truth| truth.is_declined && text.contains(&truth.id))
            {
                told.entry(truth.id.clone()).or_default()[0] += 1;
            }
        }
    }
    told
}
