//! Reading, checking and resolving the section.

use super::*;
use std::path::Path;

fn loader(directory: &Path) -> SecretLoader {
    std::fs::write(directory.join("mws-secret"), "exampleSecretKey/With+Chars=0123456789AB\n").unwrap();
    std::fs::write(directory.join("mws-token"), "amzn.mws.4ea38b7b-f563-7709-4bae-87aeaEXAMPLE\n").unwrap();
    std::fs::write(directory.join("spaced"), "two words of a secret").unwrap();
    SecretLoader::new(Some(directory.to_owned()))
}

fn resolve(text: &str) -> Result<Settings, Vec<Problem>> {
    let directory = tempfile::tempdir().unwrap();
    let section: Section = toml::from_str(text).unwrap();
    section.resolve("account.shop", &loader(directory.path()))
}

const WHOLE: &str = r#"
    region = "de"
    environment = "sandbox"
    seller_id = "A1EXAMPLESELLER"
    access_key_id = "AKIAEXAMPLEKEY000001"
    secret_key = "credential:mws-secret"
"#;

#[test]
fn a_whole_section_leads_to_the_right_place() {
    let settings = resolve(WHOLE).unwrap();
    assert_eq!(settings.endpoint.base(), "https://mws-eu.amazonservices.com");
    assert_eq!(settings.signed_host(), "mws-eu.amazonservices.com");
    assert_eq!(settings.path(), "/OffAmazonPayments_Sandbox/2013-01-01");
    assert_eq!(settings.deadline, Duration::from_secs(30));
    assert!(settings.mws_auth_token.is_none());
    let shown = format!("{settings:?}");
    assert!(!shown.contains("exampleSecretKey"), "{shown}");
}

#[test]
fn every_region_and_environment_has_its_host_and_path() {
    for (region, host) in [
        ("us", "mws.amazonservices.com"),
        ("uk", "mws-eu.amazonservices.com"),
        ("jp", "mws.amazonservices.jp"),
    ] {
        let settings = resolve(&WHOLE.replace("\"de\"", &format!("\"{region}\""))).unwrap();
        assert_eq!(settings.signed_host(), host);
    }
    let live = resolve(&WHOLE.replace("sandbox", "live")).unwrap();
    assert_eq!(live.path(), "/OffAmazonPayments/2013-01-01");
}

#[test]
fn the_marketplace_follows_region_and_environment() {
    let of = |text: &str| resolve(text).unwrap().marketplace_id;
    assert_eq!(of(WHOLE).as_deref(), Some("A1G8446IYHA4MR"));
    assert_eq!(of(&WHOLE.replace("\"de\"", "\"uk\"")).as_deref(), Some("A3M3RRFO9XDT2G"));
    let live_japan = WHOLE.replace("\"de\"", "\"jp\"").replace("sandbox", "live");
    assert_eq!(of(&live_japan), None);
    let own = format!("{live_japan}\nmarketplace_id = \"A1OWN\"");
    assert_eq!(of(&own).as_deref(), Some("A1OWN"));
}

#[test]
fn nothing_is_written_unless_said_and_feeds_are_as_large_as_advised() {
    let settings = resolve(WHOLE).unwrap();
    assert!(!settings.is_writing_allowed);
    assert_eq!(settings.batch_caps, Caps::ADVISED);
    let large = "allow_writes = true\nbatch = { max_requests = 60000, max_mb = 50 }";
    let settings = resolve(&format!("{WHOLE}\n{large}")).unwrap();
    assert!(settings.is_writing_allowed);
    assert_eq!(settings.batch_caps, Caps { requests: 60_000, bytes: 49_999_999 });
    for bad in ["max_requests = 60001", "max_requests = 0", "max_mb = 0", "max_mb = 101"] {
        let problems = resolve(&format!("{WHOLE}\nbatch = {{ {bad} }}")).unwrap_err();
        assert!(problems[0].key.starts_with("account.shop.batch."), "{problems:?}");
    }
}

#[test]
fn an_endpoint_of_ones_own_is_signed_with_its_port() {
    let at = |endpoint: &str| resolve(&format!("{WHOLE}\nendpoint = \"{endpoint}\"")).unwrap().signed_host();
    assert_eq!(at("http://127.0.0.1:8089"), "127.0.0.1:8089");
    assert_eq!(at("https://Proxy.Shop:443"), "proxy.shop");
}

#[test]
fn quotas_are_those_chosen() {
    let quota = |more: &str| {
        let quotas = resolve(&format!("{WHOLE}\n{more}")).unwrap().quotas();
        assert!(quotas[..5].iter().all(|(_, quota)| *quota == quotas[0].1));
        let of = |name: &str| quotas.iter().find(|(known, _)| *known == name).unwrap().1;
        assert_eq!(of("Capture"), Quota { burst: 2, per: Duration::from_secs(2) });
        assert_eq!(of("GetServiceStatus"), Quota { burst: 2, per: Duration::from_secs(300) });
        assert_eq!(of("SubmitFeed"), Quota { burst: 15, per: Duration::from_secs(120) });
        assert_eq!(of("GetReportList"), Quota { burst: 10, per: Duration::from_secs(60) });
        quotas[0].1
    };
    assert_eq!(quota(""), Quota::SANDBOX);
    assert_eq!(quota("quota = \"documented\""), DOCUMENTED_SANDBOX);
    let own = Quota { burst: 3, per: Duration::from_secs(4) };
    assert_eq!(quota("quota = { burst = 3, per_second = 0.25 }"), own);
    let live = WHOLE.replace("sandbox", "live");
    assert_eq!(resolve(&live).unwrap().quotas()[0].1, Quota::LIVE);
    let documented = resolve(&format!("{live}\nquota = \"documented\"")).unwrap();
    assert_eq!(documented.quotas()[0], ("GetAuthorizationDetails", DOCUMENTED_LIVE));
}

#[test]
fn all_problems_come_at_once_and_show_no_secret() {
    let problems = resolve(
        r#"
        region = "moon"
        access_key_id = "AKIA EXAMPLE"
        secret_key = "exampleSecretKeyInline"
        mws_auth_token = "credential:spaced"
        endpoint = "http://far.away"
        quota = "fast"
        deadline_s = 0
        "#,
    )
    .unwrap_err();
    let keys: Vec<&str> =
        problems.iter().map(|problem| problem.key.trim_start_matches("account.shop.")).collect();
    let expected = [
        "region",
        "environment",
        "seller_id",
        "access_key_id",
        "secret_key",
        "mws_auth_token",
        "endpoint",
        "quota",
        "deadline_s",
    ];
    assert_eq!(keys, expected);
    for problem in &problems {
        let text = problem.to_string();
        assert!(!problem.remedy.is_empty(), "{text}");
        assert!(!text.contains("exampleSecretKeyInline") && !text.contains("two words"), "{text}");
    }
}

#[test]
fn unknown_keys_are_refused() {
    assert!(toml::from_str::<Section>("secretkey = \"file:/x\"").is_err());
}
