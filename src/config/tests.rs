use super::*;
use proptest::prelude::*;

const SHIPPED: &str = include_str!("../../config.toml");

fn blind(text: &str) -> (Option<Config>, Vec<String>) {
    let (config, problems) =
        read(text, Path::new("/etc/reconciled/config.toml"), &Surroundings::default(), true);
    (config, problems.iter().map(ToString::to_string).collect())
}

const LEAST: &str = r#"
[[account]]
name = "shop"
api = "amazon-pay-v2"
region = "eu"
environment = "live"
public_key_id = "LIVE-KEY"
private_key = "credential:key"
"#;

#[test]
fn the_shipped_file_is_valid_and_shows_the_defaults() {
    let (shipped, problems) = blind(SHIPPED);
    assert_eq!(problems, Vec::<String>::new());
    let shipped = shipped.unwrap();
    assert_eq!(shipped.unheard(), Vec::<&AccountName>::new(), "who hears what is known without the secrets");
    let (least, problems) = blind(LEAST);
    assert_eq!(problems, Vec::<String>::new());
    let least = least.unwrap();
    assert_eq!(shipped.store, least.store);
    assert_eq!(shipped.control, least.control);
    assert_eq!(shipped.log, least.log);
    assert_eq!(shipped.polling, least.polling);
    assert_eq!(shipped.reports.schedule, least.reports.schedule);
    assert_eq!(shipped.reports.zone_name, least.reports.zone_name);
    assert_eq!(shipped.reports.folder, least.reports.folder);
    let policies = |config: &Config| config.accounts[0].policies.clone();
    assert_eq!(policies(&shipped), policies(&least));
    assert_eq!(policies(&least).values().next(), Some(&Policy::default()));
    assert_eq!(shipped.accounts[0].api.quotas(), least.accounts[0].api.quotas());
}

/// The keys of a section, as its own error about an unknown key lists them.
fn known_keys(section: &str) -> Vec<String> {
    let (_, problems) = blind(&format!("{LEAST}\n{section}\nno_such_key = 1\n"));
    let listing = problems.iter().find(|problem| problem.contains("no_such_key")).expect("it is refused");
    let (_, keys) = listing.split_once("expected ").expect("it lists the known ones");
    keys.trim_start_matches("one of ")
        .replace(" or ", ", ")
        .split(", ")
        .map(|key| key.trim().to_owned())
        .collect()
}

#[test]
fn a_misspelt_key_of_a_target_is_named_even_when_another_is_missing() {
    for section in
        ["[[alert]]\nkind = \"teams\"\nulr = 1", "[[alert]]\nname = \"x\"\nkind = \"teams\"\nulr = 1"]
    {
        let (_, problems) = blind(&format!("{LEAST}\n{section}\n"));
        let is_named = problems.iter().any(|problem| problem.contains("alert.0.ulr: is not a known key"));
        assert!(is_named, "{problems:#?}");
    }
}

