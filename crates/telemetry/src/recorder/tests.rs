//! What the recorder adds to the exporter, seen in the scrape.

use std::time::Duration;

use crate::metrics::{BYTES, Counter, Desc, HTTP_SECONDS, Histogram, Unit};
use crate::testing::{Spans, scraped};

use super::cap::MOST_LINES_OF_ONE;
use super::*;
use crate::trace;

const fn seconds(name: &'static str) -> Desc {
    Desc { name, unit: Unit::Seconds, help: "A test." }
}

/// The line of one bucket in OpenMetrics.
fn bucket(head: &str) -> String {
    let text = render(Format::OpenMetrics);
    text.lines().find(|line| line.starts_with(head)).unwrap().to_owned()
}

#[test]
fn a_sampled_sample_is_the_exemplar_of_its_bucket() {
    let spans = Spans::record();
    let histogram = Histogram::of(&seconds("test_exemplar_seconds"), HTTP_SECONDS, "queue", "outbox");
    let head = r#"test_exemplar_seconds_bucket{queue="outbox",le="1.0"}"#;
    histogram.record(0.8);
    assert_eq!(bucket(head), format!("{head} 1"), "there was no span");
    let span = tracing::info_span!("work");
    histogram.record_in(&span, 0.9);
    drop(span);
    let [span] = spans.finished().try_into().unwrap();
    let (trace, span) = (span.span_context.trace_id(), span.span_context.span_id());
    let expected = format!("{head} 2 # {{trace_id=\"{trace}\",span_id=\"{span}\"}} 0.9 ");
    assert!(bucket(head).starts_with(&expected), "{}", bucket(head));
    assert!(!render(Format::Text).contains(&trace.to_string()), "the plain text has no exemplars");
}

#[test]
fn what_is_not_sampled_is_no_exemplar() {
    let _spans = Spans::record();
    let histogram = Histogram::new(&seconds("test_unsampled_seconds"), HTTP_SECONDS);
    let span = tracing::info_span!("work");
    trace::set_parent(&span, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00");
    histogram.record_in(&span, 0.9);
    drop(histogram.start_in(span));
    let head = r#"test_unsampled_seconds_bucket{le="10.0"}"#;
    assert_eq!(bucket(head), format!("{head} 2"));
}

#[test]
fn series_beyond_the_cap_are_one_series_and_are_counted() {
    let desc = Desc { name: "test_overflow_total", unit: Unit::Count, help: "A test." };
    let words: Vec<String> = (0..MOST_LINES_OF_ONE + 3).map(|word| word.to_string()).collect();
    let counter = |word: &str| crate::metrics::counter(desc.name, &["word"], &[word]);
    crate::metrics::describe(&desc, crate::metrics::Kind::Counter, &[("word", None)]);
    let overflowed = || scraped(r#"telemetry_metric_overflow_total{metric="test_overflow_total"}"#);
    assert_eq!(overflowed(), Some(0.0), "an overflow is visible to rate()");
    words.iter().for_each(|word| counter(word).increment(1));
    assert_eq!(overflowed(), Some(3.0));
    assert_eq!(scraped(r#"test_overflow_total{word="overflow"}"#), Some(3.0));
    counter(&words[0]).increment(1);
    assert_eq!(scraped(r#"test_overflow_total{word="0"}"#), Some(2.0), "what was there goes on");
    assert_eq!(overflowed(), Some(3.0));
    let series = render(Format::Text).lines().filter(|line| line.starts_with("test_overflow_total{")).count();
    assert_eq!(series, MOST_LINES_OF_ONE + 1);
}

#[test]
fn libraries_are_capped_too_and_find_the_same_series() {
    Counter::new(&Desc { name: "test_library_total", unit: Unit::Count, help: "A test." }).increment(1);
    metrics::counter!("test_library_total").increment(1);
    assert_eq!(scraped("test_library_total"), Some(2.0));
}

#[test]
fn open_metrics_says_everything_once_and_ends() {
    Histogram::new(&Desc { name: "test_once_bytes", unit: Unit::Bytes, help: "A test." }, BYTES).record(1.0);
    Histogram::new(&seconds("test_once_seconds"), HTTP_SECONDS).record_duration(Duration::from_millis(3));
    let text = render(Format::OpenMetrics);
    assert!(text.ends_with("\n# EOF\n"));
    assert!(text.lines().all(|line| !line.is_empty()));
    let mut families: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let all = families.len();
    families.sort_unstable();
    families.dedup_by_key(|line| line.split(' ').next());
    assert_eq!(families.len(), all);
}
