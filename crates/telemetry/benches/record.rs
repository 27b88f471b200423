//! What a sample costs, without a span, in one that is not sampled and in one that is; and a scrape of 5,000 series in
//! both formats.

#![expect(missing_docs, reason = "criterion's macros make a public function")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use battlearena_telemetry::metrics::{Counter, Desc, HTTP_SECONDS, Histogram, Unit};
use battlearena_telemetry::{Format, render};
use criterion::{Bencher, Criterion, criterion_group, criterion_main};
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing::Span;
use tracing::subscriber::with_default;
use tracing_subscriber::layer::SubscriberExt;

/// Series in the scrape: a histogram has one for each bound, and three more.
const SERIES: usize = 5_000;
const HISTOGRAMS: usize = 150;

const SAMPLES: Desc = Desc { name: "bench_seconds", unit: Unit::Seconds, help: "Samples of the benchmark." };
const COUNTS: [Desc; 2] = [count("bench_first_total"), count("bench_second_total")];

const fn count(name: &'static str) -> Desc {
    Desc { name, unit: Unit::Count, help: "Counts of the benchmark." }
}

fn record(criterion: &mut Criterion) {
    let histogram = Histogram::new(&SAMPLES, HTTP_SECONDS);
    let mut value = 0.0_f64;
    // Some samples in each bucket, as in life.
    let mut next = move || {
        value = (value + 0.000_37) % 12.0;
        black_box(value)
    };
    let mut group = criterion.benchmark_group("record");
    group.bench_function("no_span", |bencher| drained(bencher, || histogram.record(next())));
    for (name, sampler) in [("unsampled_span", Sampler::AlwaysOff), ("sampled_span", Sampler::AlwaysOn)] {
        in_span(sampler, |span| {
            group.bench_function(name, |bencher| drained(bencher, || histogram.record_in(span, next())));
        });
    }
    group.finish();
}

/// Times `work`, and not the scrapes in between: without them, hundreds of millions of samples would pile up.
fn drained(bencher: &mut Bencher<'_>, mut work: impl FnMut()) {
    const BETWEEN_SCRAPES: u64 = 20_000;
    bencher.iter_custom(|iterations| {
        let mut time = Duration::ZERO;
        let mut left = iterations;
        while left > 0 {
            let round = left.min(BETWEEN_SCRAPES);
            let began = Instant::now();
            (0..round).for_each(|_| work());
            time += began.elapsed();
            left -= round;
            black_box(render(Format::Text));
        }
        time
    });
}

fn scrape(criterion: &mut Criterion) {
    let labels: Vec<&'static str> =
        (0..SERIES).map(|number| &*Box::leak(format!("/api/bench/{number}").into_boxed_str())).collect();
    in_span(Sampler::AlwaysOn, |span| {
        for label in &labels[..HISTOGRAMS] {
            let histogram = Histogram::of(&SAMPLES, HTTP_SECONDS, "endpoint", label);
            HTTP_SECONDS.iter().for_each(|bound| histogram.record_in(span, *bound));
        }
    });
    let counters = SERIES - HISTOGRAMS * (HTTP_SECONDS.len() + 3);
    for (number, label) in labels[..counters].iter().enumerate() {
        Counter::of(&COUNTS[number % 2], "endpoint", label).increment(1);
    }
    let series =
        render(Format::Text).lines().filter(|line| line.contains("bench_") && !line.starts_with('#')).count();
    assert!(series >= SERIES, "there are {series}");
    let mut group = criterion.benchmark_group("scrape_5000_series");
    for (name, format) in [("text", Format::Text), ("openmetrics", Format::OpenMetrics)] {
        group.bench_function(name, |bencher| bencher.iter(|| black_box(render(format))));
    }
    group.finish();
}

fn in_span(sampler: Sampler, work: impl FnOnce(&Span)) {
    let provider = SdkTracerProvider::builder().with_sampler(sampler).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("bench"));
    with_default(tracing_subscriber::registry().with(layer), || work(&tracing::info_span!("bench")));
}

criterion_group!(benches, record, scrape);
criterion_main!(benches);
