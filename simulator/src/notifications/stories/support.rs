//! Worlds for the stories, and a verifier that shares no code with the signer.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::super::*;
use crate::Simulator;
use crate::aps::ApsSignature;
use crate::clock::Clock;
use crate::exchange::{Incoming, Outgoing};
use crate::plan::{Plan, Step};
use crate::scenario::{Account, Api, Credentials, NotificationSettings, Scenario};
use crate::signing_for_tests::{public_key_der, request};

const KEY: &str = "SANDBOX-AEKEY";

/// A clock that a story sets.
#[derive(Debug)]
struct Hands(Mutex<Timestamp>);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    fn monotonic(&self) -> Duration {
        Duration::try_from(self.now().duration_since(moment(0))).unwrap()
    }
}

/// This many seconds after the start.
pub(super) fn moment(second: i64) -> Timestamp {
    "2026-01-15T12:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(second)
}

fn account(name: &str, api: Api, merchant_id: &str, credentials: Credentials) -> Account {
    Account {
        name: name.into(),
        api,
        merchant_id: merchant_id.into(),
        region: if api == Api::Aps { "" } else { "eu" }.into(),
        is_sandbox: true,
        credentials,
        quotas: Vec::new(),
    }
}

pub(super) fn all_flawless() -> Vec<NotificationSettings> {
    ["v2", "mws", "aps"].map(|name| NotificationSettings::flawless(name, "http://127.0.0.1:1/")).into()
}

pub(super) struct World {
    hands: Arc<Hands>,
    pub(super) simulator: Simulator,
}

impl World {
    pub(super) fn new(notifications: Vec<NotificationSettings>) -> World {
        World::with_seed(1, notifications)
    }

    pub(super) fn with_seed(seed: u64, notifications: Vec<NotificationSettings>) -> World {
        let hands = Arc::new(Hands(Mutex::new(moment(0))));
        let v2 = Credentials::PublicKey { id: KEY.into(), der: Some(public_key_der()) };
        let mws = Credentials::AccessKey { id: "AKIA".into(), secret: Some("secret".into()) };
        let aps = Credentials::Phrases {
            access_code: "zx0IPmPy5jp1vAz8Kpg7".into(),
            signature: ApsSignature::Sha256,
            phrases: Some(("PASS".into(), "RESP".into())),
        };
        let accounts = vec![
            account("v2", Api::AmazonPayV2, "A1V2", v2),
            account("mws", Api::AmazonPayMws, "A2MWS", mws),
            account("aps", Api::Aps, "CycHZxVj", aps),
        ];
        let scenario = Scenario { seed, accounts, notifications, ..Scenario::default() };
        let simulator = Simulator::new(scenario, Arc::clone(&hands)).expect("the scenario is good");
        World { hands, simulator }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.hands.now()
    }

    pub(super) fn seconds(&self, at: Timestamp) -> i64 {
        at.duration_since(moment(0)).as_secs()
    }

    pub(super) fn pass(&self, seconds: i64) {
        *self.hands.0.lock().unwrap() += SignedDuration::from_secs(seconds);
    }

    /// Plants an object; each step comes this many hours after the one before.
    pub(super) fn plant(&self, account: &str, kind: &str, steps: &[(u64, &str, &str)]) -> String {
        let steps = steps.iter().map(|(hours, state, reason)| Step {
            after: Duration::from_secs(hours * 3600),
            state: (*state).into(),
            reason: (!reason.is_empty()).then(|| (*reason).into()),
        });
        self.plant_plan(account, kind, steps.collect(), "shop-1")
    }

    fn plant_plan(&self, account: &str, kind: &str, steps: Vec<Step>, reference: &str) -> String {
        let plan = Plan {
            kind: kind.into(),
            amount: "12.50".into(),
            currency: if account == "aps" { "AED" } else { "EUR" }.into(),
            merchant_reference: reference.into(),
            steps,
            invisible_for: Duration::ZERO,
        };
        self.simulator.plant(account, &plan).expect("the plan is good")
    }

    /// Plants this many charges of v2 that are authorized and captured, each a minute after the one before.
    pub(super) fn plant_many(&self, count: u64) {
        self.pass(1);
        for number in 1..=count {
            let after = Duration::from_secs(number * 60);
            let step = |state: &str| Step { after, state: state.into(), reason: None };
            let steps = vec![step("Authorized"), Step { after: Duration::from_secs(30), ..step("Captured") }];
            self.plant_plan("v2", "authorization", steps, &format!("shop-{number}"));
        }
    }

    pub(super) fn counts(&self, account: &str) -> NotificationCounts {
        self.simulator.counts().notifications[account]
    }

    pub(super) fn call_v2(&self, method: &str, path: &str, body: &Value) -> Value {
        self.call_v2_at(self.now(), method, path, body)
    }

