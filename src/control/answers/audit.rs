//! How any request is carried out for a caller: its role is checked, it is kept in the audit log, it is answered.
//!
//! Owns: that order. Must never know: any one verb, sockets.

use crate::access::{Caller, Role};
use crate::control::audit::Subject;
use crate::control::messages::{AuditEntry, AuditOutcome, AuditRequest, Listing, Reload, Reloaded};
use crate::control::problem::{Cause, Problem};
use crate::control::service::{Answer, EMPTY_PAGES_MAX, PAGE_ROWS, Service, rows, storage};
use crate::control::verbs::Verb;

impl Service {
    /// Carries out a request for a caller.
    ///
    /// # Errors
    /// When the caller lacks the role, when the audit log cannot be written, and as the verb says.
    pub async fn carry_out<V: Verb>(&self, verb: V, caller: &Caller) -> Answer<V::Answer> {
        let (name, needed) = (V::SPEC.name(), verb.role(self));
        if let Err(problem) = self.permit(caller, needed, name) {
            self.audit.refused(caller, name, verb.subject(), needed).await;
            return Err(problem);
        }
        let (actor, verb) = (caller.actor(), verb.asked_by(caller));
        if !V::SPEC.is_audited() {
            return verb.answer(self, &actor).await;
        }
        let begun = self.audit.begin(caller, name, verb.subject(), V::SPEC.is_repeated).await;
        let begun = begun.map_err(storage)?;
        let answer = verb.answer(self, &actor).await;
        let (cause, objects) = match &answer {
            Ok(answer) => (V::failure(answer), V::objects(answer)),
            Err(problem) => (Some(problem.cause.word()), Vec::new()),
        };
        let outcome = if cause.is_none() { AuditOutcome::Done } else { AuditOutcome::Failed };
        self.audit.end(begun, outcome, cause, objects).await;
        answer
    }

    /// Reloads the configuration because a signal said so. The kernel lets only root and the service's own user send
    /// one, and does not say which.
    pub async fn reload_by_signal(&self) -> Reloaded {
        let caller = Caller { name: Some("root or the service's user".to_owned()), ..Caller::default() };
        let subject = Subject::default().how("by signal");
        let begun = self.audit.begin(&caller, Reload::SPEC.name(), subject, false).await;
        let reloaded = self.reload(&caller.actor()).await;
        match begun {
            Ok(begun) => {
                let cause = Reload::failure(&reloaded);
                let outcome = if cause.is_none() { AuditOutcome::Done } else { AuditOutcome::Failed };
                self.audit.end(begun, outcome, cause, Vec::new()).await;
            }
            Err(error) => tracing::error!(%error, "the audit log lacks a reload by signal"),
        }
        reloaded
    }

    /// Whether a caller may do what needs a role. A command that opened the store itself was let in by the modes of the
    /// store's files, and it moves no money: nobody checks there who asks.
    pub(in crate::control) fn permit(&self, caller: &Caller, needed: Role, doing: &str) -> Answer<()> {
        if self.is_daemon() {
            let checked = self.rooms().access.check(caller, needed, doing);
            return checked.map_err(|refusal| Problem::new(Cause::Forbidden, refusal.what, refusal.remedy));
        }
        match needed {
            Role::WriteMoney => Err(Problem::new(
                Cause::Forbidden,
                format!(
                    "{doing} needs the role {}, which only the running daemon can check",
                    needed.as_str()
                ),
                "start the daemon first: systemctl start reconciled",
            )),
            _ => Ok(()),
        }
    }

    /// What a caller may do at this moment.
    pub fn role_of(&self, caller: &Caller) -> Role {
        self.rooms().access.role_of(caller)
    }

    /// One page of the audit log, newest first.
    pub async fn audit_entries(&self, request: &AuditRequest) -> Answer<Listing<AuditEntry>> {
        let limit = rows(request.limit);
        let mut before = request.cursor.clone();
        let mut items = Vec::new();
        for _ in 0..EMPTY_PAGES_MAX {
            let page =
                self.audit.page(request.since, before.as_deref(), PAGE_ROWS.0).await.map_err(storage)?;
            if page.is_empty() {
                return Ok(Listing { items, next_cursor: None });
            }
            for (name, entry) in page {
                items.extend(entry.filter(|entry| is_wanted(request, entry)));
                before = Some(name);
                if items.len() == limit {
                    return Ok(Listing { items, next_cursor: before });
                }
            }
        }
        Ok(Listing { items, next_cursor: before })
    }
}

fn is_wanted(request: &AuditRequest, entry: &AuditEntry) -> bool {
    request.since.is_none_or(|since| entry.last_at.unwrap_or(entry.at) >= since)
        && request.object.as_ref().is_none_or(|object| entry.is_about(object))
}
