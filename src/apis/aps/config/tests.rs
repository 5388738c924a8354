use super::*;
use crate::apis::aps::sign::Parameters;

fn resolve(text: &str) -> Result<Settings, Vec<Problem>> {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("request"), "PASS\n").unwrap();
    std::fs::write(directory.path().join("response"), "RESP\n").unwrap();
    let section: Section = toml::from_str(text).unwrap();
    section.resolve("account.shop", &SecretLoader::new(Some(directory.path().to_owned())))
}

const WHOLE: &str = r#"
    environment = "sandbox"
    access_code = "zx0IPmPy5jp1vAz8Kpg7"
    merchant_identifier = "CycHZxVj"
    request_phrase = "credential:request"
    response_phrase = "credential:response"
"#;

#[test]
fn a_whole_section_has_the_sheets_provisional_choices() {
    let settings = resolve(WHOLE).unwrap();
    assert_eq!(settings.addresses.payment, "https://sbpaymentservices.payfort.com/FortAPI/paymentApi");
    assert_eq!(settings.addresses.upload, "https://sbpaymentservices.payfort.com/FortAPI/upload/");
    assert_eq!(settings.addresses.process, "https://sbpaymentservices.payfort.com/FortAPI/batchApi/");
    assert_eq!(settings.quota, Quota { burst: 2, per: Duration::from_millis(500) });
    assert_eq!((settings.language, settings.is_writing_allowed), ("en", false));
    assert_eq!(settings.unsigned, Unsigned::UntilSigned);
    let choice = |word: &str| resolve(&format!("{WHOLE}\nunsigned_answers = \"{word}\""));
    assert_eq!(choice("accept").unwrap().unsigned, Unsigned::Accept);
    assert_eq!(choice("refuse").unwrap().unsigned, Unsigned::Refuse);
    assert_eq!(choice("sometimes").unwrap_err().len(), 1);
    assert!(!settings.batch.is_file_signed && !settings.batch.patience.is_processed_with_row_errors);
    assert_eq!(settings.batch.patience.first_poll, Duration::from_secs(15));
    let signature = settings.request_signer.sign(&Parameters::new());
    assert_eq!(signature, crate::text::sha256(b"PASSPASS"));
    let signature = settings.response_signer.sign(&Parameters::new());
    assert_eq!(signature, crate::text::sha256(b"RESPRESP"));
    assert!(!format!("{settings:?}").contains("PASS"));
}

#[test]
fn production_and_single_commands_have_their_addresses() {
    let live = resolve(&WHOLE.replace("sandbox", "live")).unwrap();
    assert_eq!(live.addresses.results, "https://paymentservices.payfort.com/FortAPI/batchApi/");
    let own = format!(
        "{WHOLE}\nendpoint = \"http://127.0.0.1:8089\"\n[endpoints]\nprocess = \
         \"https://sbbatch.payfort.com/integration-batch/batchApi/\""
    );
    let own = resolve(&own).unwrap();
    assert_eq!(own.addresses.payment, "http://127.0.0.1:8089/FortAPI/paymentApi");
    assert_eq!(own.addresses.process, "https://sbbatch.payfort.com/integration-batch/batchApi/");
}

#[test]
fn all_problems_come_at_once_without_the_phrases() {
    let problems = resolve(
        r#"
        environment = "moon"
        access_code = "has space"
        request_phrase = "hunter2"
        signature = "SHA-128"
        language = "fr"
        currency = "dirham"
        endpoint = "http://far.away"
        quota = "documented"
        deadline_s = 0
        [endpoints]
        upload = "https://host"
        [batch]
        amounts = "float"
        longest_file_rows = 0
        first_look_s = 0
        columns = { amuont = "a", amount = "" }
        "#,
    )
    .unwrap_err();
    let keys: Vec<&str> =
        problems.iter().filter_map(|problem| problem.key.strip_prefix("account.shop.")).collect();
    for key in [
        "environment",
        "access_code",
        "merchant_identifier",
        "request_phrase",
        "response_phrase",
        "signature",
        "language",
        "currency",
        "endpoint",
        "quota",
        "deadline_s",
        "batch.amounts",
        "batch.longest_file_rows",
        "batch.first_look_s",
        "batch.columns",
    ] {
        assert!(keys.contains(&key), "{key} among {keys:?}");
    }
    assert!(!format!("{problems:?}").contains("hunter2"));
    let wrong = format!("{WHOLE}\n[endpoints]\nupload = \"https://host\"\nprocess = \"http://far.away/x\"");
    let problems = resolve(&wrong).unwrap_err();
    let keys: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["account.shop.endpoints.upload", "account.shop.endpoints.process"]);
}
