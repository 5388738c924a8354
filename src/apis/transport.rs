//! What an exchange without an answer, or with only a status, says about an object.
//!
//! Owns: which [`Failure`] each is. Must never know: any provider.

use std::time::Duration;

use crate::payments::observation::Failure;

pub use crate::http::{BoxFuture, Method, Request, Response, Transport, TransportError};

impl From<TransportError> for Failure {
    /// None of these says anything about an object. All except an oversized answer and an unsendable request may be
    /// temporary.
    fn from(error: TransportError) -> Failure {
        let detail = error.to_string();
        match error {
            TransportError::Connect(_)
            | TransportError::Tls(_)
            | TransportError::Timeout
            | TransportError::Broken(_) => Failure::Transient { detail },
            TransportError::TooLarge { .. } => Failure::Garbled { detail },
            TransportError::Unsendable(_) => Failure::Refused { is_whole_account: true, detail },
        }
    }
}

/// What a status without 2xx means, when nothing more is known (docs/src/reference/amazon-pay-v2.md, 8.2).
/// `detail` must not contain any body text.
pub fn failure_of_status(status: u16, retry_after: Option<Duration>, detail: String) -> Failure {
    match status {
        429 => Failure::Throttled { retry_after, detail },
        404 => Failure::Gone { detail },
        401 | 403 | 407 | 426 => Failure::Refused { is_whole_account: true, detail },
        408 | 425 | 500..=599 => Failure::Transient { detail },
        400..=499 => Failure::Refused { is_whole_account: false, detail },
        _ => Failure::Garbled { detail },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_fall_into_their_classes() {
        let class = |status| failure_of_status(status, None, String::new());
        let check = |statuses: &[u16], expected: &str| {
            for status in statuses {
                assert_eq!(class(*status).class(), expected, "{status}");
            }
        };
        check(&[429], "throttled");
        check(&[404], "gone");
        check(&[408, 425, 500, 502, 503, 504, 599], "transient");
        check(&[400, 401, 403, 405, 409, 410, 422, 426], "refused");
        check(&[100, 200, 204, 301, 302, 304, 307, 600, 0], "garbled");
        let is_whole = |status| matches!(class(status), Failure::Refused { is_whole_account: true, .. });
        assert!(is_whole(401) && is_whole(403) && is_whole(426));
        assert!(!is_whole(400) && !is_whole(405) && !is_whole(422));
    }
}
