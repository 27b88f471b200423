//! What this process measures: every instrument that was made, once by name. The metric documentation is written from
//! it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::Desc;

/// One instrument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The exact name in the scrape.
    pub name: &'static str,
    /// What sort of instrument.
    pub kind: Kind,
    /// The unit of its values.
    pub unit: &'static str,
    /// One sentence for the operator.
    pub help: &'static str,
    /// Names of its labels.
    pub labels: Vec<&'static str>,
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

/// Installs the recorder if nobody has, and notes an instrument there and in the catalogue.
pub(crate) fn describe(desc: &Desc, kind: Kind, labels: &[&'static str]) {
    crate::recorder::install();
    match kind {
        Kind::Counter => metrics::describe_counter!(desc.name, desc.help),
        Kind::Gauge => metrics::describe_gauge!(desc.name, desc.help),
        Kind::Histogram => metrics::describe_histogram!(desc.name, desc.help),
    }
    let Desc { name, unit, help } = *desc;
    let entry = Entry { name, kind, unit: unit.as_str(), help, labels: labels.to_vec() };
    ENTRIES.lock().unwrap_or_else(PoisonError::into_inner).insert(name, entry);
}
