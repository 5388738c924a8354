//! Carries out what a target composed.
//!
//! Owns: the three ways out: an HTTP request, an e-mail, a program. Must never know: any one target, the outbox.

use std::sync::Arc;

use super::classify::Verdict;
use super::command;
use super::config::Channel;
use super::mail;
use super::message::Message;
use super::target::{Attempt, Composed};
use crate::clock::SharedClock;
use crate::http::Transport;

/// Sends messages.
pub struct Sender {
    transport: Arc<dyn Transport>,
    clock: SharedClock,
}

impl Sender {
    /// HTTP requests go through `transport`, unless a target has its own.
    pub fn new(transport: Arc<dyn Transport>, clock: SharedClock) -> Sender {
        Sender { transport, clock }
    }

    /// Sends a message once and classifies the answer.
    pub async fn send(&self, channel: &Channel, message: &Message) -> Verdict {
        let target = &channel.target;
        let attempt = Attempt { at: self.clock.now(), timeout: channel.timeout };
        match target.compose(message, &attempt) {
            Composed::Http(request) => {
                let transport = channel.transport.as_ref().unwrap_or(&self.transport);
                match transport.send(request).await {
                    Ok(answer) => target.judge(&answer, message, self.clock.now()),
                    Err(error) => Verdict::Retry { after: None, why: error.to_string() },
                }
            }
            Composed::Mail(mail) => mail::send(*mail, self.clock.sleep(channel.timeout)).await,
            Composed::Command(invocation) => {
                command::run(invocation, self.clock.sleep(channel.timeout)).await
            }
            Composed::Impossible(why) => Verdict::Refused { why },
        }
    }
}
