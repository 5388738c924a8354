//! `reconciled silence add|list|end`, `reconciled alerts acknowledge|route`
//!
//! Owns: how silences and routes are shown. Must never know: when a silence is in force, how rules decide.

use std::collections::BTreeMap;
use std::io;

use super::connection::{Action, Connection};
use super::exit::{Ended, Exit, Failed};
use super::options_alerts::{AcknowledgeArguments, RouteArguments};
use super::options_silence::{SilenceAddArguments, SilenceCommand};
use super::poll::short_time;
use super::screen::{Screen, Table, Tone};
use crate::control::messages::{
    AcknowledgeRequest, Matchers, RouteExplanation, RouteRequest, SilenceAdd, SilenceEnd, SilenceList,
    SilenceRow,
};
use crate::text::count;

/// Adds, lists or ends silences.
pub(super) async fn silence(
    command: SilenceCommand,
    connection: &Connection,
    screen: &mut Screen<'_>,
) -> Ended {
    match command {
        SilenceCommand::Add(options) => {
            let row = connection.ask(request(options)?).await?;
            connection.say(Action::Wrote, screen)?;
            let (number, words) = (row.silence.number, row.silence.matchers.words());
            screen.line(&format!("silence {number} until {}: {words}", row.silence.ends_at))?;
        }
        SilenceCommand::List(options) => {
            let rows = connection.ask(SilenceList { all: options.all }).await?;
            if options.json {
                rows.iter().try_for_each(|row| screen.json_line(row))?;
            } else if !rows.is_empty() {
                table(&rows).write(screen, true)?;
            }
            connection.say(Action::Read, screen)?;
            let active = rows.iter().filter(|row| row.is_active).count();
            screen.note(&format!("{}, {active} in force", count(rows.len(), "silence")))?;
        }
        SilenceCommand::End(options) => {
            let row = connection.ask(SilenceEnd { number: options.number }).await?;
            connection.say(Action::Wrote, screen)?;
            let held = count(row.held_back, "alert");
            screen.line(&format!("silence {} has ended; it held back {held}", row.silence.number))?;
        }
    }
    Ok(Exit::Ok)
}

fn request(options: SilenceAddArguments) -> Result<SilenceAdd, Failed> {
    Ok(SilenceAdd {
        matchers: Matchers {
            accounts: options.account.into_iter().collect(),
            environments: options.environment.into_iter().collect(),
            kinds: options.kind.into_iter().collect(),
            object_kinds: options.object_kind.into_iter().collect(),
            reasons: options.reason.into_iter().collect(),
            min_severity: options.min_severity,
            min_amount: options.min_amount,
            labels: labels(options.label)?,
        },
        reason: options.because,
        for_s: options.span_s,
        until: options.until,
        until_resolved: options.until_resolved,
    })
}

/// No account has two values of one label, so a name that comes twice is a mistake.
fn labels(typed: Vec<(String, String)>) -> Result<BTreeMap<String, String>, Failed> {
    let mut labels = BTreeMap::new();
    for (name, value) in typed {
        if let Some(first) = labels.insert(name.clone(), value) {
            let what = format!("--label {name} is given twice, first as {first:?}");
            return Err(Failed::new(Exit::Usage, what, "add a silence for each value"));
        }
    }
    Ok(labels)
}

fn table(rows: &[SilenceRow]) -> Table {
    let mut table = Table::new(&["number>", "state", "until", "held back>", "alerts", "by", "because"]);
    for row in rows {
        let silence = &row.silence;
        let (word, tone) = match (&silence.ended, row.is_active) {
            (_, true) => ("in force".to_owned(), Tone::Warning),
            (Some(ended), false) => (format!("ended by {}", ended.by), Tone::Plain),
            (None, false) => ("ended".to_owned(), Tone::Plain),
        };
        let until_resolved = if silence.until_resolved { " or until resolved" } else { "" };
        let cells = vec![
            silence.number.to_string(),
            word,
            format!("{}{until_resolved}", short_time(silence.end())),
            row.held_back.to_string(),
            silence.matchers.words(),
            silence.by.clone(),
            silence.reason.clone(),
        ];
        table.row(cells, tone);
    }
    table
}

/// Acknowledges alerts.
pub(super) async fn acknowledge(
    options: AcknowledgeArguments,
    connection: &Connection,
    screen: &mut Screen<'_>,
) -> Ended {
    let done = connection.ask(AcknowledgeRequest { keys: options.keys, all: options.all }).await?;
    connection.say(Action::Wrote, screen)?;
    screen.line(&format!("{} acknowledged", count(done.keys.len(), "alert")))?;
    for key in &done.unknown {
        screen.note(&format!("{key} is not the key of an alert"))?;
    }
    Ok(if done.unknown.is_empty() { Exit::Ok } else { Exit::NoInput })
}

/// Explains where an alert goes. Code 69 when nobody would get it.
pub(super) async fn route(
    options: RouteArguments,
    connection: &Connection,
    screen: &mut Screen<'_>,
) -> Ended {
    let RouteArguments {
        key,
        example: _,
        kind,
        account,
        severity,
        object_kind,
        reason,
        amount,
        currency,
        json,
    } = options;
    let request = RouteRequest { key, kind, account, severity, object_kind, reason, amount, currency };
    let explanation = connection.ask(request).await?;
    if json {
        screen.json(&explanation)?;
    } else {
        write_route(&explanation, screen)?;
    }
    connection.say(Action::Read, screen)?;
    let is_heard = explanation.silence.is_none() && !explanation.targets.is_empty();
    Ok(if is_heard { Exit::Ok } else { Exit::Unavailable })
}

fn write_route(explanation: &RouteExplanation, screen: &mut Screen<'_>) -> io::Result<()> {
    screen.line(&format!("alert: {}", explanation.alert))?;
    let is_matched = explanation.rules.iter().any(|rule| rule.matches == Some(true));
    for rule in &explanation.rules {
        let (name, to) = (format!("rule {} ({})", rule.number, rule.conditions), rule.targets.join(", "));
        match (rule.matches, &rule.why_not) {
            (Some(true), _) => screen.toned(&format!("{name}: matches, to {to}"), Tone::Good)?,
            (_, Some(why)) => screen.line(&format!("{name}: does not match: {why}"))?,
            _ => screen.line(&format!("{name}: not reached, an earlier rule has decided"))?,
        }
    }
    match explanation.rules.is_empty() {
        true => screen.line("there are no rules: each target's own filters decide")?,
        false if !is_matched => screen.line("no rule matches: each target's own filters decide")?,
        false => {}
    }
    for refused in &explanation.refused {
        screen.toned(&format!("{} does not get it: {}", refused.target, refused.why), Tone::Warning)?;
    }
    for target in &explanation.targets {
        screen.toned(&format!("{target} gets it at once"), Tone::Good)?;
    }
    for row in &explanation.escalations {
        let (target, at) = (&row.target, row.at);
        screen.line(&format!("{target} gets it at {at}, unless somebody acknowledges it first"))?;
    }
    if explanation.targets.is_empty() {
        screen.toned("nobody gets it at once", Tone::Bad)?;
    }
    if let Some(number) = explanation.silence {
        screen.toned(&format!("silence {number} holds it back now"), Tone::Bad)?;
    }
    Ok(())
}
