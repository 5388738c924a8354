//! `reconciled call`

use std::collections::BTreeMap;

use super::call_options::{CallArguments, CallCommand, ResolveArguments, Was};
use super::connection::{Action, Connection};
use super::exit::{Ended, Exit, Failed};
use super::screen::{Screen, Table, Tone};
use crate::control::messages::{
    CallAttempt, CallList, CallOperation, CallOperations, CallOutcome, CallRan, CallResolve, CallWanted,
};
use crate::payments::object::AccountName;
use crate::text::count;

/// Carries out one operation, or lists operations and attempts.
pub(super) async fn call(options: CallArguments, connection: &Connection, screen: &mut Screen<'_>) -> Ended {
    let CallArguments { account, operation, parameters, .. } = options;
    if let Some(CallCommand::Resolve(options)) = options.command {
        return resolve(options, connection, screen).await;
    }
    if options.list {
        return list(account, options.all, options.json, connection, screen).await;
    }
    let account = account.ok_or_else(|| Failed::new(Exit::Usage, "no account is named", "name one"))?;
    if let (Some(call), Some(outcome)) = (options.end, options.was) {
        screen.note("--end and --was are now `call resolve`; release 1.0 removes the old names")?;
        return resolve(ResolveArguments { account, call, outcome }, connection, screen).await;
    }
    let Some(operation) = operation else {
        return operations(&account, None, options.json, connection, screen).await;
    };
    if options.help_parameters {
        return operations(&account, Some(&operation), options.json, connection, screen).await;
    }
    let wanted = CallWanted {
        account,
        operation,
        parameters: distinct(parameters)?,
        confirmed: options.yes,
        wait_s: options.wait,
    };
    let ran = connection.ask(wanted).await?;
    let is_sent = ran.attempt.is_some();
    connection.say(if is_sent { Action::Wrote } else { Action::Read }, screen)?;
    if options.json {
        screen.json(&ran)?
    } else {
        show(&ran, screen)?
    }
    remark(&ran, screen)?;
    Ok(match ran.outcome {
        CallOutcome::Done => Exit::Ok,
        CallOutcome::NotAllowed => Exit::NotAllowed,
        CallOutcome::Refused => Exit::Data,
        CallOutcome::TryLater => Exit::TryLater,
        CallOutcome::InDoubt => Exit::InDoubt,
    })
}

fn distinct(pairs: Vec<(String, String)>) -> Result<BTreeMap<String, String>, Failed> {
    let mut parameters = BTreeMap::new();
    for (key, value) in pairs {
        if parameters.contains_key(&key) {
            return Err(Failed::new(Exit::Usage, format!("{key} is given twice"), "give it once"));
        }
        parameters.insert(key, value);
    }
    Ok(parameters)
}

fn show(ran: &CallRan, screen: &mut Screen<'_>) -> Result<(), Failed> {
    let (word, tone) = match ran.outcome {
        CallOutcome::Done if ran.was_done_before => ("was already done; not sent again", Tone::Good),
        CallOutcome::Done => ("done", Tone::Good),
        CallOutcome::NotAllowed => ("not sent", Tone::Warning),
        CallOutcome::Refused => ("refused by the provider", Tone::Bad),
        CallOutcome::TryLater => ("not carried out; try again later", Tone::Warning),
        CallOutcome::InDoubt => ("IN DOUBT: it is unknown whether it was carried out", Tone::Bad),
    };
    screen.toned(&format!("{} of {}: {word}", ran.operation, ran.account), tone)?;
    if let Some(detail) = &ran.detail {
        screen.pair("why", detail)?;
    }
    if let Some(shown) = &ran.would_send {
        screen.pair("would send", &shown.line)?;
        for (name, value) in &shown.fields {
            screen.line(&format!("  {name} = {value}"))?;
        }
    }
    if let Some(object) = &ran.object {
        screen.pair(ran.kind.as_deref().unwrap_or("object"), &object.id)?;
        let reasons = object.reasons.join(", ");
        let because = if reasons.is_empty() { String::new() } else { format!(" ({reasons})") };
        screen.pair("state", &format!("{}{because}", object.state))?;
        if let Some(amount) = object.amount {
            screen.pair("amount", &amount.to_string())?;
        }
        for (name, amount) in &object.other_amounts {
            screen.pair(name, &amount.to_string())?;
        }
        if let Some(reference) = &object.merchant_reference {
            screen.pair("reference", reference)?;
        }
        if let Some(expires_at) = object.expires_at {
            screen.pair("expires", &expires_at.to_string())?;
        }
        for child in &object.children {
            screen.pair("led to", &format!("{}/{}", child.kind, child.id))?;
        }
    }
    for (name, value) in &ran.facts {
        screen.pair(name, value)?;
    }
    for object in &ran.watched {
        screen.line(&format!("now watched: {object}"))?;
    }
    Ok(())
}

/// What to do next.
fn remark(ran: &CallRan, screen: &mut Screen<'_>) -> Result<(), Failed> {
    for missing in &ran.missing {
        screen.note(&match missing.as_str() {
            "allow_writes" => {
                format!(
                    "{} changes something: set allow_writes = true on account {}",
                    ran.operation, ran.account
                )
            }
            missing => format!(
                "{} changes something: check the output above, then repeat it with {missing}",
                ran.operation
            ),
        })?;
    }
    let label = ran.attempt.as_deref().unwrap_or_default();
    match ran.outcome {
        CallOutcome::InDoubt => {
            screen.note(
                "repeating exactly the same command is safe: it checks first, and does nothing twice",
            )?;
            let resolve = format!("reconciled call resolve {} {label} --outcome done", ran.account);
            screen
                .note(&format!("or check at the provider and record the outcome: {resolve} (or not-done)"))?;
        }
        CallOutcome::Done if ran.was_done_before => {
            screen.note("to do it a second time, give it its own reference or idempotencyKey")?;
        }
        _ => {}
    }
    Ok(())
}

