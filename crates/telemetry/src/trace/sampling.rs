//! The sampler that `OTEL_TRACES_SAMPLER` and its argument name. The SDK would read them too, but keeps them to itself:
//! the decision at the edge must be the same.

use opentelemetry::trace::{SpanKind, TraceId};
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, ShouldSample};

/// How traces of our own are chosen, and whether those of others are followed.
#[derive(Debug, Clone)]
pub(crate) struct Sampling {
    root: Sampler,
    parent_based: bool,
}

impl Default for Sampling {
    /// The specification's: parent-based, and every trace of our own.
    fn default() -> Self {
        Self { root: Sampler::AlwaysOn, parent_based: true }
    }
}

impl Sampling {
    /// The sampler of a name, with what was wrong with the name or its argument. As the specification wants it, what
    /// cannot be read is taken as not set.
    pub(crate) fn named(name: Option<&str>, argument: Option<&str>) -> (Self, Option<String>) {
        let Some(name) = name else { return (Self::default(), None) };
        let (parent_based, root) = match name.strip_prefix("parentbased_") {
            Some(root) => (true, root),
            None => (false, name),
        };
        let (root, complaint) = match root {
            "always_on" => (Sampler::AlwaysOn, None),
            "always_off" => (Sampler::AlwaysOff, None),
            "traceidratio" => ratio(argument),
            _ => {
                let complaint =
                    format!("OTEL_TRACES_SAMPLER is \"{name}\", which is no sampler: all is sampled");
                return (Self::default(), Some(complaint));
            }
        };
        (Self { root, parent_based }, complaint)
    }

    /// The sampler for the SDK.
    pub(crate) fn sampler(&self) -> Sampler {
        match self.parent_based {
            true => Sampler::ParentBased(Box::new(self.root.clone())),
            false => self.root.clone(),
        }
    }

    /// Whether a trace of this id would be sampled if it began here.
    pub(crate) fn samples(&self, trace_id: TraceId) -> bool {
        let result = self.root.should_sample(None, trace_id, "", &SpanKind::Server, &[], &[]);
        result.decision == SamplingDecision::RecordAndSample
    }

    /// Whether somebody who chooses trace ids can choose what is sampled.
    pub(crate) fn is_by_trace_id(&self) -> bool {
        matches!(self.root, Sampler::TraceIdRatioBased(ratio) if ratio < 1.0)
    }

    pub(crate) fn is_parent_based(&self) -> bool {
        self.parent_based
    }
}

/// The share of traces that the argument names; all without one.
fn ratio(argument: Option<&str>) -> (Sampler, Option<String>) {
    let ratio = argument.map_or(Ok(1.0), |text| text.trim().parse().map_err(|_| text));
    match ratio {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => (Sampler::TraceIdRatioBased(ratio), None),
        _ => {
            let argument = argument.unwrap_or_default();
            let complaint =
                format!("OTEL_TRACES_SAMPLER_ARG is \"{argument}\", expected 0 to 1: all is sampled");
            (Sampler::TraceIdRatioBased(1.0), Some(complaint))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small trace ids are sampled by every ratio but 0, large ones by none but 1.
    const IDS: [u128; 2] = [1, u128::MAX];

    #[test]
    fn every_standard_name_is_known() {
        let all = [
            (None, None, [true, true], true),
            (Some("always_on"), None, [true, true], false),
            (Some("always_off"), None, [false, false], false),
            (Some("traceidratio"), None, [true, true], false),
            (Some("traceidratio"), Some("0.25"), [true, false], false),
            (Some("parentbased_always_on"), Some("ignored"), [true, true], true),
            (Some("parentbased_always_off"), None, [false, false], true),
            (Some("parentbased_traceidratio"), Some("0"), [false, false], true),
            (Some("parentbased_traceidratio"), Some("1"), [true, true], true),
            (Some("parentbased_traceidratio"), Some("0.5"), [true, false], true),
        ];
        for (name, argument, expected, parent_based) in all {
            let (sampling, complaint) = Sampling::named(name, argument);
            assert_eq!(complaint, None);
            assert_eq!(IDS.map(|id| sampling.samples(id.into())), expected, "{name:?} {argument:?}");
            assert_eq!(sampling.is_parent_based(), parent_based, "{name:?}");
            assert_eq!(matches!(sampling.sampler(), Sampler::ParentBased(_)), parent_based, "{name:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named_and_taken_as_not_set() {
        for (name, argument) in [
            ("xray", None),
            ("parentbased_", None),
            ("ALWAYS_OFF", None),
            ("parentbased_traceidratio", Some("ten percent")),
            ("parentbased_traceidratio", Some("-0.1")),
            ("traceidratio", Some("1.1")),
            ("traceidratio", Some("NaN")),
        ] {
            let (sampling, complaint) = Sampling::named(Some(name), argument);
            assert!(complaint.is_some_and(|text| text.contains(argument.unwrap_or(name))), "{name}");
            assert_eq!(IDS.map(|id| sampling.samples(id.into())), [true, true], "{name} {argument:?}");
        }
    }
}
