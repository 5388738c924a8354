//! The arguments of the command line.

use std::path::PathBuf;

use crate::Failure;

const PARTS: [&str; 5] = ["enrol", "million", "month", "upkeep", "report"];

#[derive(Debug)]
pub(crate) struct Settings {
    parts: Vec<String>,
    /// Objects in the large store, and lines in the file.
    pub(crate) objects: usize,
    /// Accounts that they are spread over.
    pub(crate) accounts: usize,
    /// Where stores are created; a temporary folder by default. An existing large store (created by an
    /// earlier run with `--keep`) is used again.
    pub(crate) folder: Option<PathBuf>,
    /// Rounds in which everything is polled once.
    pub(crate) rounds: usize,
    pub(crate) is_strict: bool,
}

impl Settings {
    pub(crate) fn read(words: Vec<String>) -> Result<Settings, Failure> {
        let mut settings = Settings {
            parts: Vec::new(),
            objects: 1_000_000,
            accounts: 10_000,
            folder: None,
            rounds: 6,
            is_strict: false,
        };
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "--objects" => settings.objects = value()?.parse()?,
                "--accounts" => settings.accounts = value()?.parse()?,
                "--rounds" => settings.rounds = value()?.parse()?,
                "--folder" => settings.folder = Some(PathBuf::from(value()?)),
                "--strict" => settings.is_strict = true,
                part if PARTS.contains(&part) => settings.parts.push(word),
                other => return Err(format!("unknown argument {other:?}; known: {PARTS:?}").into()),
            }
        }
        Ok(settings)
    }

    pub(crate) fn wants(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|wanted| wanted == part)
    }

    /// A folder for one part; it is removed with the value unless it was named.
    pub(crate) fn place(&self, part: &str) -> Result<Place, Failure> {
        match &self.folder {
            Some(folder) => {
                std::fs::create_dir_all(folder.join(part))?;
                Ok(Place { path: folder.join(part), _temporary: None })
            }
            None => {
                // Beside the build, so that it is on a real volume and not in memory.
                let beside = std::env::current_exe()?;
                let parent = beside.parent().ok_or("a program has a folder")?;
                let temporary = tempfile::Builder::new().prefix("bench-store-").tempdir_in(parent)?;
                Ok(Place { path: temporary.path().to_owned(), _temporary: Some(temporary) })
            }
        }
    }
}

pub(crate) struct Place {
    pub(crate) path: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}
