//! The section of an account at Amazon Payment Services.
//!
//! Owns: its keys, their checks, the provider's addresses (docs/src/reference/aps.md, sections 1 and 2.1).
//! Must never know: the network, other sections, where secrets are stored.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::column::{Column, ColumnMap};
use super::rules::{AmountForm, Patience, Rules};
use super::sign::{Algorithm, Signer};
use crate::apis::config::{Check, Endpoint, Environment, Problem, QuotaChoice, QuotaSection};
use crate::apis::pace::Quota;
use crate::payments::money::Currency;
use crate::secret::{SecretLoader, SecretReference};

/// The budget when the section names none: 2 requests a second (section 6.1; the provider documents none).
pub const DEFAULT_QUOTA: Quota = Quota { burst: 2, per: Duration::from_millis(500) };

const PRODUCTION: &str = "https://paymentservices.payfort.com";
const SANDBOX: &str = "https://sbpaymentservices.payfort.com";

/// An account's section as written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Section {
    /// `live` or `sandbox`. Required.
    pub environment: Option<String>,
    /// The access code, at most 20 letters and digits. Required.
    pub access_code: Option<String>,
    /// The merchant identifier, at most 20 letters and digits. Required.
    pub merchant_identifier: Option<String>,
    /// Where the SHA request phrase is stored. Required.
    pub request_phrase: Option<SecretReference>,
    /// Where the SHA response phrase is stored. Required.
    pub response_phrase: Option<SecretReference>,
    /// `SHA-256` (the default), `SHA-512`, `HMAC-256` or `HMAC-512`.
    pub signature: Option<String>,
    /// How to treat an answer without a signature: `until-signed` (the default), `accept` or `refuse`.
    pub unsigned_answers: Option<String>,
    /// `en` (the default) or `ar`: the language of the provider's messages.
    pub language: Option<String>,
    /// The currency of all this account's orders. CHECK_STATUS answers name none, so without it their
    /// totals are kept as evidence and not compared.
    pub currency: Option<String>,
    /// `https://host[:port]` instead of the provider's; the paths stay the same.
    pub endpoint: Option<String>,
    /// Full addresses of single commands, which override `endpoint`.
    pub endpoints: EndpointsSection,
    /// `"default"` or `{ burst, per_second }`.
    pub quota: Option<QuotaSection>,
    /// The time limit of one request in seconds, 1 to 300; 30 when not given.
    pub deadline_s: Option<u64>,
    /// Whether batches may be uploaded and processed. The default is no.
    pub allow_writes: bool,
    /// How batches are written and followed.
    pub batch: BatchSection,
}

/// Addresses of single commands as written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EndpointsSection {
    /// Of `CHECK_STATUS`.
    pub payment: Option<String>,
    /// Of `UPLOAD_BATCH_FILE`.
    pub upload: Option<String>,
    /// Of `GET_BATCH_RESULTS`.
    pub results: Option<String>,
    /// Of `PROCESS_BATCH`; the documentation names a separate host for the sandbox (section 1).
    pub process: Option<String>,
}

/// How batches are written and followed, as written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BatchSection {
    /// The header word for a parameter, if it differs from the parameter's name.
    pub columns: BTreeMap<String, String>,
    /// `minor` (the default: 10050 is 100.50 USD) or `decimal` (100.50).
    pub amounts: Option<String>,
    /// The most rows of one file; the provider names no limit.
    pub longest_file_rows: Option<usize>,
    /// Whether the file's bytes are signed too. The provider does not say, so the default is no.
    pub sign_file: bool,
    /// Whether to process a file although some rows did not pass validation.
    pub process_with_row_errors: bool,
    /// Seconds until the first poll of a batch; the default is 15.
    pub first_look_s: Option<u64>,
    /// The longest wait between polls in seconds; the default is 300.
    pub longest_look_s: Option<u64>,
    /// Hours after which to give up waiting for validation or for the results; the default is 24.
    pub deadline_h: Option<u64>,
}

/// How to treat an answer without a signature. The documentation does not promise that every answer has one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unsigned {
    /// Accepted with a mark until the account's first signed answer about an order, and refused from then on.
    #[default]
    UntilSigned,
    /// Always accepted with a mark.
    Accept,
    /// Never accepted.
    Refuse,
}

/// An account's section after all checks.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Real money or not.
    pub environment: Environment,
    /// The access code.
    pub access_code: String,
    /// The merchant identifier.
    pub merchant_identifier: String,
    /// Signs what is sent.
    pub request_signer: Signer,
    /// Verifies what is received.
    pub response_signer: Signer,
    /// How to treat an answer without a signature.
    pub unsigned: Unsigned,
    /// `en` or `ar`.
    pub language: &'static str,
    /// The currency of all orders, if there is only one.
    pub currency: Option<Currency>,
    /// Where each command goes.
    pub addresses: Addresses,
    /// The budget of all requests together.
    pub quota: Quota,
    /// The time limit of one request.
    pub deadline: Duration,
    /// Whether batches may be uploaded and processed.
    pub is_writing_allowed: bool,
    /// How batches are written and followed.
    pub batch: Rules,
}

