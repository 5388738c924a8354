//! Scenarios as written, and what is said about bad ones.

use proptest::prelude::*;

use super::super::fault::FaultKind;
use super::super::notifications::Forgery;
use super::*;

fn parse(text: &str) -> Result<Scenario, ScenarioError> {
    Scenario::parse(text, Path::new("."))
}

const ACCOUNT: &str = r#"
[[account]]
name = "shop"
api = "amazon-pay-v2"
merchant_id = "A1"
region = "uk"
environment = "sandbox"
public_key_id = "SANDBOX-X"
"#;

#[test]
fn the_example_is_read_as_it_says() {
    let scenario = parse(EXAMPLE).expect("the example is good");
    assert_eq!((scenario.seed, scenario.accounts.len(), scenario.faults.len()), (20_260_115, 4, 4));
    assert_eq!(scenario.accounts[0].quotas, [("GetCharge".to_owned(), Quota::new(10, 1, 1))]);
    assert!(!scenario.accounts[1].is_sandbox);
    assert_eq!(scenario.accounts[2].api, Api::AmazonPayMws);
    assert_eq!((scenario.accounts[3].api, scenario.accounts[3].region.as_str()), (Api::Aps, ""));
    assert_eq!(scenario.aps.validation_time, Duration::from_secs(20));
    let first = &scenario.populations[0];
    assert_eq!((first.count, first.fates.iter().count(), first.currencies.len()), (60, 3, 2));
    assert_eq!(first.currencies[0].amount_max_minor, 25_000);
    assert_eq!(scenario.populations[2].currencies[0].decimals, 0);
    assert!(scenario.populations[6].decides_created);
    assert_eq!(scenario.faults[0].kind, FaultKind::Throttle);
    assert_eq!(scenario.faults[1].until, Some(Duration::from_secs(33)));
    assert_eq!(scenario.chat.throttled_windows, [(Duration::from_secs(10), Duration::from_secs(12))]);
}

#[test]
fn the_example_names_every_kind_of_fault() {
    for kind in [
        "server_error_500",
        "server_error_502",
        "server_error_503",
        "server_error_504",
        "html_error_page",
        "throttle",
        "hang",
        "hang_after_head",
        "hang_mid_body",
        "reset",
        "truncated_body",
        "oversized_body",
        "endless_body",
        "slow_body",
        "empty_body",
        "wrong_id",
        "unknown_state",
        "unknown_reason",
        "entity_bomb",
        "gzip_bomb",
        "redirect",
        "refused_credentials",
        "clock_skew",
        "wrong_content_type",
        "many_headers",
    ] {
        assert!(EXAMPLE.contains(kind), "{kind}");
        let fault = parse(&format!("[[fault]]\nkind = \"{kind}\"")).expect("the kind is known");
        assert_eq!(fault.faults.len(), 1);
    }
}

/// The text has one problem, in this line, under this key.
fn check(text: &str, line: Option<usize>, key: &str) {
    let error = parse(text).expect_err("it has a problem");
    let [problem] = error.problems.as_slice() else { panic!("{error}") };
    assert_eq!((problem.line, problem.key.as_str()), (line, key), "{error}");
    assert!(!problem.remedy.is_empty());
}

#[test]
fn problems_name_line_key_and_remedy() {
    check("seed = 1\nsead = 2", Some(2), "sead");
    check("seed = \"one\"", Some(1), "\"one\"");
    check("[[fault]]\nkind = \"boredom\"", Some(2), "\"boredom\"");
    check("\n[[fault]]\nkind = \"hang\"\nshare = 1.5", Some(2), "fault[0].share");
    check("[[fault]]\nkind = \"hang\"\nfrom_s = 5\nto_s = 5", Some(1), "fault[0].to_s");
    check("[[fault]]\nkind = \"hang\"\naccount = \"none\"", Some(1), "fault[0].account");
    check("[[fault]]\nkind = \"refused_credentials\"\nstatus = 500", Some(1), "fault[0].status");
    check("[[fault]]\nkind = \"clock_skew\"\nskew_s = 60", Some(1), "fault[0].skew_s");
    check(&ACCOUNT.replace("uk", "moon"), Some(2), "account[0].region");
    check(&ACCOUNT.replace("\"sandbox\"", "\"live\""), Some(2), "account[0].public_key_id");
    check(&ACCOUNT.replace("amazon-pay-v2", "paypal"), Some(2), "account[0].api");
    check(&format!("{ACCOUNT}public_key_file = \"absent.pem\""), Some(2), "account[0].public_key_file");
    let population = |rest: &str| format!("{ACCOUNT}[[population]]\naccount = \"shop\"\n{rest}");
    check(&population("kind = \"unicorn\""), Some(9), "population[0].kind");
    check(&population("kind = \"charge\"\ncount = 1"), Some(9), "population[0].currencies");
    let amount = "kind = \"charge\"\ncurrencies = [{ code = \"USD\", amount = [\"9.0\", \"1.00\"] }]";
    check(&population(amount), Some(9), "population[0].currencies.amount");
    check(
        &population("kind = \"charge\"\noutcome = [{ share = -1 }]"),
        Some(9),
        "population[0].outcome.share",
    );
    check("[chat]\nfailure_share = 2", Some(1), "chat[0].failure_share");
}