#[test]
fn every_key_appears_in_the_shipped_file() {
    let sections = [
        "[store]",
        "[control]",
        "[log]",
        "[http]",
        "[heartbeat]\nurl = \"credential:x\"",
        "[traces]\nurl = \"http://127.0.0.1:4318\"",
        "[spool]\nfolder = \"/x\"",
        "[control.tcp]\nlisten = \"127.0.0.1:1\"",
        "[polling]",
        "[poll]",
        "[reports]",
        "[[alert]]\nname = \"x\"\nkind = \"slack\"\nurl = \"credential:x\"",
        "[[alert]]\nname = \"x\"\nkind = \"teams\"\nurl = \"credential:x\"",
        "[[alert]]\nname = \"x\"\nkind = \"telegram\"\ntoken = \"credential:x\"\nchat_id = 1",
        "[[alert]]\nname = \"x\"\nkind = \"ntfy\"\ntopic = \"credential:x\"",
        "[[alert]]\nname = \"x\"\nkind = \"pagerduty\"\nrouting_key = \"credential:x\"",
        "[[alert]]\nname = \"x\"\nkind = \"opsgenie\"\napi_key = \"credential:x\"",
        "[[alert]]\nname = \"x\"\nkind = \"alertmanager\"\nbase_url = \"https://x.example\"",
        "[[alert]]\nname = \"x\"\nkind = \"email\"\nserver = \"x.example\"\nfrom = \"x@x.example\"\nto = []",
        "[[alert]]\nname = \"x\"\nkind = \"exec\"\ncommand = []",
        "[[alert]]\nname = \"x\"\nkind = \"webhook\"\nurl = \"credential:x\"",
        "[[alert]]\nname = \"x\"\nkind = \"template\"\nurl = \"credential:x\"\ntemplate = '1'",
        "[[events]]\nname = \"x\"\nurl = \"credential:x\"\nsecret = \"credential:x\"",
        "[[account]]\nname = \"a\"\napi = \"amazon-pay-v2\"",
        "[[account]]\nname = \"a\"\napi = \"amazon-pay-mws\"",
        "[[account]]\nname = \"a\"\napi = \"aps\"",
    ];
    for section in sections {
        let keys = known_keys(section);
        assert!(keys.len() >= 2, "{section}: {keys:?}");
        for key in keys {
            let is_written =
                SHIPPED.lines().map(|line| line.trim_start_matches('#').trim_start()).any(|line| {
                    let is_section = line.starts_with('[') && line.ends_with(&format!(".{key}]"));
                    is_section
                        || line.strip_prefix(&key).is_some_and(|rest| rest.trim_start().starts_with('='))
                });
            assert!(is_written, "{key} of {section} is missing in config.toml");
        }
    }
}

#[test]
fn all_problems_are_reported_at_once_with_line_key_and_remedy() {
    let (config, problems) = blind(
        "[store]\nfolder = \"relative\"\ncache_mib = 1\ncompact_above_mib = 2000000\ncompact_every = \"0s\"\n\
         [log]\nformat = \"loud\"\n\
         [poll]\ninterval = \"soon\"\n\
         [reports]\ntime_zone = \"Europe/Atlantis\"\n\
         [surprise]\n\
         [[account]]\nname = \"a b\"\napi = \"amazon-pay-v2\"\nregion = \"moon\"\nenvironment = \"live\"\n\
         public_key_id = \"SANDBOX-X\"\nprivate_key = \"-----BEGIN PRIVATE KEY-----\"\n\
         [[account]]\nname = \"c\"\napi = \"paypal\"\n\
         [[alert]]\nname = \"x\"\nkind = \"pigeon\"\nurl = \"https://hooks.slack.com/services/canary\"\n",
    );
    assert!(config.is_none());
    for expected in [
        "line 2: store.folder",
        "line 3: store.cache_mib",
        "line 4: store.compact_above_mib: is above 1048576",
        "line 5: store.compact_every: is outside 1s to 24h",
        "line 7: log.format",
        "line 9: poll.interval",
        "line 11: reports.time_zone",
        "surprise",
        "account.0.name",
        "account.0.region",
        "account.0.private_key",
        "account.1.api",
        "alert.0.kind",
    ] {
        assert!(problems.iter().any(|problem| problem.contains(expected)), "{expected} in {problems:#?}");
    }
    let all = problems.join("\n");
    assert!(!all.contains("BEGIN PRIVATE") && !all.contains("canary"), "{all}");
}

