//! Messages about the audit log: what callers did, and were refused.
//!
//! Owns: their shape, which is also how an entry is stored. Must never know: how an entry is written or found.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::store::CheckReport;

/// Which entries to list, newest first. All given conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AuditRequest {
    /// Only what was done at this time or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Only entries that name this object, batch, call or account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// The `next_cursor` of the previous page: continue after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// The maximum number of rows: 100 by default, at most 1,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// Check that nothing in the audit trail was changed or removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AuditVerify {}

/// What reading the whole audit trail found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AuditVerified {
    /// Journal entries whose checksum, number and link to the entry before are correct.
    pub entries: u64,
    /// The number of the last entry.
    pub last: u64,
    /// The hash that links the last entry to all before it, in hexadecimal digits.
    pub digest: String,
    /// How many problems there are.
    pub problem_count: u64,
    /// The first hundred of them, in words. Broken links are in the order of the journal.
    pub problems: Vec<String>,
}

impl From<CheckReport> for AuditVerified {
    fn from(report: CheckReport) -> AuditVerified {
        AuditVerified {
            entries: report.journal_entries,
            last: report.journal_end,
            digest: report.journal_digest,
            problem_count: report.problem_count,
            problems: report.problems,
        }
    }
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AuditOutcome {
    /// It was about to be carried out. Either it still is, or the process ended before the outcome was known.
    Begun,
    /// It was carried out.
    Done,
    /// The caller lacked the role: nothing was done.
    Refused,
    /// It was not carried out, or not wholly, or nobody knows.
    Failed,
}

/// A request that changes something, and who sent it. It holds no secret and no buyer data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AuditEntry {
    /// When it arrived.
    pub at: Timestamp,
    /// The caller's user id, as the kernel reports it.
    pub uid: Option<u32>,
    /// The caller's user name at that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The caller's process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// What was requested, as the command is called: `call`, `batch release`.
    pub verb: String,
    /// What it was about: the first objects, and the names of what it made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<String>,
    /// How many objects it was about.
    #[serde(default)]
    pub number: u64,
    /// How it was to be done: an operation, `resend`, `dry run`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub how: String,
    /// How it ended.
    pub outcome: AuditOutcome,
    /// Why it was refused or failed, in a word or two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// How many requests this entry stands for. After a crash up to half of them may be missing.
    #[serde(default = "one")]
    pub times: u64,
    /// When the last of them arrived; none if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_at: Option<Timestamp>,
}

fn one() -> u64 {
    1
}

impl AuditEntry {
    /// Who sent it: `alice (1000)`, `uid 1000`.
    pub fn who(&self) -> String {
        match (&self.name, self.uid) {
            (Some(name), Some(uid)) => format!("{name} ({uid})"),
            (None, Some(uid)) => format!("uid {uid}"),
            (Some(name), None) => name.clone(),
            (None, None) => "unknown".to_owned(),
        }
    }

    /// Whether it names an object: as a whole, or as the last parts of a longer name.
    pub fn is_about(&self, object: &str) -> bool {
        let is_named = |name: &String| {
            name.strip_suffix(object).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
                || name.strip_prefix(object).is_some_and(|rest| rest.starts_with('/'))
        };
        !object.is_empty() && self.objects.iter().any(is_named)
    }
}