#[test]
fn all_problems_are_told_at_once() {
    let text = "[[fault]]\nkind = \"hang\"\nshare = 2\n[[fault]]\nkind = \"hang\"\naccount = \"x\"";
    let error = parse(text).expect_err("it has two problems");
    assert_eq!(error.problems.len(), 2);
    assert!(
        error.to_string().contains("line 4: fault[1].account: `x` is not declared; declare it"),
        "{error}"
    );
}

#[test]
fn accounts_do_not_share_names_merchants_or_keys() {
    let error = parse(&format!("{ACCOUNT}{ACCOUNT}")).expect_err("everything is there twice");
    let keys: Vec<&str> = error.problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "account[1].name",
            "account[1].merchant_id",
            "account[1].public_key_id, access_key_id or access_code"
        ]
    );
}

#[test]
fn generated_keys_are_written_for_the_owner_alone_and_read_back() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mws =
        ACCOUNT.replace("shop", "old-shop").replace("v2", "mws").replace("public_key_id", "access_key_id");
    let mut scenario = parse(&format!("{ACCOUNT}{mws}")).expect("the scenario is good");
    let generated = scenario.generate_credentials(folder.path()).expect("the folder can be written");
    assert_eq!(generated.len(), 2);
    assert!(scenario.generate_credentials(folder.path()).expect("nothing is left to do").is_empty());
    #[cfg(unix)]
    for made in &generated {
        let metadata = std::fs::metadata(&made.secret_file).expect("the file is there");
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777, 0o600);
    }
    let with_files = format!(
        "{ACCOUNT}public_key_file = \"shop.private-key.pem\"{mws}secret_key_file = \"old-shop.secret-key\""
    );
    let again = Scenario::parse(&with_files, folder.path()).expect("the files are there");
    let keys = |scenario: &Scenario| -> Vec<String> {
        let shown = scenario.accounts.iter().map(|account| match &account.credentials {
            Credentials::PublicKey { der, .. } => format!("{der:?}"),
            Credentials::AccessKey { secret, .. } => format!("{secret:?}"),
            Credentials::Phrases { phrases, .. } => format!("{phrases:?}"),
        });
        shown.collect()
    };
    assert_eq!(keys(&again), keys(&scenario));
    assert!(!format!("{scenario:?}").contains(&keys(&scenario)[1]));
}

const APS: &str = "[[account]]\nname = \"pay\"\napi = \"aps\"\nmerchant_id = \"CycH\"\nenvironment = \"live\"\n\
                   access_code = \"zx0I\"\n";

#[test]
fn both_phrases_are_generated_for_the_owner_alone_and_read_back() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mut scenario = parse(APS).expect("the scenario is good");
    let generated = scenario.generate_credentials(folder.path()).expect("the folder can be written");
    assert_eq!(generated.len(), 2);
    assert!(generated.iter().all(|made| made.key_id == "zx0I" && made.secret_file.exists()));
    let phrases = |scenario: &Scenario| match &scenario.accounts[0].credentials {
        Credentials::Phrases { phrases, .. } => phrases.clone().expect("they are there"),
        other => panic!("{other:?}"),
    };
    let files =
        "request_phrase_file = \"pay.request-phrase\"\nresponse_phrase_file = \"pay.response-phrase\"\n";
    let again = Scenario::parse(&format!("{APS}{files}"), folder.path()).expect("the files are there");
    assert_eq!(phrases(&again), phrases(&scenario));
    let (request, response) = phrases(&scenario);
    let shown = format!("{scenario:?}");
    assert!(request != response && !shown.contains(&request) && !shown.contains(&response));
}

/// The example with its section on notifications in force.
fn notifying_example() -> String {
    let (before, after) = EXAMPLE.split_once("To use the sections below").expect("the section is there");
    let (_, after) = after.split_once('\n').expect("lines follow");
    let (section, after) = after.split_once("# ----").expect("another section follows");
    let section: Vec<&str> = section.lines().map(|line| line.strip_prefix("# ").unwrap_or(line)).collect();
    format!("{before}\n{}\n# ----{after}", section.join("\n"))
}

