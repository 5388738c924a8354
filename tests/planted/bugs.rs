//! Known bugs, each written as replacements in the source of the program.
//!
//! Owns: what each bug changes, and the words by which the judge of the simulated months names it. Must never know:
//! how the judge works. The build script of this package applies all of them to a copy of `src`, where
//! `crate::planted("Name")` says whether a bug is switched on. The program itself contains none of this.

use std::path::Path;

/// A bug that somebody could write.
#[derive(Debug)]
pub struct Bug {
    /// Its name in `crate::planted("Name")`.
    pub name: &'static str,
    /// What the judge says when it has seen this bug and not something else: one of these.
    pub signs: &'static [&'static str],
    /// The places where it is written.
    pub edits: &'static [Edit],
}

/// One replacement. The text before must stand in the file exactly once.
#[derive(Debug)]
pub struct Edit {
    /// Under `src`.
    pub file: &'static str,
    /// The text as it is.
    pub before: &'static str,
    /// The text with the bug.
    pub after: &'static str,
}

/// All of them.
pub const BUGS: &[Bug] = &[
    // The alert becomes pending in a second write, after the commit of what it reports.
    Bug {
        name: "AlertAfterCommit",
        signs: &["its decline never reached"],
        edits: &[
            Edit {
                file: "reconcile/poll.rs",
                before: "            let commit = Commit {",
                after: "            let mut commit = Commit {",
            },
            Edit {
                file: "reconcile/poll.rs",
                before: "            match self.store.commit(commit).await? {\n                Committed::Written => {\n",
                after: r#"
            let late = match crate::planted("AlertAfterCommit") {
                true => std::mem::take(&mut commit.alerts),
                false => Vec::new(),
            };
            match self.store.commit(commit).await? {
                Committed::Written => {
                    if !late.is_empty() {
                        self.store.raise(late).await?;
                    }
"#,
            },
        ],
    },
    // A record is written without its row among those that are due.
    Bug {
        name: "DueIndexNotUpdated",
        signs: &["lacks its row", "has ended and is stored as", "minutes late", "never reached"],
        edits: &[Edit {
            file: "store/queue/mod.rs",
            before: "        let Change { object, before, after } = change;\n",
            after: r#"
        let Change { object, before, after } = change;
        if before.is_some() && crate::planted("DueIndexNotUpdated") {
            return;
        }
"#,
        }],
    },
    // After a crash the budgets are taken to be full.
    Bug {
        name: "BudgetFullAfterCrash",
        signs: &["requests above the quota"],
        edits: &[Edit {
            file: "daemon/rooms.rs",
            before: "    greet(foundation, accounts).await\n}",
            after: r#"
    if !was_clean_stop && crate::planted("BudgetFullAfterCrash") {
        for account in accounts {
            let kinds = account.api.kinds().iter();
            let polls = kinds.filter_map(|kind| account.api.operation(&crate::payments::object::Kind::new(*kind).ok()?));
            for operation in polls.chain(account.api.service_operation()) {
                foundation.pace.assume_full(&account.name, operation);
            }
        }
    }
    greet(foundation, accounts).await
}"#,
        }],
    },
    // A state that cannot follow is taken like any other.
    Bug {
        name: "UnreachableStateAccepted",
        signs: &["the observations allow", "a row says that"],
        edits: &[Edit {
            file: "payments/doubt.rs",
            before: "        && !setting.lifecycle.is_reachable(from, &seen.state)\n",
            after: r#"
        && !setting.lifecycle.is_reachable(from, &seen.state)
        && !crate::planted("UnreachableStateAccepted")
"#,
        }],
    },
    // The journal is written, but not synced, before things are acknowledged.
    Bug {
        name: "SyncSkipped",
        signs: &["was acknowledged and is lost", "Lost { missing: ", "Store(Damaged(Damage"],
        edits: &[Edit {
            file: "store/journal/mod.rs",
            before: "        self.file.write_at(self.end.offset, &bytes)?;\n        self.file.sync()?;",
            after: r#"
        self.file.write_at(self.end.offset, &bytes)?;
        if !crate::planted("SyncSkipped") {
            self.file.sync()?;
        }"#,
        }],
    },
    // A change of state leaves no row in the history.
    Bug {
        name: "HistoryRowForgotten",
        signs: &["its rows end at"],
        edits: &[Edit {
            file: "store/operations.rs",
            before: "        let transition = transition.map(Box::new);",
            after: r#"
        let transition = transition.filter(|_| !crate::planted("HistoryRowForgotten")).map(Box::new);"#,
        }],
    },
    // Every attempt to deliver has a key of its own.
    Bug {
        name: "KeyOfEachAttempt",
        signs: &["reported under a second key"],
        edits: &[Edit {
            file: "alerts/targets/webhook.rs",
            before: "        let id = event_id(&message.key);",
            after: r#"
        let mut id = event_id(&message.key);
        if crate::planted("KeyOfEachAttempt") {
            id = event_id(&format!("{}{}", message.key, attempt.at));
        }"#,
        }],
    },
    // Objects found through another are not watched.
    Bug {
        name: "ChildNotEnrolled",
        signs: &["is lost"],
        edits: &[Edit {
            file: "reconcile/poll.rs",
            before: "                .filter(|child| account.api.lifecycle(&child.object.kind).is_some())",
            after: r#"
                .filter(|child| account.api.lifecycle(&child.object.kind).is_some())
                .filter(|_| !crate::planted("ChildNotEnrolled"))"#,
        }],
    },
    // The business day begins an hour late.
    Bug {
        name: "ReportDayOffByAnHour",
        signs: &["is missing", "the end of", "among the pending"],
        edits: &[Edit {
            file: "reports/day.rs",
            before: "    Ok(date.to_zoned(zone.clone())?.timestamp())",
            after: r#"
    let late = if crate::planted("ReportDayOffByAnHour") { 1 } else { 0 };
    date.to_zoned(zone.clone())?.timestamp().checked_add(jiff::ToSpan::hours(late))"#,
        }],
    },
    // Objects that have ended are polled as before.
    Bug {
        name: "FinalStillDue",
        signs: &["polled after its end was observed"],
        edits: &[Edit {
            file: "payments/schedule.rs",
            before: "    if phase == Phase::Final && record.quarantine.is_none() {",
            after: r#"
    if phase == Phase::Final && record.quarantine.is_none() && !crate::planted("FinalStillDue") {"#,
        }],
    },
    // "Too many requests" counts as a failure of the object.
    Bug {
        name: "ThrottleCountedAsFailure",
        signs: &["failures in a row are counted"],
        edits: &[Edit {
            file: "payments/trouble.rs",
            before: "        Failure::Throttled { .. } => {\n            record.is_asked = before.is_asked;\n",
            after: r#"
        Failure::Throttled { .. } => {
            record.is_asked = before.is_asked;
            if crate::planted("ThrottleCountedAsFailure") {
                record.trouble.failures += 1;
                record.due_at = Some(after_failures(&record, record.trouble.failures, policy, now));
            }
"#,
        }],
    },
    // The provider's `Retry-After` is not obeyed.
    Bug {
        name: "RetryAfterIgnored",
        signs: &["although the provider asked for a pause"],
        edits: &[Edit {
            file: "apis/pace.rs",
            before: "        self.is_throttled = true;\n",
            after: r#"
        self.is_throttled = true;
        let retry_after = retry_after.filter(|_| !crate::planted("RetryAfterIgnored"));
"#,
        }],
    },
    // A message is recorded as delivered before it is sent.
    Bug {
        name: "SettledBeforeSending",
        signs: &["its decline never reached"],
        edits: &[Edit {
            file: "alerts/deliver.rs",
            before: "        let verdict = self.send(line, &mut state.health, message).await;",
            after: r#"
        if crate::planted("SettledBeforeSending") {
            for carried in &parcel.alerts {
                self.store.settle(&carried.key, line.name(), Delivery::Delivered, self.clock.now()).await?;
            }
        }
        let verdict = self.send(line, &mut state.health, message).await;"#,
        }],
    },
    // "Not found" is taken for an end.
    Bug {
        name: "GoneTakenForEnd",
        signs: &["has ended and is stored as", "not among the pending", "is not watched any more"],
        edits: &[Edit {
            file: "payments/trouble.rs",
            before: "    match cause {\n        Some((cause, explanation)) => set_apart(",
            after: r#"
    if crate::planted("GoneTakenForEnd") && matches!(failure, Failure::Gone { .. }) {
        (cause, record.due_at) = (None, None);
    }
    match cause {
        Some((cause, explanation)) => set_apart("#,
        }],
    },
    // A report is published before the disk has its files.
    Bug {
        name: "ReportNotSynced",
        signs: &["is not whole", "has no list of sums", "has an empty list of sums"],
        edits: &[Edit {
            file: "reports/write.rs",
            before: "        self.probe.before(Step::Sync, &self.path)?;\n        self.file.sync_all()",
            after: r#"
        if crate::planted("ReportNotSynced") {
            return Ok(());
        }
        self.probe.before(Step::Sync, &self.path)?;
        self.file.sync_all()"#,
        }],
    },
    // The amount asked for is booked, not the one that moved.
    Bug {
        name: "RequestedAmountBooked",
        signs: &["is filed as"],
        edits: &[Edit {
            file: "payments/history.rs",
            before: "        let Some(facts) = facts.filter(has_moved) else {",
            after: r#"
        let is_planted = crate::planted("RequestedAmountBooked");
        let Some(facts) = facts.filter(has_moved).filter(|_| !is_planted) else {"#,
        }],
    },
    // An end without a reason is taken for good news.
    Bug {
        name: "SilentWithoutReason",
        signs: &["end without a reason was never reported"],
        edits: &[Edit {
            file: "payments/notice.rs",
            before: "        let lacks_reason = observation.reasons.is_empty() && !general.is_empty();",
            after: r#"
        let is_planted = crate::planted("SilentWithoutReason");
        let lacks_reason = observation.reasons.is_empty() && !general.is_empty() && !is_planted;"#,
        }],
    },
    // What is odd about an answer counts as right when it is seen again.
    Bug {
        name: "DoubtHealsByRepetition",
        signs: &["an odd amount was taken as"],
        edits: &[Edit {
            file: "payments/decide.rs",
            before: "    match doubt(setting, before, seen) {",
            after: r#"
    let mut doubt = doubt(setting, before, seen);
    if crate::planted("DoubtHealsByRepetition") && before.quarantine.is_some() {
        doubt = doubt.filter(|doubt| !doubt.is_state_sound);
    }
    match doubt {"#,
        }],
    },
    // Refusals of one object are taken for refused credentials.
    Bug {
        name: "OneRefusalIsAboutAll",
        signs: &["the credentials are reported as refused"],
        edits: &[
            Edit {
                file: "reconcile/circuit_breaker/circuit.rs",
                before: "        if self.failed.iter().any(|(one, _)| one == request.object) {",
                after: r#"
        let is_planted = crate::planted("OneRefusalIsAboutAll");
        if self.failed.iter().any(|(one, _)| one == request.object) || is_planted {"#,
            },
            Edit {
                file: "reconcile/circuit_breaker/circuit.rs",
                before: "        let is_known = objects.contains(request.object);",
                after: r#"
        let is_known = objects.contains(request.object) && !crate::planted("OneRefusalIsAboutAll");"#,
            },
        ],
    },
    // Due times that a clock that was ahead wrote far into the future are obeyed.
    Bug {
        name: "DueFarAheadObeyed",
        signs: &["minutes late", "has ended and is stored as", "never reached"],
        edits: &[
            Edit {
                file: "store/queue/mod.rs",
                before: "        let latest = now.checked_add(longest).ok();",
                after: r#"
        let latest = now.checked_add(longest).ok().filter(|_| !crate::planted("DueFarAheadObeyed"));"#,
            },
            // Once the clock is confirmed, objects that are dated ahead are pulled in, too.
            Edit {
                file: "daemon/timekeeping.rs",
                before: "        let at = self.clock.monotonic();\n        let is_ahead =",
                after: r#"
        if crate::planted("DueFarAheadObeyed") {
            return Ok(());
        }
        let at = self.clock.monotonic();
        let is_ahead ="#,
            },
        ],
    },
    // A day is reported by a clock that nobody has confirmed.
    Bug {
        name: "DoubtedDayReported",
        signs: &["the end of", "among the pending", "is missing"],
        edits: &[
            Edit {
                file: "reports/make.rs",
                before: "        if !self.clock.is_sure() {",
                after: r#"
        if !self.clock.is_sure() && !crate::planted("DoubtedDayReported") {"#,
            },
            Edit {
                file: "daemon/nightly.rs",
                before: "            if !self.clock.is_sure() {",
                after: r#"
            if !self.clock.is_sure() && !crate::planted("DoubtedDayReported") {"#,
            },
        ],
    },
    // Silences hold nothing back.
    Bug {
        name: "SilencesIgnored",
        signs: &["silences it"],
        edits: &[Edit {
            file: "alerts/deliver/held.rs",
            before: "        let silences = self.silences.active(now).await?;\n",
            after: r#"
        let mut silences = self.silences.active(now).await?;
        silences.retain(|_| !crate::planted("SilencesIgnored"));
"#,
        }],
    },
    // A critical alert is never escalated.
    Bug {
        name: "EscalationForgotten",
        signs: &["no escalation of its decline was ever planned"],
        edits: &[Edit {
            file: "alerts/routes.rs",
            before: "            } else if alert.severity == Severity::Critical {",
            after: r#"
            } else if alert.severity == Severity::Critical && !crate::planted("EscalationForgotten") {"#,
        }],
    },
    // The first rule that matches decides, although it says that the ones after it decide as well.
    Bug {
        name: "ContinueIgnored",
        signs: &["its decline never reached", "no escalation of its decline was ever planned"],
        edits: &[Edit {
            file: "alerts/routes.rs",
            before: "            (is_matched, is_decided) = (true, !rule.goes_on);",
            after: r#"
            (is_matched, is_decided) = (true, !rule.goes_on || crate::planted("ContinueIgnored"));"#,
        }],
    },
];

/// Finds edits of files that are not there any more.
///
/// # Errors
/// Names the first of them.
pub fn files_exist(source: &Path) -> Result<(), String> {
    match BUGS
        .iter()
        .chain(FLEET_BUGS)
        .flat_map(|bug| bug.edits)
        .find(|edit| !source.join(edit.file).is_file())
    {
        Some(edit) => Err(format!("src/{} is gone; adapt tests/planted/bugs.rs", edit.file)),
        None => Ok(()),
    }
}

/// Bugs that only several hosts show.
pub const FLEET_BUGS: &[Bug] = &[
    // A host believes that its session lasts ten times as long.
    Bug {
        name: "SessionTrustedForLong",
        signs: &["sends for", "over the quota"],
        edits: &[Edit {
            file: "store/postgres/lease.rs",
            before: "        sent_at + self.0 - self.0 / 6\n",
            after: r#"
        if crate::planted("SessionTrustedForLong") {
            return sent_at + self.0 * 10;
        }
        sent_at + self.0 - self.0 / 6
"#,
        }],
    },
    // A host that was frozen sends what it was about to send.
    Bug {
        name: "SendsAfterThaw",
        signs: &["sends for", "over the quota"],
        edits: &[Edit {
            file: "daemon/leased.rs",
            before: "            if self.store.failure().is_some() || self.store.is_closed() {\n",
            after: r#"
            if crate::planted("SendsAfterThaw") {
                return self.inner.send(request).await;
            }
            if self.store.failure().is_some() || self.store.is_closed() {
"#,
        }],
    },
    // A host that takes an account begins with a full budget.
    Bug {
        name: "FullBudgetAtTakeover",
        signs: &["over the quota"],
        edits: &[Edit {
            file: "apis/pace/held.rs",
            before: "            bucket.spend_all(limiters.limits(bucket.class), now_ns);\n",
            after: r#"
            if crate::planted("FullBudgetAtTakeover") {
                continue;
            }
            bucket.spend_all(limiters.limits(bucket.class), now_ns);
"#,
        }],
    },
    // An account is given up while requests for it are still in flight.
    Bug {
        name: "GivenUpTooEarly",
        signs: &["sends for", "over the quota"],
        edits: &[Edit {
            file: "daemon/fleet.rs",
            before: "        let pace = &self.foundation.pace;\n        pace.leave(account);\n",
            after: r#"
        if crate::planted("GivenUpTooEarly") {
            return;
        }
        let pace = &self.foundation.pace;
        pace.leave(account);
"#,
        }],
    },
    // The work for all accounts together is done by every host.
    Bug {
        name: "EveryHostIsKeeper",
        signs: &["sends for *", "was told to"],
        edits: &[Edit {
            file: "daemon/fleet.rs",
            before: "        if self.keeper.is_here() { self.work.activate() } else { elsewhere() }\n",
            after: r#"
        let is_here = self.keeper.is_here() || crate::planted("EveryHostIsKeeper");
        if is_here { self.work.activate() } else { elsewhere() }
"#,
        }],
    },
    // An append that the database has not carried out is acknowledged.
    Bug {
        name: "UnwrittenAcknowledged",
        signs: &["is lost", "does not start", "differ"],
        edits: &[Edit {
            file: "store/postgres/database/append.rs",
            before: "                Ok(Outcome::NotWritten) | Err(_) => {}\n",
            after: r#"
                Ok(Outcome::NotWritten) if crate::planted("UnwrittenAcknowledged") => return Ok(true),
                Ok(Outcome::NotWritten) | Err(_) => {}
"#,
        }],
    },
    // A host believes the dates of another one whose clock is ahead.
    Bug {
        name: "OtherClocksBelieved",
        signs: &[" is None, but is "],
        edits: &[Edit {
            file: "daemon/timekeeping.rs",
            before: "        let has_copied = is_ahead(state.copied) && may_search;\n",
            after: r#"
        let has_copied = is_ahead(state.copied) && may_search && !crate::planted("OtherClocksBelieved");
"#,
        }],
    },
];

/// The text with all edits of `file` applied.
///
/// # Errors
/// Names the first edit whose text before does not stand in the file exactly once.
pub fn apply(file: &str, mut text: String) -> Result<String, String> {
    for bug in BUGS.iter().chain(FLEET_BUGS) {
        for edit in bug.edits.iter().filter(|edit| edit.file == file) {
            let count = text.matches(edit.before).count();
            if count != 1 {
                return Err(format!(
                    "{}: the text before stands {count} times in src/{file}; adapt tests/planted/bugs.rs:\n{}",
                    bug.name, edit.before
                ));
            }
            text = text.replace(edit.before, edit.after);
        }
    }
    Ok(text)
}
