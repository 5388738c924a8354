//! Answers without an observation: which kind of failure each is (docs/src/reference/amazon-pay-mws.md, sections 5.3
//! and 6).
//!
//! Owns: the error envelope, the meaning of error codes and statuses. Must never know: the network,
//! quotas, what happens next.

use std::time::Duration;

use super::document::{Wanted, parse};
use crate::payments::observation::Failure;

/// How long to wait for an hourly quota if no header says when it resets ("else minutes", section 5.3).
const WAIT_FOR_HOURLY_QUOTA: Duration = Duration::from_secs(300);

/// What an error code says about a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Too fast: retry later.
    Throttled,
    /// The provider's own trouble: retry later.
    Transient,
    /// Any other object of this account would get the same refusal.
    WholeAccount,
    /// This request would be refused again.
    Refused,
    /// The object is not known.
    Gone,
}

/// Every code of sections 6.2 and 6.3, with its meaning here.
const CODES: &[(&str, Class)] = &[
    ("RequestThrottled", Class::Throttled),
    ("QuotaExceeded", Class::Throttled),
    ("InternalError", Class::Transient),
    ("InternalServerError", Class::Transient),
    ("ServiceUnavailable", Class::Transient),
    ("InputStreamDisconnected", Class::Transient),
    ("AccessDenied", Class::WholeAccount),
    ("InvalidAccessKeyId", Class::WholeAccount),
    ("InvalidAccountStatus", Class::WholeAccount),
    // The Japanese list spells it this way.
    ("InvalidAccountsStatus", Class::WholeAccount),
    // "Wrong section or version": the path is wrong, so every object would get this answer.
    ("InvalidAddress", Class::WholeAccount),
    ("InvalidClientTokenId", Class::WholeAccount),
    ("MissingAuthenticationToken", Class::WholeAccount),
    ("SignatureDoesNotMatch", Class::WholeAccount),
    ("UnauthorizedAccess", Class::WholeAccount),
    ("UnauthorizedSolutionProvider", Class::WholeAccount),
    ("UserAgentHeaderMalformed", Class::WholeAccount),
    ("InvalidBillingAgreementId", Class::Gone),
    ("InvalidOrderReferenceId", Class::Gone),
    ("InvalidTransactionId", Class::Gone),
    ("AmbiguousToken", Class::Refused),
    // Feeds and reports (docs/src/reference/amazon-pay-batch.md, section 12).
    ("AccessToFeedProcessingResultDenied", Class::Refused),
    ("AccessToReportDenied", Class::Refused),
    ("ContentMD5DoesNotMatch", Class::Refused),
    ("ContentMD5Missing", Class::Refused),
    ("FeedCanceled", Class::Refused),
    ("FeedProcessingResultNoLongerAvailable", Class::Gone),
    ("FeedProcessingResultNotReady", Class::Transient),
    ("InputDataError", Class::Refused),
    ("InvalidFeedSubmissionId", Class::Gone),
    ("InvalidFeedType", Class::Refused),
    ("InvalidReportId", Class::Gone),
    ("InvalidReportRequestId", Class::Gone),
    ("InvalidReportType", Class::Refused),
    ("InvalidRequest", Class::Refused),
    ("InvalidScheduleFrequency", Class::Refused),
    ("ReportNoLongerAvailable", Class::Gone),
    ("ReportNotReady", Class::Transient),
    ("UserAgentHeaderLanguageAttributeMissing", Class::WholeAccount),
    ("UserAgentHeaderMaximumLengthExceeded", Class::WholeAccount),
    ("UserAgentHeaderMissing", Class::WholeAccount),
    ("ValidationError", Class::Refused),
    ("BillingAgreementConstraintsExist", Class::Refused),
    ("BillingAgreementNotModifiable", Class::Refused),
    ("CaptureNotRefundable", Class::Refused),
    ("ConstraintsExist", Class::Refused),
    ("CurrencyMismatch", Class::Refused),
    ("CurrencyUnsupported", Class::Refused),
    ("DuplicateReferenceId", Class::Refused),
    ("DuplicateRequest", Class::Refused),
    ("InvalidAddressConsentToken", Class::Refused),
    ("InvalidAuthorizationStatus", Class::Refused),
    ("InvalidBillingAgreementStatus", Class::Refused),
    ("InvalidCancelAttempt", Class::Refused),
    ("InvalidCloseAttempt", Class::Refused),
    ("InvalidOrderReferenceStatus", Class::Refused),
    ("InvalidParameterValue", Class::Refused),
    ("InvalidSandboxSimulationSpecified", Class::Refused),
    ("OrderReferenceCountExceeded", Class::Refused),
    ("OrderReferenceNotModifiable", Class::Refused),
    ("PaymentMethodNotUpdated", Class::Refused),
    ("PeriodicAmountExceeded", Class::Refused),
    ("TransactionAmountExceeded", Class::Refused),
    ("TransactionCountExceeded", Class::Refused),
];

