//! Secrets: where they lie, and a wrapper that never shows them.
//!
//! Owns: loading a secret from a file or from systemd's credentials, and refusing careless places.
//! Must never know: what a secret is for.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::config::Problem;

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
    /// The place it names. The error names the key, never the value.
    pub fn source(&self, key: &str) -> Result<SecretSource, Problem> {
        let text = self.0.as_deref().unwrap_or_default();
        if let Some(path) = text.strip_prefix("file:") {
            return file_source(key, path);
        }
        if let Some(name) = text.strip_prefix("credential:") {
            return credential_source(key, name);
        }
        Err(Problem::new(
            key,
            "a secret does not stand in the configuration itself",
            "put it into a file of its own and write \"file:/absolute/path\" or \"credential:name\"; \
             if a real secret stood here, replace it at the provider",
        ))
    }
}

fn file_source(key: &str, path: &str) -> Result<SecretSource, Problem> {
    if Path::new(path).is_absolute() {
        Ok(SecretSource::File(path.into()))
    } else {
        Err(Problem::new(key, "the path after file: is not absolute", "write \"file:/absolute/path\""))
    }
}

fn credential_source(key: &str, name: &str) -> Result<SecretSource, Problem> {
    let is_plain = !name.is_empty()
        && !name.starts_with('.')
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.'));
    if is_plain {
        Ok(SecretSource::Credential(name.to_owned()))
    } else {
        Err(Problem::new(
            key,
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

    /// The secret's bytes, newlines at the end cut off. `key` is where the reference stands, for the error.
    pub fn load(&self, key: &str, reference: &SecretReference) -> Result<Secret<Vec<u8>>, Problem> {
        let source = reference.source(key)?;
        if self.is_blind {
            return Ok(Secret(b"not-looked-for".to_vec()));
        }
        match source {
            SecretSource::File(path) => read(key, &path, Guard::OwnerOnly),
            SecretSource::Credential(name) => match &self.credentials_directory {
                // systemd owns that directory and keeps others out of it.
                Some(directory) => read(key, &directory.join(name), Guard::Directory),
                None => Err(Problem::new(
                    key,
                    "there is no credentials directory to find it in",
                    "start the service by systemd with LoadCredential=, or use \"file:/absolute/path\"",
                )),
            },
        }
    }

    /// The same as text.
    pub fn load_text(&self, key: &str, reference: &SecretReference) -> Result<Secret<String>, Problem> {
        let bytes = self.load(key, reference)?;
        String::from_utf8(bytes.0).map(Secret).map_err(|_| {
            Problem::new(key, "the secret is not text (UTF-8)", "store the text as it was issued")
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Guard {
    OwnerOnly,
    Directory,
}

fn read(key: &str, path: &Path, guard: Guard) -> Result<Secret<Vec<u8>>, Problem> {
    let shown = match guard {
        Guard::OwnerOnly if lies_somewhere(path) => path.display().to_string(),
        Guard::OwnerOnly => "the file named there, of which not even the folder is to be found,".to_owned(),
        // The name may be a secret that was written in the wrong place.
        Guard::Directory => "the credential of this name".to_owned(),
    };
    let problem = |what: String, remedy: String| Problem::new(key, what, remedy);
    let unreadable = |error: std::io::Error| {
        problem(
            format!("{shown} cannot be read: {}", error.kind()),
            "put the secret there, readable by the user that the service runs as".to_owned(),
        )
    };
    let file = File::open(path).map_err(unreadable)?;
    let facts = file.metadata().map_err(unreadable)?;
    if !facts.is_file() {
        return Err(problem(format!("{shown} is not a file"), "name the file itself".to_owned()));
    }
    if guard == Guard::OwnerOnly && is_open_to_others(&facts) {
        return Err(problem(format!("{shown} can be read by others"), format!("run: chmod 0600 {shown}")));
    }
    let mut bytes = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LONGEST {
        return Err(problem(format!("{shown} is longer than 64 KB"), "name the right file".to_owned()));
    }
    while bytes.last().is_some_and(|last| matches!(last, b'\n' | b'\r')) {
        bytes.pop();
    }
    if bytes.is_empty() {
        return Err(problem(format!("{shown} is empty"), "put the secret there".to_owned()));
    }
    Ok(Secret(bytes))
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

    const KEY: &str = "account.shop.private_key";

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

    fn what(outcome: Result<Secret<Vec<u8>>, Problem>) -> String {
        outcome.unwrap_err().to_string()
    }

    #[test]
    fn a_private_file_is_read_without_its_last_newline() {
        let place = Place::new();
        let reference = place.write("key", b"two\nlines\r\n\n", 0o600);
        assert_eq!(place.loader().load(KEY, &reference).unwrap().expose(), b"two\nlines");
        assert_eq!(place.loader().load_text(KEY, &reference).unwrap().expose(), "two\nlines");
    }

    #[test]
    fn careless_files_are_refused_with_key_path_and_remedy() {
        let place = Place::new();
        let open = what(place.loader().load(KEY, &place.write("open", b"x", 0o640)));
        assert!(
            open.contains(KEY) && open.contains("/open can be read by others; run: chmod 0600"),
            "{open}"
        );
        assert!(what(place.loader().load(KEY, &place.write("world", b"x", 0o604))).contains("by others"));
        assert!(what(place.loader().load(KEY, &place.write("empty", b"\n", 0o600))).contains("is empty"));
        let long = vec![b'x'; 64 * 1024 + 1];
        assert!(what(place.loader().load(KEY, &place.write("long", &long, 0o600))).contains("longer than"));
        let missing = SecretReference(Some(format!("file:{}/none", place.directory.path().display())));
        assert!(what(place.loader().load(KEY, &missing)).contains("cannot be read: entity not found"));
        for secret in ["/hunter2", "/91pJpReXP3x02/hunter2", "/hunter2/", "//hunter2"] {
            let said = what(place.loader().load(KEY, &SecretReference(Some(format!("file:{secret}")))));
            assert!(said.starts_with(KEY) && said.contains("entity not found"), "{said}");
            assert!(!said.contains("hunter2"), "it may be the secret itself: {said}");
        }
        let directory = SecretReference(Some(format!("file:{}", place.directory.path().display())));
        assert!(what(place.loader().load(KEY, &directory)).contains("is not a file"));
        let binary = place.write("binary", b"\xff\xfe", 0o600);
        assert!(place.loader().load_text(KEY, &binary).unwrap_err().to_string().contains("not text"));
    }

    #[test]
    fn a_credential_is_read_from_systemds_directory_whatever_its_mode() {
        let place = Place::new();
        place.write("amazon-key", b"secret\n", 0o644);
        let reference = SecretReference::from("credential:amazon-key");
        assert_eq!(place.loader().load(KEY, &reference).unwrap().expose(), b"secret");
        assert!(what(SecretLoader::default().load(KEY, &reference)).contains("no credentials directory"));
        for loader in [SecretLoader::default(), place.loader()] {
            let said = what(loader.load(KEY, &"credential:hunter2".into()));
            assert!(said.starts_with(KEY) && !said.contains("hunter2"), "{said}");
        }
        for bad in ["credential:", "credential:../etc/passwd", "credential:a/b", "credential:.hidden"] {
            assert!(place.loader().load(KEY, &bad.into()).is_err(), "{bad}");
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
            let said = what(SecretLoader::default().load(KEY, &section.private_key));
            assert!(said.starts_with(KEY) && !said.contains("hunter2") && !said.contains("12345"), "{said}");
            assert!(!format!("{section:?}").contains("hunter2"));
        }
    }

    #[test]
    fn a_secret_prints_as_hidden() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?}"), "[hidden] [hidden]");
    }
}
