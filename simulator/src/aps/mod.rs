//! Simulated Amazon Payment Services (formerly PayFort): CHECK_STATUS, the direct operations, the three batch calls
//! (docs/src/reference/aps.md).
//!
//! Owns: how that provider behaves, from its documentation alone. Must never know: any other room but
//! `clock`, or the client's code.
//!
//! A request is read as a `message`, its `signature` is checked, an `errand` is carried out by the `desk`,
//! files are the affair of `batches`. An order's state is looked up by time: nothing runs in the background.

mod batches;
mod codes;
mod desk;
mod feedback;
mod merchant;
mod message;
mod order;
mod signature;
#[cfg(test)]
mod tests;

use jiff::Timestamp;

use super::exchange::{Incoming, Outgoing};
use super::fate::Fates;
use super::plan::{Announcement, Plan, Truth, Window};
use super::provider::{Operation, Provider, Quota, Random};

use batches::{Batches, Told};
use desk::{Desk, Errand};
use message::Message;
use order::{NewOrder, Order};

pub use merchant::{ApsHabits, ApsMerchant, ApsResults, ApsSignature};

/// The one kind of object.
const ORDER: &str = "aps-order";

/// The simulated provider.
#[derive(Debug)]
pub struct ApsProvider {
    merchants: Vec<ApsMerchant>,
    habits: ApsHabits,
    desk: Desk,
    batches: Batches,
}

/// Where a request arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    Payment,
    Upload,
    Batch,
}

impl ApsProvider {
    /// A provider that knows these merchants.
    pub fn new(merchants: Vec<ApsMerchant>) -> ApsProvider {
        ApsProvider {
            merchants,
            habits: ApsHabits::default(),
            desk: Desk::default(),
            batches: Batches::default(),
        }
    }

    /// How it behaves from now on.
    pub fn set_habits(&mut self, habits: ApsHabits) {
        self.habits = habits;
    }

    /// How often this merchant's batch was processed: more than once is the client's fault. `None` when no
    /// such batch was uploaded.
    pub fn process_requests(&self, merchant_identifier: &str, batch_reference: &str) -> Option<u32> {
        self.batches.process_requests(merchant_identifier, batch_reference)
    }

    /// The references of all batches that this merchant uploaded.
    pub fn batch_references(&self, merchant_identifier: &str) -> Vec<String> {
        self.batches.references(merchant_identifier)
    }

    fn merchant(&self, message: &Message) -> Option<&ApsMerchant> {
        let identifier = message.get("merchant_identifier")?;
        self.merchants.iter().find(|merchant| merchant.merchant_identifier == identifier)
    }

