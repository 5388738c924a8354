//! Sends nothing once this host may no longer use a shared store.
//!
//! Owns: the check before every request. Must never know: what a request says, how a lease is kept.
//!
//! A host that was frozen wakes up in the middle of whatever it did. Its writes are refused by the store; this refuses
//! what it was about to send.

use std::sync::Arc;

use crate::http::{BoxFuture, Request, Response, Transport, TransportError};
use crate::store::Store;

struct Leased {
    inner: Arc<dyn Transport>,
    store: Store,
}

/// Sends through `inner` while this host may use the store.
pub(super) fn over(inner: Arc<dyn Transport>, store: &Store) -> Arc<dyn Transport> {
    Arc::new(Leased { inner, store: store.clone() })
}

impl Transport for Leased {
    fn send<'a>(&'a self, request: Request) -> BoxFuture<'a, Result<Response, TransportError>> {
        Box::pin(async move {
            let refused = || TransportError::Connect("this host may no longer use the store".to_owned());
            if self.store.failure().is_some() || self.store.is_closed() {
                return Err(refused());
            }
            // Connecting may take longer than the rest of the session.
            tokio::select! {
                biased;
                _ = self.store.lease_ended() => Err(TransportError::Broken("this host may no longer use the store".to_owned())),
                answer = self.inner.send(request) => answer,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::http::Method;
    use crate::store::Options;

    #[derive(Default)]
    struct Counting(AtomicU32);

    impl Transport for Counting {
        fn send<'a>(&'a self, _: Request) -> BoxFuture<'a, Result<Response, TransportError>> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Box::pin(async { Ok(Response::default()) })
        }
    }

    fn request() -> Request {
        Request {
            method: Method::Get,
            url: "https://provider.invalid".to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            deadline: Duration::from_secs(1),
            longest_body: 1,
            is_beginning_enough: false,
        }
    }

    #[tokio::test]
    async fn nothing_is_sent_once_the_store_has_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { folder: folder.path().to_owned(), ..Options::default() };
        let (store, _) = Store::open(options, jiff::Timestamp::UNIX_EPOCH).await.unwrap();
        let counting = Arc::new(Counting::default());
        let transport = over(counting.clone(), &store);
        assert!(transport.send(request()).await.is_ok());
        // The journal's file is gone: the store stops.
        std::fs::remove_dir_all(folder.path().join("journal")).unwrap();
        assert!(store.tidy(jiff::Timestamp::UNIX_EPOCH).await.is_err());
        assert!(matches!(transport.send(request()).await, Err(TransportError::Connect(_))));
        assert_eq!(counting.0.load(Ordering::SeqCst), 1);
    }
}
