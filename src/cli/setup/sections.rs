//! The sections of a configuration as text.
//!
//! Owns: which keys each API needs. Must never know: where an answer came from, who reads the file.

/// What the `[[account]]` section of one account says.
pub(in crate::cli) struct AccountSection<'a> {
    /// The operator's name for it.
    pub name: &'a str,
    /// The value of `api`.
    pub api: &'a str,
    /// `na`, `eu` or `jp`; empty where the provider has no regions.
    pub region: &'a str,
    /// `live` or `sandbox`.
    pub environment: &'a str,
    /// The seller id or merchant identifier; empty where the API needs none.
    pub merchant_id: &'a str,
    /// The public key id, access key id or access code.
    pub key_id: &'a str,
}

/// The keys of an API that name secrets, each with what a file of such a secret is called.
pub(in crate::cli) fn secrets_of(api: &str) -> &'static [(&'static str, &'static str)] {
    match api {
        "amazon-pay-v2" => &[("private_key", "private-key")],
        "amazon-pay-mws" => &[("secret_key", "secret-key")],
        _ => &[("request_phrase", "request-phrase"), ("response_phrase", "response-phrase")],
    }
}

impl AccountSection<'_> {
    /// The section. `secret` returns the reference to a secret by what its file is called.
    pub(in crate::cli) fn text(&self, secret: impl Fn(&str) -> String) -> String {
        let AccountSection { name, api, region, environment, merchant_id, key_id } = self;
        let (merchant_key, id_key) = match *api {
            "amazon-pay-v2" => ("", "public_key_id"),
            "amazon-pay-mws" => ("seller_id", "access_key_id"),
            _ => ("merchant_identifier", "access_code"),
        };
        let pairs = [
            ("name", *name),
            ("api", *api),
            ("region", *region),
            ("environment", *environment),
            (merchant_key, *merchant_id),
            (id_key, *key_id),
        ];
        let mut text = "[[account]]\n".to_owned();
        for (key, value) in pairs.into_iter().filter(|(key, value)| !key.is_empty() && !value.is_empty()) {
            text.push_str(&pair(key, value));
        }
        for (key, file) in secrets_of(api) {
            text.push_str(&pair(key, &secret(file)));
        }
        text
    }
}

/// A line `key = "value"`.
pub(in crate::cli) fn pair(key: &str, value: &str) -> String {
    format!("{key} = {}\n", toml::Value::String(value.to_owned()))
}

/// The `[[alert]]` section of a target that receives the alerts of these environments.
pub(in crate::cli) fn alert(name: &str, kind: &str, url: &str, environments: &[&str]) -> String {
    let environments = toml::Value::from(environments.to_vec());
    let own = format!("{}{}{}", pair("name", name), pair("kind", kind), pair("url", url));
    format!("[[alert]]\n{own}environments = {environments}\n")
}
