//! `reconciled notifications list|url|trust|confirm|check`
//!
//! Owns: how the channels of notifications are shown. Must never know: how a notification is verified.

use std::io;

use super::connection::{Action, Connection};
use super::exit::{Ended, Exit, Failed};
use super::options_notifications::NotificationsCommand;
use super::screen::{Screen, Tone};
use crate::clock::SharedClock;
use crate::control::explain::moment;
use crate::control::messages::{
    ChannelCheck, ChannelView, ConfirmRequest, NotificationsRequest, TrustRequest, Verdict,
};
use crate::payments::object::AccountName;
use crate::text::count;

/// Shows or changes the channels of notifications.
pub(super) async fn notifications(
    command: NotificationsCommand,
    connection: &Connection,
    clock: &SharedClock,
    screen: &mut Screen<'_>,
) -> Ended {
    match command {
        NotificationsCommand::List(options) => {
            let channels = connection.ask(NotificationsRequest {}).await?;
            if options.json {
                screen.json(&channels)?;
                return Ok(Exit::Ok);
            }
            if channels.is_empty() {
                screen.note("no account has notifications")?;
            }
            for channel in &channels {
                write(channel, clock, screen)?;
            }
            Ok(Exit::Ok)
        }
        NotificationsCommand::Url(options) => url(&options.account, connection, screen).await,
        NotificationsCommand::Trust(options) => {
            let topic = options.topic.unwrap_or_default();
            let channel = connection.ask(TrustRequest { account: options.account, topic }).await?;
            connection.say(Action::Wrote, screen)?;
            let words = match channel.topics.first() {
                Some(topic) => format!("account {} trusts {topic}", channel.account),
                None => format!("account {} trusts no topic", channel.account),
            };
            screen.line(&words)?;
            if channel.pending.iter().any(|pending| channel.topics.contains(&pending.topic)) {
                screen.note(&format!(
                    "it asks to be confirmed: reconciled notifications confirm {}",
                    channel.account
                ))?;
            }
            let others = connection.ask(NotificationsRequest {}).await?;
            for other in others.iter().filter(|other| other.account != channel.account) {
                if other.topics.iter().any(|topic| channel.topics.contains(topic)) {
                    screen.note(&format!(
                        "account {} trusts it too: `merchant_id` in both keeps their notifications apart",
                        other.account
                    ))?;
                }
            }
            Ok(Exit::Ok)
        }
        NotificationsCommand::Confirm(options) => {
            let channel = connection.ask(ConfirmRequest { account: options.account }).await?;
            connection.say(Action::Wrote, screen)?;
            screen.line(&format!("the subscription of account {} is confirmed", channel.account))?;
            Ok(Exit::Ok)
        }
        NotificationsCommand::Check(options) => {
            let steps = connection.ask(ChannelCheck { account: options.account }).await?;
            let mut exit = Exit::Ok;
            for step in &steps {
                let (word, tone) = if step.is_ok { ("OK", Tone::Good) } else { ("failed", Tone::Bad) };
                screen.wrapped(&format!("{word:6} "), &format!("{}: {}", step.what, step.detail), tone)?;
                if !step.is_ok {
                    screen.wrapped("    -> ", &step.remedy, Tone::Plain)?;
                    exit = Exit::Unavailable;
                }
            }
            Ok(exit)
        }
    }
}

/// The address alone goes to the output, so that it can be copied; where it belongs goes beside it.
async fn url(account: &AccountName, connection: &Connection, screen: &mut Screen<'_>) -> Ended {
    let channels = connection.ask(NotificationsRequest {}).await?;
    let channel = channels.iter().find(|channel| channel.account == *account);
    let channel = channel.ok_or_else(|| {
        let what = format!("account {account} is not known, or its provider sends no notifications");
        Failed::new(Exit::NoInput, what, "reconciled notifications list shows those that have some")
    })?;
    let url = channel.url.as_deref().ok_or_else(|| {
        let remedy = "write [notifications] public_url = \"https://...\": what the provider can reach";
        Failed::new(Exit::Config, "no public address is configured", remedy)
    })?;
    screen.line(url)?;
    screen.note(&format!("enter it in {}", channel.where_to_paste))?;
    if channel.needs_topic && channel.topics.is_empty() {
        screen.note(&format!(
            "after the first message: reconciled notifications trust {account} TOPIC (notifications list shows it)"
        ))?;
    }
    Ok(Exit::Ok)
}

