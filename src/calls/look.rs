//! How a lost answer is found out: by looking, never by sending the call again.
//!
//! Owns: from the place to look to what was found there. Must never know: what follows from it.

use std::time::Duration;

use super::{Account, Calls};
use crate::apis::calls::{Look, Reply};
use crate::payments::money::Money;
use crate::payments::object::{Kind, ObjectId};
use crate::payments::observation::{Child, Observation};

/// The most objects that are looked at to find one; the provider allows fewer of each.
const MOST_CHILDREN: usize = 50;

/// What a look brought.
#[derive(Debug)]
pub(super) enum Looked {
    /// The call was carried out: what it led to.
    Found(Box<Reply>),
    /// It was not carried out.
    NotThere,
    /// It could not be seen, and why.
    Unclear(String),
}

impl Calls {
    /// Looks where the call would have left its trace. Every look waits for its turn, until `until`.
    /// What has the call's reference and another `amount` is not what the call would have made.
    pub(super) async fn look(
        &self,
        account: &Account,
        look: &Look,
        amount: Option<Money>,
        until: Duration,
    ) -> Looked {
        let looked = match look {
            Look::Child { parent, makes, reference } => {
                self.child(account, parent, (makes, reference, amount), until).await
            }
            Look::State { object, states } => self.state(account, object, (states, amount), until).await,
        };
        looked.unwrap_or_else(Looked::Unclear)
    }

    async fn child(
        &self,
        account: &Account,
        parent: &Child,
        (makes, reference, amount): (&Kind, &str, Option<Money>),
        until: Duration,
    ) -> Result<Looked, String> {
        let seen = self.see(account, &parent.kind, &parent.id, until).await?;
        let children: Vec<&Child> = seen.children.iter().filter(|child| child.kind == *makes).collect();
        if children.len() > MOST_CHILDREN {
            return Err(format!("{} has more than {MOST_CHILDREN} of its kind", parent.id));
        }
        // The newest stands last.
        for child in children.into_iter().rev() {
            let seen = self.see(account, &child.kind, &child.id, until).await?;
            match seen.merchant_reference.as_deref() {
                Some(found) if found == reference => {
                    if let (Some(asked), Some(shown)) = (amount, seen.amount)
                        && asked != shown
                    {
                        return Err(format!("{} has its reference, and amounts to {shown}", child.id));
                    }
                    let mut created = vec![child.clone()];
                    created.extend(seen.children.iter().cloned());
                    let request_id = seen.request_id.clone();
                    let seen = Some((child.kind.clone(), seen));
                    return Ok(Looked::Found(Box::new(Reply {
                        seen,
                        created,
                        request_id,
                        ..Reply::default()
                    })));
                }
                Some(_) => {}
                None => return Err(format!("{} does not say under which reference it was made", child.id)),
            }
        }
        Ok(Looked::NotThere)
    }

    async fn state(
        &self,
        account: &Account,
        object: &Child,
        (states, amount): (&[String], Option<Money>),
        until: Duration,
    ) -> Result<Looked, String> {
        let seen = self.see(account, &object.kind, &object.id, until).await?;
        if !states.iter().any(|state| state.eq_ignore_ascii_case(&seen.state)) {
            return Ok(Looked::NotThere);
        }
        if let (Some(asked), Some(captured)) = (amount, seen.amounts.captured)
            && asked != captured
        {
            return Err(format!("{} was captured with {captured}", object.id));
        }
        let request_id = seen.request_id.clone();
        let seen = Some((object.kind.clone(), seen));
        Ok(Looked::Found(Box::new(Reply { seen, request_id, ..Reply::default() })))
    }

    /// One look at an object; the error is a sentence.
    pub(super) async fn see(
        &self,
        account: &Account,
        kind: &Kind,
        id: &ObjectId,
        until: Duration,
    ) -> Result<Observation, String> {
        let operation = account.api.operation(kind).ok_or_else(|| format!("no operation shows a {kind}"))?;
        let permit = self.turn(account, operation, until).await.map_err(|wait| {
            format!("the account's budget allows the next {operation} in {} s", wait.as_secs() + 1)
        })?;
        account.api.fetch(kind, id, permit).await.map_err(|failure| format!("{operation} of {id}: {failure}"))
    }
}
