//! `reconciled show OBJECT`

use std::io;

use super::connection::{Action, Connection};
use super::exit::{Ended, Exit};
use super::list::phase;
use super::options::ShowArguments;
use super::poll::short_time;
use super::screen::{Screen, Table, Tone};
use crate::clock::SharedClock;
use crate::control::explain::moment;
use crate::control::messages::{AlertRow, DeliveryRow, DeliveryStatus, Show, Shown};
use crate::payments::lifecycle::Outcome;
use crate::payments::record::{Observed, Transition};

/// Shows one object: what is known, its history, its alerts.
pub(super) async fn show(
    options: &ShowArguments,
    connection: &Connection,
    clock: &SharedClock,
    screen: &mut Screen<'_>,
) -> Ended {
    let shown = connection.ask(Show(options.object.clone())).await?;
    connection.say(Action::Read, screen)?;
    if options.json {
        screen.json(&shown)?;
        return Ok(Exit::Ok);
    }
    write_record(&shown, clock, screen)?;
    write_observed(shown.observed.as_ref(), screen)?;
    write_history(&shown.history, screen)?;
    if !shown.alerts.is_empty() {
        screen.line("")?;
        screen.toned("alerts", Tone::Strong)?;
        alert_table(&shown.alerts).write(screen, true)?;
    }
    Ok(Exit::Ok)
}

fn write_record(shown: &Shown, clock: &SharedClock, screen: &mut Screen<'_>) -> io::Result<()> {
    let object = &shown.object;
    let now = clock.now();
    screen.toned(&object.object().to_string(), Tone::Strong)?;
    let outcome = object.outcome.map(|outcome| format!(", {}", outcome_word(outcome))).unwrap_or_default();
    screen.pair(
        "state",
        &format!(
            "{} ({}{outcome})",
            object.state.as_deref().unwrap_or("not observed yet"),
            phase(object.phase)
        ),
    )?;
    if let Some(quarantine) = &object.quarantine {
        let since = moment(quarantine.since, now);
        screen.pair(
            "quarantined",
            &format!("{} since {since}: {}", quarantine.cause, quarantine.explanation),
        )?;
    }
    let optional = [
        ("amount", object.money_text()),
        ("reference", object.reference.clone()),
        ("parent", object.parent.clone()),
        ("created", Some(moment(object.made_at, now))),
        ("enrolled", Some(moment(object.enrolled_at, now))),
        ("last polled", object.polled_at.map(|at| moment(at, now))),
        ("next poll", Some(object.due_at.map_or_else(|| "never: finished".to_owned(), |at| moment(at, now)))),
        ("deadline", object.deadline.map(|at| moment(at, now))),
        ("polls", Some(object.polls.to_string())),
        ("last failure", object.last_failure.clone()),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            screen.pair(name, &value)?;
        }
    }
    Ok(())
}

fn write_observed(observed: Option<&Observed>, screen: &mut Screen<'_>) -> io::Result<()> {
    let Some(observed) = observed else { return Ok(()) };
    let seen = &observed.observation;
    screen.line("")?;
    screen.toned("last answer", Tone::Strong)?;
    screen.pair("seen", &short_time(observed.seen_at))?;
    if !seen.reasons.is_empty() {
        screen.pair("reasons", &seen.reasons.join(", "))?;
    }
    for (name, money) in &seen.other_amounts {
        screen.pair(name, &money.to_string())?;
    }
    for child in &seen.children {
        screen.pair("led to", &format!("{}/{}", child.kind, child.id))?;
    }
    if let Some(request_id) = &seen.request_id {
        screen.pair("request id", request_id)?;
    }
    for (name, value) in &seen.evidence {
        screen.pair(name, value)?;
    }
    Ok(())
}

fn write_history(history: &[Transition], screen: &mut Screen<'_>) -> io::Result<()> {
    if history.is_empty() {
        return Ok(());
    }
    screen.line("")?;
    screen.toned("history", Tone::Strong)?;
    let mut table = Table::new(&["happened", "seen", "from", "to", "reasons", "amount>", "note"]);
    for row in history {
        let tone = if row.outcome == Outcome::Declined { Tone::Bad } else { Tone::Plain };
        let cells = vec![
            short_time(row.happened_at),
            short_time(row.seen_at),
            row.from.clone().unwrap_or_else(|| "-".to_owned()),
            row.to.clone(),
            row.reasons.join(", "),
            row.amount.map(|money| money.to_string()).unwrap_or_default(),
            row.note.clone(),
        ];
        table.row(cells, tone);
    }
    table.write(screen, true)
}

fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Undecided => "not decided",
        Outcome::Open => "open",
        Outcome::Succeeded => "succeeded",
        Outcome::Closed => "closed",
        Outcome::Declined => "declined",
        Outcome::Canceled => "canceled",
    }
}

/// The word for the state of a delivery.
pub(super) fn delivery_word(status: DeliveryStatus) -> (&'static str, Tone) {
    match status {
        DeliveryStatus::Pending => ("pending", Tone::Warning),
        DeliveryStatus::Delivered => ("delivered", Tone::Plain),
        DeliveryStatus::Dead => ("dead", Tone::Bad),
        DeliveryStatus::Silenced => ("silenced", Tone::Plain),
        DeliveryStatus::Acknowledged => ("acknowledged", Tone::Plain),
        DeliveryStatus::Withheld => ("withheld", Tone::Plain),
    }
}

/// One row per delivery.
pub(super) fn alert_table(alerts: &[AlertRow]) -> Table {
    let mut table =
        Table::new(&["found", "kind", "target", "delivery", "tries>", "headline", "remarks", "key"]);
    for row in alerts {
        for delivery in &row.deliveries {
            let (word, tone) = delivery_word(delivery.status);
            let cells = vec![
                short_time(row.alert.found_at),
                row.alert.kind.to_string(),
                delivery.target.clone(),
                word.to_owned(),
                delivery.attempts.to_string(),
                row.alert.headline.clone(),
                remarks(row, delivery),
                row.alert.key.clone(),
            ];
            table.row(cells, tone);
        }
    }
    table
}

/// Why an attempt failed, which silence holds the delivery back, whether it is an escalation, who acknowledged.
fn remarks(row: &AlertRow, delivery: &DeliveryRow) -> String {
    let silence = delivery.silence.filter(|_| delivery.status == DeliveryStatus::Silenced);
    let escalation = delivery.is_escalation.then(|| match delivery.status {
        DeliveryStatus::Pending => format!("escalation at {}", short_time(delivery.at)),
        _ => "escalation".to_owned(),
    });
    let acknowledged = row.acknowledged.as_ref();
    let parts = [
        delivery.last_error.clone(),
        silence.map(|number| format!("silence {number}")),
        escalation,
        acknowledged.map(|who| format!("acknowledged by {} {}", who.by, short_time(who.at))),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}
