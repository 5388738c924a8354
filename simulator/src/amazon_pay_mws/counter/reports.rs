//! The counter "Reports": requests, lists, files (docs/src/reference/amazon-pay-batch.md sections 9 and 10).
//!
//! Owns: requests for reports and their statuses over time. Must never know: what stands in a file.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::provider::Random;

use super::super::books::Books;
use super::super::merchant::{MwsBatchHabits, MwsReportHabits};
use super::super::timeline::later;
use super::super::xml::Element;
use super::report_faults;
use super::report_files::{self, Kind, Owner};
use super::{Answer, Denied, Visit, door, listed, moment, new_id, new_token, page_size, written};

/// The longest range of a request (section 9).
const LONGEST_RANGE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// A request for a report.
#[derive(Debug)]
struct Request {
    id: String,
    report_id: String,
    owner: Owner,
    kind: Kind,
    from: Timestamp,
    until: Timestamp,
    submitted: Timestamp,
    started: Timestamp,
    done: Timestamp,
    /// The row of the request does not name the report.
    is_unnamed: bool,
    is_cancelled: bool,
}

impl Request {
    fn file(&self, books: &Books) -> Option<Vec<u8>> {
        report_files::file(self.kind, books, &self.owner, self.from, self.until)
    }

    fn status(&self, books: &Books, at: Timestamp) -> &'static str {
        if at < self.started {
            "_SUBMITTED_"
        } else if self.is_cancelled {
            "_CANCELLED_"
        } else if at < self.done {
            "_IN_PROGRESS_"
        } else if self.file(books).is_some() {
            "_DONE_"
        } else {
            "_DONE_NO_DATA_"
        }
    }

    fn element(&self, books: &Books, at: Timestamp) -> Element {
        let status = self.status(books, at);
        let mut info = vec![
            Element::text("ReportType", self.kind.name()),
            Element::text("ReportProcessingStatus", status),
            Element::text("EndDate", written(self.until)),
            Element::text("Scheduled", "false"),
            Element::text("ReportRequestId", &self.id),
            Element::text("SubmittedDate", written(self.submitted)),
            Element::text("StartDate", written(self.from)),
        ];
        if at >= self.started {
            info.push(Element::text("StartedProcessingDate", written(self.started)));
        }
        if at >= self.done {
            info.push(Element::text("CompletedDate", written(self.done)));
        }
        if status == "_DONE_" && !self.is_unnamed {
            info.push(Element::text("GeneratedReportId", &self.report_id));
        }
        Element::of("ReportRequestInfo", info)
    }
}

/// All requests, in their order.
#[derive(Debug, Default)]
pub(in super::super) struct Reports {
    all: Vec<Request>,
    pages: BTreeMap<String, Vec<String>>,
    fetched: u32,
}

/// A report in the list.
struct Listed {
    id: String,
    kind: Kind,
    request_id: String,
    available: Timestamp,
}

impl Reports {
    pub(super) fn request(
        &mut self,
        visit: &Visit<'_>,
        habits: &MwsBatchHabits,
        random: &mut Random,
    ) -> Result<Answer, Denied> {
        let kind = Kind::of(visit.parameters.get("ReportType").map_or("", String::as_str));
        let kind =
            kind.ok_or_else(|| Denied::new(400, "InvalidReportType", "The report type does not exist"))?;
        let marketplaces = listed(&visit.parameters, "MarketplaceIdList.Id");
        let is_sandbox = match marketplaces.as_slice() {
            [] => Some(visit.merchant.is_sandbox),
            [_, _, ..] => None,
            [one] => door::environment_of(visit.merchant, one),
        };
        let is_sandbox = is_sandbox
            .ok_or_else(|| Denied::invalid("The marketplace is not one of this region's Amazon Pay"))?;
        if kind == Kind::Settlement || (kind == Kind::SandboxSettlement) != is_sandbox {
            return Err(Denied::invalid("This report cannot be requested in this environment"));
        }
        let from = moment(&visit.parameters, "StartDate")?.unwrap_or(visit.at);
        let until = moment(&visit.parameters, "EndDate")?.unwrap_or(visit.at);
        if until < from || until.duration_since(from) > LONGEST_RANGE {
            return Err(Denied::invalid("The range must be 30 days at most"));
        }
        let serial = self.all.len() as u64;
        let started = later(visit.at, habits.report_delay / 2);
        let request = Request {
            id: new_id(serial, random),
            report_id: new_id(900_000 + serial, random),
            owner: Owner { seller_id: visit.seller_id.clone(), is_sandbox },
            kind,
            from,
            until,
            submitted: visit.at,
            started,
            done: later(visit.at, habits.report_delay),
            is_unnamed: random.share(habits.unnamed_report_share),
            is_cancelled: serial < u64::from(habits.report.cancelled),
        };
        let info = vec![
            Element::text("ReportRequestId", &request.id),
            Element::text("ReportType", kind.name()),
            Element::text("StartDate", written(from)),
            Element::text("EndDate", written(until)),
            Element::text("Scheduled", "false"),
            Element::text("SubmittedDate", written(visit.at)),
            Element::text("ReportProcessingStatus", "_SUBMITTED_"),
        ];
        self.all.push(request);
        Ok(Answer::Result(vec![Element::of("ReportRequestInfo", info)]))
    }

