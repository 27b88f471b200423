//! What the standard variables say about traces. What cannot be read is warned of and taken as not set, as the
//! specification wants it; the rest (headers, compression, batches) is read by the exporter and the SDK.

use std::time::Duration;

use opentelemetry::KeyValue;
use percent_encoding::percent_decode_str;

use crate::trace::Sampling;

/// How long one export may take when nothing is said: the specification's 10 seconds.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// How spans travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Grpc,
    Http,
}

/// Where and how spans are exported.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) protocol: Protocol,
    /// Whether the endpoint wants TLS.
    pub(super) is_secure: bool,
    /// The file with the one certificate to trust; the system's otherwise.
    pub(super) certificate: Option<String>,
    pub(super) timeout: Duration,
    pub(super) queue_size: Option<u32>,
    pub(super) sampling: Sampling,
    pub(super) attributes: Vec<KeyValue>,
}

impl Plan {
    /// What the variables, looked up by name, ask for; `None` when traces are not wanted. An empty variable counts as
    /// not set.
    ///
    /// The specification exports to localhost when nothing is set; here somebody must say so, by an endpoint or by
    /// `OTEL_TRACES_EXPORTER=otlp`.
    pub(super) fn read(lookup: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let variable = |name: &str| lookup(name).filter(|value| !value.is_empty());
        // A variable of traces alone comes before the one of all signals.
        let exporter_variable = |what: &str| {
            variable(&format!("OTEL_EXPORTER_OTLP_TRACES_{what}"))
                .or_else(|| variable(&format!("OTEL_EXPORTER_OTLP_{what}")))
        };
        let endpoint = exporter_variable("ENDPOINT");
        let is_wanted = match variable("OTEL_TRACES_EXPORTER").as_deref().map(str::trim) {
            Some("none") => false,
            Some("otlp") => true,
            Some(other) => {
                tracing::warn!("OTEL_TRACES_EXPORTER is \"{other}\", expected \"otlp\" or \"none\"");
                endpoint.is_some()
            }
            None => endpoint.is_some(),
        };
        if !is_wanted || is_disabled(variable("OTEL_SDK_DISABLED")) {
            return None;
        }
        let (sampler, argument) = (variable("OTEL_TRACES_SAMPLER"), variable("OTEL_TRACES_SAMPLER_ARG"));
        Some(Self {
            protocol: protocol(exporter_variable("PROTOCOL")),
            is_secure: endpoint.is_some_and(|endpoint| !endpoint.to_ascii_lowercase().starts_with("http://")),
            certificate: exporter_variable("CERTIFICATE"),
            timeout: number("OTEL_EXPORTER_OTLP_TIMEOUT", exporter_variable("TIMEOUT"))
                .map_or(DEFAULT_TIMEOUT, Duration::from_millis),
            queue_size: number("OTEL_BSP_MAX_QUEUE_SIZE", variable("OTEL_BSP_MAX_QUEUE_SIZE")),
            sampling: sampling(sampler.as_deref(), argument.as_deref()),
            attributes: attributes(variable("OTEL_RESOURCE_ATTRIBUTES").as_deref()),
        })
    }
}

fn is_disabled(value: Option<String>) -> bool {
    let Some(value) = value.map(|value| value.to_ascii_lowercase()) else { return false };
    if value != "true" && value != "false" {
        tracing::warn!("OTEL_SDK_DISABLED is \"{value}\", expected \"true\" or \"false\"");
    }
    value == "true"
}

fn protocol(value: Option<String>) -> Protocol {
    match value.map(|value| value.trim().to_ascii_lowercase()).as_deref() {
        None | Some("http/protobuf") => Protocol::Http,
        Some("grpc") => Protocol::Grpc,
        Some(other) => {
            tracing::warn!(
                "OTEL_EXPORTER_OTLP_PROTOCOL is \"{other}\", expected \"grpc\" or \"http/protobuf\""
            );
            Protocol::Http
        }
    }
}

fn sampling(name: Option<&str>, argument: Option<&str>) -> Sampling {
    let (sampling, complaint) = Sampling::named(name, argument);
    if let Some(complaint) = complaint {
        tracing::warn!("{complaint}");
    }
    sampling
}

fn number<N: std::str::FromStr>(name: &str, value: Option<String>) -> Option<N> {
    let value = value?;
    let number = value.trim().parse().ok();
    if number.is_none() {
        tracing::warn!("{name} is \"{value}\", expected a whole number: it is ignored");
    }
    number
}

