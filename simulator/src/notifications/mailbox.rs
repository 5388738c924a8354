//! What is on its way to one account.
//!
//! Owns: which messages a change becomes, the queue, redeliveries, the counters. Must never know: sockets; what changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::draft::Draft;
use super::envelope::MessageKind;
use super::fate::{self, Outcome, longest_delay, redelivered_after};
use super::forgery::{Forgery, invented};
use super::topic::{Topic, is_within};
use super::{Notification, NotificationCounts, feedback};
use crate::plan::{Announcement, Content, Window};
use crate::scenario::{Account, Api, NotificationSettings, Subscription};

/// Changes are searched for this long again, for a call may be dated before the last search: its clock may be wrong by a
/// fault, and it may have waited.
const SEARCHED_AGAIN: SignedDuration = SignedDuration::from_hours(2);

/// What tells two changes apart.
type Change = (Timestamp, String, String, usize);

/// One account's.
#[derive(Debug)]
pub(super) struct Mailbox {
    pub(super) settings: NotificationSettings,
    pub(super) api: Api,
    pub(super) merchant: String,
    /// Payment Services have none.
    pub(super) topic: Option<Topic>,
    pub(super) counts: NotificationCounts,
    seed: u64,
    started: Timestamp,
    searched_until: Timestamp,
    known: BTreeSet<Change>,
    queue: BTreeMap<(Timestamp, u64), Letter>,
    queued: u64,
}

/// What is on its way; a message is made of it when it is sent.
#[derive(Debug, Clone)]
enum Letter {
    Change(Arc<Announcement>),
    Forged(Forgery, Arc<Announcement>),
    Confirmation(MessageKind, Timestamp),
    Again(Notification),
}

/// What a change becomes.
#[derive(Debug, Default)]
struct Consequences {
    letters: Vec<(Timestamp, Letter)>,
    counts: NotificationCounts,
}

impl Mailbox {
    pub(super) fn new(
        (settings, account): (NotificationSettings, &Account),
        (seed, started): (u64, Timestamp),
    ) -> Mailbox {
        let topic = (account.api != Api::Aps)
            .then(|| Topic::new(&account.name, &account.merchant_id, &account.region, settings.subscription));
        let mut mailbox = Mailbox {
            api: account.api,
            merchant: account.merchant_id.clone(),
            topic,
            counts: NotificationCounts::default(),
            seed,
            started,
            searched_until: started,
            known: BTreeSet::new(),
            queue: BTreeMap::new(),
            queued: 0,
            settings,
        };
        if mailbox.settings.subscription != Subscription::Confirmed {
            let kind = MessageKind::SubscriptionConfirmation;
            mailbox.put(started, Letter::Confirmation(kind, started));
        }
        if let Some(after) = mailbox.settings.unsubscribed_after {
            mailbox.unsubscribe(later(started, after));
        }
        mailbox
    }

    /// The subscription ends at this time, and a message says so.
    pub(super) fn unsubscribe(&mut self, at: Timestamp) {
        if let Some(topic) = &mut self.topic {
            topic.unsubscribe(at);
            self.put(at, Letter::Confirmation(MessageKind::UnsubscribeConfirmation, at));
        }
    }

    fn put(&mut self, at: Timestamp, letter: Letter) {
        self.queued += 1;
        self.queue.insert((at, self.queued), letter);
    }

    /// In which time changes must be searched that were not taken in yet.
    pub(super) fn unsearched(&self, now: Timestamp) -> Window {
        let again = self.searched_until.checked_sub(SEARCHED_AGAIN).unwrap_or(Timestamp::MIN);
        Window { after: again.max(self.started), until: now }
    }

    /// Takes in what changed in the unsearched time; what is known already is passed over.
    pub(super) fn take_in(&mut self, found: Vec<Announcement>, now: Timestamp, is_calm: bool) {
        for announcement in found {
            let Announcement { at, id, state, serial, .. } = &announcement;
            if !self.known.insert((*at, id.clone(), state.clone(), *serial)) {
                continue;
            }
            let consequences = self.consequences(Arc::new(announcement), is_calm);
            self.counts.add(&consequences.counts);
            for (at, letter) in consequences.letters {
                self.put(at, letter);
            }
        }
        self.searched_until = self.searched_until.max(now);
        let kept_from = self.unsearched(now).after;
        self.known.retain(|(at, ..)| kept_from < *at);
    }

    fn consequences(&self, announcement: Arc<Announcement>, is_calm: bool) -> Consequences {
        let random = fate::random(self.seed, &self.settings.account, "fate", &announcement);
        let fate = fate::fate(&self.settings, self.api, is_calm, random);
        let mut all = Consequences::default();
        all.counts.announced = 1;
        let at = announcement.at;
        if let Some((forgery, after)) = fate.forged {
            all.counts.forged = 1;
            all.letters.push((later(at, after), Letter::Forged(forgery, Arc::clone(&announcement))));
        }
        if self.topic.as_ref().is_some_and(|topic| !topic.is_subscribed(at)) {
            all.counts.withheld = 1;
        } else if fate.is_lost {
            all.counts.lost = 1;
        } else {
            all.counts.duplicated = u64::from(fate.delays.len() > 1);
            all.counts.held_back = u64::from(fate.is_held);
            let copies = fate.delays.iter().map(|delay| later(at, *delay));
            all.letters.extend(copies.map(|due| (due, Letter::Change(Arc::clone(&announcement)))));
        }
        all
    }

    /// Whether everything that is sent at this time is lost.
    fn is_silent(&self, at: Timestamp) -> bool {
        is_within(&self.settings.silent, self.since_start(at))
    }

