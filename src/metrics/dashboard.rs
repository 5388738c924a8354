//! A dashboard for Grafana, from the same list.
//!
//! Owns: the panels and their file. Must never know: where a figure comes from.

use serde_json::{Value, json};

use super::Metric;
use super::list::{self as of};

/// One panel.
struct Panel {
    title: &'static str,
    /// The figures of the expression, in the order of its `{}`.
    metrics: &'static [&'static Metric],
    expression: &'static str,
    /// What a line is called.
    legend: &'static str,
    /// Grafana's name of the unit.
    unit: &'static str,
}

const fn panel(
    title: &'static str,
    metrics: &'static [&'static Metric],
    expression: &'static str,
    legend: &'static str,
    unit: &'static str,
) -> Panel {
    Panel { title, metrics, expression, legend, unit }
}

/// Panels in a row of the dashboard.
const COLUMNS: usize = 2;
const HEIGHT: usize = 8;
const WIDTH: usize = 24 / COLUMNS;

static PANELS: &[Panel] = &[
    panel("Objects that are not finished", &[&of::OBJECTS], "sum by (phase) ({})", "{{phase}}", "short"),
    panel("Age of the oldest moving object", &[&of::OLDEST_MOVING], "time() - {}", "oldest", "s"),
    panel(
        "How late final states are found (95 % of them are sooner)",
        &[&of::DETECTION_DELAY],
        "histogram_quantile(0.95, sum by (le, kind) (rate({}_bucket[1h])))",
        "{{kind}}",
        "s",
    ),
    panel("Polls", &[&of::POLLS], "sum by (result) (rate({}[5m]))", "{{result}}", "reqps"),
    panel(
        "Use of the quota",
        &[&of::REQUESTS, &of::QUOTA_RATE],
        "rate({}[5m]) / {}",
        "{{account}} {{operation}}",
        "percentunit",
    ),
    panel(
        "Requests that the quota would let through now",
        &[&of::QUOTA_AVAILABLE],
        "{}",
        "{{account}} {{operation}}",
        "short",
    ),
    panel("Throttled requests", &[&of::THROTTLED], "increase({}[1h])", "{{account}} {{operation}}", "short"),
    panel("Messages that wait", &[&of::OUTBOX], "{}", "{{target}}", "short"),
    panel("Notifications", &[&of::NOTIFICATIONS], "sum by (result) (rate({}[5m]))", "{{result}}", "reqps"),
    panel("Size of the journal", &[&of::JOURNAL_BYTES], "{}", "journal", "bytes"),
    panel("Resident memory", &[&of::RESIDENT], "{}", "memory", "bytes"),
    panel("CPU", &[&of::CPU], "rate({}[5m])", "of one core", "percentunit"),
];

impl Panel {
    fn expression(&self) -> String {
        self.metrics
            .iter()
            .fold(self.expression.to_owned(), |text, metric| text.replacen("{}", &metric.series(), 1))
    }

    fn json(&self, number: usize) -> Value {
        json!({
            "id": number + 1,
            "type": "timeseries",
            "title": self.title,
            "description": self.metrics.iter().map(|metric| metric.help).collect::<Vec<_>>().join(". "),
            "datasource": {"type": "prometheus", "uid": "${datasource}"},
            "gridPos": {
                "h": HEIGHT, "w": WIDTH, "x": number % COLUMNS * WIDTH, "y": number / COLUMNS * HEIGHT,
            },
            "fieldConfig": {"defaults": {"unit": self.unit, "min": 0}, "overrides": []},
            "targets": [{
                "refId": "A",
                "datasource": {"type": "prometheus", "uid": "${datasource}"},
                "expr": self.expression(),
                "legendFormat": self.legend,
            }],
        })
    }
}

/// The dashboard as a file for Grafana's import.
pub fn file() -> String {
    let panels: Vec<Value> = PANELS.iter().enumerate().map(|(number, panel)| panel.json(number)).collect();
    let dashboard = json!({
        "title": "reconciled",
        "uid": "reconciled",
        "schemaVersion": 39,
        "version": 1,
        "editable": true,
        "refresh": "1m",
        "time": {"from": "now-24h", "to": "now"},
        "timezone": "browser",
        "tags": ["payments"],
        "templating": {"list": [{
            "name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus",
        }]},
        "panels": panels,
    });
    let mut text = serde_json::to_string_pretty(&dashboard).expect("keys are texts");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_panel_uses_as_many_figures_as_it_names() {
        for panel in PANELS {
            assert_eq!(panel.expression.matches("{}").count(), panel.metrics.len(), "{}", panel.title);
        }
    }

    #[test]
    fn the_shipped_file_is_what_the_list_says() {
        let shipped = include_str!("../../monitoring/grafana-dashboard.json");
        assert_eq!(
            shipped,
            file(),
            "write it again: reconciled metrics --dashboard > monitoring/grafana-dashboard.json"
        );
    }
}