    /// What is wrong with the request before it is understood (sections 2.1 and 4).
    fn refusal(merchant: &ApsMerchant, message: &Message) -> Option<&'static str> {
        if message.get("access_code").is_none() || message.get("language").is_none() {
            return Some("00001");
        }
        if message.get("access_code") != Some(&merchant.access_code) {
            return Some("00010");
        }
        let Some(given) = message.get("signature") else { return Some("00001") };
        let expected = signature::signature(merchant.signature, &merchant.request_phrase, &message.fields);
        if !given.eq_ignore_ascii_case(&expected) {
            return Some("00008");
        }
        if !matches!(message.get("language"), Some("en" | "ar")) {
            return Some("00002");
        }
        // The provider forbids empty parameters in what it signs (section 4.1).
        message.fields.iter().any(|(_, value)| value.trim().is_empty()).then_some("00002")
    }

    fn perform(&mut self, door: Door, message: &Message, at: Timestamp, random: &mut Random) -> Outgoing {
        let Some(merchant) = self.merchant(message).cloned() else {
            return message::answer(&fields_of("00009", message));
        };
        if let Some(code) = Self::refusal(&merchant, message) {
            return self.signed(&merchant, fields_of(code, message));
        }
        let command = message
            .get("query_command")
            .or_else(|| message.get("service_command"))
            .or_else(|| message.get("command"));
        match (door, command) {
            (Door::Payment, Some("CHECK_STATUS")) => self.check_status(&merchant, message, at),
            (Door::Payment, Some(command)) => self.operate(&merchant, command, message, at, random),
            (Door::Upload, Some("UPLOAD_BATCH_FILE"))
            | (Door::Batch, Some("GET_BATCH_RESULTS" | "PROCESS_BATCH")) => {
                self.batch(&merchant, command.unwrap_or_default(), message, at, random)
            }
            _ => self.signed(&merchant, fields_of("00004", message)),
        }
    }

    /// Sections 5.1 and 5.2.
    fn check_status(&self, merchant: &ApsMerchant, message: &Message, at: Timestamp) -> Outgoing {
        let identifier = &merchant.merchant_identifier;
        let order = match (message.get("merchant_reference"), message.get("fort_id")) {
            (Some(reference), _) => self.desk.order(identifier, reference),
            (None, Some(id)) => self.desk.order_of_id(identifier, id),
            (None, None) => return self.signed(merchant, fields_of("00001", message)),
        };
        let Some(order) = order.filter(|order| order.visible_from <= at) else {
            return self.signed(merchant, fields_of("11036", message));
        };
        let (code, totals) = (order.code(at), order.totals(at));
        let mut fields = fields_of("12000", message);
        for (name, value) in [
            ("merchant_reference", order.merchant_reference.clone()),
            ("fort_id", order.fort_id.clone()),
            ("transaction_status", code[..2].to_owned()),
            ("transaction_code", code.to_owned()),
            ("transaction_message", codes::message(code).to_owned()),
            ("authorized_amount", totals.authorized.to_string()),
            ("captured_amount", totals.captured.to_string()),
            ("refunded_amount", totals.refunded.to_string()),
        ] {
            set(&mut fields, name, value);
        }
        self.signed(merchant, fields)
    }

    /// An operation asked for directly (section 3.2).
    fn operate(
        &mut self,
        merchant: &ApsMerchant,
        command: &str,
        message: &Message,
        at: Timestamp,
        random: &mut Random,
    ) -> Outgoing {
        let Some(reference) = message.get("merchant_reference") else {
            return self.signed(merchant, fields_of("00001", message));
        };
        let amount = message.get("amount");
        let amount_minor = amount.and_then(|amount| amount.parse().ok());
        if amount.is_some() && amount_minor.is_none() {
            return self.signed(merchant, fields_of("00005", message));
        }
        let errand = Errand {
            merchant: &merchant.merchant_identifier,
            command,
            merchant_reference: reference,
            fort_id: message.get("fort_id"),
            amount_minor,
            currency: message.get("currency"),
            at,
        };
        let code = self.desk.carry_out(&errand, random);
        let mut fields = fields_of(&code, message);
        if let Some(order) = self.desk.order(&merchant.merchant_identifier, reference) {
            set(&mut fields, "fort_id", order.fort_id.clone());
        }
        self.signed(merchant, fields)
    }

    fn batch(
        &mut self,
        merchant: &ApsMerchant,
        command: &str,
        message: &Message,
        at: Timestamp,
        random: &mut Random,
    ) -> Outgoing {
        let Some(reference) = message.get("batch_reference") else {
            return self.signed(merchant, fields_of("00001", message));
        };
        let is_fit = (1..=20).contains(&reference.len())
            && reference.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte));
        if !is_fit {
            return self.signed(merchant, fields_of("00002", message));
        }
        let key = (merchant.merchant_identifier.as_str(), reference);
        let told = match (command, &message.file) {
            ("UPLOAD_BATCH_FILE", Some(file)) => {
                self.batches.upload(key, (&file.name, &file.bytes), &self.desk, at)
            }
            ("UPLOAD_BATCH_FILE", None) => return self.signed(merchant, fields_of("00001", message)),
            ("PROCESS_BATCH", _) => self.batches.process(key, &mut self.desk, &self.habits, at, random),
            _ => self.batches.results(key, &self.habits, at),
        };
        self.told(merchant, message, told)
    }

    fn told(&self, merchant: &ApsMerchant, message: &Message, told: Told) -> Outgoing {
        let mut fields = fields_of(&told.code, message);
        if let Some(id) = told.batch_id {
            set(&mut fields, "batch_id", id);
        }
        if let Some(count) = told.row_count {
            set(&mut fields, "transactions_count", count.to_string());
        }
        match (told.rows, self.habits.results) {
            (Some(text), ApsResults::Text) => Outgoing::new(200, "text/csv", text),
            (Some(text), ApsResults::Member) => {
                set(&mut fields, "transactions", text);
                self.signed(merchant, fields)
            }
            (None, _) => self.signed(merchant, fields),
        }
    }

    fn signed(&self, merchant: &ApsMerchant, mut fields: Vec<(String, String)>) -> Outgoing {
        if self.habits.is_answer_signed {
            let seal = signature::signature(merchant.signature, &merchant.response_phrase, &fields);
            fields.push(("signature".to_owned(), seal));
        }
        message::answer(&fields)
    }
}

/// What was asked, without its signature, and the code's three fields (section 2.3).
fn fields_of(code: &str, message: &Message) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> =
        message.fields.iter().filter(|(name, _)| name != "signature").cloned().collect();
    set(&mut fields, "response_code", code.to_owned());
    set(&mut fields, "response_message", codes::message(code).to_owned());
    set(&mut fields, "status", code.get(..2).unwrap_or_default().to_owned());
    fields
}

fn set(fields: &mut Vec<(String, String)>, name: &str, value: String) {
    fields.retain(|(known, _)| known != name);
    fields.push((name.to_owned(), value));
}

