//! The specifications in deploy/slo, against what the services export and what is committed.

use std::fs;

use battlearena_monitoring::slo::{self, Options};

use crate::repository;

#[test]
fn the_committed_rules_are_those_of_the_specifications() {
    let specs = slo::read(&repository("deploy/slo")).unwrap();
    let committed = fs::read_to_string(repository("deploy/prometheus/rules/slo.yml")).unwrap();
    assert!(committed == slo::write(&specs, &Options::default()).unwrap(), "out of date: run `make slo`");
}

/// docs/metrics.md is held to the code by a test of its own.
#[test]
fn every_threshold_is_a_bound_of_its_histogram() {
    let metrics = fs::read_to_string(repository("docs/metrics.md")).unwrap();
    let mut thresholds = 0;
    for spec in slo::read(&repository("deploy/slo")).unwrap() {
        for query in spec.sources.values().flat_map(|source| [&source.bad, &source.total]) {
            for (before, after) in
                query.match_indices("le=\"").map(|(at, found)| (&query[..at], &query[at + found.len()..]))
            {
                let threshold = after.split('"').next().unwrap();
                let histogram = before.rsplit('(').next().unwrap().split("_bucket{").next().unwrap();
                let bounds = bounds(&metrics, histogram);
                assert!(bounds.contains(&threshold), "{}: {histogram} has no bound {threshold}", spec.id);
                thresholds += 1;
            }
        }
    }
    assert_eq!(thresholds, 4);
}

/// The bounds of a histogram, as the document has them.
fn bounds<'a>(metrics: &'a str, histogram: &str) -> Vec<&'a str> {
    let section = metrics.split_once(&format!("### `{histogram}`")).unwrap().1;
    let title = section.split_once("- bounds: [").unwrap().1.split_once(']').unwrap().0;
    let bounds = metrics.split_once(&format!("\n### {title}\n\n")).unwrap().1;
    bounds.lines().next().unwrap().split(' ').collect()
}
