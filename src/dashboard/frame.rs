//! What stands around each page: its sections, who looks, and what the last form did.
//!
//! Owns: these parts. Must never know: what a page is about.

use super::visitor::Visitor;

/// The pages that the navigation lists: path and name.
const SECTIONS: [(&str, &str); 9] = [
    ("/", "Overview"),
    ("/objects", "Objects"),
    ("/declines", "Declines"),
    ("/alerts", "Alerts"),
    ("/accounts", "Accounts"),
    ("/reports", "Reports"),
    ("/batches", "Batches"),
    ("/calls", "Calls"),
    ("/audit", "Audit log"),
];

/// What the frame of a page shows.
pub(super) struct Frame {
    pub(super) title: String,
    /// Path, name, and whether this page belongs to it.
    pub(super) sections: Vec<(&'static str, &'static str, bool)>,
    /// Who looks.
    pub(super) who: String,
    pub(super) role: &'static str,
    pub(super) may_operate: bool,
    pub(super) csrf: String,
    /// Where a form returns to.
    pub(super) here: String,
    /// What the last form did.
    pub(super) said: Option<&'static str>,
    pub(super) version: &'static str,
}

impl Frame {
    /// The frame of a page that belongs to the section with this path.
    pub(super) fn new(visitor: &Visitor, section: &'static str, title: impl Into<String>) -> Frame {
        let caller = visitor.caller();
        let said = visitor.here.split(['?', '&']).find_map(|pair| pair.strip_prefix("said="));
        Frame {
            title: title.into(),
            sections: SECTIONS.iter().map(|(path, name)| (*path, *name, *path == section)).collect(),
            who: caller.name.clone().unwrap_or_else(|| caller.actor()),
            role: visitor.role.as_str(),
            may_operate: visitor.may_operate(),
            csrf: visitor.session.csrf().to_owned(),
            here: visitor.here.clone(),
            said: said.and_then(sentence),
            version: env!("RECONCILED_VERSION"),
        }
    }
}

/// What a page says after a form was carried out.
const SAID: [(&str, &str); 9] = [
    ("polled", "It will be polled next, before all others, as soon as the quota allows."),
    ("accepted", "It is accepted as the provider shows it."),
    ("forgotten", "It is no longer watched. Its history stays."),
    ("taken", "You have taken it: it is not escalated."),
    ("acknowledged", "It is acknowledged: it is not escalated."),
    ("done", "It is marked as done."),
    ("reopened", "It is on the list again."),
    ("silence-added", "The silence is in force. What it holds back is kept and listed."),
    ("silence-ended", "The silence has ended. What it held back is not delivered later."),
];

/// The sentence for a word in the address.
fn sentence(word: &str) -> Option<&'static str> {
    SAID.iter().find(|(known, _)| *known == word).map(|(_, sentence)| *sentence)
}
