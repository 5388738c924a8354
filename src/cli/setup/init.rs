//! `reconciled init`: a first configuration for one account and one chat.
//!
//! Owns: the five questions, and the commands that come next. Must never know: what a section means.

use std::io::{self, BufRead, IsTerminal};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::sections::{AccountSection, alert, pair, secrets_of};
use crate::cli::exit::{Ended, Exit, Failed};
use crate::cli::init_options::InitArguments;
use crate::cli::local::config_failed;
use crate::cli::screen::Screen;
use crate::config::{self, Surroundings};
use crate::files::{Readers, write_whole};
use crate::payments::object::AccountName;

/// Where systemd looks for the secrets that a unit names by `LoadCredential=NAME`.
const CREDSTORE: &str = "/etc/credstore";
/// The drop-in that gives the service its secrets.
const DROP_IN: &str = "/etc/systemd/system/reconciled.service.d/credentials.conf";
const CHAT_SECRET: &str = "slack-url";

/// Everything that the file needs.
struct Answers {
    account: String,
    api: String,
    region: String,
    environment: String,
    merchant_id: String,
    key_id: String,
    time_zone: String,
}

/// Writes the configuration and says what comes next.
pub(in crate::cli) fn init(path: &Path, options: &InitArguments, screen: &mut Screen<'_>) -> Ended {
    let mut input = io::stdin().lock();
    let input = io::stdin().is_terminal().then_some(&mut input as &mut dyn BufRead);
    init_with(path, options, input, screen)
}

/// `input` is none where nobody can answer.
pub(super) fn init_with(
    path: &Path,
    options: &InitArguments,
    input: Option<&mut dyn BufRead>,
    screen: &mut Screen<'_>,
) -> Ended {
    if is_configured(path) && !options.force {
        let what = format!("{} already exists", path.display());
        return Err(Failed::new(
            Exit::CannotCreate,
            what,
            "name another --config FILE, or replace it with --force",
        ));
    }
    let answers = answers(options, input, screen)?;
    let text = text(&answers);
    config::check_text(&text, path, &Surroundings::of_process()).map_err(|error| config_failed(&error))?;
    let path = std::path::absolute(path).map_err(|error| cannot(path, &error))?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    write_whole(folder, &path, text.as_bytes(), Readers::Group).map_err(|error| cannot(&path, &error))?;
    share_with_the_service(&path, folder).map_err(|error| cannot(&path, &error))?;
    let credentials = credentials_folder(options.credentials.clone());
    if !credentials.exists() {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&credentials);
        made.map_err(|error| cannot(&credentials, &error))?;
    }
    screen.note(&format!("{} is written", path.display()))?;
    next_steps(&answers, &path, &credentials, screen)?;
    Ok(Exit::Ok)
}

/// Where secrets lie that systemd gives to the service.
pub(in crate::cli) fn credentials_folder(chosen: Option<PathBuf>) -> PathBuf {
    chosen.or(Surroundings::of_process().credentials).unwrap_or_else(|| PathBuf::from(CREDSTORE))
}

/// Whether the file must not be replaced. A file with nothing but comments, as packages install it, may be.
fn is_configured(path: &Path) -> bool {
    match std::fs::read_to_string(path) {
        Ok(text) => text.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#')),
        Err(_) => path.exists(),
    }
}

fn cannot(path: &Path, error: &io::Error) -> Failed {
    let exit = match error.kind() {
        io::ErrorKind::PermissionDenied => Exit::NotAllowed,
        _ => Exit::CannotCreate,
    };
    Failed::new(
        exit,
        format!("{}: {error}", path.display()),
        "run it with sudo, or name another --config FILE",
    )
}

/// The service reads the file as a member of the group that its folder belongs to.
fn share_with_the_service(path: &Path, folder: &Path) -> io::Result<()> {
    let group = std::fs::metadata(folder)?.gid();
    if std::fs::metadata(path)?.gid() == group {
        return Ok(());
    }
    std::os::unix::fs::chown(path, None, Some(group))
}

