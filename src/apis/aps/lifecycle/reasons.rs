//! The messages of failed operations, and what to do about each (docs/src/reference/aps.md, section 5.4).
//!
//! Owns: the wording. Must never know: which states they belong to.

use crate::payments::lifecycle::{ReasonFacts, Tone};

const OTHER_CARD: &str = "Do not ship. Ask the customer to pay again with another card or to ask their bank, under a new order \
     number.";
const AGAIN: &str =
    "The customer may try again, under a new order number. If it happens often, ask the provider's support.";
const SETTINGS: &str =
    "Check the account's settings in the back office, or have the provider's support enable what is missing.";
const SHOP: &str =
    "The shop sent something that is not acceptable: its developer should correct the request.";
const AMOUNT: &str = "Compare the order's totals in the back office with the requested amount.";
const ALREADY: &str =
    "Check the order in the back office before you repeat anything: it may already be done.";
const FRAUD: &str = "Do not ship. Check the order's fraud review in the back office before trying again.";
const LIMIT: &str = "Wait until the limit resets, or ask the bank or the provider to raise it.";
const SUPPORT: &str = "Check the order in the back office and ask the provider's support what it means.";

/// For messages that no published table names; the number stays as the provider sent it.
pub(super) const UNLISTED: ReasonFacts =
    facts("other", "the published tables do not name this message", SUPPORT);

const fn facts(name: &'static str, meaning: &'static str, advice: &'static str) -> ReasonFacts {
    ReasonFacts { name, meaning, advice, tone: Tone::Alarming }
}

const fn toned<const COUNT: usize>(mut list: [ReasonFacts; COUNT], tone: Tone) -> [ReasonFacts; COUNT] {
    let mut place = 0;
    while place < COUNT {
        list[place].tone = tone;
        place += 1;
    }
    list
}

/// The reasons of a failed operation.
pub(super) static OF_DECLINES: [ReasonFacts; MESSAGES.len()] = MESSAGES;

/// The reasons of a request that was not acceptable, which does not affect the money.
pub(super) static OF_REQUESTS: [ReasonFacts; MESSAGES.len()] = toned(MESSAGES, Tone::Notable);

