//! Traces over OTLP, by the standard `OTEL_*` variables. Without an endpoint there is no layer at all: spans then cost
//! next to nothing.

mod environment;
mod transport;

use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use opentelemetry_sdk::trace::{SdkTracerProvider, Tracer};
use tokio::runtime::Handle;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

use self::environment::Plan;
pub(crate) use self::transport::TracesError;
use crate::failures;
use crate::settings::Settings;
use crate::span_queue::{Fates, SpanQueue};
use crate::trace::Edge;

/// Libraries whose own spans are noise (those below the exporter would have it trace itself), and log lines that say
/// what a span says anyway.
const SILENT: [&str; 6] = ["h2", "hyper", "tonic", "tower", "opentelemetry", failures::ACCESS];

/// Links that a span may have: a batch is linked to each of the events that it is made of, which are 500 at most.
const MOST_LINKS: u32 = 500;

/// The pipeline to the collector.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) provider: SdkTracerProvider,
    pub(crate) fates: Arc<Fates>,
}

/// The pipeline that the variables ask for, and the decision about strangers that goes with it; `None` when no endpoint
/// is set, or tracing is switched off.
pub(crate) fn pipeline(settings: &Settings, runtime: Handle) -> Result<Option<Pipeline>, TracesError> {
    let Some(plan) = Plan::read(variable) else { return Ok(None) };
    let exporter = transport::exporter(&plan, runtime)?;
    let queue = SpanQueue::new(exporter, plan.queue_size);
    let fates = queue.fates();
    let provider = SdkTracerProvider::builder()
        .with_resource(resource(settings, plan.attributes))
        .with_sampler(plan.sampling.sampler())
        .with_max_links_per_span(MOST_LINKS)
        .with_span_processor(queue)
        .build();
    Edge::new(plan.sampling, settings.edge_traces_per_second).install();
    Ok(Some(Pipeline { provider, fates }))
}

/// The name of this process among the resource attributes, if it is there.
pub(crate) fn service_name() -> Option<String> {
    environment::service_name(variable)
}

/// Who sends the spans. What the variables say stands over our defaults, but not over what this process is.
fn resource(settings: &Settings, attributes: Vec<KeyValue>) -> Resource {
    Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_attribute(KeyValue::new("deployment.environment.name", settings.environment.as_str()))
        .with_attributes(attributes)
        .with_service_name(settings.service_name.clone())
        .with_attribute(KeyValue::new("service.version", crate::process::VERSION))
        .build()
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
        // Nothing here asks for OpenTelemetry's own current context; keeping it costs at every poll.
        .with_context_activation(false)
        .with_target(false)
        .with_error_events_to_status(false)
        .with_filter(Targets::new().with_default(LevelFilter::INFO).with_targets(silent))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the OTEL_* variables are a standard, and the SDK reads them itself"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