    pub(super) fn since_start(&self, at: Timestamp) -> Duration {
        Duration::try_from(at.duration_since(self.started)).unwrap_or(Duration::ZERO)
    }

    /// What is due, in the order of time. Each is handed out once.
    pub(super) fn due(&mut self, now: Timestamp, is_calm: bool) -> Vec<Draft> {
        let later = self.queue.split_off(&(now, u64::MAX));
        let due = std::mem::replace(&mut self.queue, later);
        let mut sent = Vec::with_capacity(due.len());
        for ((at, _), letter) in due {
            if !is_calm && self.is_silent(at) {
                self.counts.lost += 1;
                continue;
            }
            self.counts.sent += 1;
            self.counts.redelivered += u64::from(matches!(letter, Letter::Again(_)));
            sent.push(self.draft(at, letter));
        }
        sent
    }

    /// When the next one is due, as far as its change was taken in.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.queue.first_key_value().map(|((at, _), _)| *at)
    }

    /// What these changes will become in a window, redeliveries apart. Nothing is taken in.
    pub(super) fn between(&self, found: Vec<Announcement>, window: Window, is_calm: bool) -> Vec<Draft> {
        let mut sent = Vec::new();
        for announcement in found {
            let letters = self.consequences(Arc::new(announcement), is_calm).letters;
            let seen =
                letters.into_iter().filter(|(at, _)| window.has(*at) && (is_calm || !self.is_silent(*at)));
            sent.extend(seen.map(|(at, letter)| self.draft(at, letter)));
        }
        sent
    }

    /// When changes may have happened that become messages in a window.
    pub(super) fn causes(&self, window: Window) -> Window {
        let longest = SignedDuration::try_from(longest_delay(&self.settings)).unwrap_or(SignedDuration::MAX);
        let after = window.after.checked_sub(longest).unwrap_or(Timestamp::MIN);
        Window { after: after.max(self.started), until: window.until }
    }

    /// A delivery has ended: counts it, and repeats it where the provider would.
    pub(super) fn answered(&mut self, notification: &Notification, outcome: Outcome, now: Timestamp) {
        match outcome {
            Outcome::Status(200..300) => self.counts.answered_2xx += 1,
            Outcome::Status(400..500) => self.counts.answered_4xx += 1,
            Outcome::Status(500..600) => self.counts.answered_5xx += 1,
            Outcome::Status(_) => self.counts.answered_otherwise += 1,
            Outcome::TimedOut | Outcome::Unreachable => self.counts.unanswered += 1,
        }
        // Who forges does not insist.
        let is_genuine = notification.forgery.is_none();
        let again = is_genuine.then(|| redelivered_after(self.api, outcome, notification.attempt)).flatten();
        if let Some(interval) = again {
            let at = later(notification.at, interval).max(now);
            let repeated = Notification { at, attempt: notification.attempt + 1, ..notification.clone() };
            self.put(at, Letter::Again(repeated));
        }
    }

    fn draft(&self, at: Timestamp, letter: Letter) -> Draft {
        let (announcement, forgery) = match letter {
            Letter::Again(repeated) => return Draft::Ready(repeated),
            Letter::Confirmation(kind, made) => return self.confirmation(kind, made, at),
            Letter::Change(announcement) => (announcement, None),
            Letter::Forged(forgery, announcement) => (announcement, Some(forgery)),
        };
        let matter = if forgery.is_some() { "forged id" } else { "id" };
        let mut random = fate::random(self.seed, &self.settings.account, matter, &announcement);
        let message_id = random.uuid();
        let id = match forgery {
            Some(forgery) if forgery.invents() => invented(&announcement.id, &mut random),
            _ => announcement.id.clone(),
        };
        let version = self.settings.signature_version;
        let blank = |id| Notification { message_id: message_id.clone(), id, forgery, ..self.blank(at) };
        match (&announcement.content, &self.topic) {
            (Content::Message(message), Some(topic)) => {
                let message = message.replace(&announcement.id, &id);
                let subject = self.settings.subject.clone();
                let envelope =
                    topic.envelope((message_id.clone(), message), subject, announcement.at, version);
                Draft::Unsigned { blank: blank(id), envelope, version }
            }
            (Content::Feedback(fields), _) => {
                let fields = match forgery {
                    None => fields.clone(),
                    Some(forgery) => feedback::forged(forgery, fields, &announcement.id, &id),
                };
                let (headers, body) = feedback::written(&fields, self.settings.encoding);
                Draft::Ready(Notification { headers, body: body.into(), ..blank(id) })
            }
            // A provider that speaks through SNS has a topic.
            (Content::Message(message), None) => {
                Draft::Ready(Notification { body: message.clone().into(), ..blank(id) })
            }
        }
    }

    fn confirmation(&self, kind: MessageKind, made: Timestamp, at: Timestamp) -> Draft {
        let matter = format!("{} {}", kind.word(), self.settings.account);
        let ordinal = u64::try_from(made.as_millisecond()).unwrap_or(0);
        let message_id = crate::provider::Random::for_matter(self.seed, &matter, ordinal).uuid();
        let Some(topic) = &self.topic else { return Draft::Ready(self.blank(at)) };
        let version = self.settings.signature_version;
        let mut envelope = topic.confirmation(kind, message_id.clone(), made);
        envelope.signature_version = version.word().to_owned();
        Draft::Unsigned { blank: Notification { message_id, ..self.blank(at) }, envelope, version }
    }

    fn blank(&self, at: Timestamp) -> Notification {
        Notification {
            account: self.settings.account.clone(),
            url: self.settings.url.clone(),
            at,
            attempt: 1,
            message_id: String::new(),
            id: String::new(),
            forgery: None,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| at.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}