    pub(super) fn requests(
        &mut self,
        visit: &Visit<'_>,
        books: &Books,
        random: &mut Random,
    ) -> Result<Answer, Denied> {
        let parameters = &visit.parameters;
        let ids = listed(parameters, "ReportRequestIdList.Id");
        let types = listed(parameters, "ReportTypeList.Type");
        let statuses = listed(parameters, "ReportProcessingStatusList.Status");
        let (from, until) =
            (moment(parameters, "RequestedFromDate")?, moment(parameters, "RequestedToDate")?);
        let is_wanted = |request: &&Request| {
            if request.owner.seller_id != visit.seller_id {
                return false;
            }
            if !ids.is_empty() {
                return ids.contains(&request.id.as_str());
            }
            (types.is_empty() || types.contains(&request.kind.name()))
                && (statuses.is_empty() || statuses.contains(&request.status(books, visit.at)))
                && from.is_none_or(|from| request.submitted >= from)
                && until.is_none_or(|until| request.submitted <= until)
        };
        let found = self.all.iter().rev().filter(is_wanted).map(|request| request.id.clone()).collect();
        let size = page_size(parameters)?;
        Ok(self.request_page(found, size, visit, books, random))
    }

    pub(super) fn next_requests(
        &mut self,
        visit: &Visit<'_>,
        books: &Books,
        random: &mut Random,
    ) -> Result<Answer, Denied> {
        let left = self.left(visit)?;
        Ok(self.request_page(left, 100, visit, books, random))
    }

    fn request_page(
        &mut self,
        mut ids: Vec<String>,
        size: usize,
        visit: &Visit<'_>,
        books: &Books,
        random: &mut Random,
    ) -> Answer {
        let left = ids.split_off(size.min(ids.len()));
        let mut result = self.head(left, random);
        for id in ids {
            let request = self.all.iter().find(|request| request.id == id);
            result.extend(request.map(|request| request.element(books, visit.at)));
        }
        Answer::Result(result)
    }

    /// `NextToken` comes before the rows here (section 4.1).
    fn head(&mut self, left: Vec<String>, random: &mut Random) -> Vec<Element> {
        let mut result = Vec::new();
        if !left.is_empty() {
            let token = new_token(self.pages.len(), random);
            result.push(Element::text("NextToken", &token));
            self.pages.insert(token, left.clone());
        }
        result.push(Element::text("HasNext", (!left.is_empty()).to_string()));
        result
    }

    fn left(&self, visit: &Visit<'_>) -> Result<Vec<String>, Denied> {
        let token = visit.parameters.get("NextToken").map_or("", String::as_str);
        let left = self.pages.get(token).cloned();
        left.ok_or_else(|| Denied::new(400, "ValidationError", "NextToken is missing or unknown"))
    }

    /// Every report that a seller has: those requested, and a settlement for every live day.
    fn listed(&self, visit: &Visit<'_>, books: &Books) -> Vec<Listed> {
        let requested = self.all.iter().filter(|request| {
            request.owner.seller_id == visit.seller_id
                && request.done <= visit.at
                && !request.is_cancelled
                && request.file(books).is_some()
        });
        let mut found: Vec<Listed> = requested
            .map(|request| Listed {
                id: request.report_id.clone(),
                kind: request.kind,
                request_id: request.id.clone(),
                available: request.done,
            })
            .collect();
        let owner = Owner { seller_id: visit.seller_id.clone(), is_sandbox: false };
        found.extend(report_files::settlements(books, &owner, visit.at).into_iter().map(|settled| Listed {
            id: settled.report_id.clone(),
            kind: Kind::Settlement,
            request_id: format!("7{}", settled.report_id),
            available: settled.available,
        }));
        found.sort_by(|one, other| (other.available, &other.id).cmp(&(one.available, &one.id)));
        found
    }

