//! The `[reports]` section of the configuration.
//!
//! Owns: its keys, defaults and checks. Must never know: the rest of the configuration.

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::problem::{Check, Problem};

/// The section as written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReportsSection {
    /// The folder for the days' folders; an absolute path. Without it, `reports` in systemd's
    /// `$LOGS_DIRECTORY`.
    pub folder: Option<PathBuf>,
    /// The IANA zone whose midnights bound the business day (`Europe/Berlin`, `Etc/UTC`).
    pub time_zone: String,
    /// When to create the report of the day before: a cron expression in that zone.
    pub schedule: String,
    /// Begin CSV files with a byte order mark, so that Excel reads them as UTF-8.
    pub csv_bom: bool,
    /// What separates CSV cells: `,` or `;` or a tab.
    pub delimiter: String,
    /// The decimal sign of amounts in CSV: `.` or `,`.
    pub decimal: String,
    /// Write the day as a spreadsheet too (XLSX).
    pub xlsx: bool,
}

impl Default for ReportsSection {
    fn default() -> Self {
        ReportsSection {
            folder: None,
            time_zone: "Etc/UTC".to_owned(),
            schedule: "10 0 * * *".to_owned(),
            csv_bom: false,
            delimiter: ",".to_owned(),
            decimal: ".".to_owned(),
            xlsx: true,
        }
    }
}

/// The section, checked.
#[derive(Debug, Clone)]
pub struct ReportsConfig {
    /// The folder for the days' folders.
    pub folder: PathBuf,
    /// The zone's name as written.
    pub zone_name: String,
    /// The zone's rules.
    pub zone: TimeZone,
    /// A cron expression; the planner reads it.
    pub schedule: String,
    /// Whether CSV files begin with a byte order mark.
    pub csv_bom: bool,
    /// What separates CSV cells.
    pub delimiter: u8,
    /// The decimal sign of amounts in CSV.
    pub decimal: u8,
    /// Whether the day is written as a spreadsheet too.
    pub xlsx: bool,
}

impl ReportsSection {
    /// Checks the section. `logs_folder` is systemd's `$LOGS_DIRECTORY`.
    ///
    /// # Errors
    /// All problems at once.
    pub fn resolve(&self, logs_folder: Option<&Path>) -> Result<ReportsConfig, Vec<Problem>> {
        let mut check = Check::new("reports");
        let folder = self.folder.clone().or_else(|| logs_folder.map(|logs| logs.join("reports")));
        match &folder {
            Some(folder) if folder.is_absolute() => {}
            Some(folder) => {
                check.problem(
                    "folder",
                    format!("{} is not an absolute path", folder.display()),
                    "begin it with /",
                );
            }
            None => check.problem("folder", "it is missing", "name the folder for the report files"),
        }
        let zone = TimeZone::get(&self.time_zone);
        if zone.is_err() {
            let shown: String = self.time_zone.chars().take(64).collect();
            check.problem(
                "time_zone",
                format!("{shown:?} is not a known time zone"),
                "use an IANA name such as Europe/Berlin",
            );
        }
        let delimiter = match self.delimiter.as_str() {
            "," | ";" | "\t" => self.delimiter.as_bytes().first().copied(),
            _ => None,
        };
        if delimiter.is_none() {
            check.problem(
                "delimiter",
                "it is not one of `,` `;` and tab",
                "`;` suits Excel in most of the EU",
            );
        }
        let decimal = match self.decimal.as_str() {
            "." | "," => self.decimal.as_bytes().first().copied(),
            _ => None,
        };
        if decimal.is_none() {
            check.problem("decimal", "it is neither `.` nor `,`", "`,` suits Excel in most of the EU");
        } else if decimal == delimiter {
            check.problem(
                "decimal",
                "it is also the delimiter",
                "write delimiter = \";\" beside decimal = \",\"",
            );
        }
        let config = match (folder, zone, delimiter, decimal) {
            (Some(folder), Ok(zone), Some(delimiter), Some(decimal)) => Some(ReportsConfig {
                folder,
                zone_name: self.time_zone.clone(),
                zone,
                schedule: self.schedule.clone(),
                csv_bom: self.csv_bom,
                delimiter,
                decimal,
                xlsx: self.xlsx,
            }),
            _ => None,
        };
        check.finish(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_section_is_complete_under_systemd() {
        let section: ReportsSection = toml::from_str("").unwrap();
        let config = section.resolve(Some(Path::new("/var/log/reconciled"))).unwrap();
        assert_eq!(config.folder, Path::new("/var/log/reconciled/reports"));
        assert_eq!((config.zone_name.as_str(), config.schedule.as_str()), ("Etc/UTC", "10 0 * * *"));
        assert_eq!((config.csv_bom, config.delimiter), (false, b','));
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let text = "folder = \"reports\"\ntime_zone = \"Europe/Nowhere\"\ndelimiter = \"|\"";
        let problems = toml::from_str::<ReportsSection>(text).unwrap().resolve(None).unwrap_err();
        let keys: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(keys, ["reports.folder", "reports.time_zone", "reports.delimiter"]);
        let same = ReportsSection { decimal: ",".to_owned(), ..ReportsSection::default() };
        let problems = same.resolve(Some(Path::new("/x"))).unwrap_err();
        assert_eq!((problems[0].key.as_str(), problems.len()), ("reports.decimal", 1), "as the delimiter");
        let europe = ReportsSection { delimiter: ";".to_owned(), ..same.clone() };
        assert_eq!(europe.resolve(Some(Path::new("/x"))).unwrap().decimal, b',');
        let odd = ReportsSection { decimal: "'".to_owned(), ..same };
        assert_eq!(odd.resolve(Some(Path::new("/x"))).unwrap_err()[0].key, "reports.decimal");
        let missing = ReportsSection::default().resolve(None).unwrap_err();
        assert_eq!(missing[0].key, "reports.folder");
        assert!(toml::from_str::<ReportsSection>("folder_name = \"x\"").is_err());
    }
}
