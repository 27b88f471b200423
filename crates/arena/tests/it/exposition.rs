//! Reads the samples of a scrape, in either of the two text formats, as strictly as they are written.

use std::collections::BTreeMap;

/// What a scraper sends that wants exemplars.
pub(crate) const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0";

/// Labels by name.
pub(crate) type Labels = BTreeMap<String, String>;

/// All series of a metric, by their labels.
pub(crate) fn series(text: &str, metric: &str) -> Vec<(Labels, f64)> {
    let lines = text.lines().filter(|line| line.starts_with(metric)).map(sample);
    lines.filter(|(name, ..)| *name == metric).map(|(_, labels, value)| (labels, value)).collect()
}

/// Name, labels and value of one line.
pub(crate) fn sample(line: &str) -> (&str, Labels, f64) {
    let end = line.find(['{', ' ']).unwrap_or_else(|| panic!("no sample: {line}"));
    let (name, rest) = line.split_at(end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest),
        None => (Labels::new(), rest),
    };
    let value = rest.trim_start().split(' ').next().unwrap_or_default();
    (name, labels, value.parse().unwrap_or_else(|error| panic!("{error}: {line}")))
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
            let mut labels = labels(exemplar).0;
            (metric, labels.remove("trace_id").unwrap(), labels.remove("span_id").unwrap())
        })
        .collect()
}

/// The labels up to the closing brace, and what follows it; values may hold anything, with quotes and backslashes escaped.
fn labels(mut text: &str) -> (Labels, &str) {
    let mut labels = Labels::new();
    loop {
        if let Some(rest) = text.strip_prefix('}') {
            return (labels, rest);
        }
        let (name, rest) = text.split_once("=\"").unwrap_or_else(|| panic!("no label: {text}"));
        let (mut value, mut letters) = (String::new(), rest.char_indices());
        let end = loop {
            match letters.next() {
                Some((end, '"')) => break end,
                Some((_, '\\')) => match letters.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, letter)) => value.push(letter),
                    None => panic!("no end: {text}"),
                },
                Some((_, letter)) => value.push(letter),
                None => panic!("no end: {text}"),
            }
        };
        labels.insert(name.to_owned(), value);
        text = &rest[end + 1..];
        text = text.strip_prefix(',').unwrap_or(text);
    }
}

#[test]
fn labels_may_hold_anything() {
    let line = r#"a_total{b="x\"y\\,}=",c=""} 7 # {trace_id="1"} 2 3"#;
    let labels = Labels::from([("b".into(), "x\"y\\,}=".into()), ("c".into(), String::new())]);
    assert_eq!(sample(line), ("a_total", labels, 7.0));
    assert_eq!(series("a_total 1\na_total_more 2", "a_total"), [(Labels::new(), 1.0)]);
}
