//! The verbs about events; the list of all verbs is in `table`.
//!
//! Owns: their paths, roles and help. Must never know: how a verb is carried out or transported.

use super::{Role, Spec, Verb};
use crate::control::audit::Subject;
use crate::control::messages::*;
use crate::control::problem::Cause;
use crate::control::service::{Answer, Service};

impl Verb for EventsRequest {
    type Answer = Listing<EventRow>;
    const SPEC: Spec = Spec::get("/v1/events", Role::Read)
        .command("events list", "List events for the back office and the state of their deliveries.")
        .refuses(&[Cause::Unprocessable]);

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        service.events(&self).await
    }
}

impl Verb for EventsRedeliver {
    type Answer = Redelivered;
    const SPEC: Spec = Spec::post("/v1/events:redeliver", Role::Operate)
        .command("events redeliver", "Send events again, each under its own id.")
        .refuses(&[Cause::Unprocessable])
        .slow();

    fn subject(&self) -> Subject {
        let how = match (self.since, self.all_dead) {
            (Some(since), _) => format!("since {since}"),
            (None, true) => "all that were given up".to_owned(),
            (None, false) => String::new(),
        };
        let named: Vec<String> = self.ids.iter().chain(&self.object).cloned().collect();
        Subject::several(&named).how(how)
    }

    fn failure(redelivered: &Redelivered) -> Option<&'static str> {
        (!redelivered.unknown.is_empty()).then_some("unknown events")
    }

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        service.redeliver_events(&self).await
    }
}

impl Verb for EventsTest {
    type Answer = Vec<Tested>;
    const SPEC: Spec = Spec::post("/v1/events:test", Role::Operate)
        .command("events test", "Send a signed test message and print the receiver's answer.")
        .refuses(&[Cause::Unprocessable])
        .slow();

    fn subject(&self) -> Subject {
        Subject::several(self.receiver.as_slice())
    }

    fn failure(tested: &Vec<Tested>) -> Option<&'static str> {
        tested.iter().any(|receiver| !receiver.is_delivered).then_some("not accepted")
    }

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        service.test_events(&self).await
    }
}

impl Verb for EventsEnable {
    type Answer = EventsEnabled;
    const SPEC: Spec = Spec::post("/v1/events:enable", Role::Operate)
        .command("events enable", "Resume events for a receiver that answered HTTP 410 (gone).")
        .refuses(&[Cause::Unprocessable]);

    fn subject(&self) -> Subject {
        Subject::one(&self.receiver)
    }

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        service.enable_events(&self).await
    }
}