#[test]
fn provider_reports_are_checked_with_their_account() {
    let account = |api: &str, reports: &str| {
        let keys = match api {
            "amazon-pay-mws" => {
                "seller_id = \"A2EXAMPLESELLER\"\naccess_key_id = \"AKIAEXAMPLEKEY000001\"\nsecret_key = \"credential:x\""
            }
            _ => "public_key_id = \"LIVE-AEXAMPLEKEYID00000000000\"\n\nprivate_key = \"credential:x\"",
        };
        let (_, problems) = blind(&format!(
            "[[account]]\nname = \"a\"\napi = \"{api}\"\nregion = \"eu\"\nenvironment = \"live\"\n\
             {keys}\nprovider_reports = {reports}\n"
        ));
        problems.into_iter().filter(|problem| problem.contains("provider_reports")).collect::<Vec<String>>()
    };
    let good = "{ types = [\"capture\", \"settlement\"], schedule = \"30 2 * * *\", discover = true }";
    assert_eq!(account("amazon-pay-mws", good), [""; 0]);
    let bad = account("amazon-pay-mws", "{ types = [\"captures\"], schedule = \"at night\", often = true }");
    for expected in ["provider_reports.often", "line 9"] {
        assert!(bad.iter().any(|problem| problem.contains(expected)), "{expected} in {bad:?}");
    }
    let bad = account("amazon-pay-mws", "{ types = [\"sandbox-settlement\"], schedule = \"at night\" }");
    for expected in ["provider_reports.types", "billing-agreement", "provider_reports.schedule"] {
        assert!(bad.iter().any(|problem| problem.contains(expected)), "{expected} in {bad:?}");
    }
    assert!(account("amazon-pay-v2", good)[0].contains("this API has no reports"));
    assert!(account("amazon-pay-mws", "\"all\"")[0].contains("is not a table"));
}

#[test]
fn the_compaction_keys_are_read_and_checked() {
    let of = |keys: &str| {
        let (config, problems) = blind(&format!("[store]\n{keys}\n{LEAST}"));
        (config.map(|config| (config.store.compact_above_mib, config.store.compact_every)), problems)
    };
    assert_eq!(of("").0, Some((64, std::time::Duration::from_secs(600))));
    assert_eq!(
        of("compact_above_mib = 0\ncompact_every = \"1s\"").0,
        Some((0, std::time::Duration::from_secs(1)))
    );
    for (keys, expected) in [
        ("compact_above_mib = -1", "line 2: store.compact_above_mib: invalid value"),
        ("compact_every = \"25h\"", "line 2: store.compact_every: is outside 1s to 24h"),
        ("compact_every = \"often\"", "line 2: store.compact_every: \"often\" is not a duration"),
        ("compact_every = 600", "line 2: store.compact_every: invalid type"),
    ] {
        let (config, problems) = of(keys);
        assert_eq!(config, None, "{keys}");
        assert!(problems[0].contains(expected), "{keys}: {problems:?}");
    }
}

#[test]
fn a_toml_error_is_reported_with_its_line() {
    let (_, problems) = blind("[store]\nfolder = \n");
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with("line 2: file: is not TOML"), "{problems:?}");
}

#[test]
fn names_are_used_once() {
    let (_, problems) = blind(&format!("{LEAST}{LEAST}"));
    assert!(
        problems.iter().any(|problem| problem.contains("account.1.name") && problem.contains("twice")),
        "{problems:?}"
    );
}

#[test]
fn two_accounts_with_the_same_credentials_are_refused() {
    let v2 = LEAST.replace("\"shop\"", "\"other\"");
    let mws = r#"
[[account]]
name = "old"
api = "amazon-pay-mws"
region = "eu"
environment = "live"
seller_id = "A1"
access_key_id = "AKIA1"
secret_key = "credential:key"
"#;
    let aps = r#"
[[account]]
name = "ae"
api = "aps"
environment = "live"
merchant_identifier = "M1"
access_code = "C1"
request_phrase = "credential:one"
response_phrase = "credential:two"
"#;
    let twice = |one: &str, change: &[(&str, &str)]| {
        let other = change.iter().fold(one.to_owned(), |text, (from, to)| text.replace(from, to));
        blind(&format!("{one}{other}")).1
    };
    for (one, name, key) in
        [(v2.as_str(), "other", "public_key_id"), (mws, "old", "access_key_id"), (aps, "ae", "access_code")]
    {
        let problems = twice(one, &[(name, "second")]);
        assert_eq!(problems.len(), 1, "{problems:?}");
        let told = format!("account.1.{key}: account \"{name}\" has the same credentials");
        assert!(
            problems[0].contains(&told) && problems[0].contains("→ watch the objects of both"),
            "{problems:?}"
        );
        let problems = twice(one, &[(name, "second"), ("\"live\"", "\"sandbox\""), ("LIVE-KEY", "KEY")]);
        assert_eq!(problems, Vec::<String>::new(), "each environment has its own quota");
    }
    assert_eq!(twice(mws, &[("old", "second"), ("A1", "A2")]), Vec::<String>::new(), "another merchant");
    assert_eq!(twice(&v2, &[("other", "second"), ("LIVE-KEY", "live-key")]).len(), 1);
}

