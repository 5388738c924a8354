//! The verbs about nightly reports; the list of all verbs is in `table`.
//!
//! Owns: their paths, roles and help. Must never know: how a verb is carried out or transported.

use super::{Form, Reply, Role, Spec, Verb};
use crate::control::audit::Subject;
use crate::control::messages::*;
use crate::control::problem::Cause;
use crate::control::service::{Answer, Service};

/// The media type of any file: nothing in a report may be taken for a page of this server.
const BYTES: &str = "application/octet-stream";

impl Verb for ReportRequest {
    type Answer = ReportMade;
    const SPEC: Spec = Spec::post("/v1/reports/{day}:run", Role::Operate)
        .command("report", "Make the report of a day by hand. Repeating a day gives the same files.")
        .refuses(&[Cause::NotFound, Cause::Unprocessable])
        .slow();

    fn subject(&self) -> Subject {
        Subject::several(self.date.as_slice())
    }

    fn objects(made: &ReportMade) -> Vec<String> {
        vec![made.date.to_string()]
    }

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        service.report(self.date).await
    }
}

impl Verb for ReportList {
    type Answer = Listing<ReportDay>;
    const SPEC: Spec = Spec::get("/v1/reports", Role::Read)
        .command("", "List the days whose report is published, with the names of their files.");

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        service.published_reports(&self).await
    }
}

impl Verb for ReportFileRequest {
    type Answer = ReportFile;
    const SPEC: Spec = Spec::get("/v1/reports/{day}/{file}", Role::Read)
        .command("", "Read a file of a published day.")
        .operation("report-file")
        .refuses(&[Cause::NotFound, Cause::Unprocessable])
        .slow();

    async fn answer(self, service: &Service, _actor: &str) -> Answer<Self::Answer> {
        service.report_file(self).await
    }

    fn form() -> Form {
        Form::fields::<ReportFileRequest>().answer::<String>(BYTES)
    }

    fn reply(file: &ReportFile) -> Reply {
        Reply::new(200, BYTES, file.0.clone())
    }

    fn understand(body: &[u8]) -> Result<ReportFile, String> {
        Ok(ReportFile(body.to_vec()))
    }
}
