//! The fields of an enrolment, and the names that people use for them.
//!
//! Owns: name variants, the kinds that they imply, misspelled names. Must never know: values.

use crate::delimited::{nearest, plain};

/// The fields of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// The account.
    Account,
    /// What it is.
    Kind,
    /// The provider's id.
    Id,
    /// The amount, in the currency's main unit.
    Amount,
    /// ISO 4217.
    Currency,
    /// The shop's own order number.
    Reference,
    /// When the shop created it.
    CreatedAt,
    /// The parent object.
    Parent,
}

impl Field {
    /// All fields, in the order in which they are written.
    pub const ALL: [Field; 8] = [
        Field::Account,
        Field::Kind,
        Field::Id,
        Field::Amount,
        Field::Currency,
        Field::Reference,
        Field::CreatedAt,
        Field::Parent,
    ];

    /// The name to use in a header or as a JSON key.
    pub fn name(self) -> &'static str {
        match self {
            Field::Account => "account",
            Field::Kind => "kind",
            Field::Id => "id",
            Field::Amount => "amount",
            Field::Currency => "currency",
            Field::Reference => "reference",
            Field::CreatedAt => "created_at",
            Field::Parent => "parent",
        }
    }
}

/// What a header or key stands for: a field, and the kind of object if the name implies one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meaning {
    /// The field.
    pub field: Field,
    /// The kind that a name such as `AmazonCaptureId` implies.
    pub kind: Option<&'static str>,
}

/// Name variants, compared without case and punctuation: the field names of both APIs, our own lists and nightly
/// files, and the tables of common shop systems. An order's total is not among the amounts, because it is not what
/// one charge, capture or refund moves.
const VARIANTS: &[(&str, Field, Option<&str>)] = &[
    ("account", Field::Account, None),
    ("accountname", Field::Account, None),
    ("kind", Field::Kind, None),
    ("transactiontype", Field::Kind, None),
    ("type", Field::Kind, None),
    ("objecttype", Field::Kind, None),
    ("id", Field::Id, None),
    ("objectid", Field::Id, None),
    ("amazontransactionid", Field::Id, None),
    ("pendingid", Field::Id, None),
    ("chargeid", Field::Id, Some("charge")),
    ("amazonchargeid", Field::Id, Some("charge")),
    ("swagamazonpaychargeid", Field::Id, Some("charge")),
    ("oscamazonchargeid", Field::Id, Some("charge")),
    ("refundid", Field::Id, Some("refund")),
    ("chargepermissionid", Field::Id, Some("charge-permission")),
    ("amazonchargepermissionid", Field::Id, Some("charge-permission")),
    ("swagamazonpaychargepermissionid", Field::Id, Some("charge-permission")),
    ("oscamazonchargepermissionid", Field::Id, Some("charge-permission")),
    ("amazonauthorizationid", Field::Id, Some("authorization")),
    ("authorizationid", Field::Id, Some("authorization")),
    ("amazoncaptureid", Field::Id, Some("capture")),
    ("captureid", Field::Id, Some("capture")),
    ("amazonrefundid", Field::Id, Some("refund")),
    ("amazonorderreferenceid", Field::Id, Some("order-reference")),
    ("orderreferenceid", Field::Id, Some("order-reference")),
    ("amazonreferenceid", Field::Id, Some("order-reference")),
    ("billingagreementid", Field::Id, Some("billing-agreement")),
    ("amazonbillingagreementid", Field::Id, Some("billing-agreement")),
    ("amount", Field::Amount, None),
    ("chargeamount", Field::Amount, None),
    ("captureamount", Field::Amount, None),
    ("refundamount", Field::Amount, None),
    ("authorizationamount", Field::Amount, None),
    ("chargeamountamount", Field::Amount, None),
    ("captureamountamount", Field::Amount, None),
    ("refundamountamount", Field::Amount, None),
    ("authorizationamountamount", Field::Amount, None),
    ("currency", Field::Currency, None),
    ("chargeamountcurrencycode", Field::Currency, None),
    ("captureamountcurrencycode", Field::Currency, None),
    ("refundamountcurrencycode", Field::Currency, None),
    ("authorizationamountcurrencycode", Field::Currency, None),
    ("currencycode", Field::Currency, None),
    ("reference", Field::Reference, None),
    ("merchantreference", Field::Reference, None),
    ("merchantreferenceid", Field::Reference, None),
    ("order", Field::Reference, None),
    ("orderid", Field::Reference, None),
    ("ordernumber", Field::Reference, None),
    ("incrementid", Field::Reference, None),
    ("sellerorderid", Field::Reference, None),
    ("authorizationreferenceid", Field::Reference, None),
    ("capturereferenceid", Field::Reference, None),
    ("refundreferenceid", Field::Reference, None),
    ("createdat", Field::CreatedAt, None),
    ("created", Field::CreatedAt, None),
    ("madeat", Field::CreatedAt, None),
    ("creationtimestamp", Field::CreatedAt, None),
    ("parent", Field::Parent, None),
    ("parentid", Field::Parent, None),
];

/// What a header cell or JSON key means, or none when it is not one of ours.
pub fn meaning(name: &str) -> Option<Meaning> {
    let name = plain(name);
    VARIANTS
        .iter()
        .find(|(variant, _, _)| *variant == name)
        .map(|(_, field, kind)| Meaning { field: *field, kind: *kind })
}

/// The name that an unknown one was probably meant to be. Otherwise a misspelled `amount` would silently disable the
/// check of the amount.
pub fn meant(name: &str) -> Option<&'static str> {
    let ours = Field::ALL.iter().map(|field| field.name());
    nearest(name, ours).or_else(|| nearest(name, VARIANTS.iter().map(|(variant, _, _)| *variant)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_other_things_are_not_taken_for_slips() {
        for name in
            ["note", "updated_at", "created_by", "discount", "count", "state", "payment", "phase", "ip"]
        {
            assert_eq!(meant(name), None, "{name}");
        }
        for (name, expected) in [
            ("amuont", "amount"),
            ("Ammount", "amount"),
            ("curency", "currency"),
            ("chrage_id", "chargeid"),
            ("refrence", "reference"),
        ] {
            assert_eq!(meant(name), Some(expected), "{name}");
        }
    }

    #[test]
    fn no_variant_is_listed_twice_or_spelt_so_that_it_cannot_be_found() {
        for (variant, field, kind) in VARIANTS {
            assert_eq!(meaning(variant), Some(Meaning { field: *field, kind: *kind }), "{variant}");
        }
    }
}