    pub(super) fn list(
        &mut self,
        visit: &Visit<'_>,
        books: &Books,
        random: &mut Random,
    ) -> Result<Answer, Denied> {
        let parameters = &visit.parameters;
        let types = listed(parameters, "ReportTypeList.Type");
        let request_ids = listed(parameters, "ReportRequestIdList.Id");
        let (from, until) =
            (moment(parameters, "AvailableFromDate")?, moment(parameters, "AvailableToDate")?);
        let size = page_size(parameters)?;
        let found = self.listed(visit, books).into_iter().filter(|report| {
            (types.is_empty() || types.contains(&report.kind.name()))
                && (request_ids.is_empty() || request_ids.contains(&report.request_id.as_str()))
                && from.is_none_or(|from| report.available >= from)
                && until.is_none_or(|until| report.available <= until)
        });
        let found = found.map(|report| report.id).collect();
        Ok(self.list_page(found, size, visit, books, random))
    }

    pub(super) fn next_list(
        &mut self,
        visit: &Visit<'_>,
        books: &Books,
        random: &mut Random,
    ) -> Result<Answer, Denied> {
        let left = self.left(visit)?;
        Ok(self.list_page(left, 100, visit, books, random))
    }

    fn list_page(
        &mut self,
        mut ids: Vec<String>,
        size: usize,
        visit: &Visit<'_>,
        books: &Books,
        random: &mut Random,
    ) -> Answer {
        let left = ids.split_off(size.min(ids.len()));
        let mut result = self.head(left, random);
        for report in self.listed(visit, books).into_iter().filter(|report| ids.contains(&report.id)) {
            let info = vec![
                Element::text("ReportId", &report.id),
                Element::text("ReportType", report.kind.name()),
                Element::text("ReportRequestId", &report.request_id),
                Element::text("AvailableDate", written(report.available)),
                Element::text("Acknowledged", "false"),
            ];
            result.push(Element::of("ReportInfo", info));
        }
        Answer::Result(result)
    }

    pub(super) fn fetch(
        &mut self,
        visit: &Visit<'_>,
        books: &Books,
        habits: &MwsReportHabits,
    ) -> Result<Answer, Denied> {
        let (content_type, bytes) = self.file(visit, books, habits)?;
        self.fetched += 1;
        let is_spoilt = self.fetched <= habits.spoilt;
        Ok(if is_spoilt { Answer::Spoilt(content_type, bytes) } else { Answer::File(content_type, bytes) })
    }

    fn file(
        &self,
        visit: &Visit<'_>,
        books: &Books,
        habits: &MwsReportHabits,
    ) -> Result<(&'static str, Vec<u8>), Denied> {
        let (content_type, file) = self.true_file(visit, books, habits)?;
        let file = if habits.is_web_page { report_faults::WEB_PAGE.to_vec() } else { file };
        Ok((content_type, file))
    }

    fn true_file(
        &self,
        visit: &Visit<'_>,
        books: &Books,
        habits: &MwsReportHabits,
    ) -> Result<(&'static str, Vec<u8>), Denied> {
        let id = visit.parameters.get("ReportId").map_or("", String::as_str);
        let requested = self
            .all
            .iter()
            .find(|request| request.report_id == id && request.owner.seller_id == visit.seller_id);
        if let Some(request) = requested {
            if visit.at < request.done {
                return Err(Denied::new(404, "ReportNotReady", "The report is not ready"));
            }
            let file = request.file(books);
            let gone = || Denied::new(404, "ReportNoLongerAvailable", "The report has no data");
            let spoil = |file| match request.kind {
                Kind::SandboxSettlement => (report_faults::UTF_8, file),
                _ => report_faults::spoil(file, habits),
            };
            return file.map(spoil).ok_or_else(gone);
        }
        let owner = Owner { seller_id: visit.seller_id.clone(), is_sandbox: false };
        let settled =
            report_files::settlements(books, &owner, visit.at).into_iter().find(|one| one.report_id == id);
        let file =
            settled.and_then(|one| report_files::file(Kind::Settlement, books, &owner, one.from, one.until));
        file.map(|file| (report_faults::UTF_8, file))
            .ok_or_else(|| Denied::new(400, "InvalidReportId", "The report id does not exist"))
    }
}