#[test]
fn the_example_of_notifications_is_read_as_it_says() {
    assert!(parse(EXAMPLE).expect("the example is good").notifications.is_empty());
    let scenario = parse(&notifying_example()).expect("the example is good");
    let [us, uk, ae] = scenario.notifications.as_slice() else { panic!("three sections") };
    assert_eq!((us.account.as_str(), us.subscription), ("shop-us", Subscription::Required));
    assert_eq!((us.lose, us.duplicate, us.reorder, us.forge), (0.3, 0.05, 0.05, 0.02));
    assert_eq!(us.delay, (Duration::ZERO, Duration::from_secs(5)));
    assert_eq!(us.silent, [(Duration::from_secs(3600), Duration::from_secs(7200))]);
    assert_eq!(us.certificate_outages, [(Duration::from_secs(600), Duration::from_secs(900))]);
    assert_eq!(us.forgeries, [Forgery::WrongKey, Forgery::Recut]);
    let url = "http://127.0.0.1:8081/notifications/shop-uk";
    assert_eq!(*uk, NotificationSettings::flawless("shop-uk", url));
    assert_eq!((ae.encoding, ae.forgeries.len()), (Encoding::Json, Forgery::all(false).len()));
    for forgery in [Forgery::all(true), Forgery::all(false)].concat() {
        assert!(EXAMPLE.contains(forgery.name()), "{}", forgery.name());
    }
}

#[test]
fn what_is_wrong_with_notifications_is_told() {
    let url = "url = \"http://127.0.0.1:1/\"\n";
    let section = |account: &str, more: &str| format!("[[notifications]]\naccount = \"{account}\"\n{more}");
    let both = format!("{ACCOUNT}{APS}");
    let start = both.lines().count() + 1;
    for (account, more, key) in [
        ("none", url.to_owned(), "account"),
        ("shop", "url = \"ftp://x/\"\n".to_owned(), "url"),
        ("shop", "url = \"http:///x\"\n".to_owned(), "url"),
        ("shop", "url = \"https://x/\"\n".to_owned(), "ca_file"),
        ("shop", format!("{url}ca_file = \"x\"\n"), "ca_file"),
        ("shop", format!("{url}lose = 1.5\n"), "lose"),
        ("shop", format!("{url}duplicate = -1\n"), "duplicate"),
        ("shop", format!("{url}reorder = 2\n"), "reorder"),
        ("shop", format!("{url}forge = 2\n"), "forge"),
        ("shop", format!("{url}delay_s = [5, 1]\n"), "delay_s"),
        ("shop", format!("{url}signature_version = 3\n"), "signature_version"),
        ("shop", format!("{url}subscription = \"maybe\"\n"), "subscription"),
        ("shop", format!("{url}encoding = \"json\"\n"), "encoding"),
        ("shop", format!("{url}silent = [{{ from_s = 5, to_s = 5 }}]\n"), "silent"),
        ("shop", format!("{url}certificate_outage = [{{ from_s = 5, to_s = 1 }}]\n"), "certificate_outage"),
        ("shop", format!("{url}forgeries = [\"wrong_phrase\"]\n"), "forgeries"),
        ("pay", format!("{url}forgeries = [\"recut\"]\n"), "forgeries"),
        ("pay", format!("{url}encoding = \"xml\"\n"), "encoding"),
        ("pay", format!("{url}signature_version = 1\n"), "signature_version"),
        ("pay", format!("{url}subject = \"x\"\n"), "subject"),
        ("pay", format!("{url}subscription = \"offered\"\n"), "subscription"),
        ("pay", format!("{url}unsubscribe_after_s = 1\n"), "unsubscribe_after_s"),
        ("pay", format!("{url}certificate = \"good\"\n"), "certificate"),
        ("pay", format!("{url}certificate_outage = [{{ from_s = 1, to_s = 2 }}]\n"), "certificate_outage"),
    ] {
        check(&format!("{both}{}", section(account, &more)), Some(start), &format!("notifications[0].{key}"));
    }
    let twice = format!("{ACCOUNT}{}{}", section("shop", url), section("shop", url));
    check(&twice, Some(12), "notifications[1].account");
    let unknown = section("shop", &format!("{url}forgeries = [\"magic\"]"));
    assert!(parse(&format!("{ACCOUNT}{unknown}")).is_err());
}

#[test]
fn what_an_aps_account_cannot_have_is_told() {
    for (more, key) in [
        ("region = \"eu\"\n", "account[0].region"),
        ("signature = \"MD5\"\n", "account[0].signature"),
        ("request_phrase_file = \"nowhere\"\n", "account[0].request_phrase_file"),
        ("[aps]\nlost_row_share = 2.0\n", "aps[0].lost_row_share"),
        ("[aps]\nresults = \"xml\"\n", "aps[0].results"),
    ] {
        let error = parse(&format!("{APS}{more}")).expect_err("it is bad");
        assert!(error.problems.iter().any(|problem| problem.key == key), "{key} in {error}");
    }
}

#[test]
fn a_file_that_is_not_there_is_a_problem_too() {
    let error = Scenario::read(Path::new("no/such/scenario.toml")).expect_err("there is no such file");
    assert!(error.to_string().contains("cannot be read"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_text_is_answered(text in ".{0,200}") {
        let _ = parse(&text);
    }

    #[test]
    fn a_damaged_example_is_answered(from in 0_usize..8000, length in 0_usize..40) {
        let damaged: String =
            EXAMPLE.chars().enumerate().filter(|(at, _)| *at < from || *at >= from + length).map(|(_, c)| c).collect();
        let _ = parse(&damaged);
    }
}
