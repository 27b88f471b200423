//! One metric as its process describes it: what the code declares, and for what a library declares, what the scrape says.

use std::collections::{BTreeMap, BTreeSet};

use battlearena_telemetry::metrics::{Entry, Kind, LabelEntry};
use serde::{Deserialize, Serialize};

/// One metric of one role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Instrument {
    pub(super) name: String,
    /// As Prometheus calls it.
    pub(super) kind: String,
    pub(super) unit: String,
    pub(super) help: String,
    pub(super) labels: Vec<Label>,
    /// Of a histogram, where they are known.
    pub(super) bounds: Option<Vec<f64>>,
}

/// One label of a metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Label {
    pub(super) name: String,
    /// Every value, where the set is closed.
    pub(super) values: Option<BTreeSet<String>>,
}

/// Everything that the process has: what it declares, and what the text of its scrape shows besides.
pub(super) fn all(declared: Vec<Entry>, scrape: &str) -> Vec<Instrument> {
    let mut all: BTreeMap<_, _> =
        foreign(scrape).into_iter().map(|instrument| (instrument.name.clone(), instrument)).collect();
    all.extend(declared.into_iter().map(|entry| (entry.name.to_owned(), Instrument::from(entry))));
    all.into_values().collect()
}

impl From<Entry> for Instrument {
    fn from(entry: Entry) -> Self {
        let Entry { name, kind, unit, help, labels, bounds } = entry;
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let labels = labels.into_iter().map(Label::from).collect();
        Self {
            name: name.to_owned(),
            kind: kind.to_owned(),
            unit: unit.to_owned(),
            help: help.to_owned(),
            labels,
            bounds: bounds.map(<[f64]>::to_vec),
        }
    }
}

impl From<LabelEntry> for Label {
    fn from(entry: LabelEntry) -> Self {
        let LabelEntry { name, values } = entry;
        let values = values.map(|values| values.into_iter().map(str::to_owned).collect());
        Self { name: name.to_owned(), values }
    }
}

/// The families of a scrape, by its own description. Libraries' metrics have no labels.
fn foreign(scrape: &str) -> Vec<Instrument> {
    let helps: BTreeMap<_, _> =
        scrape.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split_once(' ')).collect();
    let families = scrape.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let described = families.map(|(name, kind)| Instrument {
        name: name.to_owned(),
        kind: kind.to_owned(),
        unit: unit_of(name).to_owned(),
        help: helps.get(name).copied().unwrap_or_default().to_owned(),
        labels: Vec::new(),
        bounds: None,
    });
    described.collect()
}

/// The unit that Prometheus' naming rules put at the end of a name.
fn unit_of(name: &str) -> &'static str {
    let name = name.strip_suffix("_total").unwrap_or(name);
    match name.rsplit_once('_').map_or("", |(_, last)| last) {
        "seconds" => "seconds",
        "bytes" => "bytes",
        _ => "count",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_librarys_metric_is_described_by_its_scrape() {
        let scrape = "# HELP process_cpu_seconds_total CPU time spent.\n\
                      # TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total 0.5\n";
        let [metric] = all(Vec::new(), scrape).try_into().unwrap();
        let Instrument { name, kind, unit, help, labels, bounds } = metric;
        assert_eq!(
            [&*name, &kind, &unit, &help],
            ["process_cpu_seconds_total", "counter", "seconds", "CPU time spent."]
        );
        assert!(labels.is_empty() && bounds.is_none());
    }
}
