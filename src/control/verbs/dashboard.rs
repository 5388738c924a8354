//! The verbs that the dashboard needs besides those of the commands; the list of all verbs is in `table`.
//!
//! Owns: their paths, roles and help. Must never know: how a verb is carried out or transported, what a page looks like.

use super::{Role, Spec, Verb};
use crate::access::Caller;
use crate::control::audit::Subject;
use crate::control::messages::*;
use crate::control::problem::Cause;
use crate::control::service::{Answer, Service};

impl Verb for DashboardLink {
    type Answer = DashboardLinked;
    const SPEC: Spec = Spec::post("/v1/dashboard:link", Role::Read)
        .command("dashboard", "Print a link that opens the dashboard once, within a minute.");

    fn role(&self, _service: &Service) -> Role {
        self.role.map_or(Self::SPEC.role, Role::from)
    }

    fn asked_by(self, caller: &Caller) -> DashboardLink {
        DashboardLink { caller: Some(caller.clone()), ..self }
    }

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        service.dashboard_link(&self)
    }
}

impl Verb for TodayRequest {
    type Answer = Today;
    const SPEC: Spec = Spec::get("/v1/today", Role::Read)
        .command("", "What was decided today so far, and how old the moving objects are.");

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        service.today().await
    }
}

impl Verb for FiguresRequest {
    type Answer = Vec<FiguresDay>;
    const SPEC: Spec = Spec::get("/v1/reports:figures", Role::Read)
        .command("", "List the published reports with their files and figures, the newest first.")
        .operation("reports-figures");

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        service.report_figures(&self).await
    }
}

impl Verb for DeclineList {
    type Answer = Listing<DeclineRow>;
    const SPEC: Spec = Spec::get("/v1/declines", Role::Read)
        .command("", "List the declines that somebody should deal with, the newest first.");

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        service.declines(&self).await
    }
}

impl Verb for DeclineDone {
    type Answer = DeclineMarked;
    const SPEC: Spec = Spec::post("/v1/declines:done", Role::Operate)
        .command("", "Mark a decline as done, or as not done.")
        .operation("declines-done")
        .refuses(&[Cause::NotFound]);

    fn subject(&self) -> Subject {
        Subject::one(&self.key).how(if self.done { "done" } else { "not done" })
    }

    async fn answer(self, service: &Service, actor: &str) -> Answer<Self::Answer> {
        service.mark_decline(&self, actor).await
    }
}
