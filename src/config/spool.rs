//! `[spool]`: a folder whose files are enrolled.
//!
//! Owns: its keys and checks. Must never know: how files are read.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::findings::Findings;
use crate::intake::{Decimal, Reading, Remedies};
use crate::payments::object::{AccountName, Kind};
use crate::spool::Settings;

/// What the reports of bad lines recommend.
const REMEDIES: Remedies =
    Remedies { ignore_columns: "ignore_columns = true in [spool]", decimal: "decimal in [spool]" };

/// `[spool]`, as written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SpoolSection {
    folder: PathBuf,
    #[serde(default)]
    account: Option<String>,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    decimal: Option<String>,
    #[serde(default)]
    ignore_columns: bool,
}

impl SpoolSection {
    /// Checks it. `accounts` are those of the configuration.
    pub(super) fn resolve(
        self,
        accounts: &BTreeMap<AccountName, bool>,
        findings: &mut Findings<'_>,
    ) -> Option<Settings> {
        if !self.folder.is_absolute() {
            findings.add("spool.folder", "is not an absolute path", "begin it with /");
        }
        let account = self.account.and_then(|name| match AccountName::new(&name) {
            Ok(account) if accounts.contains_key(&account) => Some(account),
            _ => {
                let what = format!("there is no account {name:?}");
                findings.add("spool.account", what, "write the name of an [[account]]");
                None
            }
        });
        let kind = self.kind.and_then(|name| {
            let kind = Kind::new(&name);
            if kind.is_err() {
                findings.add(
                    "spool.kind",
                    format!("{name:?} is not a kind"),
                    "write charge, refund, capture, ...",
                );
            }
            kind.ok()
        });
        let decimal = match self.decimal.as_deref() {
            None => None,
            Some(",") => Some(Decimal::Comma),
            Some(".") => Some(Decimal::Point),
            Some(_) => {
                findings.add(
                    "spool.decimal",
                    "is neither \",\" nor \".\"",
                    "leave it out to accept both where that is safe",
                );
                None
            }
        };
        let reading = Reading { decimal, ignore_columns: self.ignore_columns, remedies: REMEDIES };
        Some(Settings { folder: self.folder, account, kind, reading })
    }
}