const MESSAGES: [ReasonFacts; 104] = [
    facts("001", "a parameter is missing", SHOP),
    facts("002", "a parameter has the wrong format", SHOP),
    facts("003", "the payment option is not available for this account", SETTINGS),
    facts("004", "the command is not valid", SHOP),
    facts("005", "the amount is not valid", SHOP),
    facts("007", "this order number was used before", ALREADY),
    facts("008", "the signature does not match", SETTINGS),
    facts("009", "the merchant identifier is not valid", SETTINGS),
    facts("010", "the access code is not valid", SETTINGS),
    facts("011", "the order was not saved", AGAIN),
    facts("012", "the card has expired", OTHER_CARD),
    facts("013", "the currency is not valid", SHOP),
    facts("014", "the payment option is not active", SETTINGS),
    facts("015", "the merchant account is not active", SETTINGS),
    facts("016", "the card number is not valid", OTHER_CARD),
    facts("017", "the acquirer does not allow the operation", SETTINGS),
    facts("018", "the processor does not allow the operation", SETTINGS),
    facts("019", "the acquirer is not active", SETTINGS),
    facts("020", "the processor is not active", SETTINGS),
    facts("021", "the payment option is switched off", SETTINGS),
    facts("023", "the currency is not accepted", SETTINGS),
    facts("024", "the currency is not accepted", SETTINGS),
    facts("025", "settings are missing", SETTINGS),
    facts("026", "settings are missing", SETTINGS),
    facts("027", "there are too many parameters", SHOP),
    facts("029", "there is not enough money on the card", OTHER_CARD),
    facts("030", "the customer's authentication failed", OTHER_CARD),
    facts("031", "the card's issuer is not valid", OTHER_CARD),
    facts("032", "a parameter has the wrong length", SHOP),
    facts("033", "a value is not allowed", SHOP),
    facts("034", "the operation is not allowed in the order's state", ALREADY),
    facts("036", "the order was not found", SHOP),
    facts("037", "the return address is missing", SHOP),
    facts("038", "the token service is switched off", SETTINGS),
    facts("039", "no payment option is available", SETTINGS),
    facts("040", "the source of the request is not valid", SETTINGS),
    facts("042", "the amount is above the authorized amount", AMOUNT),
    facts("043", "the operation is not active", SETTINGS),
    facts("044", "the card token is not known", OTHER_CARD),
    facts("046", "the channel is not configured", SETTINGS),
    facts("047", "the order has been processed already", ALREADY),
    facts("048", "the amount is above the captured amount", AMOUNT),
    facts("049", "the operation is not valid for this payment option", SHOP),
    facts("050", "the merchant's limit is reached", LIMIT),
    facts("051", "a technical error", AGAIN),
    facts("054", "the request cannot be processed now", AGAIN),
    facts("057", "the daily limit is reached", LIMIT),
    facts("058", "the limit per transaction is reached", LIMIT),
    facts("066", "the merchant reference exists already", ALREADY),
    facts("067", "the statement descriptor is not valid", SHOP),
    facts("068", "the SDK service is switched off", SETTINGS),
    facts("069", "the bank reported an error that has no specific message", OTHER_CARD),
    facts("070", "the device id is not valid", SHOP),
    facts("071", "the connection to the bank failed", AGAIN),
    facts("072", "the customer gave up the payment", "Nothing to do, unless the customer asks."),
    facts("073", "the request's format is not valid", SHOP),
    facts("074", "the operation failed", OTHER_CARD),
    facts("075", "the operation failed", OTHER_CARD),
    facts("077", "the code was not found", SHOP),
    facts("078", "the fraud screening refused it", FRAUD),
    facts("079", "the fraud screening asked for proof that was not given", FRAUD),
    facts("080", "the payment option is not valid", SHOP),
    facts("082", "the fraud service is switched off", SETTINGS),
    facts("083", "the provider found the behaviour suspicious", FRAUD),
    facts("084", "the amount does not fit the instalment plan", SHOP),
    facts("086", "the instalment plan is not valid", SHOP),
    facts("087", "the card does not fit the instalment plan", OTHER_CARD),
    facts("088", "the token is not valid", OTHER_CARD),
    facts("089", "the wallet is not valid", OTHER_CARD),
    facts("092", "the issuer's code is not valid", SHOP),
    facts("093", "the service is switched off", SETTINGS),
    facts("094", "the instalment plan was not found", SHOP),
    facts("095", "the issuer was not found", SHOP),
    facts("096", "the issuer's plan is not valid", SHOP),
    facts("097", "the operation is not allowed for this service", SETTINGS),
    facts("099", "the service failed", AGAIN),
    facts("100", "the expiry date is not valid", OTHER_CARD),
    facts("102", "the wallet's data has expired", OTHER_CARD),
    facts("103", "the subscription exists already", ALREADY),
    facts("104", "there is no plan", SHOP),
    facts("105", "the bank refused it", OTHER_CARD),
    facts("106", "the bank refused it", OTHER_CARD),
    facts("107", "the bank refused it", OTHER_CARD),
    facts("110", "parameters contradict each other", SHOP),
    facts("111", "the service does not apply", SETTINGS),
    facts("112", "the service does not apply", SETTINGS),
    facts("113", "the service does not apply", SETTINGS),
    facts("115", "the payment link has expired", "Send the customer a new link."),
    facts("117", "the payment link has been processed already", ALREADY),
    facts("119", "the provider dropped the request", AGAIN),
    facts("121", "the card has not been verified", OTHER_CARD),
    facts("123", "there were too many attempts", LIMIT),
    facts("125", "the invoice is paid already", ALREADY),
    facts("126", "the invoice exists already", ALREADY),
    facts("151", "the 3-D Secure id is not valid", SHOP),
    facts("152", "the 3-D Secure data does not fit the payment", FRAUD),
    facts("666", "the bank declined it", OTHER_CARD),
    facts("773", "the transaction is closed", ALREADY),
    facts("783", "instalments are switched off", SETTINGS),
    facts("785", "the fraud rules blocked it", FRAUD),
    facts("787", "the customer could not be identified", OTHER_CARD),
    facts("788", "the bill is not valid", SHOP),
    facts("789", "the bill is not valid", SHOP),
    facts("790", "the bill is not valid", SHOP),
];