/// One channel in a few lines.
pub(super) fn write(channel: &ChannelView, clock: &SharedClock, screen: &mut Screen<'_>) -> io::Result<()> {
    let now = clock.now();
    screen.pair_wrapped(channel.account.as_str(), &summary(channel))?;
    for topic in &channel.topics {
        screen.pair_wrapped("  trusts", topic)?;
    }
    for offered in &channel.offered {
        let messages = count(offered.messages, "message");
        let words = format!(
            "{} (AWS account {}), {messages}, the last {}",
            offered.topic,
            offered.owner(),
            moment(offered.at, now)
        );
        screen.pair_wrapped("  not trusted", &words)?;
    }
    for pending in &channel.pending {
        screen
            .pair_wrapped("  to confirm", &format!("{}, asked {}", pending.topic, moment(pending.at, now)))?;
    }
    if let Some(at) = channel.confirmed_at {
        screen.pair_wrapped("  confirmed", &moment(at, now))?;
    }
    if let Some(at) = channel.unsubscribed_at {
        screen.pair_wrapped("  ended", &format!("the subscription {} was ended", moment(at, now)))?;
    }
    if let Some(at) = channel.last_hint_at {
        screen.pair_wrapped("  last hint", &moment(at, now))?;
    }
    for (kind, announced) in &channel.kinds {
        let verdict = match announced.health {
            Verdict::Silent => "; SILENT",
            Verdict::Healthy => "; healthy",
            Verdict::Unknown => "",
        };
        let words =
            format!("{} of {} final states announced{verdict}", announced.announced, announced.finals);
        screen.pair_wrapped(&format!("  {kind}"), &words)?;
    }
    if let (Some(half), Some(most)) = (channel.delay_p50_below_s, channel.delay_p95_below_s) {
        let words = format!("half of them within {half} s after the hint, 95 % within {most} s");
        screen.pair_wrapped("  found", &words)?;
    }
    let counts = &channel.counts;
    for (label, reasons) in [("  not verified", &counts.unverified_by_reason), ("  refused", &counts.refused)]
    {
        let words: Vec<String> =
            reasons.iter().map(|(reason, number)| format!("{reason} {number}")).collect();
        if !words.is_empty() {
            screen.pair_wrapped(label, &words.join(", "))?;
        }
    }
    if counts.postponed > 0 {
        let words = format!("{}, which the provider was asked to send again", counts.postponed);
        screen.pair_wrapped("  postponed", &words)?;
    }
    for unknown in channel.unknown.iter().take(5) {
        screen.pair_wrapped("  not watched", &format!("{}, {}", unknown.object, moment(unknown.at, now)))?;
    }
    Ok(())
}

/// The health and the counts of a channel.
pub(super) fn summary(channel: &ChannelView) -> String {
    if !channel.is_on {
        return "off ([notifications] has no listen)".to_owned();
    }
    let counts = &channel.counts;
    let health = match channel.health {
        Verdict::Silent => "SILENT: final states are not announced",
        Verdict::Healthy => "healthy",
        Verdict::Unknown if counts.last_verified_at.is_none() => "nothing genuine received yet",
        Verdict::Unknown => "not judged yet",
    };
    let refused: u64 = counts.refused.values().sum();
    format!(
        "{health}; {} verified, {} not verifiable, {} refused, {}, {} about unwatched objects",
        counts.verified,
        counts.unverified,
        refused,
        count(counts.duplicates, "duplicate"),
        counts.unknown_objects
    )
}