fn door(path: &str) -> Option<Door> {
    match path.trim_end_matches('/') {
        "/FortAPI/paymentApi" => Some(Door::Payment),
        "/FortAPI/upload" => Some(Door::Upload),
        "/FortAPI/batchApi" | "/integration-batch/batchApi" => Some(Door::Batch),
        _ => None,
    }
}

impl Provider for ApsProvider {
    fn api(&self) -> &'static str {
        "aps"
    }

    fn claims(&self, incoming: &Incoming) -> bool {
        incoming.path.starts_with("/FortAPI/") || incoming.path.starts_with("/integration-batch/")
    }

    fn operation(&self, incoming: &Incoming) -> Option<Operation> {
        let message = Message::read(incoming)?;
        let merchant = self.merchant(&message)?;
        let name = ["query_command", "service_command", "command"]
            .into_iter()
            .find_map(|field| message.get(field))?;
        Some(Operation {
            merchant: merchant.merchant_identifier.clone(),
            name: name.to_owned(),
            is_sandbox: merchant.is_sandbox,
        })
    }

    /// None is documented (section 6.1): a bucket that a client with manners never empties.
    fn documented_quota(&self, _operation: &Operation) -> Quota {
        Quota::new(50, 10, 1)
    }

    fn throttled(&self, _incoming: &Incoming) -> Outgoing {
        Outgoing::new(429, "text/plain", "Too many requests\n")
    }

    fn answer(&mut self, incoming: &Incoming, random: &mut Random) -> Outgoing {
        let Some(door) = door(&incoming.path) else {
            return Outgoing::new(404, "text/html", "<html><body>Not found</body></html>");
        };
        if incoming.method != "POST" {
            return Outgoing::new(405, "text/html", "<html><body>Method not allowed</body></html>");
        }
        match Message::read(incoming) {
            Some(message) => self.perform(door, &message, incoming.at, random),
            None => message::answer(&fields_of("00073", &Message::default())),
        }
    }

    /// An order begins stored (`01`); a first step without delay replaces that. States are five-digit codes,
    /// or statuses with the message as reason.
    fn plant(
        &mut self,
        merchant: &str,
        plan: &Plan,
        at: Timestamp,
        _random: &mut Random,
    ) -> Result<String, String> {
        if plan.kind != ORDER {
            return Err(format!("aps has no {}; it has {ORDER}", plan.kind));
        }
        if !self.merchants.iter().any(|known| known.merchant_identifier == merchant) {
            return Err(format!("{merchant} is no merchant of this simulator"));
        }
        let amount_minor = order::minor(&plan.amount, &plan.currency)
            .ok_or_else(|| format!("{} {} is not an amount", plan.amount, plan.currency))?;
        let new = NewOrder {
            merchant,
            merchant_reference: &plan.merchant_reference,
            fort_id: self.desk.next_id(),
            amount_minor,
            currency: &plan.currency,
            at,
        };
        let mut order = Order::new(new, "01000");
        order.follow(&plan.steps)?;
        order.visible_from = order::later(at, plan.invisible_for);
        let key = (merchant.to_owned(), plan.merchant_reference.clone());
        if self.desk.orders.contains_key(&key) {
            return Err(format!("{} exists already", plan.merchant_reference));
        }
        self.desk.orders.insert(key, order);
        Ok(plan.merchant_reference.clone())
    }

    fn truths(&self, at: Timestamp) -> Vec<Truth> {
        let mut truths: Vec<Truth> = self
            .desk
            .orders
            .values()
            .filter(|order| order.created <= at)
            .map(|order| {
                let code = order.code(at);
                let (state, reason) = order::told(code);
                Truth {
                    id: order.merchant_reference.clone(),
                    kind: ORDER.to_owned(),
                    state,
                    reason,
                    is_final: order::is_final(code),
                    is_declined: order::is_declined(code),
                    amount: order::decimal(order.amount_minor, &order.currency),
                    currency: order.currency.clone(),
                    merchant_reference: order.merchant_reference.clone(),
                }
            })
            .collect();
        truths.sort_by(|one, other| one.id.cmp(&other.id));
        truths
    }

    fn announcements(&self, merchant: &str, window: Window) -> Vec<Announcement> {
        let known = self.merchants.iter().find(|known| known.merchant_identifier == merchant);
        known.map(|merchant| feedback::announcements(&self.desk, merchant, window)).unwrap_or_default()
    }

    fn set_fates(&mut self, merchant: &str, kind: &str, fates: Fates) -> Result<(), String> {
        if kind != ORDER {
            return Err(format!("aps has no {kind}; it has {ORDER}"));
        }
        for step in fates.iter().flat_map(|fate| &fate.steps) {
            let step = super::plan::Step {
                after: step.after_min,
                state: step.state.clone(),
                reason: step.reason.clone(),
            };
            order::code_of(&step)?;
        }
        self.desk.set_fates(merchant, fates);
        Ok(())
    }
}
