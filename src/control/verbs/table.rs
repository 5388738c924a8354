//! Every verb once: its path, its role, its help, and the function of the service that answers it. (The two verbs
//! that enrol have their own form and are in `enrol`; batches and single calls are in `operations`, notifications in
//! `notifications`, silences and routing in `silences`, events in `events`, reports in `reports`, the stream of live events in
//! `stream`, what only the dashboard asks in `dashboard`.)
//!
//! Owns: this list. Must never know: how a verb is carried out or transported.

use super::stream::STREAM;
use super::{Entry, Form, OBJECT, Reply, Role, Spec, Verb};
use crate::control::audit::Subject;
use crate::control::messages::*;
use crate::control::problem::Cause;
use crate::control::service::{Answer, Service};
use crate::metrics;

/// All verbs.
pub const TABLE: &[Entry] = &[
    Entry::of::<ListRequest>(),
    Entry::of::<Show>(),
    Entry::of::<Explain>(),
    Entry::of::<RhythmRequest>(),
    Entry::lines::<Enrol>(),
    Entry::of::<EnrolOne>(),
    Entry::of::<Forget>(),
    Entry::of::<Accept>(),
    Entry::of::<PollRequest>(),
    Entry::of::<BatchSubmission>(),
    Entry::of::<BatchList>(),
    Entry::of::<BatchShow>(),
    Entry::of::<BatchRelease>(),
    Entry::of::<BatchCancel>(),
    Entry::of::<CallWanted>(),
    Entry::of::<CallOperations>(),
    Entry::of::<CallList>(),
    Entry::of::<CallResolve>(),
    Entry::of::<FetchBegin>(),
    Entry::of::<FetchGo>(),
    Entry::of::<NotificationsRequest>(),
    Entry::of::<TrustRequest>(),
    Entry::of::<ConfirmRequest>(),
    Entry::of::<ChannelCheck>(),
    Entry::of::<StatusRequest>(),
    Entry::of::<AccountsRequest>(),
    Entry::of::<TodayRequest>(),
    Entry::of::<DashboardLink>(),
    Entry::of::<DeclineList>(),
    Entry::of::<DeclineDone>(),
    Entry::of::<AlertsRequest>(),
    Entry::of::<RedeliverRequest>(),
    Entry::of::<TestRequest>(),
    Entry::of::<AcknowledgeRequest>(),
    Entry::of::<RouteRequest>(),
    Entry::of::<SilenceAdd>(),
    Entry::of::<SilenceList>(),
    Entry::of::<SilenceEnd>(),
    Entry::of::<EventsRequest>(),
    Entry::of::<EventsRedeliver>(),
    Entry::of::<EventsTest>(),
    Entry::of::<EventsEnable>(),
    Entry::of::<FiguresRequest>(),
    Entry::of::<ReportRequest>(),
    Entry::of::<ReportList>(),
    Entry::of::<ReportFileRequest>(),
    Entry::of::<AuditRequest>(),
    Entry::of::<AuditVerify>(),
    Entry::of::<Reload>(),
    Entry::of::<ConfigRequest>(),
    Entry::of::<StoreStats>(),
    Entry::of::<StoreCheck>(),
    Entry::of::<BackupRequest>(),
    Entry::of::<StoreCompact>(),
    Entry::of::<MetricsRequest>(),
    Entry::of::<OpenApiRequest>(),
    STREAM,
    Entry::of::<Healthy>(),
    Entry::of::<Ready>(),
];

impl Verb for ListRequest {
    type Answer = Listing<WatchedObject>;
    const SPEC: Spec = Spec::get("/v1/tracked", Role::Read).command("list", "List what is watched.");

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        service.list(&self).await
    }
}

impl Verb for Show {
    type Answer = Shown;
    const SPEC: Spec = Spec::get(OBJECT, Role::Read)
        .command("show", "Show one object: what is known, its history, its alerts.")
        .refuses(&[Cause::NotFound, Cause::Ambiguous]);

    fn revision(shown: &Shown) -> Option<u64> {
        Some(shown.revision)
    }

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        service.show(&self.0).await
    }
}

impl Verb for Explain {
    type Answer = Explanation;
    const SPEC: Spec = Spec::get("/v1/explain/{account}/{kind}/{id}", Role::Read)
        .command(
            "explain",
            "Explain one object in plain sentences: why it is pending, what comes next, what would change it.",
        )
        .refuses(&[Cause::NotFound, Cause::Ambiguous]);

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        service.explain(&self.0).await
    }
}

impl Verb for RhythmRequest {
    type Answer = Vec<AccountRhythm>;
    const SPEC: Spec = Spec::get("/v1/rhythm", Role::Read)
        .command("rhythm", "Show the learnt ages at which objects end, and the planned polls.")
        .refuses(&[Cause::NotFound]);

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        service.rhythm(&self).await
    }
}

