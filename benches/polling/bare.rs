//! The baseline: signs a request, sends it with the same HTTP client and settings, and reads the whole
//! answer. Nothing is scheduled, parsed, decided or stored.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use reconciled::apis::amazon_pay_mws::ask::{Ask, Section};
use reconciled::apis::amazon_pay_mws::config::Settings as MwsSettings;
use reconciled::apis::amazon_pay_v2::key::SigningKey;
use reconciled::apis::amazon_pay_v2::sign::{Algorithm, Canonical, authorization};
use reconciled::http::{Method, Request};
use reqwest::{Client, redirect, retry};

use super::measured::Broken;
use super::scene::Scene;

/// The signer of requests.
enum Signer {
    V2 { key: SigningKey, host: String },
    Mws(MwsSettings),
}

pub struct Bare {
    client: Client,
    base: String,
    signer: Signer,
    ids: Vec<String>,
}

impl Bare {
    pub fn new(scene: &Scene) -> Result<Arc<Bare>, Broken> {
        let client = Client::builder()
            .tls_certs_merge(reqwest::Certificate::from_pem_bundle(&scene.authority)?)
            .http1_only()
            .no_proxy()
            .referer(false)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .pool_idle_timeout(Duration::from_secs(15))
            .build()?;
        let account = scene.config()?.accounts.remove(0);
        let signer = match account.api.own::<MwsSettings>() {
            Some(settings) => Signer::Mws(settings.clone()),
            None => Signer::V2 {
                key: SigningKey::from_pem(scene.secret()?.as_bytes())?,
                host: scene.base.trim_start_matches("https://").to_owned(),
            },
        };
        let ids = scene.objects.iter().map(|object| object.id.to_string()).collect();
        Ok(Arc::new(Bare { client, base: scene.base.clone(), signer, ids }))
    }

    /// Requests every object of the first account once, `at_once` at a time.
    pub async fn round(self: &Arc<Bare>, _scene: &Scene, at_once: usize) -> Result<usize, Broken> {
        let next = Arc::new(AtomicUsize::new(0));
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..at_once {
            let (bare, next) = (Arc::clone(self), Arc::clone(&next));
            tasks.spawn(async move {
                while let Some(id) = bare.ids.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let request = bare.signed(id)?;
                    bare.send(request).await?;
                }
                Ok::<(), Broken>(())
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended??;
        }
        Ok(self.ids.len())
    }

    /// A signed request.
    pub fn signed(&self, id: &str) -> Result<Request, Broken> {
        let now = Timestamp::now();
        let (key, host) = match &self.signer {
            Signer::V2 { key, host } => (key, host),
            Signer::Mws(settings) => {
                let ask = Ask::new(Section::Payments, "GetAuthorizationDetails");
                return Ok(ask.with("AmazonAuthorizationId", id).sign(settings, now));
            }
        };
        let path = format!("/live/v2/charges/{id}");
        let mut headers = vec![
            ("accept", "application/json".to_owned()),
            ("content-type", "application/json".to_owned()),
            ("x-amz-pay-date", now.strftime("%Y%m%dT%H%M%SZ").to_string()),
            ("x-amz-pay-host", host.clone()),
            ("x-amz-pay-region", "eu".to_owned()),
        ];
        let signed: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let canonical = Canonical::new(Method::Get, &path, "", &signed, b"");
        let signature = key.sign(Algorithm::PssV2, &canonical.string_to_sign(Algorithm::PssV2))?;
        let header = authorization(Algorithm::PssV2, "LIVE-ABENCHKEY00000", &canonical, &signature);
        headers.push(("authorization", header));
        Ok(Request {
            method: Method::Get,
            url: format!("{}{path}", self.base),
            headers,
            body: Vec::new(),
            deadline: Duration::from_secs(30),
            longest_body: usize::MAX,
            is_beginning_enough: false,
        })
    }

    /// Sends it and reads the whole answer.
    pub async fn send(&self, request: Request) -> Result<Vec<u8>, Broken> {
        let mut builder = match request.method {
            Method::Post => self.client.post(&request.url),
            _ => self.client.get(&request.url),
        };
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        let response = builder.timeout(request.deadline).body(request.body).send().await?;
        let status = response.status();
        let body = response.bytes().await?;
        if !status.is_success() {
            return Err(format!("{status}: {}", String::from_utf8_lossy(&body)).into());
        }
        Ok(body.to_vec())
    }
}
