//! How the outcome of a call is determined when its answer was lost: by a lookup, never by sending it again.
//!
//! Owns: everything from where to look to what was found. Must never know: what follows from it.

use std::time::Duration;

use super::{Account, Calls};
use crate::apis::calls::{Lookup, Reply};
use crate::payments::money::Money;
use crate::payments::object::{Kind, ObjectId};
use crate::payments::observation::{Child, Observation};

/// The most children that are fetched to find one. The provider allows fewer per object.
const MOST_CHILDREN: usize = 50;

/// The result of a lookup.
#[derive(Debug)]
pub(super) enum LookupResult {
    /// The call was carried out, with this result.
    Found(Box<Reply>),
    /// It was not carried out.
    NotThere,
    /// The outcome could not be determined, and why.
    Unclear(String),
}

impl Calls {
    /// Looks for the effect of the call. Every request waits for its turn, until `until`. An object with the call's
    /// reference but another `amount` was not created by this call.
    pub(super) async fn lookup(
        &self,
        account: &Account,
        lookup: &Lookup,
        amount: Option<Money>,
        until: Duration,
    ) -> LookupResult {
        let looked = match lookup {
            Lookup::Child { parent, makes, reference } => {
                self.child(account, parent, (makes, reference, amount), until).await
            }
            Lookup::State { object, states } => self.state(account, object, (states, amount), until).await,
        };
        looked.unwrap_or_else(LookupResult::Unclear)
    }

    async fn child(
        &self,
        account: &Account,
        parent: &Child,
        (makes, reference, amount): (&Kind, &str, Option<Money>),
        until: Duration,
    ) -> Result<LookupResult, String> {
        let seen = self.see(account, &parent.kind, &parent.id, until).await?;
        let children: Vec<&Child> = seen.children.iter().filter(|child| child.kind == *makes).collect();
        if children.len() > MOST_CHILDREN {
            return Err(format!("{} has more than {MOST_CHILDREN} objects of this kind", parent.id));
        }
        // The newest is last.
        for child in children.into_iter().rev() {
            let seen = self.see(account, &child.kind, &child.id, until).await?;
            match seen.merchant_reference.as_deref() {
                Some(found) if found == reference => {
                    if let (Some(asked), Some(shown)) = (amount, seen.amount)
                        && asked != shown
                    {
                        return Err(format!(
                            "{} has the same reference, but its amount is {shown}",
                            child.id
                        ));
                    }
                    let mut created = vec![child.clone()];
                    created.extend(seen.children.iter().cloned());
                    let request_id = seen.request_id.clone();
                    let seen = Some((child.kind.clone(), seen));
                    return Ok(LookupResult::Found(Box::new(Reply {
                        seen,
                        created,
                        request_id,
                        ..Reply::default()
                    })));
                }
                Some(_) => {}
                None => return Err(format!("{} does not show its reference", child.id)),
            }
        }
        Ok(LookupResult::NotThere)
    }

    async fn state(
        &self,
        account: &Account,
        object: &Child,
        (states, amount): (&[String], Option<Money>),
        until: Duration,
    ) -> Result<LookupResult, String> {
        let seen = self.see(account, &object.kind, &object.id, until).await?;
        if !states.iter().any(|state| state.eq_ignore_ascii_case(&seen.state)) {
            return Ok(LookupResult::NotThere);
        }
        if let (Some(asked), Some(captured)) = (amount, seen.amounts.captured)
            && asked != captured
        {
            return Err(format!("{} was captured, but for {captured}", object.id));
        }
        let request_id = seen.request_id.clone();
        let seen = Some((object.kind.clone(), seen));
        Ok(LookupResult::Found(Box::new(Reply { seen, request_id, ..Reply::default() })))
    }

    /// Fetches an object once. The error is a sentence.
    pub(super) async fn see(
        &self,
        account: &Account,
        kind: &Kind,
        id: &ObjectId,
        until: Duration,
    ) -> Result<Observation, String> {
        let operation =
            account.api.operation(kind).ok_or_else(|| format!("no operation fetches a {kind}"))?;
        let permit = self.turn(account, operation, until).await.map_err(|wait| {
            format!("the account's budget allows the next {operation} in {} s", wait.as_secs() + 1)
        })?;
        account.api.fetch(kind, id, permit).await.map_err(|failure| format!("{operation} of {id}: {failure}"))
    }
}