impl Verb for Forget {
    type Answer = Forgotten;
    const SPEC: Spec = Spec::delete(OBJECT, Role::Operate)
        .command("forget", "Stop watching objects. Their history stays.")
        .conditional()
        .refuses(&[Cause::Ambiguous]);

    fn subject(&self) -> Subject {
        Subject::one(self.0.to_string())
    }

    fn objects(forgotten: &Forgotten) -> Vec<String> {
        vec![forgotten.object.clone()]
    }

    async fn answer(self, service: &Service, actor: &str) -> Answer<Self::Answer> {
        service.forget(&self.0, actor).await
    }
}

impl Verb for Accept {
    type Answer = AcceptedObject;
    const SPEC: Spec = Spec::post("/v1/accept/{account}/{kind}/{id}", Role::Operate)
        .command(
            "accept",
            "Accept a quarantined object as the provider shows it. Its history records who did.",
        )
        .conditional()
        .refuses(&[Cause::NotFound, Cause::Ambiguous, Cause::Unprocessable]);

    fn subject(&self) -> Subject {
        Subject::one(self.0.to_string())
    }

    fn objects(accepted: &AcceptedObject) -> Vec<String> {
        vec![accepted.object.clone()]
    }

    async fn answer(self, service: &Service, actor: &str) -> Answer<Self::Answer> {
        service.accept(&self.0, actor).await
    }
}

impl Verb for PollRequest {
    type Answer = PollAnswer;
    const SPEC: Spec = Spec::post("/v1/poll", Role::Operate)
        .command("poll", "Poll objects now, within the quota.")
        .refuses(&[Cause::Ambiguous])
        .slow();

    fn subject(&self) -> Subject {
        let how = if self.dry_run { "dry run" } else { "" };
        match self.all {
            true => Subject::default().how(format!("all {how}").trim_end()),
            false => Subject::several(&self.objects).how(how),
        }
    }

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        service.poll(&self).await
    }
}

impl Verb for FetchBegin {
    type Answer = FetchAnswer;
    const SPEC: Spec = Spec::post("/v1/provider-reports", Role::Operate)
        .command(
            "fetch-reports",
            "Fetch the provider's own reports of past days, keep them, and compare them with the records.",
        )
        .tagged("begin", None)
        .refuses(&[Cause::Unprocessable])
        .slow();

    fn subject(&self) -> Subject {
        Subject::one(self.account.as_str()).how(format!("{} to {}", self.from, self.to))
    }

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        service.begin_fetch(self).await
    }
}

impl Verb for FetchGo {
    type Answer = FetchAnswer;
    const SPEC: Spec = Spec::post("/v1/provider-reports", Role::Operate)
        .command("fetch-reports", "Show the progress of an account's downloads.")
        .tagged("go", None)
        .refuses(&[Cause::Unprocessable])
        .slow()
        .unaudited();

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        service.go_on_fetching(&self).await
    }
}

impl Verb for StatusRequest {
    type Answer = Status;
    const SPEC: Spec = Spec::get("/v1/status", Role::Read).command(
        "status",
        "Show an overview: accounts, quotas, open objects, pending messages, schedules, store.",
    );

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        service.status().await
    }
}

impl Verb for AccountsRequest {
    type Answer = Vec<AccountRow>;
    const SPEC: Spec = Spec::get("/v1/accounts", Role::Read)
        .command("", "List the accounts: state, quota, open objects, next poll, backlog.");

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        service.account_rows().await
    }
}

impl Verb for AlertsRequest {
    type Answer = Listing<AlertRow>;
    const SPEC: Spec = Spec::get("/v1/alerts", Role::Read)
        .command("alerts list", "List alerts and the state of their deliveries.");

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        service.alerts(&self).await
    }
}

impl Verb for RedeliverRequest {
    type Answer = Redelivered;
    const SPEC: Spec = Spec::post("/v1/alerts:redeliver", Role::Operate)
        .command("alerts redeliver", "Send alerts again.")
        .slow();

    fn subject(&self) -> Subject {
        Subject::several(&self.keys).how(if self.all_dead { "all that were given up" } else { "" })
    }

    fn failure(redelivered: &Redelivered) -> Option<&'static str> {
        (!redelivered.unknown.is_empty()).then_some("unknown alerts")
    }

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        service.redeliver(&self).await
    }
}

impl Verb for TestRequest {
    type Answer = Vec<Tested>;
    const SPEC: Spec = Spec::post("/v1/alerts:test", Role::Operate)
        .command("alerts test", "Send a test message and print the target's answer.")
        .refuses(&[Cause::Unprocessable])
        .slow();

