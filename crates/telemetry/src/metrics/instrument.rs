//! The instruments themselves: handles that were registered when they were made. Cheap to clone.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use metrics::Key;
use tracing::Span;

use super::catalogue::{Kind, Words, describe};
use super::{Desc, Labels};
use crate::recorder::{self, Exemplars, Sampled};

/// A number that only rises.
#[derive(Clone)]
pub struct Counter(metrics::Counter);

impl Counter {
    /// Registers the counter at zero.
    pub fn new(desc: &Desc) -> Self {
        describe(desc, Kind::Counter, &[]);
        Self(counter(desc.name, &[], &[]))
    }

    /// Registers the series of one label value at zero, where the values are spread over the program: the name of a
    /// queue, written down where the queue is made.
    pub fn of(desc: &Desc, name: &'static str, value: &'static str) -> Self {
        describe(desc, Kind::Counter, &[(name, Some(&[value]))]);
        Self(counter(desc.name, &[name], &[value]))
    }

    /// Adds to it.
    pub fn increment(&self, by: u64) {
        self.0.increment(by);
    }

    /// Sets a total that is counted elsewhere; a smaller one is ignored.
    pub fn absolute(&self, total: u64) {
        self.0.absolute(total);
    }
}

/// A number that goes both ways.
#[derive(Clone)]
pub struct Gauge(metrics::Gauge);

impl Gauge {
    /// Registers the gauge at zero.
    pub fn new(desc: &Desc) -> Self {
        describe(desc, Kind::Gauge, &[]);
        Self(gauge(desc.name, &[], &[]))
    }

    /// Says what the gauge is and registers nothing: for one that this process does not have, since its zero would say
    /// something.
    pub fn describe(desc: &Desc) {
        describe(desc, Kind::Gauge, &[]);
    }

    /// Registers the series of one label value at zero. See [`Counter::of`].
    pub fn of(desc: &Desc, name: &'static str, value: &'static str) -> Self {
        describe(desc, Kind::Gauge, &[(name, Some(&[value]))]);
        Self(gauge(desc.name, &[name], &[value]))
    }

    /// Sets it.
    pub fn set(&self, value: f64) {
        self.0.set(value);
    }

    /// Counts one in, until the guard is dropped.
    pub fn enter(&self) -> InFlight {
        InFlight::enter(self.0.clone())
    }
}

/// Samples, counted by size. Where they are times that were taken in a sampled span, the scrape names the trace of a
/// recent one for each bucket, if its reader asks for OpenMetrics.
#[derive(Clone)]
pub struct Histogram {
    samples: metrics::Histogram,
    exemplars: Option<Arc<Exemplars>>,
}

impl Histogram {
    /// Registers the histogram, without samples. `buckets` documents at the place of use what the table of bounds says
    /// for this name; a debug build refuses anything else.
    pub fn new(desc: &Desc, buckets: &'static [f64]) -> Self {
        check_buckets(desc, buckets);
        describe(desc, Kind::Histogram, &[]);
        histogram(desc.name, &[], &[])
    }

    /// Registers the series of one label value. See [`Counter::of`].
    pub fn of(desc: &Desc, buckets: &'static [f64], name: &'static str, value: &'static str) -> Self {
        check_buckets(desc, buckets);
        describe(desc, Kind::Histogram, &[(name, Some(&[value]))]);
        histogram(desc.name, &[name], &[value])
    }

    /// Takes a sample, in the unit of the histogram.
    pub fn record(&self, value: f64) {
        self.samples.record(value);
    }

    /// Takes a sample of what `span` stands for.
    pub fn record_in(&self, span: &Span, value: f64) {
        let sampled = self.exemplars.as_ref().and_then(|_| Sampled::of_span(span));
        self.record_sampled(value, sampled);
    }

    /// Takes a sample of time.
    pub fn record_duration(&self, duration: Duration) {
        self.record(duration.as_secs_f64());
    }

    /// Times from now until the guard is dropped.
    pub fn start(&self) -> Timer {
        self.start_in(Span::none())
    }

    /// Times what `span` stands for, from now until the guard is dropped.
    pub fn start_in(&self, span: Span) -> Timer {
        Timer { histogram: self.clone(), span, began: Instant::now() }
    }

    pub(crate) fn record_sampled(&self, value: f64, span: Option<Sampled>) {
        self.samples.record(value);
        if let (Some(span), Some(exemplars)) = (span, &self.exemplars) {
            exemplars.offer(value, span);
        }
    }
}

