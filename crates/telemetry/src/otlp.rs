//! Traces over OTLP, by the standard `OTEL_*` variables. Without an endpoint there is no layer at all: spans then cost
//! next to nothing.

use opentelemetry::KeyValue;
use opentelemetry_otlp::{
    ExporterBuildError, OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL,
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_PROTOCOL, SpanExporter,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracerProvider, Tracer};
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

use crate::settings::Settings;
use crate::span_queue::SpanQueue;

/// Libraries whose own spans are noise; those below the exporter would have it trace itself.
const SILENT: [&str; 6] = ["h2", "hyper", "tonic", "tower", "opentelemetry", "reqwest"];

/// The protocol named by the environment is none that this build speaks.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TracesError {
    #[error("OTEL_EXPORTER_OTLP_PROTOCOL is \"{0}\", expected \"grpc\" or \"http/protobuf\"")]
    Protocol(String),
    #[error("the span exporter could not be built")]
    Exporter(#[from] ExporterBuildError),
}

/// The pipeline to the collector; `None` when no endpoint is set, or tracing is switched off.
pub(crate) fn provider(settings: &Settings) -> Result<Option<SdkTracerProvider>, TracesError> {
    let disabled = variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let none = variable("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none");
    let endpoint = first(&[OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_EXPORTER_OTLP_ENDPOINT]);
    if disabled || none || endpoint.is_none() {
        return Ok(None);
    }
    let exporter = exporter()?;
    let resource = Resource::builder()
        .with_service_name(settings.service_name.clone())
        .with_attribute(KeyValue::new("service.version", crate::process::VERSION))
        .with_attribute(KeyValue::new("deployment.environment.name", settings.environment.clone()))
        .build();
    let queue_size = variable("OTEL_BSP_MAX_QUEUE_SIZE").and_then(|size| size.parse().ok());
    // The sampler, parent-based unless OTEL_TRACES_SAMPLER says otherwise, is read by the SDK.
    let provider = SdkTracerProvider::builder()
        .with_resource(resource)
        .with_span_processor(SpanQueue::new(exporter, queue_size))
        .build();
    Ok(Some(provider))
}

/// The layer that turns spans into OpenTelemetry's.
pub(crate) fn layer<S>(tracer: Tracer) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let silent = SILENT.map(|target| (target, LevelFilter::OFF));
    tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_target(false)
        .with_error_events_to_status(false)
        .with_filter(Targets::new().with_default(LevelFilter::INFO).with_targets(silent))
}

fn exporter() -> Result<SpanExporter, TracesError> {
    let protocol = first(&[OTEL_EXPORTER_OTLP_TRACES_PROTOCOL, OTEL_EXPORTER_OTLP_PROTOCOL]);
    let exporter = match protocol.as_deref() {
        Some("grpc") => SpanExporter::builder().with_tonic().build(),
        Some("http/protobuf") | None => SpanExporter::builder().with_http().build(),
        Some(other) => return Err(TracesError::Protocol(other.to_owned())),
    };
    Ok(exporter?)
}

fn first(names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| variable(name))
}

/// A variable that is set to something; the specification takes an empty one for unset.
#[expect(
    clippy::disallowed_methods,
    reason = "the OTEL_* variables are a standard, and the SDK reads them itself"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