impl Settings {
    /// What identifies the sender of these requests to the provider.
    pub fn credentials(&self) -> Vec<&str> {
        vec![&self.addresses.payment, self.environment.as_str(), &self.merchant_identifier, &self.access_code]
    }

    /// The budget of every operation. There is only one, which all commands share (section 6.1).
    pub fn quotas(&self) -> Vec<(&'static str, Quota)> {
        vec![(super::OPERATION, self.quota)]
    }
}

/// Where each command goes, as full addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// Of `CHECK_STATUS`.
    pub payment: String,
    /// Of `UPLOAD_BATCH_FILE`.
    pub upload: String,
    /// Of `GET_BATCH_RESULTS`.
    pub results: String,
    /// Of `PROCESS_BATCH`.
    pub process: String,
}

impl Addresses {
    /// All below one `scheme://host[:port]` (section 1).
    pub fn below(base: &str) -> Addresses {
        Addresses {
            payment: format!("{base}/FortAPI/paymentApi"),
            upload: format!("{base}/FortAPI/upload/"),
            results: format!("{base}/FortAPI/batchApi/"),
            process: format!("{base}/FortAPI/batchApi/"),
        }
    }
}

impl Section {
    /// Checks everything and loads the secrets. `path` is the section's place in the configuration (`account.shop`).
    ///
    /// # Errors
    /// All problems at once, with key and remedy.
    pub fn resolve(&self, path: &str, secrets: &SecretLoader) -> Result<Settings, Vec<Problem>> {
        let mut check = Check::new(path);
        let environment = check.environment("environment", self.environment.as_deref());
        let access_code = identifier(&mut check, "access_code", self.access_code.as_deref());
        let merchant_identifier =
            identifier(&mut check, "merchant_identifier", self.merchant_identifier.as_deref());
        let algorithm = self.algorithm(&mut check);
        let request_signer =
            signer(&mut check, secrets, "request_phrase", self.request_phrase.as_ref(), algorithm);
        let response_signer =
            signer(&mut check, secrets, "response_phrase", self.response_phrase.as_ref(), algorithm);
        let unsigned = self.unsigned(&mut check);
        let language = self.language(&mut check);
        let currency = self.currency(&mut check);
        let addresses = self.addresses(&mut check, environment);
        let quota = self.quota(&mut check);
        let deadline = check.deadline("deadline_s", self.deadline_s);
        let batch = self.batch.resolve(&mut check);
        let settings = (|| {
            Some(Settings {
                environment: environment?,
                access_code: access_code?,
                merchant_identifier: merchant_identifier?,
                request_signer: request_signer?,
                response_signer: response_signer?,
                unsigned,
                language,
                currency,
                addresses: addresses?,
                quota,
                deadline,
                is_writing_allowed: self.allow_writes,
                batch,
            })
        })();
        check.finish(settings)
    }

    fn algorithm(&self, check: &mut Check) -> Algorithm {
        let Some(word) = self.signature.as_deref() else { return Algorithm::Sha256 };
        Algorithm::from_word(word).unwrap_or_else(|| {
            let remedy = "write what the account's technical settings say: \"SHA-256\", \"SHA-512\", \
                          \"HMAC-256\" or \"HMAC-512\"";
            check.problem("signature", format!("{word:?} is not a known signature type"), remedy);
            Algorithm::Sha256
        })
    }

    fn unsigned(&self, check: &mut Check) -> Unsigned {
        match self.unsigned_answers.as_deref().map(str::trim) {
            None | Some("until-signed") => Unsigned::UntilSigned,
            Some("accept") => Unsigned::Accept,
            Some("refuse") => Unsigned::Refuse,
            Some(other) => {
                let remedy = "write \"until-signed\", \"accept\" or \"refuse\"";
                check.problem("unsigned_answers", format!("{other:?} is not one of the choices"), remedy);
                Unsigned::UntilSigned
            }
        }
    }

