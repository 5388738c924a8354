//! What a batch may contain: the seven operations and their fields (docs/src/reference/amazon-pay-batch.md, section
//! 2.2).
//!
//! Owns: field names, their order, lengths, what is required. Must never know: files, feeds.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::apis::amazon_pay_mws::kind::ObjectKind;
use crate::payments::money::Money;
use crate::payments::object::ObjectId;

/// A kind of operation that a batch can carry; `Authorize` is not among them (section 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum BatchOperation {
    /// Cancels an order reference.
    CancelOrderReference,
    /// Closes an order reference.
    CloseOrderReference,
    /// Closes an authorization.
    CloseAuthorization,
    /// Captures money from an authorization.
    Capture,
    /// Reads a capture.
    GetCaptureDetails,
    /// Refunds money from a capture.
    Refund,
    /// Reads a refund.
    GetRefundDetails,
}

impl BatchOperation {
    /// All seven.
    pub const ALL: [BatchOperation; 7] = [
        BatchOperation::CancelOrderReference,
        BatchOperation::CloseOrderReference,
        BatchOperation::CloseAuthorization,
        BatchOperation::Capture,
        BatchOperation::GetCaptureDetails,
        BatchOperation::Refund,
        BatchOperation::GetRefundDetails,
    ];

    /// The provider's name.
    pub fn name(self) -> &'static str {
        match self {
            BatchOperation::CancelOrderReference => "CancelOrderReference",
            BatchOperation::CloseOrderReference => "CloseOrderReference",
            BatchOperation::CloseAuthorization => "CloseAuthorization",
            BatchOperation::Capture => "Capture",
            BatchOperation::GetCaptureDetails => "GetCaptureDetails",
            BatchOperation::Refund => "Refund",
            BatchOperation::GetRefundDetails => "GetRefundDetails",
        }
    }

    /// The operation of exactly this name.
    pub fn of(name: &str) -> Option<BatchOperation> {
        BatchOperation::ALL.into_iter().find(|known| known.name() == name)
    }

    /// Whether it changes anything at the provider.
    pub fn is_write(self) -> bool {
        !matches!(self, BatchOperation::GetCaptureDetails | BatchOperation::GetRefundDetails)
    }

    /// The kind of object that its id names.
    pub fn subject(self) -> ObjectKind {
        match self {
            BatchOperation::CancelOrderReference | BatchOperation::CloseOrderReference => {
                ObjectKind::OrderReference
            }
            BatchOperation::CloseAuthorization | BatchOperation::Capture => ObjectKind::Authorization,
            BatchOperation::GetCaptureDetails | BatchOperation::Refund => ObjectKind::Capture,
            BatchOperation::GetRefundDetails => ObjectKind::Refund,
        }
    }

    /// The kind of object that its answer shows, if any.
    pub fn shows(self) -> Option<ObjectKind> {
        match self {
            BatchOperation::Capture | BatchOperation::GetCaptureDetails => Some(ObjectKind::Capture),
            BatchOperation::Refund | BatchOperation::GetRefundDetails => Some(ObjectKind::Refund),
            _ => None,
        }
    }

    /// Its fields after `SellerId`, in the order of the provider's own models.
    pub fn fields(self) -> &'static [Field] {
        match self {
            BatchOperation::CancelOrderReference => {
                &[Field::Id("AmazonOrderReferenceId"), Field::Text("CancelationReason", 1024)]
            }
            BatchOperation::CloseOrderReference => {
                &[Field::Id("AmazonOrderReferenceId"), Field::Text("ClosureReason", 1024)]
            }
            BatchOperation::CloseAuthorization => {
                &[Field::Id("AmazonAuthorizationId"), Field::Text("ClosureReason", 255)]
            }
            BatchOperation::Capture => &[
                Field::Id("AmazonAuthorizationId"),
                Field::Reference("CaptureReferenceId"),
                Field::Price("CaptureAmount"),
                Field::Text("SellerCaptureNote", 255),
                Field::Descriptor("SoftDescriptor", 16),
            ],
            BatchOperation::GetCaptureDetails => &[Field::Id("AmazonCaptureId")],
            BatchOperation::Refund => &[
                Field::Id("AmazonCaptureId"),
                Field::Reference("RefundReferenceId"),
                Field::Price("RefundAmount"),
                Field::Text("SellerRefundNote", 255),
                Field::Descriptor("SoftDescriptor", 16),
            ],
            BatchOperation::GetRefundDetails => &[Field::Id("AmazonRefundId")],
        }
    }

    /// Whether it has a seller's reference id and an amount.
    pub fn has_reference(self) -> bool {
        matches!(self, BatchOperation::Capture | BatchOperation::Refund)
    }
}

/// A field of an operation: its name and, if it has one, its maximum length in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The object that it is about; required.
    Id(&'static str),
    /// The seller's own reference id; required.
    Reference(&'static str),
    /// Amount, then currency; required.
    Price(&'static str),
    /// A reason or note.
    Text(&'static str, usize),
    /// The text on the buyer's statement.
    Descriptor(&'static str, usize),
}

/// One operation of a batch. Its debug output shows no free text.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchRequest {
    /// The object that it is about.
    pub id: ObjectId,
    /// `CaptureReferenceId` or `RefundReferenceId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference_id: Option<String>,
    /// `CaptureAmount` or `RefundAmount`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
    /// The reason or note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// `SoftDescriptor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soft_descriptor: Option<String>,
}

impl fmt::Debug for BatchRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("BatchRequest")
            .field("id", &self.id)
            .field("reference_id", &self.reference_id)
            .field("amount", &self.amount)
            .finish_non_exhaustive()
    }
}
