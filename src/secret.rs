//! Secrets: where they lie, and a wrapper that never shows them.
//!
//! Owns: loading a secret from a file or from systemd's credentials, refusing careless places and what a
//! copy added to the secret. Must never know: what a secret is for, which key of the configuration names it.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

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
            "a secret does not stand in the configuration itself",
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
            "write the name that stands before the colon in the unit's LoadCredential=",
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
                "keep the secret alone in its file, on one line",
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

/// What a copy added to a line of a secret. It is refused, not removed: whoever reads the file elsewhere would
/// take another secret from it.
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
            "the secret stands in quotes, which would be taken for a part of it",
            format!("remove the first and the last letter, or run: sed -i 's/^.//; s/.$//' {named}"),
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
        Guard::OwnerOnly => "the file named there, of which not even the folder is to be found,".to_owned(),
        // The name may be a secret that was written in the wrong place.
        Guard::Directory => "the credential of this name".to_owned(),
    };
    let unreadable = |error: std::io::Error| {
        bad(
            format!("{shown} cannot be read: {}", error.kind()),
            "put the secret there, readable by the user that the service runs as",
        )
    };
    let not_a_file =
        || bad(format!("{shown} is not a plain file"), "name the file itself: no folder, pipe or device");
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
mod tests {
    use super::*;

    struct Place {
        directory: tempfile::TempDir,
    }

    impl Place {
        fn new() -> Place {
            Place { directory: tempfile::tempdir().unwrap() }
        }

        fn write(&self, name: &str, bytes: &[u8], mode: u32) -> SecretReference {
            use std::os::unix::fs::PermissionsExt;
            let path = self.directory.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            SecretReference(Some(format!("file:{}", path.display())))
        }

        fn loader(&self) -> SecretLoader {
            SecretLoader::new(Some(self.directory.path().to_owned()))
        }
    }

    fn what(outcome: Result<Secret<Vec<u8>>, BadSecret>) -> String {
        outcome.unwrap_err().to_string()
    }

    #[test]
    fn a_private_file_is_read_without_its_last_newline() {
        let place = Place::new();
        let reference = place.write("key", b"two\nlines\r\n\n", 0o600);
        assert_eq!(place.loader().load(&reference).unwrap().expose(), b"two\nlines");
        assert_eq!(place.loader().load_lines(&reference).unwrap().expose(), "two\nlines");
    }

    #[test]
    fn careless_files_are_refused_with_key_path_and_remedy() {
        let place = Place::new();
        let open = what(place.loader().load(&place.write("open", b"x", 0o640)));
        assert!(open.contains("/open can be read by others; run: chmod 0600"), "{open}");
        assert!(what(place.loader().load(&place.write("world", b"x", 0o604))).contains("by others"));
        assert!(what(place.loader().load(&place.write("empty", b"\n", 0o600))).contains("is empty"));
        let long = vec![b'x'; 64 * 1024 + 1];
        assert!(what(place.loader().load(&place.write("long", &long, 0o600))).contains("longer than"));
        let missing = SecretReference(Some(format!("file:{}/none", place.directory.path().display())));
        assert!(what(place.loader().load(&missing)).contains("cannot be read: entity not found"));
        for secret in ["/hunter2", "/91pJpReXP3x02/hunter2", "/hunter2/", "//hunter2"] {
            let said = what(place.loader().load(&SecretReference(Some(format!("file:{secret}")))));
            assert!(said.contains("entity not found"), "{said}");
            assert!(!said.contains("hunter2"), "it may be the secret itself: {said}");
        }
        let directory = SecretReference(Some(format!("file:{}", place.directory.path().display())));
        assert!(what(place.loader().load(&directory)).contains("is not a plain file"));
        let binary = place.write("binary", b"\xff\xff", 0o600);
        assert!(place.loader().load_lines(&binary).unwrap_err().to_string().contains("not text"));
    }

