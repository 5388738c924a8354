//! The verbs about silences, acknowledgements and routing; the list of all verbs is in `table`.
//!
//! Owns: their paths, roles and help. Must never know: how a verb is carried out or transported.

use super::{Role, Spec, Verb};
use crate::control::audit::Subject;
use crate::control::messages::*;
use crate::control::problem::Cause;
use crate::control::service::{Answer, Service};

impl Verb for SilenceAdd {
    type Answer = SilenceRow;
    const SPEC: Spec = Spec::post("/v1/silences", Role::Operate)
        .command("silence add", "Hold alerts back for a limited time. They are kept and listed.")
        .refuses(&[Cause::Unprocessable]);

    fn subject(&self) -> Subject {
        Subject::one(self.matchers.words())
    }

    fn objects(row: &SilenceRow) -> Vec<String> {
        vec![format!("silence {}", row.silence.number)]
    }

    async fn answer(self, service: &Service, actor: &str) -> Answer<Self::Answer> {
        service.add_silence(self, actor).await
    }
}

impl Verb for SilenceList {
    type Answer = Vec<SilenceRow>;
    const SPEC: Spec = Spec::get("/v1/silences", Role::Read)
        .command("silence list", "List silences: those in force and those that ended within a week.")
        .slow();

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        service.list_silences(&self).await
    }
}

impl Verb for SilenceEnd {
    type Answer = SilenceRow;
    const SPEC: Spec = Spec::delete("/v1/silences/{number}", Role::Operate)
        .command("silence end", "End a silence now. What it has held back is not delivered later.")
        .slow()
        .refuses(&[Cause::NotFound]);

    fn subject(&self) -> Subject {
        Subject::one(format!("silence {}", self.number))
    }

    async fn answer(self, service: &Service, actor: &str) -> Answer<Self::Answer> {
        service.end_silence(self.number, actor).await
    }
}

impl Verb for AcknowledgeRequest {
    type Answer = Acknowledged;
    const SPEC: Spec = Spec::post("/v1/alerts:acknowledge", Role::Operate)
        .command("alerts acknowledge", "Say that somebody takes care of alerts: they are not escalated.")
        .slow();

    fn subject(&self) -> Subject {
        Subject::several(&self.keys).how(if self.all { "all" } else { "" })
    }

    fn failure(acknowledged: &Acknowledged) -> Option<&'static str> {
        (!acknowledged.unknown.is_empty()).then_some("unknown alerts")
    }

    fn objects(acknowledged: &Acknowledged) -> Vec<String> {
        acknowledged.keys.clone()
    }

    async fn answer(self, service: &Service, actor: &str) -> Answer<Self::Answer> {
        service.acknowledge(self, actor).await
    }
}

impl Verb for RouteRequest {
    type Answer = RouteExplanation;
    const SPEC: Spec = Spec::get("/v1/alerts:route", Role::Read)
        .command("alerts route", "Explain which targets get an alert, rule by rule.")
        .refuses(&[Cause::NotFound, Cause::Unprocessable]);

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        service.explain_route(&self).await
    }
}
