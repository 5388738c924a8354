//! The verbs about batches and single calls: what moves money, and what shows it.
//!
//! Owns: what each of them needs, and what the audit log says of it. Must never know: steps, providers, transport.

use super::{Role, Spec, Verb};
use crate::control::audit::Subject;
use crate::control::messages::*;
use crate::control::problem::Cause;
use crate::control::service::{Answer, Service};

impl Verb for BatchSubmission {
    type Answer = BatchSubmitted;
    const SPEC: Spec = Spec::post("/v1/batches", Role::WriteMoney)
        .command("batch submit", "Check a file of operations and record it; the daemon sends it.")
        .tagged("submit", Some("submitted"))
        .refuses(&[Cause::Unprocessable])
        .slow()
        .body_bytes_max(15 * 1024 * 1024);

    /// A check alone records nothing.
    fn role(&self, _service: &Service) -> Role {
        if self.dry_run { Role::Operate } else { Self::SPEC.role }
    }

    fn subject(&self) -> Subject {
        let operation = self.operation.clone().unwrap_or_default();
        let how = if self.dry_run { format!("{operation} dry run") } else { operation };
        Subject::one(self.account.as_str()).how(how.trim_start())
    }

    fn failure(submitted: &BatchSubmitted) -> Option<&'static str> {
        (!submitted.problems.is_empty()).then_some("bad lines")
    }

    fn objects(submitted: &BatchSubmitted) -> Vec<String> {
        submitted.files.iter().map(|file| file.reference.clone()).collect()
    }

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        service.submit_batch(self).await
    }
}

impl Verb for BatchList {
    type Answer = Vec<BatchLine>;
    const SPEC: Spec = Spec::post("/v1/batches", Role::Read)
        .command("batch list", "List the batches, in the order in which they are sent.")
        .tagged("list", Some("listed"))
        .slow();

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        service.list_batches(&self).await
    }
}

impl Verb for BatchShow {
    type Answer = BatchShown;
    const SPEC: Spec = Spec::post("/v1/batches", Role::Read)
        .command("batch show", "Show one batch and every row that is not done.")
        .tagged("show", Some("shown"))
        .refuses(&[Cause::NotFound])
        .slow();

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        service.show_batch(&self).await
    }
}

impl Verb for BatchRelease {
    type Answer = BatchLine;
    const SPEC: Spec = Spec::post("/v1/batches", Role::WriteMoney)
        .command("batch release", "Record the outcome of a batch in doubt.")
        .tagged("release", Some("released"))
        .refuses(&[Cause::NotFound, Cause::Conflict])
        .slow();

    fn subject(&self) -> Subject {
        let how = self.adopt.as_ref().map_or_else(|| "resend".to_owned(), |feed| format!("adopt {feed}"));
        Subject::one(&self.reference).how(how)
    }

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        service.release_batch(self).await
    }
}

impl Verb for BatchCancel {
    type Answer = BatchLine;
    const SPEC: Spec = Spec::post("/v1/batches", Role::Operate)
        .command(
            "batch cancel",
            "Cancel a batch that the provider has not started to process (Amazon Pay MWS).",
        )
        .tagged("cancel", Some("cancelled"))
        .refuses(&[Cause::NotFound, Cause::Conflict])
        .slow();

    fn subject(&self) -> Subject {
        Subject::one(&self.reference)
    }

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        service.cancel_batch(&self).await
    }
}

impl Verb for CallWanted {
    type Answer = CallRan;
    const SPEC: Spec = Spec::post("/v1/calls", Role::WriteMoney)
        .command("call", "Carry out one operation of an account (Amazon Pay v2 or MWS).")
        .tagged("run", Some("ran"))
        .refuses(&[Cause::Conflict, Cause::Unprocessable])
        .slow();

    /// A call that certainly only reads moves no money.
    fn role(&self, service: &Service) -> Role {
        if service.is_reading_call(self) { Role::Operate } else { Self::SPEC.role }
    }

    fn subject(&self) -> Subject {
        let mut subject = Subject::several(&self.named_objects()).how(&self.operation);
        subject.objects.insert(0, self.account.to_string());
        subject
    }

    fn failure(ran: &CallRan) -> Option<&'static str> {
        match ran.outcome {
            CallOutcome::Done => None,
            CallOutcome::NotAllowed => Some("not allowed"),
            CallOutcome::Refused => Some("refused by the provider"),
            CallOutcome::TryLater => Some("not carried out"),
            CallOutcome::InDoubt => Some("in doubt"),
        }
    }

    fn objects(ran: &CallRan) -> Vec<String> {
        ran.attempt.iter().chain(&ran.watched).cloned().collect()
    }

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        service.run_call(self).await
    }
}

impl Verb for CallOperations {
    type Answer = Vec<CallOperation>;
    const SPEC: Spec = Spec::post("/v1/calls", Role::Read)
        .command("call", "List the operations of an account, with the parameters of each.")
        .tagged("operations", Some("operations"))
        .refuses(&[Cause::Unprocessable])
        .slow();

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        service.call_operations(&self)
    }
}

impl Verb for CallList {
    type Answer = Vec<CallAttempt>;
    const SPEC: Spec = Spec::post("/v1/calls", Role::Read)
        .command("call", "List the calls that are in doubt, or all.")
        .tagged("list", Some("listed"))
        .slow();

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        service.list_calls(&self).await
    }
}

impl Verb for CallResolve {
    type Answer = CallAttempt;
    const SPEC: Spec = Spec::post("/v1/calls", Role::WriteMoney)
        .command("call resolve", "Record the outcome of a call in doubt, after checking it at the provider.")
        .tagged("end", Some("ended"))
        .refuses(&[Cause::NotFound, Cause::Conflict, Cause::Unprocessable])
        .slow();

    fn subject(&self) -> Subject {
        let how = if self.was_done { "done" } else { "not done" };
        Subject::one(format!("{}/{}", self.account, self.attempt)).how(how)
    }

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        service.resolve_call(&self).await
    }
}
