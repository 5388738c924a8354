//! One call, checked: its path, body and key.
//!
//! Owns: turning checked parameters into a request, and what a lost answer means. Must never know: the
//! network, who may write.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value as Json};

use super::{KEY, Operation, Place, Value, check, find};
use crate::apis::amazon_pay_v2::ids;
use crate::apis::amazon_pay_v2::wire::ObjectKind;
use crate::apis::calls::{Lookup, Repeat, WhenLost, fingerprint};
use crate::apis::config::{Environment, Problem};
use crate::apis::transport::Method;
use crate::payments::money::Money;
use crate::payments::object::ObjectId;
use crate::payments::observation::Child;
use crate::text;

/// A call whose parameters have been checked. Its debug print shows no values.
#[derive(Clone)]
pub struct Call {
    operation: &'static Operation,
    parameters: BTreeMap<String, String>,
}

impl Call {
    /// Checks a call of `operation`. A creating call without a key gets one derived from all its parameters, so
    /// that the same parameters are one call, however often they are sent.
    ///
    /// # Errors
    /// All problems at once, each with its parameter and remedy. They never repeat a value.
    pub fn build(operation: &str, given: &BTreeMap<String, String>) -> Result<Call, Vec<Problem>> {
        let Some(known) = find(operation) else {
            let names: Vec<&str> = super::OPERATIONS.iter().map(|known| known.name).collect();
            let remedy = format!("write one of {}", names.join(", "));
            return Err(vec![Problem::new(
                text::short(operation, 80),
                "is not an operation of this API",
                remedy,
            )]);
        };
        let problems = check::problems(known, given);
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut parameters = given.clone();
        if known.method == Method::Post && !parameters.contains_key(KEY) {
            let mut key = fingerprint(known.name, &parameters);
            key.truncate(check::LONGEST_KEY);
            parameters.insert(KEY.to_owned(), key);
        }
        Ok(Call { operation: known, parameters })
    }

    /// Whether every id in it can belong to an account of this environment.
    ///
    /// # Errors
    /// A problem for every id whose form says otherwise.
    pub fn accepts(&self, environment: Environment) -> Result<(), Vec<Problem>> {
        let ids = self.operation.parameters.iter().filter_map(|parameter| match parameter.value {
            Value::Id(object_kind) => Some((parameter.name, object_kind)),
            _ => None,
        });
        let problems: Vec<Problem> = ids
            .filter_map(|(name, object_kind)| {
                let what = ids::accepts(object_kind, self.parameters.get(name)?, environment).err()?;
                Some(Problem::new(name, what, "choose the intended account and object"))
            })
            .collect();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// The operation that is called.
    pub fn operation(&self) -> &'static Operation {
        self.operation
    }

    /// All parameters, including the key.
    pub fn parameters(&self) -> &BTreeMap<String, String> {
        &self.parameters
    }

    /// The idempotency key; only creating calls have one (section 2.5).
    pub fn key(&self) -> Option<&str> {
        self.parameters.get(KEY).map(String::as_str)
    }

    /// The path below the base, not encoded.
    pub fn path(&self) -> String {
        let id = self.of_place(Place::Path).next().map_or("", |(_, value)| value);
        self.operation.path.replace("{}", id)
    }

    /// The JSON body, always the same bytes for the same parameters. Empty for a read-only call.
    pub fn body(&self) -> Vec<u8> {
        if !self.operation.is_write() {
            return Vec::new();
        }
        let mut body = Map::new();
        for (name, value) in self.of_place(Place::Body) {
            let is_flag = self
                .operation
                .parameters
                .iter()
                .any(|parameter| parameter.name == name && parameter.value == Value::Flag);
            let value = if is_flag { Json::Bool(value == "true") } else { Json::String(value.to_owned()) };
            put(&mut body, name, value);
        }
        serde_json::to_vec(&body).expect("a body has text keys only")
    }

    /// The parameters of a place, in the table's order.
    pub fn of_place(&self, place: Place) -> impl Iterator<Item = (&'static str, &str)> {
        let parameters = self.operation.parameters.iter().filter(move |parameter| parameter.place == place);
        parameters
            .filter_map(|parameter| Some((parameter.name, self.parameters.get(parameter.name)?.as_str())))
    }

    /// The object that it is about.
    pub fn subject(&self) -> Option<(ObjectKind, ObjectId)> {
        self.operation.parameters.iter().find_map(|parameter| match parameter.value {
            Value::Id(object_kind) => {
                Some((object_kind, ObjectId::new(self.parameters.get(parameter.name)?.as_str()).ok()?))
            }
            _ => None,
        })
    }

    /// The amount that it moves.
    pub fn amount(&self) -> Option<Money> {
        let prefix = self.operation.parameters.iter().find_map(|known| known.name.strip_suffix(".amount"))?;
        let of = |name: &str| self.parameters.get(&format!("{prefix}.{name}"));
        Money::parse(of("amount")?, of("currencyCode")?).ok()
    }

    /// A creating call that is repeated under its key gets the first answer again; deleting or updating twice has the
    /// effect of once (section 2.5). The state of a charge or a permission shows whether a call was carried out. No
    /// list shows a permission's charges or a charge's refunds.
    pub fn when_lost(&self) -> WhenLost {
        let states: &[&str] = match self.operation.name {
            "CaptureCharge" => &["Captured", "CaptureInitiated"],
            "CancelCharge" => &["Canceled"],
            "CloseChargePermission" => &["Closed"],
            _ => &[],
        };
        let lookup = self.subject().filter(|_| !states.is_empty()).map(|(object_kind, id)| Lookup::State {
            object: Child { kind: object_kind.kind(), id },
            states: states.iter().map(|state| (*state).to_owned()).collect(),
        });
        let repeat = if self.key().is_some() { Repeat::Kept } else { Repeat::Safe };
        WhenLost { lookup, repeat }
    }
}

/// Puts a value at the path that the dots in its name describe.
fn put(body: &mut Map<String, Json>, name: &str, value: Json) {
    match name.split_once('.') {
        None => drop(body.insert(name.to_owned(), value)),
        Some((outer, inner)) => {
            if let Json::Object(object) = body.entry(outer).or_insert_with(|| Json::Object(Map::new())) {
                put(object, inner, value);
            }
        }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.parameters.keys().collect();
        formatter.debug_struct("Call").field("operation", &self.operation.name).field("has", &names).finish()
    }
}
