//! The cap on the series of each metric. Labels come from closed sets, so it is never reached unless somebody made a
//! mistake; then that metric is wrong, and the process and its scrape are still alive.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use metrics::{Key, Label};

/// Series that one metric may have, beside that of what overflows. Several times what the largest one needs (each route
/// with each status: some 700), and yet one metric alone cannot take a scrape beyond what Prometheus is told to accept.
pub(crate) const MOST_SERIES: usize = 2_000;

/// The value of each label of a series that stands for all that were not admitted.
const OVERFLOW: &str = "overflow";

/// The series that there are, by the name of their metric. (The hash of a key cannot stand for it: those of neighbouring
/// numbers collide.)
#[derive(Default)]
pub(super) struct SeriesCap(Mutex<HashMap<String, HashSet<Key>>>);

impl SeriesCap {
    /// Whether this series may be registered. One that was admitted before always is, and counts once.
    pub(super) fn admits(&self, key: &Key) -> bool {
        let mut metrics = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !metrics.contains_key(key.name()) {
            metrics.insert(key.name().to_owned(), HashSet::new());
        }
        metrics.get_mut(key.name()).is_some_and(|series| {
            series.contains(key) || series.len() < MOST_SERIES && series.insert(key.to_retained())
        })
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
            assert!((0..MOST_SERIES).all(|value| cap.admits(&key("first", value))));
        }
        assert!(!cap.admits(&key("first", MOST_SERIES)));
        assert!(cap.admits(&key("second", MOST_SERIES)), "each metric has its own");
        assert!(cap.admits(&key("first", 7)), "what is there stays");
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
