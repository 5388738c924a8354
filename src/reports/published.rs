//! Reading what was published: which days there are, and their files.
//!
//! Owns: which files may be read. Must never know: what is in them, how they were made.

use std::fs;
use std::io;
use std::path::Path;

use jiff::civil::Date;

use super::write::DayFolders;

/// A published day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedDay {
    /// Which day.
    pub date: Date,
    /// Its newest revision, from 1.
    pub revision: u32,
    /// The names of its files.
    pub files: Vec<String>,
}

/// Up to `limit` days before a day, the newest first.
pub(super) fn days(
    folders: &DayFolders,
    before: Option<Date>,
    limit: usize,
) -> io::Result<Vec<PublishedDay>> {
    let mut dates = Vec::new();
    'all: for year in names(&folders.root)?.iter().rev().filter(|name| is_number(name, 4)) {
        let year = folders.root.join(year);
        for month in names(&year)?.iter().rev().filter(|name| is_number(name, 2)) {
            // A day's revisions follow it, so equal dates are neighbours.
            let mut here: Vec<Date> =
                names(&year.join(month))?.iter().filter_map(|name| date_of(name)).collect();
            here.dedup();
            let wanted = here.into_iter().rev().filter(|date| before.is_none_or(|before| *date < before));
            for date in wanted {
                if dates.len() == limit {
                    break 'all;
                }
                dates.push(date);
            }
        }
    }
    let mut days = Vec::new();
    for date in dates {
        if let Some(newest) = folders.newest(date)? {
            days.push(PublishedDay { date, revision: newest.revision, files: files(&newest.folder)? });
        }
    }
    Ok(days)
}

/// A file of the newest revision of a day; none if there is no such day or file.
pub(super) fn file(
    folders: &DayFolders,
    date: Date,
    name: &str,
    bytes_max: u64,
) -> io::Result<Option<Vec<u8>>> {
    let Some(newest) = folders.newest(date)? else { return Ok(None) };
    // Only a name that the folder itself lists is opened, so no name leads out of it.
    if !files(&newest.folder)?.iter().any(|known| known == name) {
        return Ok(None);
    }
    let path = newest.folder.join(name);
    if fs::metadata(&path)?.len() > bytes_max {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    fs::read(path).map(Some)
}

fn date_of(name: &str) -> Option<Date> {
    name.split('_').next()?.parse().ok()
}

fn is_number(name: &str, digits: usize) -> bool {
    name.len() == digits && name.bytes().all(|letter| letter.is_ascii_digit())
}

/// The names in a folder, sorted; none if there is no such folder.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry?.file_name().into_string().ok());
    }
    names.sort();
    Ok(names)
}

/// The names of a folder's regular files, sorted.
fn files(folder: &Path) -> io::Result<Vec<String>> {
    let is_file = |name: &String| fs::symlink_metadata(folder.join(name)).is_ok_and(|facts| facts.is_file());
    Ok(names(folder)?.into_iter().filter(is_file).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::write::NoProbe;
    use super::*;

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn days_are_listed_newest_first_and_only_their_own_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let folders = DayFolders { root: folder.path().to_owned(), probe: Arc::new(NoProbe) };
        assert_eq!(days(&folders, None, 10).unwrap(), []);
        for name in
            ["2025/12/2025-12-31", "2026/01/2026-01-01", "2026/01/2026-01-01_r2", "2026/01/.making-x", "x/y"]
        {
            let path = folder.path().join(name);
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join("a.csv"), name).unwrap();
        }
        fs::write(folder.path().join("2026/01/secret"), "no").unwrap();
        std::os::unix::fs::symlink("../secret", folder.path().join("2026/01/2026-01-01_r2/link")).unwrap();
        let found = days(&folders, None, 10).unwrap();
        let found: Vec<_> = found.iter().map(|day| (day.date, day.revision, day.files.join(" "))).collect();
        let expected =
            [(date("2026-01-01"), 2, "a.csv".to_owned()), (date("2025-12-31"), 1, "a.csv".to_owned())];
        assert_eq!(found, expected);
        assert_eq!(days(&folders, None, 1).unwrap().len(), 1);
        assert_eq!(days(&folders, Some(date("2026-01-01")), 9).unwrap()[0].date, date("2025-12-31"));
        let read = |day: &str, name: &str| file(&folders, date(day), name, 100).unwrap();
        assert_eq!(read("2026-01-01", "a.csv").unwrap(), b"2026/01/2026-01-01_r2");
        for name in ["../secret", "link", "b.csv", "", ".", "..", "/etc/passwd"] {
            assert_eq!(read("2026-01-01", name), None, "{name}");
        }
        assert_eq!(read("2026-01-02", "a.csv"), None);
        assert!(file(&folders, date("2026-01-01"), "a.csv", 3).is_err());
    }
}