    fn language(&self, check: &mut Check) -> &'static str {
        match self.language.as_deref().map(str::trim) {
            None | Some("en") => "en",
            Some("ar") => "ar",
            Some(other) => {
                check.problem("language", format!("{other:?} is not supported"), "write \"en\" or \"ar\"");
                "en"
            }
        }
    }

    fn currency(&self, check: &mut Check) -> Option<Currency> {
        match self.currency.as_deref()?.trim().parse() {
            Ok(currency) => Some(currency),
            Err(problem) => {
                let problem: crate::payments::money::BadMoney = problem;
                check.problem("currency", problem.to_string(), "write three capital letters such as \"AED\"");
                None
            }
        }
    }

    fn addresses(&self, check: &mut Check, environment: Option<Environment>) -> Option<Addresses> {
        let own = check.endpoint("endpoint", self.endpoint.as_deref());
        if self.endpoint.is_some() && own.is_none() {
            return None;
        }
        let base = match (&own, environment?) {
            (Some(endpoint), _) => endpoint.base(),
            (None, Environment::Live) => PRODUCTION,
            (None, Environment::Sandbox) => SANDBOX,
        };
        let mut addresses = Addresses::below(base);
        let written = &self.endpoints;
        for (field, text, place) in [
            ("endpoints.payment", &written.payment, &mut addresses.payment),
            ("endpoints.upload", &written.upload, &mut addresses.upload),
            ("endpoints.results", &written.results, &mut addresses.results),
            ("endpoints.process", &written.process, &mut addresses.process),
        ] {
            let Some(text) = text else { continue };
            match address(text) {
                Ok(address) => *place = address,
                Err(what) => check.problem(field, what, "write a full address, https://host/path"),
            }
        }
        Some(addresses)
    }

    fn quota(&self, check: &mut Check) -> Quota {
        match check.quota("quota", self.quota.as_ref()) {
            QuotaChoice::Default => DEFAULT_QUOTA,
            QuotaChoice::Own(quota) => quota,
            QuotaChoice::Documented => {
                let remedy = "write \"default\" or { burst = 2, per_second = 2.0 }";
                check.problem("quota", "this provider documents no quota", remedy);
                DEFAULT_QUOTA
            }
        }
    }
}

impl BatchSection {
    fn resolve(&self, check: &mut Check) -> Rules {
        let mut seconds = |field: &str, value: Option<u64>, usual: u64, most: u64, unit: u64| match value {
            None => Duration::from_secs(usual * unit),
            Some(value) if (1..=most).contains(&value) => Duration::from_secs(value * unit),
            Some(value) => {
                check.problem(field, format!("{value} is out of range"), format!("write 1 to {most}"));
                Duration::from_secs(usual * unit)
            }
        };
        let patience = Patience {
            first_poll: seconds("batch.first_look_s", self.first_look_s, 15, 3600, 1),
            longest_look: seconds("batch.longest_look_s", self.longest_look_s, 300, 86_400, 1),
            deadline: seconds("batch.deadline_h", self.deadline_h, 24, 24 * 30, 3600),
            is_processed_with_row_errors: self.process_with_row_errors,
        };
        let columns = ColumnMap::new(&self.columns).unwrap_or_else(|problems| {
            for problem in problems {
                check.problem("batch.columns", problem, format!("the parameters are {}", Column::names()));
            }
            ColumnMap::default()
        });
        let amounts = match self.amounts.as_deref() {
            None | Some("minor") => AmountForm::Minor,
            Some("decimal") => AmountForm::Decimal,
            Some(other) => {
                let remedy = "write \"minor\" (10050 is 100.50 USD) or \"decimal\" (100.50)";
                check.problem("batch.amounts", format!("{other:?} is not an amount format"), remedy);
                AmountForm::Minor
            }
        };
        if self.longest_file_rows == Some(0) {
            check.problem(
                "batch.longest_file_rows",
                "a file needs a row",
                "write 1 or more, or leave it out",
            );
        }
        let longest_file_rows = self.longest_file_rows.filter(|rows| *rows > 0);
        Rules { columns, amounts, longest_file_rows, is_file_signed: self.sign_file, patience }
    }
}

/// A full address: `https`, or `http` on this machine, with a path.
fn address(text: &str) -> Result<String, String> {
    let text = text.trim();
    let after_scheme = text.find("://").map_or(0, |place| place + 3);
    let host_end =
        text[after_scheme..].find(['/', '?', '#']).map_or(text.len(), |place| after_scheme + place);
    let (base, path) = text.split_at(host_end);
    let endpoint = Endpoint::from_text(base)?;
    let is_plain_path = path.starts_with('/')
        && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte));
    if !is_plain_path {
        return Err("it needs a path of plain characters, and nothing after it".to_owned());
    }
    Ok(format!("{}{path}", endpoint.base()))
}

/// At most 20 letters and digits (section 2.1).
fn identifier(check: &mut Check, field: &str, value: Option<&str>) -> Option<String> {
    let remedy = "write what the back office shows under Integration Settings, at most 20 letters and digits";
    let text = check.required(field, value, remedy)?;
    if text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Some(text.to_owned());
    }
    check.problem(
        field,
        "is longer than 20 characters or has characters other than letters and digits",
        remedy,
    );
    None
}

fn signer(
    check: &mut Check,
    secrets: &SecretLoader,
    field: &str,
    reference: Option<&SecretReference>,
    algorithm: Algorithm,
) -> Option<Signer> {
    let Some(reference) = reference else {
        let remedy = "put the phrase into its own file and write \"file:/absolute/path\" or \
                      \"credential:name\"";
        check.problem(field, "is missing", remedy);
        return None;
    };
    let phrase = check.secret(field, secrets.load_line(reference))?;
    Some(Signer::new(algorithm, phrase))
}

#[cfg(test)]
#[path = "config/tests.rs"]
mod tests;
