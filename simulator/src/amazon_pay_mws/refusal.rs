//! The errors of the manual and their HTTP statuses.
//!
//! Owns: code, status, which of the two envelopes. Must never know: why a call was refused.

/// An error code of docs/src/reference/amazon-pay-mws.md sections 6.2 and 6.3. Where the manual gives no HTTP
/// status, the recalled one in brackets is used, and 400 where there is none at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    AccessDenied,
    AmbiguousToken,
    BillingAgreementNotModifiable,
    CaptureNotRefundable,
    ConstraintsExist,
    CurrencyMismatch,
    CurrencyUnsupported,
    DuplicateReferenceId,
    DuplicateRequest,
    InternalServerError,
    InvalidAccessKeyId,
    InvalidAddress,
    InvalidAddressConsentToken,
    InvalidAuthorizationStatus,
    InvalidBillingAgreementId,
    InvalidBillingAgreementStatus,
    InvalidCancelAttempt,
    InvalidCloseAttempt,
    InvalidOrderReferenceId,
    InvalidOrderReferenceStatus,
    InvalidParameterValue,
    InvalidSandboxSimulationSpecified,
    InvalidTransactionId,
    MissingAuthenticationToken,
    OrderReferenceCountExceeded,
    OrderReferenceNotModifiable,
    PaymentMethodNotUpdated,
    PeriodicAmountExceeded,
    QuotaExceeded,
    RequestThrottled,
    SignatureDoesNotMatch,
    TransactionAmountExceeded,
    TransactionCountExceeded,
    UserAgentHeaderMissing,
}

impl Code {
    /// The word in `<Code>`.
    pub(super) fn word(self) -> String {
        format!("{self:?}")
    }

    /// The HTTP status.
    pub(super) fn status(self) -> u16 {
        match self {
            Code::AccessDenied => 401,
            Code::InvalidAccessKeyId | Code::MissingAuthenticationToken | Code::SignatureDoesNotMatch => 403,
            Code::InvalidAddressConsentToken
            | Code::InvalidBillingAgreementId
            | Code::InvalidOrderReferenceId
            | Code::InvalidTransactionId => 404,
            Code::BillingAgreementNotModifiable
            | Code::CaptureNotRefundable
            | Code::InvalidAuthorizationStatus
            | Code::InvalidBillingAgreementStatus
            | Code::InvalidCancelAttempt
            | Code::InvalidCloseAttempt
            | Code::InvalidOrderReferenceStatus
            | Code::OrderReferenceNotModifiable => 405,
            Code::InternalServerError => 500,
            Code::QuotaExceeded | Code::RequestThrottled => 503,
            Code::AmbiguousToken
            | Code::ConstraintsExist
            | Code::CurrencyMismatch
            | Code::CurrencyUnsupported
            | Code::DuplicateReferenceId
            | Code::DuplicateRequest
            | Code::InvalidAddress
            | Code::InvalidParameterValue
            | Code::InvalidSandboxSimulationSpecified
            | Code::OrderReferenceCountExceeded
            | Code::PaymentMethodNotUpdated
            | Code::PeriodicAmountExceeded
            | Code::TransactionAmountExceeded
            | Code::TransactionCountExceeded
            | Code::UserAgentHeaderMissing => 400,
        }
    }

    /// The front door of MWS, not the payment service, refuses: then the request id is in `RequestID`
    /// (section 6.1).
    pub(super) fn is_of_the_front_door(self) -> bool {
        matches!(
            self,
            Code::AccessDenied
                | Code::InvalidAccessKeyId
                | Code::InvalidAddress
                | Code::MissingAuthenticationToken
                | Code::QuotaExceeded
                | Code::RequestThrottled
                | Code::SignatureDoesNotMatch
                | Code::UserAgentHeaderMissing
        )
    }

    /// The word in `<Type>`: empty for a throttled request (section 5.3).
    pub(super) fn kind(self) -> &'static str {
        match self {
            Code::RequestThrottled => "",
            _ if self.status() >= 500 => "Receiver",
            _ => "Sender",
        }
    }

    /// A refusal with this code.
    pub(super) fn because(self, message: impl Into<String>) -> Refusal {
        Refusal { code: self, message: message.into() }
    }
}

/// A call that was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: Code,
    pub(super) message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_statuses() {
        let table = [
            (Code::InvalidParameterValue, "InvalidParameterValue", 400),
            (Code::AccessDenied, "AccessDenied", 401),
            (Code::InvalidAccessKeyId, "InvalidAccessKeyId", 403),
            (Code::SignatureDoesNotMatch, "SignatureDoesNotMatch", 403),
            (Code::QuotaExceeded, "QuotaExceeded", 503),
            (Code::RequestThrottled, "RequestThrottled", 503),
            (Code::AmbiguousToken, "AmbiguousToken", 400),
            (Code::BillingAgreementNotModifiable, "BillingAgreementNotModifiable", 405),
            (Code::CaptureNotRefundable, "CaptureNotRefundable", 405),
            (Code::ConstraintsExist, "ConstraintsExist", 400),
            (Code::DuplicateReferenceId, "DuplicateReferenceId", 400),
            (Code::InternalServerError, "InternalServerError", 500),
            (Code::InvalidAddressConsentToken, "InvalidAddressConsentToken", 404),
            (Code::InvalidAuthorizationStatus, "InvalidAuthorizationStatus", 405),
            (Code::InvalidOrderReferenceId, "InvalidOrderReferenceId", 404),
            (Code::OrderReferenceNotModifiable, "OrderReferenceNotModifiable", 405),
        ];
        for (code, word, status) in table {
            assert_eq!((code.word().as_str(), code.status()), (word, status));
        }
    }
}