/// From the flags; what they leave open is asked.
fn answers(
    options: &InitArguments,
    input: Option<&mut dyn BufRead>,
    screen: &mut Screen<'_>,
) -> Result<Answers, Failed> {
    let flags = options.clone();
    let api = flags.api.or_else(|| flags.account.is_some().then(|| "amazon-pay-v2".to_owned()));
    let is_v2 = api.as_deref() == Some("amazon-pay-v2");
    let is_aps = api.as_deref() == Some("aps");
    let written = [
        ("--account", flags.account.map(|name| name.to_string())),
        ("--api", api),
        ("--region", flags.region.or(is_aps.then(String::new))),
        ("--environment", flags.environment),
        ("--merchant-id", flags.merchant_id.or(is_v2.then(String::new))),
        ("--key-id", flags.key_id),
        ("--time-zone", flags.time_zone),
    ];
    let missing: Vec<&str> =
        written.iter().filter(|(_, value)| value.is_none()).map(|(flag, _)| *flag).collect();
    if missing.is_empty() {
        let [account, api, region, environment, merchant_id, key_id, time_zone] =
            written.map(|(_, value)| value.unwrap_or_default());
        return Ok(Answers { account, api, region, environment, merchant_id, key_id, time_zone });
    }
    let Some(input) = input else {
        let what = format!(
            "nobody can answer, because standard input is not a terminal. Missing: {}",
            missing.join(", ")
        );
        return Err(Failed::new(Exit::Usage, what, "see: reconciled init --help"));
    };
    if missing.len() < 5 {
        let what = format!("give all flags or none. Missing: {}", missing.join(", "));
        return Err(Failed::new(Exit::Usage, what, "without flags it asks five questions"));
    }
    questions(input, screen)
}

fn questions(input: &mut dyn BufRead, screen: &mut Screen<'_>) -> Result<Answers, Failed> {
    let mut ask = |question: &str, default: &str, is_good: &dyn Fn(&str) -> bool| -> Result<String, Failed> {
        loop {
            let shown = if default.is_empty() { String::new() } else { format!(" [{default}]") };
            screen.note(&format!("{question}{shown}"))?;
            let mut line = String::new();
            if input.read_line(&mut line)? == 0 {
                return Err(Failed::new(
                    Exit::Usage,
                    "the input ended before the last answer",
                    "nothing was written",
                ));
            }
            let answer = if line.trim().is_empty() { default } else { line.trim() };
            if is_good(answer) {
                return Ok(answer.to_owned());
            }
            screen.note(&format!("  {answer:?} is not a valid answer"))?;
        }
    };
    let apis = ["amazon-pay-v2", "amazon-pay-mws", "aps"];
    let is_api = |answer: &str| apis.contains(&answer);
    let api = ask("1 of 5. Which API: amazon-pay-v2, amazon-pay-mws or aps?", apis[0], &is_api)?;
    let account = ask("2 of 5. Your own name for the account, such as shop-de?", "", &|answer| {
        AccountName::new(answer).is_ok()
    })?;
    let is_aps = api == "aps";
    let (region, environment) = if is_aps {
        let answer = ask("3 of 5. live or sandbox?", "live", &is_environment)?;
        (String::new(), answer)
    } else {
        let answer =
            ask("3 of 5. Region (na, eu, jp) and environment (live, sandbox)?", "eu live", &|answer| {
                answer.split_once(' ').is_some_and(|(_, environment)| is_environment(environment.trim()))
            })?;
        let (region, environment) = answer.split_once(' ').unwrap_or_default();
        (region.to_owned(), environment.trim().to_owned())
    };
    let two_words: &dyn Fn(&str) -> bool = &|answer| answer.split_whitespace().count() == 2;
    let (question, is_good): (&str, &dyn Fn(&str) -> bool) = match api.as_str() {
        "amazon-pay-v2" => {
            ("4 of 5. The public key id, as Seller Central shows it?", &|answer| !answer.is_empty())
        }
        "amazon-pay-mws" => ("4 of 5. The seller id and the access key id, with a space between?", two_words),
        _ => ("4 of 5. The merchant identifier and the access code, with a space between?", two_words),
    };
    let ids = ask(question, "", is_good)?;
    let (merchant_id, key_id) = match ids.split_once(char::is_whitespace) {
        Some((merchant, key)) => (merchant.to_owned(), key.trim().to_owned()),
        None => (String::new(), ids),
    };
    let here = jiff::tz::TimeZone::system();
    let here = here.iana_name().unwrap_or("Etc/UTC");
    let time_zone = ask("5 of 5. The time zone of your business day?", here, &|answer| {
        jiff::tz::TimeZone::get(answer).is_ok()
    })?;
    Ok(Answers { account, api, region, environment, merchant_id, key_id, time_zone })
}