/// One counter for each combination of labels.
pub struct CounterVec<L>(Arc<[metrics::Counter]>, PhantomData<fn(L)>);

/// One gauge for each combination of labels.
pub struct GaugeVec<L>(Arc<[metrics::Gauge]>, PhantomData<fn(L)>);

/// One histogram for each combination of labels.
pub struct HistogramVec<L>(Arc<[Histogram]>, PhantomData<fn(L)>);

impl<L: Labels> CounterVec<L> {
    /// Registers every combination at zero.
    pub fn new(desc: &Desc, names: L::Names) -> Self {
        describe(desc, Kind::Counter, &described::<L>(names));
        Self(every::<L, _>(|words| counter(desc.name, names.as_ref(), words)), PhantomData)
    }

    /// The counter of one combination.
    pub fn with(&self, labels: L) -> &metrics::Counter {
        &self.0[labels.place()]
    }
}

impl<L: Labels> GaugeVec<L> {
    /// Registers every combination at zero.
    pub fn new(desc: &Desc, names: L::Names) -> Self {
        describe(desc, Kind::Gauge, &described::<L>(names));
        Self(every::<L, _>(|words| gauge(desc.name, names.as_ref(), words)), PhantomData)
    }

    /// The gauge of one combination.
    pub fn with(&self, labels: L) -> &metrics::Gauge {
        &self.0[labels.place()]
    }
}

impl<L: Labels> HistogramVec<L> {
    /// Registers every combination, without samples. See [`Histogram::new`] for `buckets`.
    pub fn new(desc: &Desc, names: L::Names, buckets: &'static [f64]) -> Self {
        check_buckets(desc, buckets);
        describe(desc, Kind::Histogram, &described::<L>(names));
        Self(every::<L, _>(|words| histogram(desc.name, names.as_ref(), words)), PhantomData)
    }

    /// The histogram of one combination.
    pub fn with(&self, labels: L) -> &Histogram {
        &self.0[labels.place()]
    }
}

macro_rules! shared {
    ($($vec:ident)+) => {
        $(impl<L> Clone for $vec<L> {
            fn clone(&self) -> Self {
                Self(self.0.clone(), PhantomData)
            }
        })+
    };
}

shared! { CounterVec GaugeVec HistogramVec }

/// One more in a gauge, until it is dropped.
#[must_use = "it counts until it is dropped"]
pub struct InFlight(metrics::Gauge);

impl InFlight {
    pub(crate) fn enter(gauge: metrics::Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// A sample of time, taken when it is dropped.
#[must_use = "it times until it is dropped"]
pub struct Timer {
    histogram: Histogram,
    span: Span,
    began: Instant,
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.histogram.record_in(&self.span, self.began.elapsed().as_secs_f64());
    }
}

pub(crate) fn counter(name: &'static str, names: &[&'static str], words: &[&str]) -> metrics::Counter {
    let counter = recorder::counter(&key(name, names, words));
    // Zero is written, so that the series is there before its first increment: `rate` cannot see a series appear.
    counter.increment(0);
    counter
}

pub(crate) fn gauge(name: &'static str, names: &[&'static str], words: &[&str]) -> metrics::Gauge {
    recorder::gauge(&key(name, names, words))
}

pub(crate) fn histogram(name: &'static str, names: &[&'static str], words: &[&str]) -> Histogram {
    let (samples, exemplars) = recorder::histogram(&key(name, names, words));
    Histogram { samples, exemplars }
}

fn key(name: &'static str, names: &[&'static str], words: &[&str]) -> Key {
    let labels: Vec<_> =
        names.iter().zip(words).map(|(name, word)| metrics::Label::new(*name, (*word).to_owned())).collect();
    Key::from_parts(name, labels)
}

fn described<L: Labels>(names: L::Names) -> Vec<Words<'static>> {
    names.as_ref().iter().copied().zip(L::words().into_iter().map(Some)).collect()
}

fn every<L: Labels, T>(make: impl Fn(&[&'static str]) -> T) -> Arc<[T]> {
    L::combinations().iter().map(|words| make(words)).collect()
}

fn check_buckets(desc: &Desc, buckets: &[f64]) {
    debug_assert_eq!(buckets, crate::buckets::of(desc.name), "bounds of {} in buckets.rs", desc.name);
}
