use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_RSA_SHA256, RsaKeySize,
};

use super::certificates::{Certificates, Missing};
use crate::apis::notifications::sns::Roots;
use crate::clock::{Clock, VirtualClock};
use crate::http::{BoxFuture, Request, Response, Transport, TransportError};

/// Serves one certificate at every address, and counts the requests of each.
#[derive(Default)]
struct Everywhere {
    pem: String,
    requests: Mutex<BTreeMap<String, u32>>,
}

impl Everywhere {
    fn requested(&self, url: &str) -> u32 {
        self.requests.lock().unwrap().get(url).copied().unwrap_or_default()
    }
}

impl Transport for Everywhere {
    fn send<'a>(&'a self, request: Request) -> BoxFuture<'a, Result<Response, TransportError>> {
        *self.requests.lock().unwrap().entry(request.url).or_default() += 1;
        let body = self.pem.clone().into_bytes();
        Box::pin(async { Ok(Response { status: 200, body, ..Response::default() }) })
    }
}

/// An authority, and a signing certificate of it.
fn made() -> (Roots, String) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.distinguished_name.push(DnType::CommonName, "Pretend Services Root");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let roots = Roots::from_pem(authority.self_signed(&authority_key).unwrap().pem().as_bytes()).unwrap();
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let mut leaf = CertificateParams::new(vec!["sns.amazonaws.com".to_owned()]).unwrap();
    leaf.distinguished_name.push(DnType::CommonName, "sns.amazonaws.com");
    leaf.not_before = rcgen::date_time_ymd(2020, 1, 1);
    leaf.not_after = rcgen::date_time_ymd(2039, 1, 1);
    let pem = leaf.signed_by(&key, &Issuer::new(authority, authority_key)).unwrap().pem();
    (roots, pem)
}

fn url(name: impl std::fmt::Display) -> String {
    format!("https://sns.eu-west-1.amazonaws.com/{name}.pem")
}

#[tokio::test(start_paused = true)]
async fn a_certificate_of_a_trusted_topic_stays_whatever_others_name_and_is_stored() {
    let (roots, pem) = made();
    let clock = VirtualClock::starting_at("2027-01-15T06:00:00Z".parse().unwrap());
    let network = Arc::new(Everywhere { pem, ..Everywhere::default() });
    let transport: Arc<dyn Transport> = network.clone();
    let certificates = Certificates::new(Arc::clone(&transport), clock.clone(), Some(roots.clone()));
    let own = url("own");
    certificates.at(&own, true).await.unwrap();
    assert_eq!(certificates.take_changed(), None, "it has verified nothing yet");
    certificates.prove(&own);
    let stored = certificates.take_changed().unwrap();
    assert_eq!(stored.keys().collect::<Vec<_>>(), [&own]);
    assert_eq!(certificates.take_changed(), None);
    for number in 0..100 {
        certificates.at(&url(number), false).await.unwrap();
        clock.sleep(Duration::from_secs(60)).await;
    }
    certificates.at(&own, true).await.unwrap();
    assert_eq!(network.requested(&own), 1);
    certificates.at(&url(0), false).await.unwrap();
    assert_eq!(network.requested(&url(0)), 2, "few others are kept");
    // After a restart it is still there; with another authority it is not.
    let restarted = Certificates::new(Arc::clone(&transport), clock.clone(), Some(roots));
    restarted.restore(stored.clone());
    restarted.at(&own, true).await.unwrap();
    assert_eq!(network.requested(&own), 1);
    let other = Certificates::new(transport, clock, Some(made().0));
    other.restore(stored);
    assert_eq!(other.at(&own, true).await.err(), Some(Missing::UnknownIssuer));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_issuer_is_asked_for_again_after_a_minute() {
    let (_, pem) = made();
    let clock = VirtualClock::starting_at("2027-01-15T06:00:00Z".parse().unwrap());
    let network = Arc::new(Everywhere { pem, ..Everywhere::default() });
    let certificates = Certificates::new(network.clone(), clock.clone(), Some(made().0));
    for expected in [1, 2] {
        for _ in 0..10 {
            assert_eq!(certificates.at(&url("own"), true).await.err(), Some(Missing::UnknownIssuer));
        }
        assert_eq!(network.requested(&url("own")), expected);
        clock.sleep(Duration::from_secs(61)).await;
    }
}