fn is_environment(answer: &str) -> bool {
    matches!(answer, "live" | "sandbox")
}

fn text(answers: &Answers) -> String {
    let Answers { account, api, region, environment, merchant_id, key_id, time_zone } = answers;
    let section = AccountSection { name: account, api, region, environment, merchant_id, key_id };
    format!(
        "# Written by `reconciled init`. Everything that does not stand here has a default.\n\
         # The complete config.toml explains every key, and so does the manual page reconciled-config(5).\n\n\
         [reports]\n{}\n{}\n{}",
        pair("time_zone", time_zone),
        section.text(|file| format!("credential:{account}-{file}")),
        alert("chat", "slack", &format!("credential:{CHAT_SECRET}"), &[environment.as_str()])
    )
}

/// The commands that bring the service up, ready to paste.
fn next_steps(answers: &Answers, path: &Path, credentials: &Path, screen: &mut Screen<'_>) -> io::Result<()> {
    let own: Vec<String> =
        secrets_of(&answers.api).iter().map(|(_, file)| format!("{}-{file}", answers.account)).collect();
    screen.line(
        "# 1. Store the secrets where systemd finds them. The commands with /dev/stdin take what you",
    )?;
    screen.line("#    paste: then press Enter and Ctrl-D.")?;
    for name in &own {
        let source = if name.ends_with("private-key") { "YOUR-PRIVATE-KEY.pem" } else { "/dev/stdin" };
        screen.line(&install_command(source, credentials, name))?;
    }
    screen.line(&install_command("/dev/stdin", credentials, CHAT_SECRET))?;
    screen.line("# 2. Give them to the service.")?;
    screen.line(&format!("sudo install -D -m 0644 /dev/stdin {DROP_IN} <<'END'"))?;
    screen.line("[Service]")?;
    for name in own.iter().map(String::as_str).chain([CHAT_SECRET]) {
        screen.line(&format!("LoadCredential={name}"))?;
    }
    screen.line("END")?;
    screen.line("sudo systemctl daemon-reload")?;
    screen.line("# 3. Check it, and start the daemon.")?;
    let named = if path == Path::new(crate::cli::args::CONFIG_PATH) {
        String::new()
    } else {
        format!(" --config {}", path.display())
    };
    screen.line(&format!("sudo reconciled check-config{named}"))?;
    screen.line("sudo systemctl enable --now reconciled")
}

