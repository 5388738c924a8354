//! `manifest.json` and `SHA256SUMS`: the exact content of a published day.
//!
//! Owns: their form, and whether a published folder is still intact. Must never know: rows.

use std::io::{self, Read};
use std::path::Path;

use aws_lc_rs::digest;
use serde::Deserialize;
use serde_json::{Value, json};

use super::SCHEMA_VERSION;
use super::columns::Frame;
use super::day::utc;
use super::day_files::Filed;
use super::sheet::Dialect;
use super::summary::pretty;
use super::totals::{Class, TooMuch, sum_text};
use crate::text::hex;

/// The manifest's name.
pub(super) const MANIFEST: &str = "manifest.json";
/// The name of the sums file, in the form of `sha256sum -c`.
pub(super) const SUMS: &str = "SHA256SUMS";

/// One file of the day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) media_type: &'static str,
    pub(super) bytes: u64,
    pub(super) sha256: String,
    /// Rows and totals, for the files that have them.
    pub(super) filed: Option<Filed>,
    /// Whether the file holds facts of the day. The page and the workbook are derived from the others and may look
    /// different with another version of this program.
    pub(super) is_content: bool,
}

/// The revision that a new one supersedes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Superseded {
    pub(super) folder_name: String,
    pub(super) manifest_sha256: String,
    /// Why, if known.
    pub(super) reason: Option<&'static str>,
}

/// The manifest.
pub(super) fn manifest(
    frame: &Frame,
    dialect: Dialect,
    revision: u32,
    supersedes: Option<&Superseded>,
    entries: &[Entry],
    money: &Value,
) -> Result<Vec<u8>, TooMuch> {
    let mut files = Vec::new();
    for entry in entries {
        let mut file = json!({
            "name": entry.name,
            "media_type": entry.media_type,
            "bytes": entry.bytes,
            "sha256": entry.sha256,
        });
        if let Some(filed) = &entry.filed {
            let totals: Vec<Value> = filed
                .totals
                .by_class(frame)?
                .into_iter()
                .map(|(Class { environment, kind, outcome, currency }, total)| {
                    json!({
                        "environment": environment.as_str(),
                        "transaction_type": kind,
                        "outcome": outcome.as_str(),
                        "currency": currency,
                        "count": total.count,
                        "amount": currency.map(|currency| sum_text(total.sum, currency)),
                    })
                })
                .collect();
            file["rows"] = json!(filed.totals.count());
            file["totals"] = json!(totals);
        }
        files.push(file);
    }
    Ok(pretty(&json!({
        "schema": format!("reconciled-nightly-manifest/{SCHEMA_VERSION}"),
        "business_date": frame.day.date.to_string(),
        "revision": revision,
        "time_zone": frame.day.zone_name,
        "start_utc": utc(frame.day.start),
        "end_utc": utc(frame.day.end),
        "generator": concat!("reconciled ", env!("CARGO_PKG_VERSION")),
        "column_version": SCHEMA_VERSION,
        "csv": {
            "delimiter": char::from(dialect.delimiter).to_string(),
            "byte_order_mark": dialect.has_bom,
            "decimal": char::from(dialect.decimal).to_string(),
        },
        "supersedes": supersedes.map(|old| json!({
            "folder": old.folder_name,
            "manifest_sha256": old.manifest_sha256,
            "reason": old.reason,
        })),
        "files": files,
        "money": money,
    })))
}

/// The checksums of all files.
pub(super) fn sums(entries: &[Entry], manifest_sha256: &str) -> Vec<u8> {
    let mut text = String::new();
    for entry in entries {
        text.push_str(&format!("{}  {}\n", entry.sha256, entry.name));
    }
    text.push_str(&format!("{manifest_sha256}  {MANIFEST}\n"));
    text.into_bytes()
}

/// What a published manifest is read for.
#[derive(Debug, Deserialize)]
struct Known {
    files: Vec<KnownFile>,
}

#[derive(Debug, Deserialize)]
struct KnownFile {
    name: String,
    sha256: String,
}

/// Whether a published folder is intact and holds the same facts as `entries`. A changed or missing file
/// makes it different.
pub(super) fn is_same(folder: &Path, entries: &[Entry]) -> io::Result<bool> {
    let text = match std::fs::read(folder.join(MANIFEST)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let Ok(known) = serde_json::from_slice::<Known>(&text) else { return Ok(false) };
    for entry in entries.iter().filter(|entry| entry.is_content) {
        let is_listed = known.files.iter().any(|file| file.name == entry.name && file.sha256 == entry.sha256);
        if !is_listed {
            return Ok(false);
        }
    }
    for file in &known.files {
        let is_plain = Path::new(&file.name).file_name().is_some_and(|name| name == file.name.as_str());
        if !is_plain || sha256_of(&folder.join(&file.name))?.as_ref() != Some(&file.sha256) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The SHA-256 of a file; `None` when it does not exist.
pub(super) fn sha256_of(path: &Path) -> io::Result<Option<String>> {
    let mut file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut context = digest::Context::new(&digest::SHA256);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(Some(hex(context.finish().as_ref())));
        }
        context.update(&buffer[..read]);
    }
}
