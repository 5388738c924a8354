//! What Prometheus should alert about: the cases in which this program cannot speak up itself, or in which a second voice
//! is wanted.
//!
//! Owns: the rules and their file. Must never know: where a figure comes from.
//!
//! Declines are not among them: the program's own alerts say which order, how much and what to do.

use std::fmt::Write as _;

use super::list::{self as of};
use super::{Metric, Sort};

/// One alert.
struct Rule {
    name: &'static str,
    /// The figures of the expression, in the order of its `{}`.
    metrics: &'static [&'static Metric],
    expression: &'static str,
    lasts: &'static str,
    severity: &'static str,
    summary: &'static str,
    what_to_do: &'static str,
}

static RULES: &[Rule] = &[
    Rule {
        name: "ReconciledDown",
        metrics: &[],
        expression: "up{job=\"reconciled\"} == 0",
        lasts: "5m",
        severity: "critical",
        summary: "reconciled does not answer: pending payments are not polled",
        what_to_do: "systemctl status reconciled; journalctl -u reconciled",
    },
    Rule {
        name: "ReconciledNoRound",
        metrics: &[&of::LAST_ROUND, &of::REFUSED, &of::START_TIME],
        // An account without any round counts from the start of the process.
        expression: "time() - max by (account) ({} or on (account, instance) {} * 0 + on (job, instance) group_left () {}) > 7200",
        lasts: "15m",
        severity: "warning",
        summary: "{{ $labels.account }}: polling has not caught up for two hours",
        what_to_do: "`reconciled status` says what holds it up",
    },
    Rule {
        name: "ReconciledBacklog",
        metrics: &[&of::BACKLOG],
        expression: "{} > 0",
        lasts: "1h",
        severity: "warning",
        summary: "{{ $labels.account }}: one round of {{ $labels.operation }} takes longer than the interval of its objects",
        what_to_do: "poll by batch, or ask Amazon for a higher quota; `reconciled status` says which helps",
    },
    Rule {
        name: "ReconciledAccountRefused",
        metrics: &[&of::REFUSED],
        expression: "{} > 0",
        lasts: "5m",
        severity: "critical",
        summary: "{{ $labels.account }}: the provider refuses the credentials",
        what_to_do: "replace the key, then: `reconciled reload`",
    },
    Rule {
        name: "ReconciledNoSuccess",
        metrics: &[&of::NO_SUCCESS],
        expression: "{} > 0",
        lasts: "5m",
        severity: "critical",
        summary: "{{ $labels.account }}: no request succeeds",
        what_to_do: "`reconciled status` shows how the last one failed",
    },
    Rule {
        name: "ReconciledOverQuota",
        metrics: &[&of::THROTTLED],
        expression: "increase({}[1h]) > 10",
        lasts: "0m",
        severity: "warning",
        summary: "{{ $labels.account }}: Amazon throttles requests of {{ $labels.operation }}",
        what_to_do: "somebody else uses the same account, or its quota is smaller than the configuration says",
    },
    Rule {
        name: "ReconciledOutboxStuck",
        metrics: &[&of::OUTBOX],
        expression: "{} > 0",
        lasts: "30m",
        severity: "critical",
        summary: "{{ $labels.target }}: messages have waited for half an hour",
        what_to_do: "`reconciled status` says how the last attempt failed",
    },
    Rule {
        name: "ReconciledAlertsGivenUp",
        metrics: &[&of::OUTBOX_DEAD],
        expression: "{} > 0",
        lasts: "0m",
        severity: "critical",
        summary: "{{ $labels.target }}: {{ $value }} messages were given up",
        what_to_do: "`reconciled alerts redeliver --all-dead`; for events/NAME: `reconciled events redeliver --all-dead`",
    },
    Rule {
        name: "ReconciledReportFailed",
        metrics: &[&of::REPORT_OK],
        expression: "{} == 0",
        lasts: "2h",
        severity: "warning",
        summary: "the nightly report failed",
        what_to_do: "`reconciled status` says why; `reconciled report` makes it",
    },
    Rule {
        name: "ReconciledNotificationsSilent",
        metrics: &[&of::NOTIFICATIONS_SILENT],
        expression: "{} > 0",
        lasts: "0m",
        severity: "warning",
        summary: "{{ $labels.account }}: the provider's notifications do not arrive; polling continues at its full rate",
        what_to_do: "reconciled notifications check {{ $labels.account }}",
    },
    Rule {
        name: "ReconciledLoopFails",
        metrics: &[&of::LOOP_FAILURES],
        expression: "increase({}[1h]) > 5",
        lasts: "0m",
        severity: "warning",
        summary: "{{ $labels.loop }}: this loop of the program keeps failing",
        what_to_do: "`reconciled status` says why",
    },
    Rule {
        name: "ReconciledStoreBroken",
        metrics: &[&of::STORE_BROKEN],
        expression: "{} == 1",
        lasts: "0m",
        severity: "critical",
        summary: "the store no longer acknowledges anything",
        what_to_do: "free disk space, or see journalctl -u reconciled; systemd restarts it",
    },
    Rule {
        name: "ReconciledClockWrong",
        metrics: &[&of::CLOCK_AHEAD],
        expression: "abs({}) > 60",
        lasts: "10m",
        severity: "warning",
        summary: "the machine's clock is off by {{ $value }} s",
        what_to_do: "timedatectl; then systemctl restart systemd-timesyncd",
    },
];

impl Rule {
    fn expression(&self) -> String {
        self.metrics.iter().fold(self.expression.to_owned(), |text, metric| {
            debug_assert!(metric.sort != Sort::Histogram);
            text.replacen("{}", &metric.series(), 1)
        })
    }
}

/// The rules as a file for Prometheus.
pub fn file() -> String {
    let mut text = "# Alert rules for Prometheus. `reconciled metrics --rules` writes this file.\n\
                    # The job that scrapes must be named reconciled.\ngroups:\n  - name: reconciled\n    rules:\n"
        .to_owned();
    for rule in RULES {
        let lines = [
            format!("      - alert: {}", rule.name),
            format!("        expr: {}", quoted(&rule.expression())),
            format!("        for: {}", rule.lasts),
            "        labels:".to_owned(),
            format!("          severity: {}", rule.severity),
            "        annotations:".to_owned(),
            format!("          summary: {}", quoted(rule.summary)),
            format!("          what_to_do: {}", quoted(rule.what_to_do)),
        ];
        lines.iter().for_each(|line| writeln!(text, "{line}").expect("writing into a String does not fail"));
    }
    text
}

/// A string of YAML, which is one of JSON.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text can be written")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_uses_as_many_figures_as_it_names() {
        for rule in RULES {
            assert_eq!(rule.expression.matches("{}").count(), rule.metrics.len(), "{}", rule.name);
            assert!(!rule.expression().contains("{}"));
        }
    }

    #[test]
    fn the_shipped_file_is_what_the_list_says() {
        let shipped = include_str!("../../monitoring/reconciled.rules.yml");
        assert_eq!(
            shipped,
            file(),
            "write it again: reconciled metrics --rules > monitoring/reconciled.rules.yml"
        );
    }
}