    pub(super) fn call_v2_at(&self, at: Timestamp, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.simulator.answer(request(KEY, "eu", method, path, &body.to_string(), &[], at));
        let text = String::from_utf8(answer.body).unwrap();
        assert!((200..300).contains(&answer.status), "{method} {path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// A visit by a browser.
    pub(super) fn visit(&self, url: &str) -> Outgoing {
        let (_, rest) = url.split_once("://").unwrap();
        let (host, target) = rest.split_at(rest.find('/').unwrap());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let incoming = Incoming {
            method: "GET".into(),
            host: format!("{host}:8443"),
            path: path.into(),
            query: query.into(),
            headers: Vec::new(),
            body: Vec::new(),
            at: self.now(),
        };
        self.simulator.answer(incoming)
    }

    pub(super) fn certificate_url(&self, account: &str) -> String {
        let merchant = if account == "v2" { "A1V2" } else { "A2MWS" };
        Forger::new(account, merchant, "eu").unwrap().certificate_url()
    }
}

pub(super) fn captured(amount: &str) -> Value {
    serde_json::json!({"captureAmount": {"amount": amount, "currencyCode": "EUR"}})
}

pub(super) fn timestamp(one: &Notification) -> String {
    let body: Value = serde_json::from_slice(&one.body).unwrap();
    body["Timestamp"].as_str().unwrap().to_owned()
}

/// Panics unless it is what the provider would send.
pub(super) fn check_genuine(world: &World, one: &Notification) {
    if one.account == "aps" {
        let fields = fields_of(one);
        let given = fields.iter().find(|(name, _)| name == "signature").expect("it is signed");
        assert_eq!(given.1, sha_signature(&fields));
        return;
    }
    let body = String::from_utf8(one.body.clone()).unwrap();
    let value: Value = serde_json::from_str(&body).unwrap();
    let pem = world.visit(value["SigningCertURL"].as_str().unwrap());
    assert_eq!(verified(&body, &String::from_utf8(pem.body).unwrap()), Ok(()), "{body}");
}

/// Verifies the signature of a body as the manual describes it.
pub(super) fn verified(body: &str, pem: &str) -> Result<(), String> {
    let value: Value = serde_json::from_str(body).map_err(|error| error.to_string())?;
    let names: &[&str] = match value["Type"].as_str() {
        Some("Notification") => &["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"],
        _ => &["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"],
    };
    let mut text = String::new();
    for name in names {
        if let Some(value) = value[*name].as_str() {
            text += &[name, "\n", value, "\n"].concat();
        }
    }
    let algorithm = match value["SignatureVersion"].as_str() {
        Some("1") => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
        Some("2") => &RSA_PKCS1_2048_8192_SHA256,
        other => return Err(format!("version {other:?}")),
    };
    let signature =
        STANDARD.decode(value["Signature"].as_str().unwrap()).map_err(|error| error.to_string())?;
    let key = UnparsedPublicKey::new(algorithm, public_key(pem));
    key.verify(text.as_bytes(), &signature).map_err(|_| "the signature is wrong".to_owned())
}

/// The RSA key of a certificate: what follows its algorithm.
fn public_key(pem: &str) -> Vec<u8> {
    let text: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = STANDARD.decode(text).unwrap();
    let algorithm = [0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 1, 5, 0, 3, 0x82];
    let place = der.windows(algorithm.len()).position(|part| part == algorithm).unwrap() + algorithm.len();
    let length = usize::from(der[place]) * 256 + usize::from(der[place + 1]);
    der[place + 3..place + 2 + length].to_vec()
}

/// The parameters of feedback, whichever way they are written.
pub(super) fn fields_of(one: &Notification) -> Vec<(String, String)> {
    let text = String::from_utf8(one.body.clone()).unwrap();
    if text.starts_with('{') {
        let object: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
        return object.into_iter().map(|(name, value)| (name, value.as_str().unwrap().to_owned())).collect();
    }
    // No value of these stories is escaped.
    text.split('&').map(|pair| pair.split_once('=').unwrap()).map(|(a, b)| (a.into(), b.into())).collect()
}

/// SHA-256 of the sorted parameters between two response phrases.
pub(super) fn sha_signature(fields: &[(String, String)]) -> String {
    let mut sorted: Vec<_> = fields.iter().filter(|(name, _)| name != "signature").collect();
    sorted.sort();
    let middle: String = sorted.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let digest = digest(&SHA256, format!("RESP{middle}RESP").as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn well_formed(xml: &str) -> bool {
    let mut reader = quick_xml::Reader::from_str(xml);
    loop {
        match reader.read_event() {
            Ok(quick_xml::events::Event::Eof) => return true,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
}
