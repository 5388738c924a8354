//! All mailboxes, and the SNS hosts that they name.
//!
//! Owns: what these hosts answer. Must never know: how a state comes about.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use super::draft::Draft;
use super::mailbox::Mailbox;
use super::signer::{Signer, SigningFlaw};
use super::{Notification, NotificationCounts, Outcome};
use crate::exchange::{Carriage, Incoming, Outgoing};
use crate::plan::{Announcement, Window};
use crate::scenario::{CertificateAnswer, Problem, Scenario, ScenarioError};

const PEM: &str = "application/x-pem-file";

/// All mailboxes.
#[derive(Debug, Default)]
pub(crate) struct PostOffice {
    mailboxes: Vec<Mailbox>,
    signer: Option<Arc<Signer>>,
}

impl PostOffice {
    /// A mailbox for each section of the scenario.
    ///
    /// # Errors
    /// When the keys cannot be made, or a section names an account that does not exist.
    pub(crate) fn open(scenario: &Scenario, started: Timestamp) -> Result<PostOffice, ScenarioError> {
        if scenario.notifications.is_empty() {
            return Ok(PostOffice::default());
        }
        let problem = |key: &str, problem: String, remedy: &str| {
            let (key, remedy) = (key.to_owned(), remedy.to_owned());
            ScenarioError::one(Problem { line: None, key, problem, remedy })
        };
        let signer = Signer::shared()
            .map_err(|error| problem("notifications", format!("no keys: {error}"), "try again"))?;
        let mut mailboxes = Vec::new();
        for settings in &scenario.notifications {
            let account = scenario.account(&settings.account).ok_or_else(|| {
                let unknown = format!("`{}` is not declared", settings.account);
                problem("notifications.account", unknown, "declare it")
            })?;
            let begun = (scenario.seed, started);
            mailboxes.push(Mailbox::new((settings.clone(), account), begun));
        }
        Ok(PostOffice { mailboxes, signer: Some(signer) })
    }

    /// Who signs; `None` when nobody is notified.
    pub(crate) fn signer(&self) -> Option<Arc<Signer>> {
        self.signer.clone()
    }

    /// Takes in what changed, and hands out what is due. `announced` looks up the changes of an API's merchant.
    pub(crate) fn until(
        &mut self,
        now: Timestamp,
        is_calm: bool,
        announced: impl Fn(&str, &str, Window) -> Vec<Announcement>,
    ) -> Vec<Draft> {
        let mut due = Vec::new();
        for mailbox in &mut self.mailboxes {
            let found = announced(mailbox.api.name(), &mailbox.merchant, mailbox.unsearched(now));
            mailbox.take_in(found, now, is_calm);
            due.extend(mailbox.due(now, is_calm));
        }
        due.sort_by_key(Draft::at);
        due
    }

    /// What would be handed out in a window if nobody called, redeliveries and confirmations apart.
    pub(crate) fn between(
        &self,
        window: Window,
        is_calm: bool,
        announced: impl Fn(&str, &str, Window) -> Vec<Announcement>,
    ) -> Vec<Draft> {
        let mut sent = Vec::new();
        for mailbox in &self.mailboxes {
            let found = announced(mailbox.api.name(), &mailbox.merchant, mailbox.causes(window));
            sent.extend(mailbox.between(found, window, is_calm));
        }
        sent.sort_by_key(Draft::at);
        sent
    }

