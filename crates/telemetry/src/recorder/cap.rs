//! The caps on what a scrape may hold, in lines, as Prometheus counts them. Labels come from closed sets, so that they are
//! never reached unless somebody made a mistake; then that metric is wrong, and the process and its scrape are still
//! alive.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use metrics::{Key, Label};

/// Lines that the series of one metric may take: several times what the largest one needs (the statements of analytics,
/// with each bucket a line: some 700; the routes of the gateway: some 900).
pub(crate) const MOST_LINES_OF_ONE: usize = 5_000;

/// Lines that all metrics together may take: several times what the largest service needs.
pub(crate) const MOST_LINES_OF_ALL: usize = 20_000;

/// The most lines that a scrape can have, for Prometheus' `sample_limit`: beyond the cap there is one overflow series
/// for each metric that has overflowed and one series that counts this. The rest is room for 200 such metrics, twice as
/// many as a service has, even if all of them were histograms; so what has overflowed is seen, and never refused.
pub const MOST_LINES: usize = MOST_LINES_OF_ALL + 200 * 25;

/// The value of each label of a series that stands for all that were not admitted.
const OVERFLOW: &str = "overflow";

/// The series that there are.
#[derive(Default)]
pub(super) struct SeriesCap(Mutex<Admitted>);

/// The hash of a key cannot stand for it: those of neighbouring numbers collide.
#[derive(Default)]
struct Admitted {
    lines: usize,
    metrics: HashMap<String, HashSet<Key>>,
}

impl SeriesCap {
    /// Whether this series, of so many lines, may be registered. One that was admitted before always is, and counts once.
    pub(super) fn admits(&self, key: &Key, lines: usize) -> bool {
        let mut admitted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = admitted.metrics.get(key.name());
        if known.is_some_and(|series| series.contains(key)) {
            return true;
        }
        let of_this = known.map_or(0, HashSet::len) * lines;
        if of_this + lines > MOST_LINES_OF_ONE || admitted.lines + lines > MOST_LINES_OF_ALL {
            return false;
        }
        admitted.lines += lines;
        admitted.metrics.entry(key.name().to_owned()).or_default().insert(key.to_retained())
    }
}

/// The series that takes what `key` would have been.
pub(super) fn overflow_of(key: &Key) -> Key {
    let labels: Vec<_> = key.labels().map(|label| Label::new(label.key().to_owned(), OVERFLOW)).collect();
    Key::from_parts(key.name().to_owned(), labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &'static str, value: usize) -> Key {
        Key::from_parts(name, vec![Label::new("value", value.to_string())])
    }

    #[test]
    fn known_series_count_once_and_those_beyond_the_cap_are_refused() {
        let cap = SeriesCap::default();
        for _worker in 0..2 {
            assert!((0..MOST_LINES_OF_ONE).all(|value| cap.admits(&key("first", value), 1)));
        }
        assert!(!cap.admits(&key("first", MOST_LINES_OF_ONE), 1));
        assert!(cap.admits(&key("second", MOST_LINES_OF_ONE), 1), "each metric has its own");
        assert!(cap.admits(&key("first", 7), 1), "what is there stays");
    }

    #[test]
    fn a_histogram_takes_a_line_for_each_bucket() {
        let cap = SeriesCap::default();
        let admitted = (0..).take_while(|value| cap.admits(&key("histogram", *value), 19)).count();
        assert_eq!(admitted, MOST_LINES_OF_ONE / 19);
    }

    #[test]
    fn all_together_have_a_cap() {
        let cap = SeriesCap::default();
        let names = ["a", "b", "c", "d", "e", "f"];
        let admitted = names.map(|name| (0..).take_while(|value| cap.admits(&key(name, *value), 1)).count());
        assert_eq!(
            admitted,
            [MOST_LINES_OF_ONE, MOST_LINES_OF_ONE, MOST_LINES_OF_ONE, MOST_LINES_OF_ONE, 0, 0]
        );
    }

    #[test]
    fn the_overflow_keeps_the_labels_names() {
        let key = Key::from_parts("requests", vec![Label::new("method", "GET"), Label::new("path", "/x")]);
        let labels: Vec<_> = overflow_of(&key)
            .labels()
            .map(|label| (label.key().to_owned(), label.value().to_owned()))
            .collect();
        assert_eq!(labels, [("method", "overflow"), ("path", "overflow")].map(|(k, v)| (k.into(), v.into())));
    }
}
