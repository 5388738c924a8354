//! Single operations in the shape that all APIs share.
//!
//! Owns: how a checked call looks to the code that plans, journals and sends it. Must never know: storage, who
//! permits a call. It sends only through [`AmazonPayV2::call`].

use std::collections::BTreeMap;

use super::AmazonPayV2;
use super::config::Settings;
use super::operations::{Call, OPERATIONS, Place};
use crate::apis::calls::{Caller, Calling, Identity, OperationHelp, ParameterHelp, Planned, Reply, Shown};
use crate::apis::config::Problem;
use crate::apis::pace::Permit;
use crate::payments::object::ObjectId;
use crate::payments::observation::{Child, Observation};

impl Caller for AmazonPayV2 {
    fn operations(&self) -> Vec<OperationHelp> {
        let help = OPERATIONS.iter().map(|operation| OperationHelp {
            name: operation.name,
            is_write: operation.is_write(),
            parameters: operation
                .parameters
                .iter()
                .map(|parameter| ParameterHelp {
                    name: parameter.name,
                    is_required: parameter.is_required,
                    takes: parameter.value.describe(),
                })
                .collect(),
        });
        help.collect()
    }

    fn may_write(&self) -> bool {
        self.settings().is_writing_allowed
    }

    fn plan(&self, operation: &str, given: &BTreeMap<String, String>) -> Result<Planned, Vec<Problem>> {
        let call = Call::build(operation, given)?;
        call.accepts(self.settings().environment)?;
        Ok(planned(&call, self.settings()))
    }

    fn carry_out<'a>(&'a self, planned: &'a Planned, permit: Permit) -> Calling<'a> {
        Box::pin(async move {
            let call = Call::build(planned.operation, &planned.parameters)
                .expect("a planned call was built from these very parameters");
            let observation = self.call(&call, permit).await?;
            Ok(reply(&call, observation))
        })
    }
}

fn planned(call: &Call, settings: &Settings) -> Planned {
    let operation = call.operation();
    let subject = call.subject().map(|(object_kind, id)| Child { kind: object_kind.kind(), id });
    let identity = match call.key() {
        _ if !operation.is_write() => None,
        Some(key) => Some(Identity::Once(key.to_owned())),
        None => subject.clone().map(|subject| Identity::About(subject.id)),
    };
    let path = format!("{}/{}", settings.base_path(), call.path());
    let fields = call.of_place(Place::Header).chain(call.of_place(Place::Body));
    Planned {
        operation: operation.name,
        is_write: operation.is_write(),
        parameters: call.parameters().clone(),
        identity,
        subject,
        amount: call.amount(),
        when_lost: call.when_lost(),
        shown: Shown {
            line: format!("{} {}{path}", operation.method.as_str(), settings.endpoint.base()),
            fields: fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        },
    }
}

fn reply(call: &Call, observation: Observation) -> Reply {
    let kind = call.operation().shows.kind();
    let is_making = call.operation().is_write() && call.operation().is_making();
    let id = ObjectId::new(observation.id.as_str()).ok().filter(|_| is_making);
    Reply {
        created: id.map(|id| Child { kind: kind.clone(), id }).into_iter().collect(),
        request_id: observation.request_id.clone(),
        seen: Some((kind, observation)),
        ..Reply::default()
    }
}