fn install_command(source: &str, folder: &Path, name: &str) -> String {
    format!("sudo install -D -m 0600 {source} {}/{name}", folder.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::screen::tests::written;

    fn flags() -> InitArguments {
        let text = |text: &str| Some(text.to_owned());
        InitArguments {
            account: "shop-de".parse().ok(),
            region: text("eu"),
            environment: text("live"),
            key_id: text("LIVE-AEXAMPLEKEYID00000000000"),
            time_zone: text("Europe/Berlin"),
            ..InitArguments::default()
        }
    }

    /// Runs it in a folder; returns its end, its output, its notes and the file.
    fn run(folder: &Path, options: &InitArguments, input: Option<&str>) -> (Ended, String, String, String) {
        let options = InitArguments { credentials: Some(folder.join("credstore")), ..options.clone() };
        let path = folder.join("etc/config.toml");
        let mut ended = Ok(Exit::Software);
        let (out, err) = written(|screen| {
            let mut bytes = input.unwrap_or_default().as_bytes();
            let input = input.is_some().then_some(&mut bytes as &mut dyn BufRead);
            ended = init_with(&path, &options, input, screen);
        });
        (ended, out, err, std::fs::read_to_string(path).unwrap_or_default())
    }

    #[test]
    fn flags_make_a_file_that_is_valid_and_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let (ended, out, _, file) = run(folder.path(), &flags(), None);
        assert_eq!(ended, Ok(Exit::Ok));
        assert!(file.contains("private_key = \"credential:shop-de-private-key\""), "{file}");
        let store = folder.path().join("credstore/shop-de-private-key");
        for part in [&store.display().to_string(), "LoadCredential=slack-url", "check-config", "enable --now"]
        {
            assert!(out.contains(part), "{part} is not in {out}");
        }
        let other = InitArguments { account: "other".parse().ok(), ..flags() };
        let (ended, _, _, same) = run(folder.path(), &other, None);
        assert_eq!((ended.unwrap_err().exit, same == file), (Exit::CannotCreate, true));
        // What a package installs holds nothing that could be lost.
        let path = folder.path().join("etc/config.toml");
        std::fs::write(&path, include_str!("../../../packaging/config.toml")).unwrap();
        let (ended, _, _, written) = run(folder.path(), &other, None);
        assert_eq!(ended, Ok(Exit::Ok));
        assert!(written.contains("name = \"other\""), "{written}");
        let (ended, _, _, new) = run(folder.path(), &InitArguments { force: true, ..other }, None);
        assert_eq!((ended, new.contains("name = \"other\"")), (Ok(Exit::Ok), true));
    }

    #[test]
    fn five_answers_make_a_valid_file_for_every_api() {
        let check = |input: &str, parts: &[&str]| {
            let folder = tempfile::tempdir().unwrap();
            let (ended, _, err, file) = run(folder.path(), &InitArguments::default(), Some(input));
            assert_eq!(ended, Ok(Exit::Ok), "{err}");
            assert_eq!(err.matches(" of 5. ").count() - err.matches("not a valid").count(), 5, "{err}");
            parts.iter().for_each(|part| assert!(file.contains(part), "{part} is not in {file}"));
        };
        check(
            "\nshop-de\n\nLIVE-AEXAMPLEKEYID00000000000\nAsia/Tokyo\n",
            &["\"eu\"", "\"live\"", "Asia/Tokyo"],
        );
        check(
            "mars\namazon-pay-mws\na b\nold\nna sandbox\nA2EXAMPLESELLER AKIAEXAMPLEKEY000001\nUTC\n",
            &["seller_id = \"A2EXAMPLESELLER\"", "\"sandbox\"", "credential:old-secret-key"],
        );
        check(
            "aps\nshop-ae\n\nCycHExample zx0IPmExample\nAsia/Dubai\n",
            &["access_code = \"zx0IPmExample\"", "credential:shop-ae-request-phrase"],
        );
    }

    #[test]
    fn what_is_missing_is_named_where_nobody_can_answer() {
        let folder = tempfile::tempdir().unwrap();
        let (ended, _, _, file) = run(folder.path(), &InitArguments { key_id: None, ..flags() }, None);
        let failed = ended.unwrap_err();
        assert_eq!((failed.exit, file.as_str()), (Exit::Usage, ""));
        assert!(failed.what.ends_with("Missing: --key-id"), "{failed}");
        let wrong = InitArguments { region: Some("mars".to_owned()), ..flags() };
        let (ended, _, _, file) = run(folder.path(), &wrong, None);
        assert_eq!((ended.unwrap_err().exit, file.as_str()), (Exit::Config, ""));
        let (ended, _, _, _) = run(folder.path(), &InitArguments::default(), Some("\nshop\n"));
        assert!(ended.unwrap_err().what.contains("ended before the last answer"));
    }
}
