//! An order whose payment was declined, and that was paid after all.
//!
//! Owns: what is stored of a reported decline, and the alert that follows it up. Must never know: any state or provider
//! by name.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Account, Reconcile};
use crate::documents;
use crate::payments::alert::{Alert, AlertKind, RECOVERED_OF, Recipient, Severity};
use crate::payments::lifecycle::{Lifecycle, Moves, Outcome};
use crate::payments::object::{AccountName, ObjectRef};
use crate::payments::record::Transition;
use crate::store::{DeliveryStatus, OwedAlert, StoreError};
use crate::text::sha256;

/// The last reported decline of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Decline {
    /// The key of its alert.
    alert: String,
    object: ObjectRef,
    occurred_at: Timestamp,
}

/// The name under which it is stored. A reference may be long and may hold any letters, so its digest stands for it.
fn stored_at(account: &AccountName, reference: &str) -> String {
    let hash = sha256(reference.as_bytes());
    format!("declined-order/{account}/{}", hash.get(..32).unwrap_or(&hash))
}

/// Whether objects of this kind give money back: their decline leaves no order unpaid.
fn gives_back(lifecycle: &dyn Lifecycle) -> bool {
    let states = lifecycle.states().iter().filter_map(|state| lifecycle.state(state));
    states.into_iter().any(|facts| facts.moves == Moves::Refunds)
}

impl Reconcile {
    /// Remembers a decline that is about to be reported. If that is not committed in the end, nothing follows from it.
    pub(super) async fn remember_decline(
        &self,
        alert: &Alert,
        lifecycle: &dyn Lifecycle,
    ) -> Result<(), StoreError> {
        let (AlertKind::Declined, Some(reference), Some(object)) =
            (&alert.kind, &alert.merchant_reference, &alert.object)
        else {
            return Ok(());
        };
        if gives_back(lifecycle) {
            return Ok(());
        }
        let (key, object, occurred_at) = (alert.key.clone(), object.clone(), alert.occurred_at);
        let decline = Decline { alert: key, object, occurred_at };
        let Ok(text) = serde_json::to_string(&decline) else { return Ok(()) };
        self.store.remember(&stored_at(&alert.account, reference), &text).await
    }

    /// The alert which says that an order was paid after its decline was reported. It is for the targets of that
    /// alert.
    pub(super) async fn recovered(
        &self,
        account: &Account,
        paid: &Transition,
        now: Timestamp,
    ) -> Result<Option<OwedAlert>, StoreError> {
        let is_payment = paid.moves == Moves::Captures && paid.outcome == Outcome::Succeeded;
        let Some(reference) = paid.merchant_reference.as_ref().filter(|_| is_payment) else {
            return Ok(None);
        };
        let name = stored_at(&account.name, reference);
        let known = documents::read_if_sound::<Decline>(&self.store, &name).await?;
        let is_later = |known: &Decline| known.object != paid.object && known.occurred_at <= paid.happened_at;
        let Some(known) = known.filter(is_later) else { return Ok(None) };
        if self.store.alert(&format!("{RECOVERED_OF}{}", known.alert)).await?.is_some() {
            return Ok(None);
        }
        let Some(told) = self.store.alert(&known.alert).await? else { return Ok(None) };
        let reached = told.deliveries.into_iter().filter(|row| row.status != DeliveryStatus::Dead);
        let targets: Vec<Recipient> = reached.map(|row| Recipient::Now(row.target)).collect();
        let amount = paid.amount.map(|money| format!("{money} ")).unwrap_or_default();
        let declined = told.alert.amount.map(|money| format!(", {money},")).unwrap_or_default();
        let alert = Alert {
            object: Some(paid.object.clone()),
            merchant_reference: Some(reference.clone()),
            amount: paid.amount,
            amounts: paid.amounts,
            state: Some(paid.to.clone()),
            headline: format!(
                "Order {reference} was paid after all: {amount}by {} {}",
                paid.object.kind, paid.object.id
            ),
            explanation: format!(
                "{} {}{declined} was reported as declined. Another payment for the same order has succeeded.",
                known.object.kind, known.object.id
            ),
            advice: "If the amounts agree, release the order and do not ask the buyer to pay again."
                .to_owned(),
            where_to_look: account.api.where_to_look().to_owned(),
            occurred_at: paid.happened_at,
            ..Alert::new(AlertKind::Recovered, &known.alert, Severity::Info, &account.name, now)
        };
        Ok(Some(OwedAlert { alert, targets }))
    }
}
