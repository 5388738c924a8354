//! The kinds of targets.
//!
//! Owns: the list of them. Must never know: the outbox, the network.
//!
//! Each file owns one kind: the keys of its section, its limits, its escaping and what its answers mean
//! (docs/src/reference/operations.md, section 1). A new one is a file here and its line in [`ALL`].

use super::target::Registration;

mod alertmanager;
mod discord;
mod email;
mod exec;
mod google_chat;
mod mattermost;
mod ntfy;
mod opsgenie;
mod pagerduty;
mod rocket_chat;
pub mod slack;
mod teams;
mod telegram;
mod template;
pub mod webhook;

#[cfg(test)]
mod hostile;
#[cfg(test)]
pub(super) mod tests;

/// All kinds.
pub const ALL: &[Registration] = &[
    slack::REGISTRATION,
    teams::REGISTRATION,
    discord::REGISTRATION,
    google_chat::REGISTRATION,
    mattermost::REGISTRATION,
    rocket_chat::REGISTRATION,
    telegram::REGISTRATION,
    ntfy::REGISTRATION,
    pagerduty::REGISTRATION,
    opsgenie::REGISTRATION,
    alertmanager::REGISTRATION,
    email::REGISTRATION,
    exec::REGISTRATION,
    webhook::REGISTRATION,
    template::REGISTRATION,
];

/// The kind with this word.
pub fn find(word: &str) -> Option<&'static Registration> {
    ALL.iter().find(|registration| registration.kind == word)
}
