//! What this process measures: every instrument that was made, once by name. The metric documentation is written from
//! it.

use std::collections::btree_map::Entry as Place;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use super::Desc;
use crate::recorder::OVERFLOW;

/// One instrument.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The exact name in the scrape.
    pub name: &'static str,
    /// What sort of instrument.
    pub kind: Kind,
    /// The unit of its values.
    pub unit: &'static str,
    /// One sentence for the operator.
    pub help: &'static str,
    /// Its labels, in the order of the scrape.
    pub labels: Vec<LabelEntry>,
    /// The upper bounds of a histogram's buckets, ascending, without `+Inf`; `None` for what is no histogram.
    pub bounds: Option<&'static [f64]>,
}

/// One label of an instrument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelEntry {
    /// Its name.
    pub name: &'static str,
    /// Every value that it can have, sorted, beside `overflow` once a metric has too many series. `None` where no one
    /// list holds them all: they are written down one by one in the source code (route templates and their statuses,
    /// statements, gRPC methods), or are settings of the process.
    pub values: Option<BTreeSet<&'static str>>,
}

/// What sort of instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only rises.
    Counter,
    /// Goes both ways.
    Gauge,
    /// Counts samples by size.
    Histogram,
}

static ENTRIES: Mutex<BTreeMap<&'static str, Entry>> = Mutex::new(BTreeMap::new());

/// Every instrument that was made so far, by name.
pub fn catalogue() -> Vec<Entry> {
    ENTRIES.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
}

/// A label and the words that it can have; `None` as in [`LabelEntry::values`]. The words of several calls add up: the
/// names of queues, each written down where its queue is made.
pub(crate) type Words<'a> = (&'static str, Option<&'a [&'static str]>);

/// Installs the recorder if nobody has, and notes an instrument there and in the catalogue.
pub(crate) fn describe(desc: &Desc, kind: Kind, labels: &[Words<'_>]) {
    crate::recorder::install();
    match kind {
        Kind::Counter => metrics::describe_counter!(desc.name, desc.help),
        Kind::Gauge => metrics::describe_gauge!(desc.name, desc.help),
        Kind::Histogram => metrics::describe_histogram!(desc.name, desc.help),
    }
    match ENTRIES.lock().unwrap_or_else(PoisonError::into_inner).entry(desc.name) {
        Place::Vacant(place) => {
            place.insert(Entry::new(desc, kind, labels));
        }
        Place::Occupied(mut place) => place.get_mut().add_words(labels),
    }
    if *desc != OVERFLOW && labels.iter().any(|(_, words)| words.is_none()) {
        describe(&OVERFLOW, Kind::Counter, &[("metric", None)]);
        crate::recorder::may_overflow(desc.name);
    }
}

impl Entry {
    fn new(desc: &Desc, kind: Kind, labels: &[Words<'_>]) -> Self {
        let Desc { name, unit, help } = *desc;
        let labels = labels.iter().map(|(name, words)| LabelEntry {
            name,
            values: words.map(|words| words.iter().copied().collect()),
        });
        let bounds = (kind == Kind::Histogram).then(|| crate::buckets::of(name));
        Self { name, kind, unit: unit.as_str(), help, labels: labels.collect(), bounds }
    }

    fn add_words(&mut self, labels: &[Words<'_>]) {
        for (known, (_, words)) in self.labels.iter_mut().zip(labels) {
            if let (Some(values), Some(words)) = (&mut known.values, words) {
                values.extend(words.iter().copied());
            }
        }
    }
}
