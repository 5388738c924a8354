//! Known bugs that a test can plant, one at a time, to prove that the judge of the simulated months finds them.
//!
//! Owns: their names, and which one is planted. Must never know: what the judge checks. Without the feature
//! `planted-bugs`, `is_planted` is constantly false and the compiler removes every bug.
//! It is in this room because every room may name it.

/// A bug that somebody could write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Bug {
    /// An alert is stored in a second write, after the commit that caused it.
    AlertAfterCommit = 1,
    /// A record is written without its row in the index of due objects.
    DueIndexNotUpdated,
    /// After a crash, the budgets are assumed to be full.
    BudgetFullAfterCrash,
    /// An unreachable state is accepted like any other.
    UnreachableStateAccepted,
    /// The journal is written, but not synced, before a write is acknowledged.
    SyncSkipped,
    /// A state change writes no history row.
    HistoryRowForgotten,
    /// Every delivery attempt has its own key.
    KeyOfEachAttempt,
    /// Newly found child objects are not watched.
    ChildNotEnrolled,
    /// The business day begins an hour late.
    ReportDayOffByAnHour,
    /// Final objects are polled like any other.
    FinalStillDue,
    /// "Too many requests" counts as a failure of the object.
    ThrottleCountedAsFailure,
    /// The provider's Retry-After is ignored.
    RetryAfterIgnored,
    /// A message is recorded as delivered before it is sent.
    SettledBeforeSending,
    /// "Not found" is treated as an end.
    GoneTakenForEnd,
    /// A report is published before its files are synced to disk.
    ReportNotSynced,
    /// The requested amount is booked, not the one that moved.
    RequestedAmountBooked,
    /// An end without a reason is treated as good news.
    SilentWithoutReason,
    /// An odd answer counts as right when it is repeated.
    DoubtHealsByRepetition,
    /// Refusals of one object are treated as refused credentials.
    OneRefusalIsAboutAll,
    /// A due time that a fast clock wrote far into the future is obeyed.
    DueFarAheadObeyed,
    /// A day is reported although its clock is unconfirmed.
    DoubtedDayReported,
}

impl Bug {
    /// All bugs.
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

/// Whether this bug is planted.
#[cfg(not(feature = "planted-bugs"))]
#[inline(always)]
pub(crate) const fn is_planted(_bug: Bug) -> bool {
    false
}

#[cfg(feature = "planted-bugs")]
static PLANTED: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(0);

/// Plants a bug in the whole process and removes the previous one. `None` only removes it.
#[cfg(feature = "planted-bugs")]
pub fn plant(bug: Option<Bug>) {
    PLANTED.store(bug.map_or(0, |bug| bug as u8), std::sync::atomic::Ordering::SeqCst);
}

/// Whether this bug is planted.
#[cfg(feature = "planted-bugs")]
pub(crate) fn is_planted(bug: Bug) -> bool {
    PLANTED.load(std::sync::atomic::Ordering::Relaxed) == bug as u8
}
