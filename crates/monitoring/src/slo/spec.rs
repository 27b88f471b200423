//! What is promised: the form of a specification, and what it must not say.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::SloError;

/// One objective, as a file in deploy/slo/ tells it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Unique, in kebab case; the names of the alerts are made of it.
    pub id: String,
    /// Whose objective it is: the label `service`.
    pub service: String,
    /// What it is called among the objectives of the service.
    pub slo: String,
    /// What is promised, as a sentence without a full stop.
    pub title: String,
    /// The share of events that are good, in percent, below 100.
    pub objective: f64,
    /// The period over which the promise holds, in days (`30d`), more than three.
    pub window: String,
    /// The services, and `database`, whose outage makes this objective burn: while they are known to be down, its alerts are
    /// muted.
    pub depends_on: Vec<String>,
    /// Where errors show. The worst of them counts: adding them up would drown the few in the many.
    pub sources: BTreeMap<String, Source>,
}

/// One place where errors show: two PromQL expressions that are summed up, with `$window` for the window
/// and `$seconds` for its length.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Events that were bad, a second.
    pub bad: String,
    /// All events, a second.
    pub total: String,
    /// With fewer events a second over a window, that window sees no errors: one failure at night is no outage. The budget
    /// of the period counts every event.
    #[serde(default)]
    pub least_per_second: f64,
}

/// What a query has for the window.
pub(super) const WINDOW: &str = "$window";

/// What a query may have for the seconds of the window, where it sums up what is no counter.
pub(super) const SECONDS: &str = "$seconds";

impl Spec {
    /// The share of events that may be bad, exact to nine digits.
    pub(super) fn budget(&self) -> String {
        trimmed(1.0 - self.objective / 100.0)
    }

    /// The share of events that are to be good.
    pub(super) fn objective_ratio(&self) -> String {
        trimmed(self.objective / 100.0)
    }

    /// The period; 0 when it is none.
    pub(super) fn days(&self) -> u32 {
        self.window.strip_suffix('d').and_then(|days| days.parse().ok()).unwrap_or(0)
    }

    /// `GatewayAvailability` for `gateway-availability`.
    pub(super) fn camel_case(&self) -> String {
        let words = self.id.split('-').map(|word| {
            let mut letters = word.chars();
            letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect::<String>()
        });
        words.collect()
    }

    /// Whether it can be kept and measured.
    pub(super) fn check(&self) -> Result<(), SloError> {
        match self.problem() {
            None => Ok(()),
            Some(problem) => Err(SloError::Invalid { id: self.id.clone(), problem }),
        }
    }

    fn problem(&self) -> Option<String> {
        let kebab = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        if let Some(name) = [&self.id, &self.service, &self.slo].into_iter().find(|name| !kebab(name)) {
            return Some(format!("{name:?} is not in kebab case"));
        }
        if !(self.objective > 0.0 && self.objective < 100.0) {
            return Some(format!("an objective of {} % leaves no budget, or everything", self.objective));
        }
        if self.days() <= 3 {
            return Some(format!(
                "the period {:?} is not in days, or not longer than the alerts look back",
                self.window
            ));
        }
        if self.sources.is_empty() {
            return Some("it has no source".to_owned());
        }
        self.sources.iter().find_map(|(name, source)| Some(format!("source {name}: {}", source.problem()?)))
    }
}

impl Source {
    fn problem(&self) -> Option<String> {
        let queries = [&self.bad, &self.total];
        if let Some(query) = queries.into_iter().find(|query| !query.contains(WINDOW)) {
            return Some(format!("{query:?} does not look at {WINDOW}"));
        }
        if !(self.least_per_second >= 0.0 && self.least_per_second.is_finite()) {
            return Some(format!("{} is no rate", self.least_per_second));
        }
        // Prometheus 3 stores the bound 1 as `1.0`, and 2 keeps `1`: one of them would find nothing.
        let bounds = queries.into_iter().flat_map(|query| query.split("le=\"").skip(1));
        bounds.filter_map(|rest| rest.split('"').next()).find(|bound| !bound.contains('.')).map(|bound| {
            format!("the bound {bound:?} is spelt differently by versions of Prometheus: choose one that is no whole number")
        })
    }
}

/// A ratio in as few digits as it needs.
fn trimmed(ratio: f64) -> String {
    format!("{ratio:.9}").trim_end_matches('0').to_owned()
}
