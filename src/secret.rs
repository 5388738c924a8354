//! Secrets: where they lie, and a wrapper that never shows them.
//!
//! Owns: loading a secret from a file or from systemd's credentials, refusing careless places and what a
//! copy added to the secret. Must never know: what a secret is for, which key of the configuration names it.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::text;

/// The longest secret that is read, in bytes.
const LONGEST: u64 = 64 * 1024;

/// A value that prints as `[hidden]` and cannot be serialized.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Hides a value.
    pub fn new(value: T) -> Secret<T> {
        Secret(value)
    }

    /// The value. Use it, never keep or print it.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[hidden]")
    }
}

impl<T> fmt::Display for Secret<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[hidden]")
    }
}

/// Why a secret cannot be had. It never holds any of the secret's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}; {remedy}")]
pub struct BadSecret {
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

fn bad(what: impl Into<String>, remedy: impl Into<String>) -> BadSecret {
    BadSecret { what: what.into(), remedy: remedy.into() }
}

/// A reference to a secret as written: `file:/absolute/path` or `credential:name`. Whatever else is
/// written there may be the secret itself, so this reads anything, prints nothing, and complains only
/// when it is loaded.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretReference(Option<String>);

impl fmt::Debug for SecretReference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[hidden]")
    }
}

impl From<&str> for SecretReference {
    fn from(text: &str) -> SecretReference {
        SecretReference(Some(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for SecretReference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SecretReference, D::Error> {
        deserializer.deserialize_any(AnythingVisitor)
    }
}

/// Takes any value without an error: an error would show the line, and with it perhaps the secret.
struct AnythingVisitor;

impl<'de> Visitor<'de> for AnythingVisitor {
    type Value = SecretReference;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("file:/absolute/path or credential:name")
    }

    fn visit_str<E>(self, text: &str) -> Result<SecretReference, E> {
        Ok(SecretReference(Some(text.to_owned())))
    }

    fn visit_bool<E>(self, _: bool) -> Result<SecretReference, E> {
        Ok(SecretReference(None))
    }

    fn visit_i64<E>(self, _: i64) -> Result<SecretReference, E> {
        Ok(SecretReference(None))
    }

    fn visit_u64<E>(self, _: u64) -> Result<SecretReference, E> {
        Ok(SecretReference(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<SecretReference, E> {
        Ok(SecretReference(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<SecretReference, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(SecretReference(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<SecretReference, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(SecretReference(None))
    }
}

/// A place where a secret lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// A file that only its owner can read.
    File(PathBuf),
    /// A file in systemd's credentials directory (`LoadCredential=name:...`).
    Credential(String),
}

impl SecretReference {
    /// The place it names. The error never repeats what was written.
    pub fn source(&self) -> Result<SecretSource, BadSecret> {
        let text = self.0.as_deref().unwrap_or_default();
        if let Some(path) = text.strip_prefix("file:") {
            return file_source(path);
        }
        if let Some(name) = text.strip_prefix("credential:") {
            return credential_source(name);
        }
        Err(bad(
            "a secret must not be in the configuration itself",
            "put it into a file of its own and write \"file:/absolute/path\" or \"credential:name\"; \
             if a real secret stood here, replace it at the provider",
        ))
    }
}

fn file_source(path: &str) -> Result<SecretSource, BadSecret> {
    if Path::new(path).is_absolute() {
        Ok(SecretSource::File(path.into()))
    } else {
        Err(bad("the path after file: is not absolute", "write \"file:/absolute/path\""))
    }
}

fn credential_source(name: &str) -> Result<SecretSource, BadSecret> {
    let is_plain = !name.is_empty()
        && !name.starts_with('.')
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.'));
    if is_plain {
        Ok(SecretSource::Credential(name.to_owned()))
    } else {
        Err(bad(
            "the name after credential: is not one of letters, digits, '-', '_' and '.'",
            "write the name before the colon in the unit's LoadCredential=",
        ))
    }
}

/// Reads secrets.
#[derive(Debug, Clone, Default)]
pub struct SecretLoader {
    credentials_directory: Option<PathBuf>,
    is_blind: bool,
}

impl SecretLoader {
    /// `credentials_directory` is what systemd gives in `$CREDENTIALS_DIRECTORY`, if it does.
    pub fn new(credentials_directory: Option<PathBuf>) -> SecretLoader {
        SecretLoader { credentials_directory, is_blind: false }
    }

    /// Checks references but reads no secret: each yields a stand-in that opens nothing. For checking a
    /// configuration, and for commands that send nothing, where the secrets are out of reach.
    pub fn blind() -> SecretLoader {
        SecretLoader { credentials_directory: None, is_blind: true }
    }

    /// Whether it yields stand-ins only.
    pub fn is_blind(&self) -> bool {
        self.is_blind
    }

    /// The secret's bytes as they stand in the file, for keys: only line ends at the end are cut off.
    ///
    /// # Errors
    /// When the reference has another form, or the file cannot be read, others may read it, it is no plain
    /// file, empty or too long.
    pub fn load(&self, reference: &SecretReference) -> Result<Secret<Vec<u8>>, BadSecret> {
        self.file(reference)?.map_or_else(|| Ok(Secret(b"not-looked-for".to_vec())), |file| Ok(file.bytes))
    }

    /// A secret of one line of text: a phrase, a token, an address.
    ///
    /// # Errors
    /// As [`SecretLoader::load`], and when it is not text, has several lines, or something around it that a
    /// copy added: a byte order mark, quotes, white space.
    pub fn load_line(&self, reference: &SecretReference) -> Result<Secret<String>, BadSecret> {
        let text = self.load_lines(reference)?;
        if text.expose().lines().count() > 1 {
            return Err(bad(
                "the secret has more than one line",
                "keep only the secret in the file, on one line",
            ));
        }
        Ok(text)
    }

    /// A secret of one or more lines of text, such as signing keys.
    ///
    /// # Errors
    /// As [`SecretLoader::load_line`], each line for itself.
    pub fn load_lines(&self, reference: &SecretReference) -> Result<Secret<String>, BadSecret> {
        let Some(file) = self.file(reference)? else { return Ok(Secret("not-looked-for".to_owned())) };
        file.text()
    }

    /// The file that a reference names; none for a blind loader.
    fn file(&self, reference: &SecretReference) -> Result<Option<SecretFile>, BadSecret> {
        let source = reference.source()?;
        if self.is_blind {
            return Ok(None);
        }
        match source {
            SecretSource::File(path) => read(&path, Guard::OwnerOnly).map(Some),
            SecretSource::Credential(name) => match &self.credentials_directory {
                // systemd owns that directory and keeps others out of it.
                Some(directory) => read(&directory.join(name), Guard::Directory).map(Some),
                None => Err(bad(
                    "there is no credentials directory to find it in",
                    "start the service by systemd with LoadCredential=, or use \"file:/absolute/path\"",
                )),
            },
        }
    }
}

/// A secret that was read.
struct SecretFile {
    bytes: Secret<Vec<u8>>,
    /// The file's name for a command that mends it.
    named: String,
}

impl SecretFile {
    fn text(self) -> Result<Secret<String>, BadSecret> {
        let named = self.named;
        let bytes = self.bytes.0;
        if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) || bytes.contains(&0) {
            return Err(bad(
                "the secret is UTF-16 text, as PowerShell writes it",
                format!("run: iconv -f UTF-16 -t UTF-8 {named} > {named}.new, and put that in its place"),
            ));
        }
        let text = String::from_utf8(bytes)
            .map_err(|_| bad("the secret is not text (UTF-8)", "store the text as it was issued"))?;
        match text.lines().find_map(|line| ornament(line, &named)) {
            Some(problem) => Err(problem),
            None => Ok(Secret(text)),
        }
    }
}

/// What a copy added to a line of a secret. It is refused, not removed: another program that reads the file
/// would take another secret from it.
fn ornament(line: &str, named: &str) -> Option<BadSecret> {
    let is_blank =
        |letter: char| letter.is_whitespace() || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2060}');
    let quotes = [('"', '"'), ('\'', '\''), ('`', '`'), ('\u{201c}', '\u{201d}'), ('\u{201e}', '\u{201c}')];
    if line.starts_with('\u{feff}') {
        Some(bad(
            "the secret begins with a byte order mark, as editors on Windows write it",
            format!("run: sed -i '1s/^\\xEF\\xBB\\xBF//' {named}"),
        ))
    } else if line.starts_with(is_blank) || line.ends_with(is_blank) {
        Some(bad(
            "the secret begins or ends with white space",
            format!(
                "remove the white space from {named}, or run: sed -i 's/^[[:space:]]*//; s/[[:space:]]*$//' {named}"
            ),
        ))
    } else if quotes
        .iter()
        .any(|(open, close)| line.len() > 1 && line.starts_with(*open) && line.ends_with(*close))
    {
        Some(bad(
            "the secret is in quotes, which would become part of it",
            format!("remove the first and the last character, or run: sed -i 's/^.//; s/.$//' {named}"),
        ))
    } else if line.contains(char::is_control) {
        Some(bad("the secret has a control character", "store the text as it was issued"))
    } else {
        None
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Guard {
    OwnerOnly,
    Directory,
}

fn read(path: &Path, guard: Guard) -> Result<SecretFile, BadSecret> {
    let shown = match guard {
        Guard::OwnerOnly if lies_somewhere(path) => path.display().to_string(),
        Guard::OwnerOnly => "the file named there, whose folder is not there either,".to_owned(),
        // The name may be a secret that was written in the wrong place.
        Guard::Directory => match credential_name(path) {
            Some(name) => format!("the credential {name}"),
            None => "the credential of this name".to_owned(),
        },
    };
    let unreadable = |error: std::io::Error| {
        bad(
            format!("{shown} cannot be read: {}", text::why_unread(&error)),
            remedy(path, guard, error.kind()),
        )
    };
    let not_a_file =
        || bad(format!("{shown} is not a regular file"), "name the file itself: no folder, pipe or device");
    // To open a pipe waits for a writer, perhaps without end: look before.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(not_a_file());
    }
    let file = File::open(path).map_err(unreadable)?;
    let facts = file.metadata().map_err(unreadable)?;
    if !facts.is_file() {
        return Err(not_a_file());
    }
    if guard == Guard::OwnerOnly && is_open_to_others(&facts) {
        return Err(bad(format!("{shown} can be read by others"), format!("run: chmod 0600 {shown}")));
    }
    let mut bytes = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LONGEST {
        return Err(bad(format!("{shown} is longer than 64 KB"), "name the right file"));
    }
    while bytes.last().is_some_and(|last| matches!(last, b'\n' | b'\r')) {
        bytes.pop();
    }
    if bytes.is_empty() {
        return Err(bad(format!("{shown} is empty"), "put the secret there"));
    }
    let named = match guard {
        Guard::OwnerOnly => shown,
        Guard::Directory => "FILE (the one that LoadCredential= names)".to_owned(),
    };
    Ok(SecretFile { bytes: Secret(bytes), named })
}

/// What to do about a secret that cannot be read.
fn remedy(path: &Path, guard: Guard, error: std::io::ErrorKind) -> String {
    let name = credential_name(path).unwrap_or("NAME");
    let folder = path.parent().unwrap_or(path).display();
    match (guard, error) {
        (Guard::OwnerOnly, _) => {
            "put the secret there, readable by the user that the service runs as".to_owned()
        }
        (Guard::Directory, std::io::ErrorKind::PermissionDenied) => {
            format!("only root can read {folder}: use sudo")
        }
        (Guard::Directory, _) if path.starts_with("/run/credentials") => {
            format!("add LoadCredential={name} to the unit (sudo systemctl edit reconciled), and restart it")
        }
        (Guard::Directory, _) => format!("run: sudo install -D -m 0600 FILE-WITH-THE-SECRET {folder}/{name}"),
    }
}

/// The name of a credential, if it looks like a name: words in small letters, joined by dashes, with few digits.
/// Anything else may be a secret that was written in the wrong place, and is not repeated.
fn credential_name(path: &Path) -> Option<&str> {
    let name = path.file_name()?.to_str()?;
    let is_word = |word: &str| {
        (1..=16).contains(&word.len())
            && word.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit())
    };
    let digits = name.chars().filter(char::is_ascii_digit).count();
    let is_name = name.len() <= 64 && digits <= 4 && name.contains('-') && name.split('-').all(is_word);
    is_name.then_some(name)
}

/// Whether a path leads somewhere. Otherwise it may be a secret that was written behind `file:` and happens to
/// begin with a slash, as every 64th in Base64 does, and must not be repeated.
fn lies_somewhere(path: &Path) -> bool {
    path.parent().is_some_and(|folder| folder.parent().is_some() && folder.is_dir()) || path.exists()
}

#[cfg(unix)]
fn is_open_to_others(facts: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    facts.permissions().mode() & 0o077 != 0
}

#[cfg(not(unix))]
fn is_open_to_others(_facts: &std::fs::Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests;