/// What an error answer names. Both are words of the provider; what is not safe to show anywhere is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::apis::amazon_pay_mws) struct Envelope {
    /// The error code.
    pub(in crate::apis::amazon_pay_mws) code: Option<String>,
    /// The id of the exchange, from `RequestId` or `RequestID`.
    pub(in crate::apis::amazon_pay_mws) request_id: Option<String>,
}

/// Reads an error body as far as possible: XML in any namespace (that of errors from the front door is not recorded,
/// section 6.1), or a text that begins with a known code. Anything else names nothing.
pub(in crate::apis::amazon_pay_mws) fn envelope(body: &[u8]) -> Envelope {
    match parse(body, Wanted { is_read, is_home: |_| true }) {
        Ok(root) if root.name() == "ErrorResponse" => {
            let errors = root.all("Error").unwrap_or_default();
            let code = errors.iter().find_map(|error| error.text_of("Code").ok().flatten());
            let nested = root.text_at(&["ResponseMetadata", "RequestId"]);
            let request_id = [root.text_of("RequestId"), root.text_of("RequestID"), nested];
            Envelope {
                code: code.filter(|code| is_word(code)).map(str::to_owned),
                request_id: request_id.into_iter().find_map(|id| id.ok().flatten()).and_then(safe_request_id),
            }
        }
        Ok(_) => Envelope::default(),
        Err(_) => Envelope { code: leading_code(body), request_id: None },
    }
}

/// The id of an exchange if it is safe to show anywhere (`x-mws-request-id` is a UUID), else none.
pub fn safe_request_id(text: &str) -> Option<String> {
    let is_safe = text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (is_safe && !text.is_empty()).then(|| text.to_owned())
}

/// The failure that an answer with a status other than 200 represents. `retry_after` is what its headers ask for.
pub fn failure(
    status: u16,
    body: &[u8],
    header_request_id: Option<&str>,
    retry_after: Option<Duration>,
) -> Failure {
    let Envelope { code, request_id } = envelope(body);
    let request_id = request_id.or_else(|| header_request_id.and_then(safe_request_id));
    let detail = detail(status, code.as_deref(), request_id.as_deref());
    let is_hourly = code.as_deref() == Some("QuotaExceeded");
    let retry_after = retry_after.or(is_hourly.then_some(WAIT_FOR_HOURLY_QUOTA));
    match class(status, code.as_deref()) {
        Some(Class::Throttled) => Failure::Throttled { retry_after, detail },
        Some(Class::Transient) => Failure::Transient { detail },
        Some(Class::WholeAccount) => Failure::Refused { is_whole_account: true, detail },
        Some(Class::Refused) => Failure::Refused { is_whole_account: false, detail },
        Some(Class::Gone) => Failure::Gone { detail },
        None => Failure::Garbled { detail },
    }
}

fn detail(status: u16, code: Option<&str>, request_id: Option<&str>) -> String {
    let mut detail = format!("HTTP {status}");
    if let Some(code) = code {
        detail.push(' ');
        detail.push_str(code);
    }
    if let Some(id) = request_id {
        detail.push_str(&format!(" (request {id})"));
    }
    detail
}

/// A known code decides. But any 5xx is only transient, whatever its code, except for a throttling code with 503: an
/// outage says nothing about an object or an account.
fn class(status: u16, code: Option<&str>) -> Option<Class> {
    let by_code = code.and_then(class_of_code);
    match (status, by_code) {
        (400..=499 | 503, Some(Class::Throttled)) | (429, _) => Some(Class::Throttled),
        (500..=599, _) => Some(Class::Transient),
        (400..=499, Some(class)) => Some(class),
        (408 | 425, None) => Some(Class::Transient),
        (401 | 403, None) => Some(Class::WholeAccount),
        (404, None) => Some(Class::Gone),
        (400..=499, None) => Some(Class::Refused),
        _ => None,
    }
}

fn class_of_code(code: &str) -> Option<Class> {
    CODES.iter().find(|(name, _)| *name == code).map(|(_, class)| *class)
}

/// The known code at the beginning of a text (section 6.1, last row). Other texts are not quoted, because nobody knows
/// what is in them.
fn leading_code(body: &[u8]) -> Option<String> {
    let end = body.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(body.len());
    let word = std::str::from_utf8(&body[..end]).ok()?;
    class_of_code(word).map(|_| word.to_owned())
}