    fn subject(&self) -> Subject {
        Subject::several(self.target.as_slice())
    }

    fn failure(tested: &Vec<Tested>) -> Option<&'static str> {
        tested.iter().any(|target| !target.is_delivered).then_some("not accepted")
    }

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        service.test_alerts(&self).await
    }
}

impl Verb for AuditRequest {
    type Answer = Listing<AuditEntry>;
    const SPEC: Spec = Spec::get("/v1/audit", Role::Read)
        .command("audit", "List who did what: every request that changed something or was refused.");

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        service.audit_entries(&self).await
    }
}

impl Verb for Reload {
    type Answer = Reloaded;
    const SPEC: Spec = Spec::post("/v1/reload", Role::Operate)
        .command("reload", "Make the running daemon reload its configuration, and report any problems.")
        .slow();

    fn failure(reloaded: &Reloaded) -> Option<&'static str> {
        (!reloaded.is_applied).then_some("not applied")
    }

    async fn answer(self, service: &Service, actor: &str) -> Answer<Self::Answer> {
        Ok(service.reload(actor).await)
    }
}

impl Verb for ConfigRequest {
    type Answer = ConfigShown;
    const SPEC: Spec = Spec::get("/v1/config", Role::Read)
        .command("", "Show the configuration in force, without what could be a secret.");

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        Ok(ConfigShown { sections: service.rooms().config.clone() })
    }
}

impl Verb for StoreStats {
    type Answer = Stats;
    const SPEC: Spec = Spec::get("/v1/store", Role::Read)
        .command("", "The store's statistics, without waiting for the store.");

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        Ok(service.store_stats())
    }
}

impl Verb for AuditVerify {
    type Answer = AuditVerified;
    const SPEC: Spec = Spec::post("/v1/audit:verify", Role::Operate)
        .command("audit verify", "Check that nothing in the audit trail was changed or removed.")
        .slow()
        .unaudited();

    async fn answer(self, service: &Service, actor: &str) -> Answer<Self::Answer> {
        service.verify_audit(actor).await
    }
}

impl Verb for StoreCheck {
    type Answer = CheckReport;
    const SPEC: Spec = Spec::post("/v1/store:check", Role::Operate)
        .command("store check", "Check the store against itself and read its whole journal.")
        .slow()
        .unaudited();

    async fn answer(self, service: &Service, actor: &str) -> Answer<Self::Answer> {
        service.self_check(actor).await
    }
}

impl Verb for BackupRequest {
    type Answer = BackupReport;
    const SPEC: Spec = Spec::post("/v1/store:backup", Role::Operate)
        .command("store backup", "Copy everything into a folder, even while the daemon runs.")
        .refuses(&[Cause::Unprocessable])
        .slow()
        .unaudited();

    async fn answer(self, service: &Service, actor: &str) -> Answer<Self::Answer> {
        service.backup(&self, actor).await
    }
}

impl Verb for StoreCompact {
    type Answer = Compacted;
    const SPEC: Spec = Spec::post("/v1/store:compact", Role::Operate)
        .command("store compact", "Compact the index to free disk space, even while the daemon runs.")
        .slow()
        .unaudited();

    async fn answer(self, service: &Service, actor: &str) -> Answer<Self::Answer> {
        service.compact(actor).await
    }
}

impl Verb for MetricsRequest {
    type Answer = String;
    const SPEC: Spec = Spec::get("/metrics", Role::Metrics)
        .command("metrics", "Print figures for monitoring, as Prometheus reads them.");

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        service.metrics().await
    }

    fn form() -> Form {
        Form::of::<MetricsRequest>().answer::<String>(metrics::CONTENT_TYPE)
    }

    fn reply(text: &String) -> Reply {
        Reply::new(200, metrics::CONTENT_TYPE, text.clone().into_bytes())
    }

    fn understand(body: &[u8]) -> Result<String, String> {
        String::from_utf8(body.to_vec()).map_err(|_| "it is not UTF-8".to_owned())
    }
}

impl Verb for OpenApiRequest {
    type Answer = serde_json::Value;
    const SPEC: Spec = Spec::get("/v1/openapi.json", Role::Read)
        .command("", "The description of this API as OpenAPI 3.1.")
        .operation("openapi");

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        Ok(service.api_description())
    }
}

impl Verb for Healthy {
    type Answer = Greeting;
    const SPEC: Spec =
        Spec::get("/-/healthy", Role::Connect).command("", "Whether the process and the store respond.");

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        service.healthy().await
    }
}

impl Verb for Ready {
    type Answer = Greeting;
    const SPEC: Spec = Spec::get("/-/ready", Role::Connect).command("", "Whether the daemon is working.");

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        Ok(service.greeting("ready"))
    }
}
