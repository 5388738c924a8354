//! The provider's files, kept byte for byte under the report folder, each with a manifest next to it.
//!
//! Owns: where each file is, that it is complete, its checksums. Must never know: its contents.
//!
//! ```text
//! provider/account-NAME/TYPE/2026-03/2026-03-01--50012345678.csv             as the provider sent it
//!                                    2026-03-01--50012345678.manifest.json   type, days, sums, what was read
//!                                    2026-03-01--50012345678.rejected.csv    bad rows: line, column, why
//!                                    2026-03-02--empty.manifest.json         nothing happened on that day
//! ```
//!
//! The provider's own files may name buyers. Only the service's user and group can read them, and no buyer data is
//! taken from them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use jiff::Timestamp;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

use super::Account;
use crate::apis::reporting::{Fetched, Rejected};
use crate::files::{self, FileError, Readers};
use crate::text::hex;
use crate::time::later;

const MANIFEST: &str = "manifest.json";

/// The contents of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// The provider's id of the report; none for a day without any rows.
    pub(super) report_id: Option<String>,
    /// The provider's name of its type.
    pub(super) report_type: String,
    /// The start of the range.
    pub(super) from: Timestamp,
    /// The end of the range, exclusive.
    pub(super) until: Timestamp,
    /// When it was fetched.
    pub(super) fetched_at: Timestamp,
    /// The content type that the provider declared.
    pub(super) content_type: Option<String>,
    /// The length of the file.
    pub(super) bytes: u64,
    /// The checksum of the file, in hexadecimal.
    pub(super) sha256: Option<String>,
    /// The checksum of the file, in hexadecimal. The provider's own sum was checked when the file was fetched.
    pub(super) md5: Option<String>,
    /// The result of reading it; none until it has been read.
    pub(super) read: Option<Read>,
}

/// The result of reading a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Read {
    /// The names of the columns.
    pub(super) columns: Vec<String>,
    /// The number of rows, without the header.
    pub(super) rows: u64,
    /// Rows that cannot be used; they are in the file of rejected rows.
    pub(super) rejected: u64,
    /// What cannot be used, if anything.
    pub(super) trouble: Option<String>,
    /// Nothing in it could be used.
    #[serde(default)]
    pub(super) is_unread: bool,
}

impl Read {
    /// Whether nothing in the file could be used. Manifests of earlier versions express this by naming no column.
    pub(super) fn is_unread(&self) -> bool {
        self.is_unread || (self.trouble.is_some() && self.columns.is_empty())
    }
}

/// A file that is kept, or a day that was empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
    pub(super) fetched_at: Timestamp,
    pub(super) report_id: Option<String>,
    pub(super) is_read: bool,
    /// What was reported about it.
    pub(super) trouble: Option<String>,
    /// It was read, and nothing in it could be used.
    pub(super) is_unread: bool,
}

/// The folder of one type of an account.
#[derive(Debug, Clone)]
pub(super) struct Archive {
    /// The folder of all report files.
    root: PathBuf,
    folder: PathBuf,
}

impl Archive {
    pub(super) fn of(account: &Account, word: &str) -> Archive {
        Archive { root: account.report_folder.clone(), folder: folder(account).join(word) }
    }

    /// The path of a file without its extension. A report's id contains only letters, digits and dashes.
    fn stem(&self, from: Timestamp, report_id: Option<&str>) -> PathBuf {
        let (month, day) = (from.strftime("%Y-%m").to_string(), from.strftime("%Y-%m-%d"));
        self.folder.join(month).join(format!("{day}--{}", report_id.unwrap_or("empty")))
    }

    /// Where a report is kept, for people; without an extension.
    pub(super) fn shown(&self, manifest: &Manifest) -> String {
        self.stem(manifest.from, manifest.report_id.as_deref()).display().to_string()
    }

    /// Keeps a file. When this returns, the complete file and its manifest exist and survive a power cut.
    pub(super) async fn keep(
        &self,
        mut manifest: Manifest,
        file: Fetched,
    ) -> Result<(Manifest, Fetched), FileError> {
        manifest.content_type.clone_from(&file.content_type);
        manifest.bytes = u64::try_from(file.bytes.len()).unwrap_or(u64::MAX);
        let stem = self.stem(manifest.from, manifest.report_id.as_deref());
        let root = self.root.clone();
        files::at(stem, move |stem| {
            manifest.sha256 = Some(sha256(&file.bytes));
            manifest.md5 = Some(hex(&Md5::digest(&file.bytes)));
            put(&root, &with(stem, "csv"), &file.bytes)?;
            put(&root, &with(stem, MANIFEST), &pretty(&manifest)?)?;
            Ok((manifest, file))
        })
        .await
    }