fn is_word(text: &str) -> bool {
    text.len() <= 64
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

fn is_read(name: &str) -> bool {
    matches!(name, "Error" | "Code" | "RequestId" | "RequestID" | "ResponseMetadata")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const THROTTLED: &str = r#"<?xml version="1.0"?>
<ErrorResponse xmlns="http://mws.amazonservices.com/schema/OffAmazonPayments/2013-01-01">
  <Error>
    <Type></Type>
    <Code>RequestThrottled</Code>
    <Message>Request is throttled</Message>
  </Error>
  <RequestID>00000000-0000-0000-0000-000000000004</RequestID>
</ErrorResponse>
"#;

    fn xml(code: &str) -> String {
        format!(
            "<ErrorResponse xmlns=\"https://mws.amazonservices.com/Orders/2013-09-01\"><Error>\
             <Type>Sender</Type><Code>{code}</Code><Message>for John Doe</Message><Detail/></Error>\
             <RequestId>00000000-0000-0000-0000-000000000002</RequestId></ErrorResponse>"
        )
    }

    fn check(status: u16, body: &str, expected: &str) {
        let failure = failure(status, body.as_bytes(), None, None);
        let class = match &failure {
            Failure::Refused { is_whole_account: true, .. } => "account refused",
            other => other.class(),
        };
        assert_eq!(class, expected, "{status} {body:.60}: {failure}");
        assert!(!failure.to_string().contains("John"), "{failure}");
    }

    #[test]
    fn the_recorded_throttle_is_one_and_names_its_exchange() {
        let wait = Some(Duration::from_secs(3));
        assert_eq!(
            failure(503, THROTTLED.as_bytes(), None, wait),
            Failure::Throttled {
                retry_after: wait,
                detail: "HTTP 503 RequestThrottled (request 00000000-0000-0000-0000-000000000004)".to_owned(),
            }
        );
        check(503, &xml("QuotaExceeded"), "throttled");
        check(429, "", "throttled");
    }

    #[test]
    fn refusals_are_told_apart_by_code() {
        let of_account = [
            (401, "AccessDenied"),
            (401, "UnauthorizedAccess"),
            (403, "InvalidAccessKeyId"),
            (403, "SignatureDoesNotMatch"),
            (403, "InvalidAccountStatus"),
            (403, "InvalidAccountsStatus"),
            (403, "MissingAuthenticationToken"),
            (404, "InvalidAddress"),
            (400, "InvalidAddress"),
            (400, "UserAgentHeaderMalformed"),
            (403, "SomethingNew"),
        ];
        for (status, code) in of_account {
            check(status, &xml(code), "account refused");
        }
        for (status, code) in [
            (400, "InvalidParameterValue"),
            (400, "DuplicateRequest"),
            (404, "ConstraintsExist"),
            (404, "InvalidAddressConsentToken"),
            (405, "OrderReferenceNotModifiable"),
            (405, "SomethingNew"),
        ] {
            check(status, &xml(code), "refused");
        }
    }

    #[test]
    fn only_a_missing_object_is_gone() {
        check(404, &xml("InvalidOrderReferenceId"), "gone");
        check(404, &xml("InvalidTransactionId"), "gone");
        check(400, &xml("InvalidTransactionId"), "gone");
        check(404, &xml("InvalidBillingAgreementId"), "gone");
        check(404, "<html>Not Found</html>", "gone");
        check(503, &xml("InvalidTransactionId"), "transient");
    }

    #[test]
    fn an_outage_of_any_form_is_transient_and_says_nothing_more() {
        for status in [500, 502, 503, 504] {
            for body in ["", "<html><body>Bad <b>Gateway</html>", "upstream timed out", "\u{0}\u{1}", "<a>"] {
                check(status, body, "transient");
            }
        }
        check(500, &xml("InternalServerError"), "transient");
        check(500, &xml("AccessDenied"), "transient");
        check(503, &xml("ServiceUnavailable"), "transient");
        check(400, &xml("InputStreamDisconnected"), "transient");
        check(408, "", "transient");
    }

    #[test]
    fn a_text_that_begins_with_a_code_is_read_and_no_other_text_is_quoted() {
        check(400, "InvalidOrderReferenceStatus: John may not", "refused");
        assert_eq!(envelope(b"RequestThrottled, John").code.as_deref(), Some("RequestThrottled"));
        assert_eq!(envelope(b"John RequestThrottled"), Envelope::default());
        assert_eq!(envelope(xml("not a word").as_bytes()).code, None);
    }

    #[test]
    fn redirects_and_strange_statuses_are_garbled() {
        for status in [100, 204, 301, 302, 600] {
            check(status, "", "garbled");
        }
    }

    #[test]
    fn the_header_names_the_exchange_when_the_body_does_not() {
        let with = failure(500, b"", Some("0a-1"), None);
        assert_eq!(with.to_string(), "did not answer: HTTP 500 (request 0a-1)");
        let odd = failure(500, b"", Some("0a\n1"), None);
        assert_eq!(odd.to_string(), "did not answer: HTTP 500");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn random_bytes_never_panic(status in any::<u16>(), bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let failure = failure(status, &bytes, None, None);
            prop_assert!(failure.to_string().len() < 200);
        }
    }
}
