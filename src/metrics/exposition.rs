//! The answer to a scrape, in the text format 0.0.4 that Prometheus and its relatives read.
//!
//! Owns: the form. Must never know: any one figure.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::{Metric, Sample, Sort, Value};

/// The media type.
pub const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

/// Writes all samples, each figure with its help and type.
pub fn text(samples: Vec<Sample>) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape(samples)));
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry).expect("writing into a String does not fail");
    text
}

/// What was measured for one scrape. Samples of one figure stand together.
#[derive(Debug)]
struct Scrape(Vec<Sample>);

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for metric in super::list::ALL {
            let mut samples = self.0.iter().filter(|sample| std::ptr::eq(sample.metric, *metric)).peekable();
            if samples.peek().is_none() {
                continue;
            }
            let mut described =
                encoder.encode_descriptor(metric.name, metric.help, None, metric_type(metric))?;
            for sample in samples {
                let labels: Vec<(&str, &str)> =
                    metric.labels.iter().copied().zip(sample.labels.iter().map(String::as_str)).collect();
                match labels.is_empty() {
                    true => put(&mut described, sample)?,
                    false => put(&mut described.encode_family(&labels)?, sample)?,
                }
            }
        }
        Ok(())
    }
}

fn metric_type(metric: &Metric) -> MetricType {
    match metric.sort {
        Sort::Counter => MetricType::Counter,
        Sort::Gauge => MetricType::Gauge,
        Sort::Histogram => MetricType::Histogram,
    }
}

fn put(encoder: &mut MetricEncoder<'_>, sample: &Sample) -> Result<(), fmt::Error> {
    match (&sample.value, sample.metric.sort) {
        (Value::Number(number), Sort::Counter) => encoder.encode_counter::<NoLabelSet, _, f64>(number, None),
        (Value::Number(number), _) => encoder.encode_gauge(number),
        (Value::Distribution { sum, buckets }, _) => {
            let count = buckets.iter().map(|(_, number)| number).sum();
            encoder.encode_histogram::<NoLabelSet>(*sum, count, buckets, None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::list;
    use super::*;

    #[test]
    fn a_scrape_has_one_head_for_each_figure_and_escapes_its_labels() {
        let sample = |metric, labels: &[&str], value| Sample {
            metric,
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            value,
        };
        let text = text(vec![
            sample(&list::POLLS, &["shop-de", "seen"], Value::Number(7.0)),
            sample(&list::STORE_BROKEN, &[], Value::Number(0.0)),
            sample(&list::POLLS, &["a\"b\\c\nd", "timeout"], Value::Number(1.0)),
            sample(
                &list::DETECTION_DELAY,
                &["charge"],
                Value::Distribution { sum: 12.5, buckets: vec![(1.0, 2), (f64::INFINITY, 1)] },
            ),
        ]);
        let expected = "\
            # HELP reconciled_polls_total Polls by their result: seen, or how they failed\n\
            # TYPE reconciled_polls_total counter\n\
            reconciled_polls_total{account=\"shop-de\",result=\"seen\"} 7.0\n\
            reconciled_polls_total{account=\"a\\\"b\\\\c\\nd\",result=\"timeout\"} 1.0\n\
            # HELP reconciled_detection_delay_seconds How long after the provider's own timestamp a final state was \
            found\n\
            # TYPE reconciled_detection_delay_seconds histogram\n\
            reconciled_detection_delay_seconds_bucket{kind=\"charge\",le=\"1\"} 2\n\
            reconciled_detection_delay_seconds_bucket{kind=\"charge\",le=\"+Inf\"} 3\n\
            reconciled_detection_delay_seconds_sum{kind=\"charge\"} 12.5\n\
            reconciled_detection_delay_seconds_count{kind=\"charge\"} 3\n\
            # HELP reconciled_store_broken 1 when the store no longer acknowledges anything\n\
            # TYPE reconciled_store_broken gauge\n\
            reconciled_store_broken 0.0\n";
        assert_eq!(text, expected);
    }
}