    /// Records a day without any rows.
    pub(super) async fn keep_empty(&self, manifest: Manifest) -> Result<(), FileError> {
        let stem = self.stem(manifest.from, None);
        let root = self.root.clone();
        files::at(stem, move |stem| put(&root, &with(stem, MANIFEST), &pretty(&manifest)?)).await
    }

    /// Records the result of reading a file, and writes its bad rows into a file next to it.
    pub(super) async fn note(&self, manifest: Manifest, rejected: Vec<Rejected>) -> Result<(), FileError> {
        let stem = self.stem(manifest.from, manifest.report_id.as_deref());
        let root = self.root.clone();
        files::at(stem, move |stem| {
            if !rejected.is_empty() {
                let mut writer = csv::Writer::from_writer(Vec::new());
                writer.write_record(["line", "column", "why"]).map_err(io::Error::other)?;
                for row in &rejected {
                    let line = row.line.to_string();
                    writer.write_record([&line, &row.column, &row.why]).map_err(io::Error::other)?;
                }
                let bytes = writer.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
                put(&root, &with(stem, "rejected.csv"), &bytes)?;
            }
            put(&root, &with(stem, MANIFEST), &pretty(&manifest)?)
        })
        .await
    }

    /// A kept report with its file, if its bytes are unchanged.
    pub(super) async fn kept(
        &self,
        from: Timestamp,
        report_id: &str,
    ) -> Result<Option<(Manifest, Fetched)>, FileError> {
        let stem = self.stem(from, Some(report_id));
        files::at(stem, |stem| {
            let Some(manifest) = manifest_at(&with(stem, MANIFEST))? else { return Ok(None) };
            let Some(bytes) = files::read_if_there(&with(stem, "csv"))? else { return Ok(None) };
            if manifest.sha256.as_deref() != Some(sha256(&bytes).as_str()) {
                return Ok(None);
            }
            let content_type = manifest.content_type.clone();
            Ok(Some((manifest, Fetched { bytes, content_type })))
        })
        .await
    }

    /// What is kept for the days in `[from, until)`.
    pub(super) async fn kept_in(&self, from: Timestamp, until: Timestamp) -> Result<Vec<Kept>, FileError> {
        let mut months: Vec<PathBuf> = Vec::new();
        let mut at = from;
        while at < until {
            let month = self.folder.join(at.strftime("%Y-%m").to_string());
            if months.last() != Some(&month) {
                months.push(month);
            }
            at = later(at, jiff::SignedDuration::from_hours(24)).min(until);
        }
        files::at(self.folder.clone(), move |_| {
            let mut kept = Vec::new();
            for month in months {
                let entries = match fs::read_dir(&month) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    entries => entries?,
                };
                for entry in entries {
                    let path = entry?.path();
                    if !path.to_str().is_some_and(|path| path.ends_with(".manifest.json")) {
                        continue;
                    }
                    let Some(manifest) = manifest_at(&path)? else { continue };
                    if manifest.from >= from && manifest.until <= until {
                        let was_tried = manifest.read.is_some();
                        let read = manifest.read.unwrap_or_default();
                        kept.push(Kept {
                            from: manifest.from,
                            until: manifest.until,
                            fetched_at: manifest.fetched_at,
                            is_read: manifest.report_id.is_none() || was_tried,
                            report_id: manifest.report_id,
                            is_unread: read.is_unread(),
                            trouble: read.trouble,
                        });
                    }
                }
            }
            Ok(kept)
        })
        .await
    }
}

/// The folder of an account. The prefix is needed because `.` and `..` are valid account names.
pub(super) fn folder(account: &Account) -> PathBuf {
    account.report_folder.join("provider").join(format!("account-{}", account.name))
}

/// A manifest that cannot be read counts as missing: its file is fetched again.
fn manifest_at(path: &Path) -> io::Result<Option<Manifest>> {
    Ok(files::read_if_there(path)?.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

fn pretty(manifest: &Manifest) -> io::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(manifest).map_err(io::Error::other)?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn with(stem: &Path, ending: &str) -> PathBuf {
    let mut name = stem.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}

/// Readable only for the service's user and group.
fn put(root: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    files::write_whole(root, path, bytes, Readers::Group)
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}