async fn operations(
    account: &AccountName,
    only: Option<&str>,
    is_json: bool,
    connection: &Connection,
    screen: &mut Screen<'_>,
) -> Ended {
    let mut known = connection.ask(CallOperations { account: account.clone() }).await?;
    if let Some(only) = only {
        let names: Vec<String> = known.iter().map(|operation| operation.name.clone()).collect();
        known.retain(|operation| operation.name == only);
        if known.is_empty() {
            let remedy = format!("write one of {}", names.join(", "));
            return Err(Failed::new(Exit::Data, format!("{only} is not an operation of {account}"), remedy));
        }
    }
    if is_json {
        known.iter().try_for_each(|operation| screen.json_line(operation))?;
    } else if only.is_some() {
        known.iter().try_for_each(|operation| parameters(account, operation, screen))?;
    } else {
        let mut table = Table::new(&["operation", "changes", "budget", "needs"]);
        for operation in &known {
            let needed = operation.parameters.iter().filter(|parameter| parameter.is_required);
            let needed: Vec<&str> = needed.map(|parameter| parameter.name.as_str()).collect();
            let changes = if operation.is_write { "yes" } else { "" };
            let cells = vec![operation.name.clone(), changes.to_owned(), budget(operation), needed.join(" ")];
            table.row(cells, Tone::Plain);
        }
        table.write(screen, true)?;
    }
    connection.say(Action::Read, screen)?;
    Ok(Exit::Ok)
}

/// `10, then 1 every 1 s`.
fn budget(operation: &CallOperation) -> String {
    let Some((burst, per_us)) = operation.quota else { return String::new() };
    if per_us >= 1_000_000 {
        format!("{burst}, then 1 every {} s", per_us / 1_000_000)
    } else {
        format!("{burst}, then {} per second", 1_000_000 / per_us.max(1))
    }
}

fn parameters(
    account: &AccountName,
    operation: &CallOperation,
    screen: &mut Screen<'_>,
) -> Result<(), Failed> {
    let changes = if operation.is_write { "changes something" } else { "only reads" };
    screen.toned(&format!("{} ({changes}; budget {})", operation.name, budget(operation)), Tone::Strong)?;
    if operation.parameters.is_empty() {
        screen.line("takes no parameters")?;
        return Ok(());
    }
    let mut table = Table::new(&["parameter", "needed", "takes"]);
    for parameter in &operation.parameters {
        let needed = if parameter.is_required { "yes" } else { "" };
        let cells = vec![parameter.name.clone(), needed.to_owned(), parameter.takes.clone()];
        table.row(cells, Tone::Plain);
    }
    table.write(screen, true)?;
    let needed = operation.parameters.iter().filter(|parameter| parameter.is_required);
    let pairs: Vec<String> = needed.map(|parameter| format!("{}=...", parameter.name)).collect();
    let yes = if operation.is_write { " --yes" } else { "" };
    screen.line(&format!("reconciled call {account} {} {}{yes}", operation.name, pairs.join(" ")))?;
    Ok(())
}

async fn list(
    account: Option<AccountName>,
    all: bool,
    is_json: bool,
    connection: &Connection,
    screen: &mut Screen<'_>,
) -> Ended {
    let attempts = connection.ask(CallList { account, all }).await?;
    if is_json {
        attempts.iter().try_for_each(|attempt| screen.json_line(attempt))?;
    } else if !attempts.is_empty() {
        let mut table =
            Table::new(&["account", "call", "standing", "about", "amount>", "sent>", "since", "why"]);
        for attempt in &attempts {
            table.row(cells(attempt), tone(attempt));
        }
        table.write(screen, true)?;
    }
    connection.say(Action::Read, screen)?;
    let in_doubt = attempts.iter().filter(|attempt| attempt.standing == "in doubt").count();
    screen.note(&format!("{} in doubt", count(in_doubt, "call")))?;
    Ok(Exit::Ok)
}

fn cells(attempt: &CallAttempt) -> Vec<String> {
    vec![
        attempt.account.to_string(),
        attempt.attempt.clone(),
        attempt.standing.clone(),
        attempt.about.clone().unwrap_or_default(),
        attempt.amount.map(|amount| amount.to_string()).unwrap_or_default(),
        attempt.sent.to_string(),
        attempt.begun_at.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        attempt.detail.clone().unwrap_or_default(),
    ]
}

fn tone(attempt: &CallAttempt) -> Tone {
    match attempt.standing.as_str() {
        "in doubt" => Tone::Bad,
        "refused" => Tone::Warning,
        _ => Tone::Plain,
    }
}

async fn resolve(options: ResolveArguments, connection: &Connection, screen: &mut Screen<'_>) -> Ended {
    let ResolveArguments { account, call: attempt, outcome } = options;
    let was_done = outcome == Was::Done;
    let attempt = connection.ask(CallResolve { account, attempt, was_done }).await?;
    connection.say(Action::Wrote, screen)?;
    screen.line(&format!("{} is {}", attempt.attempt, attempt.standing))?;
    if was_done {
        screen.note("enrol the object that it created: reconciled enrol --account ACCOUNT --id ID")?;
    }
    Ok(Exit::Ok)
}
