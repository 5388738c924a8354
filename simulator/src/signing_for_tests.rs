//! A signing shop for the simulator's own tests, written from docs/src/reference/amazon-pay-v2.md 2.2 anew.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PSS_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::credentials::ThrowAwayKey;
use super::exchange::Incoming;

static KEY: LazyLock<ThrowAwayKey> = LazyLock::new(|| ThrowAwayKey::generate().expect("randomness is there"));

static PAIR: LazyLock<RsaKeyPair> = LazyLock::new(|| {
    let text: String = KEY.private_key_pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = STANDARD.decode(text).expect("the PEM is base64");
    RsaKeyPair::from_pkcs8(&der).expect("the key is PKCS#8")
});

/// The public half of the key that [`request`] signs with.
pub(super) fn public_key_der() -> Vec<u8> {
    KEY.public_key_der.clone()
}

/// A signed request, as it arrives.
pub(super) fn request(
    key_id: &str,
    region: &str,
    method: &str,
    path: &str,
    body: &str,
    extra: &[(&str, &str)],
    at: Timestamp,
) -> Incoming {
    let date = at.strftime("%Y%m%dT%H%M%SZ").to_string();
    let mut headers: Vec<(String, String)> = [
        ("accept", "application/json"),
        ("content-type", "application/json"),
        ("x-amz-pay-date", date.as_str()),
        ("x-amz-pay-host", "127.0.0.1"),
        ("x-amz-pay-region", region),
    ]
    .iter()
    .chain(extra)
    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
    .collect();
    headers.sort();
    let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    let names = names.join(";");
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let canonical = format!("{method}\n{path}\n\n{lines}\n{names}\n{}", hex(body.as_bytes()));
    let to_sign = format!("AMZN-PAY-RSASSA-PSS-V2\n{}", hex(canonical.as_bytes()));
    let mut signature = vec![0; PAIR.public_modulus_len()];
    PAIR.sign(&RSA_PSS_SHA256, &SystemRandom::new(), to_sign.as_bytes(), &mut signature)
        .expect("an RSA key signs");
    let signature = STANDARD.encode(signature);
    let authorization =
        format!("AMZN-PAY-RSASSA-PSS-V2 PublicKeyId={key_id}, SignedHeaders={names}, Signature={signature}");
    headers.push(("authorization".to_owned(), authorization));
    Incoming {
        method: method.to_owned(),
        host: "127.0.0.1:8080".to_owned(),
        path: path.to_owned(),
        query: String::new(),
        headers,
        body: body.as_bytes().to_vec(),
        at,
    }
}

fn hex(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
