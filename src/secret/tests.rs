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
    assert!(what(place.loader().load(&missing)).contains("cannot be read: there is no such file"));
    for secret in ["/hunter2", "/91pJpReXP3x02/hunter2", "/hunter2/", "//hunter2"] {
        let said = what(place.loader().load(&SecretReference(Some(format!("file:{secret}")))));
        assert!(said.contains("there is no such file"), "{said}");
        assert!(!said.contains("hunter2"), "it may be the secret itself: {said}");
    }
    let directory = SecretReference(Some(format!("file:{}", place.directory.path().display())));
    assert!(what(place.loader().load(&directory)).contains("is not a regular file"));
    let binary = place.write("binary", b"\xff\xff", 0o600);
    assert!(place.loader().load_lines(&binary).unwrap_err().to_string().contains("not text"));
}

#[test]
fn what_a_copy_added_to_a_secret_is_refused_with_its_own_reason() {
    let place = Place::new();
    for (text, reason, remedy) in [
        (&b"\xEF\xBB\xBFREQPHRASE"[..], "byte order mark", "sed -i '1s/^\\xEF\\xBB\\xBF//' /"),
        (b"\"REQPHRASE\"\n", "is in quotes", "sed -i 's/^.//; s/.$//' /"),
        (b"'REQPHRASE'", "is in quotes", "sed"),
        ("\u{201c}REQPHRASE\u{201d}".as_bytes(), "is in quotes", "sed"),
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
            said.contains("is not a regular file") && said.contains("no folder, pipe or device"),
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
    for value in
        ["\"hunter2\"", "\"file:hunter2\"", "12345", "1.5", "true", "[\"hunter2\"]", "{ a = \"hunter2\" }"]
    {
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

#[test]
fn a_missing_credential_is_named_with_the_command_that_makes_it() {
    let folder = tempfile::tempdir().unwrap();
    let loader = SecretLoader::new(Some(folder.path().to_owned()));
    let said = loader.load(&"credential:shop-de-private-key".into()).unwrap_err().to_string();
    let place = folder.path().join("shop-de-private-key").display().to_string();
    assert!(said.starts_with("the credential shop-de-private-key cannot be read"), "{said}");
    assert!(said.contains("sudo install -D -m 0600") && said.ends_with(&place), "{said}");
    let given =
        remedy(Path::new("/run/credentials/x/slack-url"), Guard::Directory, std::io::ErrorKind::NotFound);
    assert!(given.starts_with("add LoadCredential=slack-url to the unit"), "{given}");
    for secret in
        ["hunter2", "PASS-PHRASE", "a1b2c3d4-0000", "9f86d081-884c-7d65-9a2f-eaa0c55ad015", "TESTSHAIN"]
    {
        let said = loader.load(&format!("credential:{secret}").as_str().into()).unwrap_err().to_string();
        assert!(!said.contains(secret), "{said}");
    }
}