/// The service's name among the resource attributes. What cannot be read is warned of when the plan is made.
pub(super) fn service_name(lookup: impl Fn(&str) -> Option<String>) -> Option<String> {
    let named = parsed(lookup("OTEL_RESOURCE_ATTRIBUTES").as_deref())?;
    let name = named.into_iter().rev().find(|pair| pair.key.as_str() == "service.name")?;
    Some(name.value.to_string()).filter(|name| !name.is_empty())
}

/// The attributes of the process; none, with a warning, when they cannot be read.
fn attributes(list: Option<&str>) -> Vec<KeyValue> {
    parsed(list).unwrap_or_else(|| {
        tracing::warn!("OTEL_RESOURCE_ATTRIBUTES is no list of key=value: it is ignored");
        Vec::new()
    })
}

/// `key=value,key=value`, percent-encoded. One mistake makes all of it worthless.
fn parsed(list: Option<&str>) -> Option<Vec<KeyValue>> {
    let decode = |text: &str| Some(percent_decode_str(text.trim()).decode_utf8().ok()?.into_owned());
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=')?;
        Some(KeyValue::new(decode(key).filter(|key| !key.is_empty())?, decode(value)?))
    };
    let pairs = list.unwrap_or_default().split(',').filter(|part| !part.trim().is_empty());
    pairs.map(pair).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn plan(variables: &[(&str, &str)]) -> Option<Plan> {
        let variables: HashMap<_, _> = variables.iter().copied().collect();
        Plan::read(|name| variables.get(name).map(|value| (*value).to_owned()))
    }

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");

    #[test]
    fn traces_are_exported_when_somebody_says_so() {
        for (variables, is_wanted) in [
            (&[][..], false),
            (&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")], false),
            (&[ENDPOINT], true),
            (&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://collector:4318/v1/traces")], true),
            (&[("OTEL_TRACES_EXPORTER", "otlp")], true),
            (&[("OTEL_TRACES_EXPORTER", "none"), ENDPOINT], false),
            (&[("OTEL_TRACES_EXPORTER", "zipkin")], false),
            (&[("OTEL_TRACES_EXPORTER", "zipkin"), ENDPOINT], true),
            (&[("OTEL_SDK_DISABLED", "TRUE"), ENDPOINT], false),
            (&[("OTEL_SDK_DISABLED", "false"), ENDPOINT], true),
            (&[("OTEL_SDK_DISABLED", "1"), ENDPOINT], true),
        ] {
            assert_eq!(plan(variables).is_some(), is_wanted, "{variables:?}");
        }
    }

    #[test]
    fn the_variable_of_traces_comes_before_that_of_all_signals() {
        let defaults = plan(&[ENDPOINT]).unwrap();
        assert_eq!((defaults.protocol, defaults.is_secure), (Protocol::Http, false));
        assert_eq!((defaults.timeout, defaults.queue_size), (Duration::from_secs(10), None));
        let plan = plan(&[
            ENDPOINT,
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "HTTPS://collector"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "gRPC"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "5000"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "250"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "ca.pem"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "9000"),
        ]);
        let plan = plan.unwrap();
        assert_eq!((plan.protocol, plan.is_secure), (Protocol::Grpc, true));
        assert_eq!((plan.timeout, plan.queue_size), (Duration::from_millis(250), Some(9_000)));
        assert_eq!(plan.certificate.as_deref(), Some("ca.pem"));
    }

    #[test]
    fn an_unknown_protocol_or_number_is_taken_as_not_set() {
        let plan = plan(&[
            ENDPOINT,
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "carrier pigeon"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "-1"),
        ]);
        let plan = plan.unwrap();
        assert_eq!((plan.protocol, plan.timeout, plan.queue_size), (Protocol::Http, DEFAULT_TIMEOUT, None));
    }

    #[test]
    fn the_name_is_that_of_the_attributes() {
        for (list, name) in [
            ("service.name=arena%201,team=games", Some("arena 1")),
            ("service.name=,team=games", None),
            ("service.name=x,nonsense", None),
            ("team=games", None),
        ] {
            assert_eq!(service_name(|_| Some(list.to_owned())).as_deref(), name, "{list}");
        }
    }

    #[test]
    fn attributes_are_decoded_and_all_or_nothing() {
        let pair = |key: &'static str, value: &'static str| KeyValue::new(key, value);
        for (list, expected) in [
            ("", vec![]),
            ("a=1, b = two%20words ,", vec![pair("a", "1"), pair("b", "two words")]),
            ("a=x=y", vec![pair("a", "x=y")]),
            ("a=", vec![pair("a", "")]),
            ("a=1,nonsense", vec![]),
            ("a=1,=2", vec![]),
            ("a=%ff", vec![]),
        ] {
            assert_eq!(attributes(Some(list)), expected, "{list}");
        }
    }
}
