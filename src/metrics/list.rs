//! Every figure. The order is that of the documentation.
//!
//! Owns: names, units, meanings. Must never know: where a figure comes from.

use super::{Metric, Sort};

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, sort: Sort::Counter, labels, help }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, sort: Sort::Gauge, labels, help }
}

macro_rules! metrics {
    ($($name:ident = $metric:expr;)*) => {
        $(#[allow(missing_docs, reason = "its help says it")] pub static $name: Metric = $metric;)*
        /// All of them.
        pub static ALL: &[&Metric] = &[$(&$name),*];
    };
}

metrics! {
    BUILD_INFO = gauge("reconciled_build_info", &["version"], "The running program; always 1");
    START_TIME = gauge("process_start_time_seconds", &[], "When the process started, in seconds since 1970");
    CPU = counter("process_cpu_seconds", &[], "CPU time that the process has used, in seconds");
    RESIDENT = gauge("process_resident_memory_bytes", &[], "Resident memory of the process, in bytes");
    OPEN_FILES = gauge("process_open_fds", &[], "Open files and sockets of the process");

    OBJECTS = gauge(
        "reconciled_objects",
        &["account", "kind", "phase"],
        "Watched objects that are not finished, by what they wait for: moving, resting, unseen, quarantined"
    );
    OLDEST_MOVING = gauge(
        "reconciled_oldest_moving_timestamp_seconds",
        &[],
        "When the oldest moving object was created, in seconds since 1970; missing when nothing moves"
    );
    LAST_ROUND = gauge(
        "reconciled_last_round_timestamp_seconds",
        &["account"],
        "When nothing was left to poll, most recently, in seconds since 1970; missing before the first time"
    );
    BACKLOG = gauge(
        "reconciled_backlog_round_seconds",
        &["account", "operation"],
        "How long the quota needs to poll every moving object once; only where that is longer than their interval"
    );
    POLLS = counter(
        "reconciled_polls",
        &["account", "result"],
        "Polls by their result: seen, or how they failed"
    );
    STATE_CHANGES = counter("reconciled_state_changes", &["account"], "Polls that found a new state");
    DETECTION_DELAY = Metric {
        name: "reconciled_detection_delay_seconds",
        sort: Sort::Histogram,
        labels: &["kind"],
        help: "How long after the provider's own timestamp a final state was found",
    };

    REQUESTS = counter(
        "reconciled_requests",
        &["account", "operation"],
        "Requests that the quota let through to the provider"
    );
    THROTTLED = counter(
        "reconciled_requests_throttled",
        &["account", "operation"],
        "Answers of the provider that say: too many requests"
    );
    QUOTA_AVAILABLE = gauge(
        "reconciled_quota_available",
        &["account", "operation"],
        "Requests that the quota would let through now"
    );
    QUOTA_RATE = gauge(
        "reconciled_quota_requests_per_second",
        &["account", "operation"],
        "Requests a second that the quota allows in the long run"
    );
    HELD = gauge(
        "reconciled_provider_hold_seconds",
        &["account", "operation"],
        "How much longer the provider wants no requests; 0 without a hold"
    );
    REFUSED = gauge(
        "reconciled_account_refused",
        &["account"],
        "1 while the provider refuses the credentials or the account"
    );
    NO_SUCCESS = gauge(
        "reconciled_account_no_success",
        &["account"],
        "1 while no request of the account has succeeded for a quarter of an hour"
    );

    OUTBOX = gauge(
        "reconciled_outbox_messages",
        &["target"],
        "Messages that wait for a target, without those postponed on purpose; at most 1000 alerts are counted"
    );
    OUTBOX_DEAD = gauge(
        "reconciled_outbox_dead",
        &["target"],
        "Messages that were given up and not sent again since"
    );
    NOTIFICATIONS = counter(
        "reconciled_notifications",
        &["account", "result"],
        "Notifications since the store was created: verified, unverified, refused, duplicate, postponed"
    );
    NOTIFICATION_TIME = gauge(
        "reconciled_notification_verified_timestamp_seconds",
        &["account"],
        "When the last verified notification came, in seconds since 1970; missing before the first"
    );
    NOTIFICATIONS_SILENT = gauge(
        "reconciled_notifications_silent",
        &["account"],
        "1 while notifications announce too few of the changes that polling finds"
    );

    LOOP_TIME = gauge(
        "reconciled_loop_last_run_timestamp_seconds",
        &["loop"],
        "When a loop of the program last ended a round, in seconds since 1970"
    );
    LOOP_RUNS = counter("reconciled_loop_runs", &["loop"], "Rounds of a loop of the program");
    LOOP_FAILURES = counter("reconciled_loop_failures", &["loop"], "Rounds that failed");
    REPORT_OK = gauge(
        "reconciled_report_ok",
        &[],
        "0 while the nightly report fails, otherwise 1; missing before the first round"
    );
    REPORT_NEXT = gauge(
        "reconciled_report_next_timestamp_seconds",
        &[],
        "When the next nightly report is due, in seconds since 1970"
    );

    JOURNAL_BYTES = gauge("reconciled_store_journal_bytes", &[], "Size of the store's journal, in bytes");
    INDEX_BYTES = gauge("reconciled_store_index_bytes", &[], "Size of the store's index, in bytes");
    JOURNAL_ENTRIES = counter("reconciled_store_journal_entries", &[], "Entries in the journal since the store was created");
    STORE_SYNCS = counter("reconciled_store_syncs", &[], "How often the journal was synced since the start");
    STORE_BROKEN = gauge("reconciled_store_broken", &[], "1 when the store no longer acknowledges anything");

    CLOCK_AHEAD = gauge(
        "reconciled_clock_ahead_seconds",
        &[],
        "By how much the machine's clock is ahead of the time in use; negative when it is behind"
    );
    CONFIG_OK = gauge(
        "reconciled_config_last_reload_successful",
        &[],
        "1 when the last reload of the configuration was applied; missing before the first"
    );
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Words that say the unit, or that there is none.
    const ENDS: &[&str] = &["_seconds", "_bytes", "_info", "_total"];

    #[test]
    fn the_page_of_the_documentation_lists_every_figure() {
        let page = include_str!("../../docs/src/monitoring.md");
        let rows: Vec<String> = ALL
            .iter()
            .map(|metric| {
                let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
                format!("| `{}` | {} | {} |", metric.series(), labels.join(", "), metric.help)
            })
            .collect();
        for row in &rows {
            assert!(page.contains(row), "docs/src/monitoring.md lacks: {row}");
        }
        assert_eq!(
            page.lines()
                .filter(|line| line.starts_with("| `reconciled_") || line.starts_with("| `process_"))
                .count(),
            rows.len()
        );
    }

    #[test]
    fn names_are_unique_and_say_their_unit() {
        let names: BTreeSet<&str> = ALL.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), ALL.len());
        for metric in ALL {
            let is_a_time = metric.help.contains("seconds since 1970") || metric.help.contains("in seconds");
            let has_unit = ENDS.iter().any(|end| metric.name.ends_with(end));
            assert!(!is_a_time || has_unit, "{}", metric.name);
            assert_eq!(metric.help.contains("since 1970"), metric.name.contains("_time"), "{}", metric.name);
            assert_eq!(metric.help.contains("in bytes"), metric.name.ends_with("_bytes"), "{}", metric.name);
            assert!(!metric.help.ends_with('.'), "{}", metric.name);
            assert!(metric.labels.len() <= 3, "{}", metric.name);
        }
    }
}
