//! Scenarios of the simulator, put together from parts that many worlds share.
//!
//! Owns: the usual shops, their quotas and populations, as TOML. Must never know: what a test expects of them.

use std::fmt::{self, Display, Formatter};

/// A scenario of these parts. The seed decides every draw.
pub fn of(seed: u64, parts: &[&dyn Display]) -> String {
    let parts: String = parts.iter().map(|part| part.to_string()).collect();
    format!("seed = {seed}\n{parts}")
}

/// The usual live shop, `shop`, at Amazon Pay v2.
pub fn shop() -> String {
    v2_shop("shop", "A1SHOP", "LIVE-ASHOPKEY")
}

/// A live shop at Amazon Pay v2.
pub fn v2_shop(name: &str, merchant_id: &str, key: &str) -> String {
    format!(
        "[[account]]\nname = \"{name}\"\napi = \"amazon-pay-v2\"\nmerchant_id = \"{merchant_id}\"\n\
         region = \"eu\"\nenvironment = \"live\"\npublic_key_id = \"{key}\"\n"
    )
}

/// The usual shop at Amazon Pay MWS, `old-shop`, live or in the sandbox.
pub fn old_shop(environment: &str) -> String {
    format!(
        "[[account]]\nname = \"old-shop\"\napi = \"amazon-pay-mws\"\nmerchant_id = \"A2OLDSHOP\"\n\
         region = \"na\"\nenvironment = \"{environment}\"\naccess_key_id = \"AKIAOLDSHOP000000000\"\n"
    )
}

/// The usual shop at Amazon Payment Services, `pay`, live.
pub fn pay_shop() -> String {
    "[[account]]\nname = \"pay\"\napi = \"aps\"\nmerchant_id = \"CycHPay\"\nenvironment = \"live\"\n\
     access_code = \"zx0IPay\"\n"
        .to_owned()
}

/// What the shop directly before it may send for each operation: a burst, then a number of requests a second.
pub fn quota(burst: u32, per_s: u32) -> String {
    format!("quota = [{{ operation = \"*\", capacity = {burst}, refill = {per_s}, per_s = 1 }}]\n")
}

/// Objects of one kind that exist from the start.
pub struct Population<'a> {
    account: &'a str,
    kind: &'a str,
    count: u64,
    prefix: &'a str,
    price: (&'a str, &'a str, &'a str),
    outcomes: Vec<&'a str>,
}

/// Objects that all take these steps. Each costs 14.00 USD, and its reference begins with `ORDER-`.
pub fn population<'a>(account: &'a str, kind: &'a str, count: u64, steps: &'a str) -> Population<'a> {
    let price = ("USD", "14.00", "14.00");
    Population { account, kind, count, prefix: "ORDER-", price, outcomes: vec![steps] }
}

impl<'a> Population<'a> {
    /// Their references begin so.
    pub fn prefix(self, prefix: &'a str) -> Population<'a> {
        Population { prefix, ..self }
    }

    /// The currency, and the lowest and the highest price.
    pub fn price(self, currency: &'a str, lowest: &'a str, highest: &'a str) -> Population<'a> {
        Population { price: (currency, lowest, highest), ..self }
    }

    /// Others of them take these steps; how many is drawn.
    pub fn or(mut self, steps: &'a str) -> Population<'a> {
        self.outcomes.push(steps);
        self
    }
}

impl Display for Population<'_> {
    fn fmt(&self, text: &mut Formatter<'_>) -> fmt::Result {
        let Population { account, kind, count, prefix, price: (currency, lowest, highest), outcomes } = self;
        let outcomes: Vec<String> = outcomes.iter().map(|steps| format!("{{ steps = {steps} }}")).collect();
        write!(
            text,
            "[[population]]\naccount = \"{account}\"\nkind = \"{kind}\"\ncount = {count}\n\
             reference_prefix = \"{prefix}\"\n\
             currencies = [{{ code = \"{currency}\", amount = [\"{lowest}\", \"{highest}\"] }}]\n\
             outcome = [{}]\n",
            outcomes.join(", ")
        )
    }
}
