//! Secrets of the alert targets: the address of a chat's webhook, the key that signs a webhook.
//!
//! Owns: how a secret is named in config and read from its file. Must never know: what it is for.
//! The whole webhook URL is the secret (operations.md, sections 1.3, 1.4 and 6.4), so it never stands in
//! config.toml and never prints.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The longest secret that is read, in bytes.
const LONGEST_BYTES: u64 = 64 * 1024;

/// A text that never prints itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(String);

impl Hidden {
    /// Takes the text.
    pub fn new(text: impl Into<String>) -> Hidden {
        Hidden(text.into())
    }

    /// The text itself: only for the wire.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[hidden]")
    }
}

/// Why a secret cannot be had: what is wrong, and what helps. Never its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadSecret {
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

fn bad(what: impl Into<String>, remedy: impl Into<String>) -> BadSecret {
    BadSecret { what: what.into(), remedy: remedy.into() }
}

/// Where secrets lie.
#[derive(Debug, Clone, Copy)]
pub enum Vault<'a> {
    /// They can be read; with systemd's `$CREDENTIALS_DIRECTORY`, if there is one.
    Open(Option<&'a Path>),
    /// They are out of reach: only the references are checked, and no target can be sent to.
    Closed,
}

/// Reads the secret that `reference` names; none when the vault is closed: `file:/absolute/path`, or `credential:name` in
/// `credentials_folder` (systemd's `$CREDENTIALS_DIRECTORY`). A trailing line end is dropped.
///
/// # Errors
/// When the reference is of another form (a secret written inline is refused unseen), the file cannot be
/// read, others may read it, or it is empty, too long or not UTF-8.
pub fn read(reference: &str, vault: Vault<'_>) -> Result<Option<Hidden>, BadSecret> {
    let credentials_folder = match vault {
        Vault::Open(folder) => folder,
        Vault::Closed => return place(reference, Some(Path::new("/"))).map(|_| None),
    };
    let (path, is_credential) = place(reference, credentials_folder)?;
    // The name of a credential, and a path that leads nowhere, may be a secret in the wrong place.
    let is_place =
        path.exists() || path.parent().is_some_and(|folder| folder.parent().is_some() && folder.is_dir());
    let shown = match (is_credential, is_place) {
        (true, _) => "the credential of this name".to_owned(),
        (false, true) => path.display().to_string(),
        (false, false) => "the file named there, of which not even the folder is to be found,".to_owned(),
    };
    let cannot = |error: std::io::Error| {
        bad(format!("{shown} cannot be read: {error}"), "make the file, readable for the service's user")
    };
    let file = std::fs::File::open(&path).map_err(cannot)?;
    if !is_credential {
        refuse_if_open_to_others(&file, &path)?;
    }
    let mut bytes = Vec::new();
    file.take(LONGEST_BYTES + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > LONGEST_BYTES {
        return Err(bad(format!("{shown} is longer than 64 KiB"), "keep only the secret in it"));
    }
    let text = String::from_utf8(bytes).map_err(|_| {
        bad(format!("{shown} is not UTF-8 text"), "keep only the secret in it, as plain text")
    })?;
    let text = text.trim_end_matches(['\n', '\r']);
    if text.is_empty() {
        return Err(bad(format!("{shown} is empty"), "write the secret into it"));
    }
    Ok(Some(Hidden::new(text)))
}

fn place(reference: &str, credentials_folder: Option<&Path>) -> Result<(PathBuf, bool), BadSecret> {
    if let Some(path) = reference.strip_prefix("file:") {
        let path = PathBuf::from(path);
        return if path.is_absolute() {
            Ok((path, false))
        } else {
            Err(bad("the path after `file:` is not absolute", "write file:/absolute/path"))
        };
    }
    let Some(name) = reference.strip_prefix("credential:") else {
        return Err(bad(
            "it is not a reference to a secret",
            "write file:/absolute/path or credential:name; a secret itself never stands in the config",
        ));
    };
    let is_plain =
        name.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.'));
    if name.is_empty() || !is_plain || name.starts_with('.') {
        return Err(bad("the name after `credential:` is not a plain name", "use letters, digits, - and _"));
    }
    let folder = credentials_folder.ok_or_else(|| {
        bad(
            "there is no credentials directory ($CREDENTIALS_DIRECTORY is not set)",
            "start it as a systemd service with LoadCredential=, or use file:/absolute/path",
        )
    })?;
    Ok((folder.join(name), true))
}

#[cfg(unix)]
fn refuse_if_open_to_others(file: &std::fs::File, path: &Path) -> Result<(), BadSecret> {
    use std::os::unix::fs::PermissionsExt;
    let shown = path.display();
    let facts = file
        .metadata()
        .map_err(|error| bad(format!("{shown} cannot be examined: {error}"), "make it a plain file"))?;
    if facts.permissions().mode() & 0o077 != 0 {
        return Err(bad(format!("{shown} can be read by others"), format!("chmod 0600 {shown}")));
    }
    Ok(())
}

#[cfg(not(unix))]
fn refuse_if_open_to_others(_file: &std::fs::File, _path: &Path) -> Result<(), BadSecret> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret_file(folder: &Path, name: &str, bytes: &[u8], mode: u32) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn a_secret_is_read_from_its_file_and_never_prints() {
        let folder = tempfile::tempdir().unwrap();
        let path = secret_file(folder.path(), "hook", b"https://hooks.example/T/B/canary\n", 0o600);
        let secret = read(&format!("file:{}", path.display()), Vault::Open(None)).unwrap().unwrap();
        assert_eq!(secret.reveal(), "https://hooks.example/T/B/canary");
        assert_eq!(format!("{secret:?}"), "[hidden]");
        secret_file(folder.path(), "loaded", b"abc", 0o644);
        assert_eq!(
            read("credential:loaded", Vault::Open(Some(folder.path()))).unwrap().unwrap().reveal(),
            "abc"
        );
    }

    #[test]
    fn what_is_wrong_is_said_without_the_secret() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8], mode| {
            format!("file:{}", secret_file(folder.path(), name, bytes, mode).display())
        };
        let long = vec![b'x'; 70_000];
        for (reference, expected) in [
            ("https://hooks.example/canary".to_owned(), "not a reference"),
            ("file:relative/canary".to_owned(), "not absolute"),
            ("file:/nowhere/at/all".to_owned(), "cannot be read"),
            ("credential:../canary".to_owned(), "plain name"),
            ("credential:".to_owned(), "plain name"),
            ("credential:hook".to_owned(), "no credentials directory"),
            ("credential:canary".to_owned(), "no credentials directory"),
            (file("open", b"canary", 0o644), "read by others"),
            (file("empty", b"\n", 0o600), "is empty"),
            (file("long", &long, 0o600), "longer"),
            (file("binary", &[0xff, 0xfe], 0o600), "UTF-8"),
        ] {
            let problem = read(&reference, Vault::Open(None)).unwrap_err();
            assert!(problem.what.contains(expected), "{reference}: {problem:?}");
            assert!(!problem.remedy.is_empty());
            assert!(!format!("{problem:?}").contains("canary"), "{problem:?}");
        }
        let missing = read("credential:canary", Vault::Open(Some(folder.path()))).unwrap_err();
        assert!(!format!("{missing:?}").contains("canary"), "{missing:?}");
    }
}