#[test]
fn folders_come_from_the_service_manager_when_left_out() {
    let surroundings = Surroundings {
        state: Some("/var/lib/x".into()),
        runtime: Some("/run/x".into()),
        logs: Some("/var/log/x".into()),
        ..Surroundings::default()
    };
    let (config, problems) = read(LEAST, Path::new("c"), &surroundings, true);
    assert_eq!(problems, Vec::new());
    let config = config.unwrap();
    assert_eq!(config.store.folder, Path::new("/var/lib/x/store"));
    assert_eq!(config.control.socket, Path::new("/run/x/control.sock"));
    assert_eq!(config.reports.folder, Path::new("/var/log/x/reports"));
}

#[test]
fn polling_by_batch_is_only_for_an_api_that_has_batches() {
    let with = |section: &str| {
        let (config, problems) = blind(&format!("{LEAST}\n{section}"));
        (config.map(|config| config.accounts[0].policies.values().all(|policy| policy.is_by_batch)), problems)
    };
    let (_, problems) = with("poll = { batch = \"auto\" }");
    assert!(
        problems
            .iter()
            .any(|problem| problem.contains("poll.batch") && problem.contains("cannot poll by batch"))
    );
    let (_, problems) = with("poll = { batch = \"sometimes\" }");
    assert!(problems.iter().any(|problem| problem.contains("auto")), "{problems:?}");
    assert_eq!(with("poll = { batch = \"never\" }").0, Some(false));
    assert_eq!(with("[poll]\nbatch = \"auto\"").0, Some(true), "a general setting applies where it can");
}

