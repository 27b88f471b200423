//! What a scrape shows of each sort of instrument.

use std::time::Duration;

use battlearena_proto::{MatchType, Tier};

use super::*;
use crate::testing::scraped;

crate::label! {
    enum Outcome {
        Ok = "ok",
        Refused = "refused",
    }
}

fn desc(name: &'static str) -> Desc {
    Desc { name, unit: Unit::Count, help: "A test." }
}

#[test]
fn every_combination_is_there_at_zero() {
    let counters =
        CounterVec::<(MatchType, Outcome)>::new(&desc("test_zero_total"), ["match_type", "outcome"]);
    for (match_type, outcome) in [("solo", "ok"), ("team", "refused"), ("tournament", "ok")] {
        let series = format!(r#"test_zero_total{{match_type="{match_type}",outcome="{outcome}"}}"#);
        assert_eq!(scraped(&series), Some(0.0), "{series}");
    }
    counters.with((MatchType::Team, Outcome::Refused)).increment(2);
    counters.with((MatchType::Solo, Outcome::Ok)).increment(1);
    assert_eq!(scraped(r#"test_zero_total{match_type="team",outcome="refused"}"#), Some(2.0));
    assert_eq!(scraped(r#"test_zero_total{match_type="team",outcome="ok"}"#), Some(0.0));
}

#[test]
fn every_histogram_is_a_histogram_with_its_own_bounds() {
    let table: [(&'static str, &'static [f64], &str); 6] = [
        ("test_lag_seconds", HTTP_SECONDS, "0.075"),
        ("test_answer_bytes", BYTES, "262144"),
        ("test_quality", HTTP_SECONDS, "0.075"),
        ("database_pool_wait_seconds", SQL_SECONDS, "0.0005"),
        ("match_duration_seconds", MATCH_SECONDS, "1800"),
        ("matchmaking_time_to_match_seconds", MATCH_SECONDS, "3600"),
    ];
    for (name, bounds, bound) in table {
        Histogram::new(&desc(name), bounds).record(0.00001);
        let text = crate::render(crate::Format::Text);
        assert!(text.contains(&format!("# TYPE {name} histogram\n")), "{name}");
        assert_eq!(scraped(&format!(r#"{name}_bucket{{le="{bound}"}}"#)), Some(1.0), "{name}");
        let shown = text.lines().filter(|line| line.starts_with(&format!("{name}_bucket{{")));
        assert_eq!(shown.count(), bounds.len() + 1, "{name} has its bounds and +Inf");
    }
}

#[test]
fn vectors_of_histograms_and_gauges_are_found_by_their_labels() {
    let waits = HistogramVec::<Tier>::new(&desc("test_wait_seconds"), ["tier"], HTTP_SECONDS);
    waits.with(Tier::Premium).record(0.3);
    assert_eq!(scraped(r#"test_wait_seconds_sum{tier="premium"}"#), Some(0.3));
    assert_eq!(scraped(r#"test_wait_seconds_count{tier="free"}"#), Some(0.0));
    let players = GaugeVec::<Tier>::new(&desc("test_players"), ["tier"]);
    players.with(Tier::Enterprise).set(4.0);
    assert_eq!(scraped(r#"test_players{tier="enterprise"}"#), Some(4.0));
    assert_eq!(scraped(r#"test_players{tier="free"}"#), Some(0.0));
}

#[test]
fn guards_record_when_they_are_dropped() {
    let gauge = Gauge::new(&desc("test_in_flight"));
    let (first, second) = (gauge.enter(), gauge.enter());
    assert_eq!(scraped("test_in_flight"), Some(2.0));
    drop((first, second));
    assert_eq!(scraped("test_in_flight"), Some(0.0));
    let histogram = Histogram::new(&desc("test_timer_seconds"), HTTP_SECONDS);
    drop(histogram.start());
    histogram.record_duration(Duration::from_millis(20));
    assert_eq!(scraped("test_timer_seconds_count"), Some(2.0));
}

#[test]
fn the_catalogue_knows_every_instrument() {
    let entry = |name| catalogue().into_iter().find(|entry| entry.name == name).unwrap();
    let _counters = CounterVec::<(Tier, Outcome)>::new(&desc("test_catalogue_total"), ["tier", "outcome"]);
    let counters = entry("test_catalogue_total");
    assert_eq!((counters.kind, counters.unit, counters.bounds), (Kind::Counter, "count", None));
    let labels: Vec<_> = counters.labels.iter().map(|label| (label.name, label.values.clone())).collect();
    let words = |words: &[&'static str]| Some(words.iter().copied().collect());
    assert_eq!(labels, [("tier", words(Tier::WORDS)), ("outcome", words(&["ok", "refused"]))]);

    for queue in ["outbox", "inbox", "outbox"] {
        Histogram::of(&desc("test_catalogue_bytes"), BYTES, "queue", queue);
    }
    let histogram = entry("test_catalogue_bytes");
    assert_eq!((histogram.kind, histogram.bounds), (Kind::Histogram, Some(BYTES)));
    assert_eq!(
        histogram.labels[0].values,
        words(&["inbox", "outbox"]),
        "what is spread over the program adds up"
    );

    crate::sql::Handle::new("select", "test_catalogue");
    assert_eq!(entry("database_queries_total").labels[1], LabelEntry { name: "query", values: None });
}

#[tokio::test]
async fn the_process_tells_of_itself() {
    let settings = crate::Settings {
        service_name: String::new(),
        environment: battlearena_runtime::Environment::Development,
        log_format: crate::LogFormat::Auto,
        log_filter: "info".into(),
        access_log: false,
        metrics: crate::Switch::On,
        edge_traces_per_second: 100,
    };
    crate::process::start(&settings.named("test"), tokio::runtime::Handle::current());
    let text = crate::render(crate::Format::Text);
    assert!(text.contains(r#"environment="development",service_name="test""#), "{text}");
    assert!(text.contains("# TYPE process_cpu_seconds_total counter\n"));
    assert!(scraped("process_open_fds").unwrap() > 0.0);
    assert!(scraped("app_uptime_seconds").is_some());
    assert!(scraped(r#"tokio_workers{runtime="main"}"#).unwrap() >= 1.0);
    assert!(scraped(r#"tokio_workers_busy_seconds_total{runtime="main"}"#).is_some());
}

#[test]
fn a_panic_is_counted() {
    crate::start_for_tests();
    let before = scraped("app_panics_total").unwrap();
    assert!(std::thread::spawn(|| panic!("on purpose")).join().is_err());
    assert!(scraped("app_panics_total").unwrap() > before);
}
