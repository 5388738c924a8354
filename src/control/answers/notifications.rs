//! The answers about notifications, from the `notifications` room.
//!
//! Owns: the remedies. Must never know: how a notification is verified.

use crate::control::messages::{ChannelCheck, ChannelView, CheckStep, ConfirmRequest, TrustRequest};
use crate::control::problem::{Cause, Problem};
use crate::control::service::{Answer, Service, storage};
use crate::notifications::NotDone;

impl Service {
    /// The channels of all accounts.
    pub fn channels(&self) -> Vec<ChannelView> {
        self.notifications.views()
    }

    /// Trusts a topic.
    pub async fn trust(&self, request: &TrustRequest) -> Answer<ChannelView> {
        let _at_work = self.at_work_on(&request.account).await?;
        self.notifications.trust(&request.account, &request.topic).await.map_err(problem)
    }

    /// Confirms a subscription.
    pub async fn confirm(&self, request: &ConfirmRequest) -> Answer<ChannelView> {
        let _at_work = self.at_work_on(&request.account).await?;
        self.notifications.confirm(&request.account).await.map_err(problem)
    }

    /// Tries the way to the listener. Without a daemon nobody listens.
    pub async fn check_channel(&self, request: &ChannelCheck) -> Answer<Vec<CheckStep>> {
        if !self.is_daemon() {
            let remedy = "start it: sudo systemctl start reconciled";
            return Err(Problem::new(
                Cause::Unprocessable,
                "no daemon is running, so nobody listens",
                remedy,
            ));
        }
        self.notifications.check(&request.account).await.map_err(problem)
    }
}

fn problem(error: NotDone) -> Problem {
    let remedy = match &error {
        NotDone::Store(error) => return storage(error.clone()),
        NotDone::NoChannel(_) => "reconciled notifications list shows the accounts that have some",
        NotDone::NoTopic => {
            "copy it whole: arn:aws:sns:REGION:NUMBER:NAME; reconciled notifications list shows it"
        }
        NotDone::NoTopics(_) => "they are signed with the account's response phrase; nothing is to be done",
        NotDone::NothingToConfirm(_) => {
            "reconciled notifications list shows the topics and what they ask for"
        }
        NotDone::NotConfirmed(_) => "try again; if it stays so, let the provider send the request again",
    };
    Problem::new(Cause::Unprocessable, error.to_string(), remedy)
}