#[test]
fn a_shared_store_needs_an_address_and_files_need_none() {
    let problems = |keys: &str| blind(&format!("[store]\n{keys}\n{LEAST}")).1.join("; ");
    let (config, _) = blind(&format!("[store]\nengine = \"postgres\"\nurl = \"credential:x\"\n{LEAST}"));
    assert!(config.is_some_and(|config| config.store.database.is_some()));
    for (keys, part) in [
        ("engine = \"postgres\"", "store.url: is missing"),
        ("url = \"credential:x\"", "store.url: is not used by the engine"),
        ("engine = \"postgres\"\nurl = \"postgresql://u:hush@h/d\"", "store.url: a secret must not be in"),
        ("engine = \"sqlite\"", "store.engine"),
        ("lease = \"4s\"", "store.lease: is outside 5s to 5m"),
        ("lease = \"1h\"", "store.lease: is outside 5s to 5m"),
    ] {
        let found = problems(keys);
        assert!(found.contains(part) && !found.contains("hush"), "{keys}: {found}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_is_read_or_refused(text in "(\\[{0,2}(store|poll|account|alert|reports)\\]{0,2}\n)?([a-z_]{1,12} ?= ?[\"a-z0-9\\[\\]{}=.,-]{0,20}\n){0,6}") {
        let (config, problems) = blind(&text);
        prop_assert!(config.is_some() || !problems.is_empty());
    }

    #[test]
    fn a_changed_byte_of_the_shipped_file_never_panics(place in 0usize..10_000, byte in 32u8..127) {
        let mut bytes = SHIPPED.as_bytes().to_vec();
        let place = place % bytes.len();
        bytes[place] = byte;
        if let Ok(text) = String::from_utf8(bytes) {
            let (config, problems) = blind(&text);
            prop_assert!(config.is_some() || !problems.is_empty());
        }
    }
}

#[test]
fn the_probe_interval_is_a_length_of_time_within_limits() {
    let polling = |written: &str| blind(&format!("{LEAST}\n[polling]\nprobe_interval = {written}\n"));
    let read = |written| polling(written).0.map(|config| config.polling.probe_interval.as_secs());
    assert_eq!(
        (read("'2m'"), read("'24h'"), blind(LEAST).0.unwrap().polling.probe_interval.as_secs()),
        (Some(120), Some(86_400), 300)
    );
    for bad in ["'9s'", "'25h'", "300", "'soon'"] {
        let problems = polling(bad).1;
        assert!(problems.iter().any(|problem| problem.contains("probe_interval")), "{bad}: {problems:?}");
    }
}

#[test]
fn the_socket_is_found_in_a_file_with_mistakes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let found = |text: &str| {
        std::fs::write(&path, text).unwrap();
        socket(&path, &Surroundings::default())
    };
    let (own, default) = (Path::new("/x/y.sock"), Path::new("/run/reconciled/control.sock"));
    assert_eq!(found("[control]\nsocket = \"/x/y.sock\"\n[mars]\n"), own);
    assert_eq!(found("not TOML at all\n[control]\n# here\nsocket = \"/x/y.sock\"\n[[account]\n"), own);
    assert_eq!(found("control = 5"), default);
    assert_eq!(found("[control]\nsocket = \n"), default);
    assert_eq!(socket(&folder.path().join("none"), &Surroundings::default()), default);
    let runtime = Surroundings { runtime: Some("/run/x".into()), ..Surroundings::default() };
    assert_eq!(socket(&path, &runtime), Path::new("/run/x/control.sock"));
}

#[test]
fn routes_and_labels_are_checked_together_with_everything_else() {
    let target = "[[alert]]\nname = \"chat\"\nkind = \"slack\"\nurl = \"credential:chat\"\n";
    let read = |account: &str, routes: &str| blind(&format!("{LEAST}{account}\n{target}{routes}"));
    let rule = "[[route]]\nlabels = { team = \"de\" }\nobject_kinds = [\"charge\"]\ntargets = [\"chat\"]\n";
    let (config, problems) = read("labels = { team = \"de\" }", rule);
    assert_eq!(problems, Vec::<String>::new());
    let config = config.unwrap();
    assert_eq!(config.routing_remarks(), Vec::<String>::new());
    assert_eq!(config.alerts.routes.rules.len(), 1);
    assert_eq!(config.alerts.routes.labels.values().next().unwrap()["team"], "de");

    let (config, problems) =
        read("labels = { team = 5 }", &rule.replace("charge", "chrage").replace("chat", "caht"));
    assert!(config.is_none());
    let keys: Vec<&str> = problems.iter().filter_map(|problem| problem.split(": ").nth(1)).collect();
    assert_eq!(
        keys,
        ["account.0.labels.team", "route.0.labels", "route.0.object_kinds", "route.0.targets"],
        "{problems:#?}"
    );
    let (_, problems) =
        read("", "[[route]]\ntargets = [\"chat\"]\nkind = [\"declined\"]\ncontinue = 1\n[route.x]\n");
    assert!(
        problems.iter().any(|problem| problem.contains("route.0.kind: is not a known key")),
        "{problems:#?}"
    );
    assert!(problems.iter().any(|problem| problem.contains("route.0.continue")), "{problems:#?}");
    let (_, problems) = read("", "[route]\ntargets = [\"chat\"]\n");
    assert!(problems[0].contains("write [[route]]"), "{problems:#?}");

    let silent = "[[route]]\nmin_amount = \"500.00 EUR\"\ntargets = [\"sandbox\"]\n[[route]]\n\
                  min_amount = \"900.00 EUR\"\ntargets = [\"chat\"]\n[[alert]]\nname = \"sandbox\"\n\
                  kind = \"slack\"\nurl = \"credential:chat\"\nenvironments = [\"sandbox\"]\n";
    assert_eq!(
        read("", silent).0.unwrap().routing_remarks(),
        [
            "no alert target receives some declines of account shop",
            "[[route]] section 2 can never match: section 1 already decides about all its alerts",
        ]
    );
}