    #[test]
    fn what_a_copy_added_to_a_secret_is_refused_with_its_own_reason() {
        let place = Place::new();
        for (text, reason, remedy) in [
            (&b"\xEF\xBB\xBFREQPHRASE"[..], "byte order mark", "sed -i '1s/^\\xEF\\xBB\\xBF//' /"),
            (b"\"REQPHRASE\"\n", "stands in quotes", "sed -i 's/^.//; s/.$//' /"),
            (b"'REQPHRASE'", "stands in quotes", "sed"),
            ("\u{201c}REQPHRASE\u{201d}".as_bytes(), "stands in quotes", "sed"),
            (b" REQPHRASE", "white space", "[[:space:]]"),
            (b"REQPHRASE \n", "white space", "[[:space:]]"),
            (b"REQPHRASE\t", "white space", "[[:space:]]"),
            ("REQPHRASE\u{a0}".as_bytes(), "white space", "remove"),
            ("REQPHRASE\u{200b}".as_bytes(), "white space", "remove"),
            (b"REQ\x07PHRASE", "control character", "as it was issued"),
            (b"\xFF\xFER\0E\0Q\0", "UTF-16", "iconv -f UTF-16 -t UTF-8 /"),
            (b"R\0E\0Q\0", "UTF-16", "iconv"),
            (b"REQPHRASE\nRESPPHRASE", "more than one line", "on one line"),
        ] {
            let reference = place.write("phrase", text, 0o600);
            let bad = place.loader().load_line(&reference).unwrap_err();
            assert!(bad.what.contains(reason) && bad.remedy.contains(remedy), "{text:?}: {bad}");
            assert!(!bad.to_string().contains("PHRASE"), "{bad}");
        }
        for good in ["REQPHRASE", "a phrase 'of' \"words\"", "\"", "$2y$10(x)#", "\"open"] {
            let reference = place.write("phrase", format!("{good}\r\n").as_bytes(), 0o600);
            assert_eq!(place.loader().load_line(&reference).unwrap().expose(), good);
        }
    }

    #[test]
    fn a_pipe_or_a_device_is_refused_and_not_waited_for() {
        let place = Place::new();
        let pipe = place.directory.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
        std::os::unix::fs::symlink(&pipe, place.directory.path().join("link")).unwrap();
        let pipe = format!("file:{}", pipe.display());
        for name in [pipe.as_str(), "credential:link", "file:/dev/zero", "file:/dev/null"] {
            let said = what(place.loader().load(&name.into()));
            assert!(
                said.contains("is not a plain file") && said.contains("no folder, pipe or device"),
                "{said}"
            );
        }
    }

    #[test]
    fn a_credential_is_read_from_systemds_directory_whatever_its_mode() {
        let place = Place::new();
        place.write("amazon-key", b"secret\n", 0o644);
        let reference = SecretReference::from("credential:amazon-key");
        assert_eq!(place.loader().load(&reference).unwrap().expose(), b"secret");
        assert!(what(SecretLoader::default().load(&reference)).contains("no credentials directory"));
        for loader in [SecretLoader::default(), place.loader()] {
            let said = what(loader.load(&"credential:hunter2".into()));
            assert!(!said.contains("hunter2"), "{said}");
        }
        for bad in ["credential:", "credential:../etc/passwd", "credential:a/b", "credential:.hidden"] {
            assert!(place.loader().load(&bad.into()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_secret_in_the_configuration_is_refused_and_not_repeated() {
        #[derive(Debug, serde::Deserialize)]
        struct Section {
            private_key: SecretReference,
        }
        for value in [
            "\"hunter2\"",
            "\"file:hunter2\"",
            "12345",
            "1.5",
            "true",
            "[\"hunter2\"]",
            "{ a = \"hunter2\" }",
        ] {
            let section: Section = toml::from_str(&format!("private_key = {value}")).unwrap();
            let said = what(SecretLoader::default().load(&section.private_key));
            assert!(!said.contains("hunter2") && !said.contains("12345"), "{said}");
            assert!(!format!("{section:?}").contains("hunter2"));
        }
    }

    #[test]
    fn a_secret_prints_as_hidden() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?}"), "[hidden] [hidden]");
    }
}