    /// When the next message is due whose change was taken in already.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.mailboxes.iter().filter_map(Mailbox::next_due).min()
    }

    pub(crate) fn answered(&mut self, notification: &Notification, outcome: Outcome, now: Timestamp) {
        if let Some(mailbox) = self.of(&notification.account) {
            mailbox.answered(notification, outcome, now);
        }
    }

    /// The account's subscription ends.
    ///
    /// # Errors
    /// A sentence when it has none.
    pub(crate) fn unsubscribe(&mut self, account: &str, at: Timestamp) -> Result<(), String> {
        let mailbox = self.of(account).filter(|mailbox| mailbox.topic.is_some());
        mailbox.ok_or_else(|| format!("`{account}` has no subscription"))?.unsubscribe(at);
        Ok(())
    }

    /// The account's topic, and when it was confirmed.
    pub(crate) fn topic(&self, account: &str) -> Option<(String, Option<Timestamp>)> {
        let mailbox = self.mailboxes.iter().find(|mailbox| mailbox.settings.account == account)?;
        mailbox.topic.as_ref().map(|topic| (topic.arn.clone(), topic.confirmed_at()))
    }

    pub(crate) fn counts(&self) -> BTreeMap<String, NotificationCounts> {
        let counted = self.mailboxes.iter().map(|mailbox| (mailbox.settings.account.clone(), mailbox.counts));
        counted.collect()
    }

    /// The authority that the account's `https` URL is trusted for.
    pub(crate) fn ca_file(&self, account: &str) -> Option<PathBuf> {
        let mailbox = self.mailboxes.iter().find(|mailbox| mailbox.settings.account == account)?;
        mailbox.settings.ca_file.clone()
    }

    /// The answer of an SNS host; `None` when the request is for none.
    pub(crate) fn answer(&mut self, incoming: &Incoming, is_calm: bool) -> Option<Outgoing> {
        if self.mailboxes.is_empty() {
            return None;
        }
        let host = incoming.host.split(':').next().unwrap_or_default().to_ascii_lowercase();
        let is_of = |mailbox: &&mut Mailbox| mailbox.topic.as_ref().is_some_and(|topic| topic.host == host);
        if !(host.starts_with("sns.") && self.mailboxes.iter_mut().any(|mailbox| is_of(&&mut *mailbox))) {
            return None;
        }
        let signer = self.signer.as_ref()?;
        let found = self
            .mailboxes
            .iter_mut()
            .filter(is_of)
            .find_map(|mailbox| visit(mailbox, incoming, signer, is_calm));
        Some(found.unwrap_or_else(|| Outgoing::new(404, "text/xml", "<ErrorResponse/>")))
    }

    fn of(&mut self, account: &str) -> Option<&mut Mailbox> {
        self.mailboxes.iter_mut().find(|mailbox| mailbox.settings.account == account)
    }
}

fn visit(mailbox: &mut Mailbox, incoming: &Incoming, signer: &Signer, is_calm: bool) -> Option<Outgoing> {
    let since_start = mailbox.since_start(incoming.at);
    let topic = mailbox.topic.as_mut().filter(|_| incoming.method == "GET")?;
    if topic.is_certificate(&incoming.path) {
        if !is_calm && super::topic::is_within(&mailbox.settings.certificate_outages, since_start) {
            mailbox.counts.certificates_refused += 1;
            return Some(Outgoing::new(503, "text/xml", "<ErrorResponse/>"));
        }
        mailbox.counts.certificates_fetched += 1;
        let answer = if is_calm { CertificateAnswer::Good } else { mailbox.settings.certificate };
        return Some(certificate(answer, signer));
    }
    let (answer, is_end) = topic.visit(&incoming.query, incoming.at)?;
    if is_end {
        mailbox.unsubscribe(incoming.at);
    }
    Some(answer)
}

fn certificate(answer: CertificateAnswer, signer: &Signer) -> Outgoing {
    let pem = |flaw| match signer.flawed_certificate_pem(flaw) {
        Ok(pem) => Outgoing::new(200, PEM, pem),
        Err(error) => Outgoing::new(500, "text/plain", error.to_string()),
    };
    match answer {
        CertificateAnswer::Good => Outgoing::new(200, PEM, signer.certificate_pem()),
        CertificateAnswer::Expired => pem(SigningFlaw::Expired),
        CertificateAnswer::NotYetValid => pem(SigningFlaw::NotYetValid),
        CertificateAnswer::OtherName => pem(SigningFlaw::OtherName),
        CertificateAnswer::SelfSigned => pem(SigningFlaw::SelfSigned),
        CertificateAnswer::Redirect => Outgoing::new(302, "text/plain", "")
            .with_header("location", "https://sns.example.com/redirected.pem"),
        CertificateAnswer::Endless => {
            Outgoing::new(200, PEM, "-----BEGIN CERTIFICATE-----\n").carried(Carriage::Repeat(None))
        }
    }
}
