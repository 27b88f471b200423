//! Reads what a scrape says, in either of the two text formats.

use std::collections::BTreeMap;

/// What a scraper sends that wants exemplars.
pub(crate) const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0";

/// Labels by name.
pub(crate) type Labels = BTreeMap<String, String>;

/// All series of a metric, by their labels. Values of labels must not contain quotes or commas, which ours do not.
pub(crate) fn series(text: &str, metric: &str) -> Vec<(Labels, f64)> {
    let lines = text.lines().filter_map(|line| line.strip_prefix(metric));
    lines
        .filter_map(|rest| {
            let (labels, value) = match rest.strip_prefix('{') {
                Some(rest) => rest.split_once("} ")?,
                // What follows must be the value, not the rest of a longer name.
                None => ("", rest.strip_prefix(' ')?),
            };
            Some((parse(labels), value.split(' ').next()?.parse().ok()?))
        })
        .collect()
}

/// The value of a metric without labels.
pub(crate) fn value(text: &str, metric: &str) -> Option<f64> {
    series(text, metric).first().map(|(_, value)| *value)
}

/// Metric, trace id and span id of each exemplar.
pub(crate) fn exemplars(text: &str) -> Vec<(String, String, String)> {
    let lines = text.lines().filter_map(|line| line.split_once(" # {"));
    lines
        .map(|(sample, exemplar)| {
            let metric = sample.split(['{', ' ']).next().unwrap().to_owned();
            let mut labels = parse(exemplar.split_once('}').unwrap().0);
            (metric, labels.remove("trace_id").unwrap(), labels.remove("span_id").unwrap())
        })
        .collect()
}

fn parse(labels: &str) -> Labels {
    let pairs = labels.split("\",").filter_map(|pair| pair.trim_end_matches('"').split_once("=\""));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
