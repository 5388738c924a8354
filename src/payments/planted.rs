//! Known bugs that can be planted, one at a time, so that the judge of the simulated months is itself judged.
//!
//! Owns: their names, and which one is in the ground. Must never know: what the judge looks at. Without the
//! feature `planted-bugs` every question is answered by a constant, and nothing of this is in the program.
//! It stands in this room because every room may name it.

/// A bug that somebody could write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Bug {
    /// The alert is owed in a second write, after the commit of what it tells.
    AlertAfterCommit = 1,
    /// A record is written without its row among those that are due.
    DueIndexNotUpdated,
    /// After a crash the budgets are taken to be full.
    BudgetFullAfterCrash,
    /// A state that cannot follow is taken like any other.
    UnreachableStateAccepted,
    /// The journal is written, but not synced, before things are acknowledged.
    SyncSkipped,
    /// A change of state leaves no row in the history.
    HistoryRowForgotten,
    /// Every attempt to deliver has a key of its own.
    KeyOfEachAttempt,
    /// Objects found through another are not watched.
    ChildNotEnrolled,
    /// The business day begins an hour late.
    ReportDayOffByAnHour,
    /// What has ended is asked about as before.
    FinalStillDue,
    /// "Too many requests" is held against the object.
    ThrottleCountedAsFailure,
    /// The provider's wish for a pause is not heard.
    RetryAfterIgnored,
    /// A message is written down as delivered before it is sent.
    SettledBeforeSending,
    /// "Not found" is taken for an end.
    GoneTakenForEnd,
    /// A report is published before the disk has its files.
    ReportNotSynced,
    /// The amount asked for is booked, not the one that moved.
    RequestedAmountBooked,
    /// An end without a reason is taken for good news.
    SilentWithoutReason,
    /// What is odd about an answer counts as right when it is seen again.
    DoubtHealsByRepetition,
    /// Refusals of one object are taken for refused credentials.
    OneRefusalIsAboutAll,
    /// What a clock that was ahead wrote far into the future waits until then.
    DueFarAheadObeyed,
    /// A day is reported by a clock that nobody has confirmed.
    DoubtedDayReported,
}

impl Bug {
    /// All of them.
    pub const ALL: [Bug; 21] = [
        Bug::AlertAfterCommit,
        Bug::DueIndexNotUpdated,
        Bug::BudgetFullAfterCrash,
        Bug::UnreachableStateAccepted,
        Bug::SyncSkipped,
        Bug::HistoryRowForgotten,
        Bug::KeyOfEachAttempt,
        Bug::ChildNotEnrolled,
        Bug::ReportDayOffByAnHour,
        Bug::FinalStillDue,
        Bug::ThrottleCountedAsFailure,
        Bug::RetryAfterIgnored,
        Bug::SettledBeforeSending,
        Bug::GoneTakenForEnd,
        Bug::ReportNotSynced,
        Bug::RequestedAmountBooked,
        Bug::SilentWithoutReason,
        Bug::DoubtHealsByRepetition,
        Bug::OneRefusalIsAboutAll,
        Bug::DueFarAheadObeyed,
        Bug::DoubtedDayReported,
    ];
}

/// Whether this bug is in the ground.
#[cfg(not(feature = "planted-bugs"))]
#[inline(always)]
pub(crate) const fn is_planted(_bug: Bug) -> bool {
    false
}

#[cfg(feature = "planted-bugs")]
static PLANTED: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(0);

/// Plants a bug in the whole process, in place of the one before; none: takes it out.
#[cfg(feature = "planted-bugs")]
pub fn plant(bug: Option<Bug>) {
    PLANTED.store(bug.map_or(0, |bug| bug as u8), std::sync::atomic::Ordering::SeqCst);
}

/// Whether this bug is in the ground.
#[cfg(feature = "planted-bugs")]
pub(crate) fn is_planted(bug: Bug) -> bool {
    PLANTED.load(std::sync::atomic::Ordering::Relaxed) == bug as u8
}
