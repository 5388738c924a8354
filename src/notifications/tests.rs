use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::clock::{Clock, VirtualClock};
use crate::http::{Request, Response, TransportError};
use certificates::Missing;
use std::time::Duration;

/// Answers every request with 404 and counts them.
#[derive(Default)]
struct Nothing(AtomicU64);

impl Transport for Nothing {
    fn send<'a>(&'a self, _: Request) -> BoxFuture<'a, Result<Response, TransportError>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { Ok(Response { status: 404, ..Response::default() }) })
    }
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_made_up_certificate_addresses_fetches_few_of_them_and_keeps_few() {
    let clock = VirtualClock::starting_at("2027-01-15T06:00:00Z".parse().unwrap());
    let nothing = Arc::new(Nothing::default());
    let transport: Arc<dyn Transport> = nothing.clone();
    let certificates = Certificates::new(transport, clock.clone(), None);
    for number in 0..5_000 {
        let url = format!("https://sns.eu-west-1.amazonaws.com/{number}.pem");
        assert_eq!(certificates.at(&url).await.err(), Some(Missing::Unavailable));
    }
    assert_eq!(nothing.0.load(Ordering::SeqCst), 20);
    clock.sleep(Duration::from_secs(60)).await;
    for _ in 0..100 {
        assert!(certificates.at("https://sns.eu-west-1.amazonaws.com/x.pem").await.is_err());
    }
    assert_eq!(nothing.0.load(Ordering::SeqCst), 21, "a failure is remembered");
}
