//! The verbs about notifications; the list of all verbs is in `table`.
//!
//! Owns: their paths, roles and help. Must never know: how a verb is carried out or transported.

use super::{Role, Spec, Verb};
use crate::control::audit::Subject;
use crate::control::messages::*;
use crate::control::problem::Cause;
use crate::control::service::{Answer, Service};

impl Verb for NotificationsRequest {
    type Answer = Vec<ChannelView>;
    const SPEC: Spec = Spec::get("/v1/notifications", Role::Read).command(
        "notifications list",
        "List what is known of each account's notifications: health, topics, counts.",
    );

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        Ok(service.channels())
    }
}

impl Verb for TrustRequest {
    type Answer = ChannelView;
    const SPEC: Spec = Spec::post("/v1/notifications:trust", Role::Operate)
        .command("notifications trust", "Trust the topic that sends an account's notifications.")
        .refuses(&[Cause::Unprocessable]);

    fn subject(&self) -> Subject {
        let how = if self.topic.is_empty() { "none" } else { &self.topic };
        Subject::one(self.account.as_str()).how(how)
    }

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        service.trust(&self).await
    }
}

impl Verb for ConfirmRequest {
    type Answer = ChannelView;
    const SPEC: Spec = Spec::post("/v1/notifications:confirm", Role::Operate)
        .command("notifications confirm", "Confirm the subscription of the trusted topic.")
        .refuses(&[Cause::Unprocessable])
        .slow();

    fn subject(&self) -> Subject {
        Subject::one(self.account.as_str())
    }

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        service.confirm(&self).await
    }
}

impl Verb for ChannelCheck {
    type Answer = Vec<CheckStep>;
    const SPEC: Spec = Spec::post("/v1/notifications:check", Role::Operate)
        .command(
            "notifications check",
            "Test the path from outside to the listener, step by step, with a message that must be refused.",
        )
        .refuses(&[Cause::Unprocessable])
        .slow()
        .unaudited();

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        service.check_channel(&self).await
    }
}
