//! Start and flush: the one log writer, the one recorder, the one pipeline of traces.

use std::io::IsTerminal;
use std::sync::OnceLock;
use std::time::Duration;

use battlearena_runtime::Tasks;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tracing::Subscriber;
use tracing_subscriber::filter::{EnvFilter, FilterExt, ParseError, filter_fn};
use tracing_subscriber::layer::{Filter, Layer, SubscriberExt};
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::logs::LogLayer;
use crate::otlp::TracesError;
use crate::settings::{LogFormat, Settings};
use crate::{failures, otlp, process, recorder};

/// How long the last spans and the last task may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often histogram samples move into their buckets.
const UPKEEP: Duration = Duration::from_secs(5);

/// Running telemetry. Flush it with [`Telemetry::shutdown`] as the last thing in `main`; dropped, it loses the last
/// spans.
#[must_use = "flush it with shutdown"]
#[derive(Debug)]
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
    tasks: Tasks,
}

/// Why telemetry could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// [`start`] was called outside of a Tokio runtime.
    #[error("telemetry starts inside of the main runtime")]
    NoRuntime(#[from] tokio::runtime::TryCurrentError),
    /// The log filter cannot be read.
    #[error("the log filter cannot be read")]
    LogFilter(#[from] ParseError),
    /// The `OTEL_*` variables do not make an exporter.
    #[error("traces cannot be exported")]
    Traces(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Telemetry was started before.
    #[error("another log writer is installed")]
    Installed(#[from] TryInitError),
}

impl From<TracesError> for StartError {
    fn from(error: TracesError) -> Self {
        Self::Traces(Box::new(error))
    }
}

/// Starts logs, metrics and, if an OTLP endpoint is set, traces. Call it once, inside of the main runtime, which must
/// have two workers or more: with one, the exporter and the last flush would wait for each other.
///
/// Traces follow `OTEL_EXPORTER_OTLP_ENDPOINT` (or `…_TRACES_ENDPOINT`), `…_PROTOCOL` (`grpc` or `http/protobuf`, the
/// default), `…_HEADERS`, `OTEL_TRACES_SAMPLER` and `…_ARG`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_EXPORTER=none`
/// and `OTEL_SDK_DISABLED=true`.
///
/// # Errors
/// [`StartError`]; nothing is left running.
pub fn start(settings: Settings) -> Result<Telemetry, StartError> {
    let runtime = Handle::try_current()?;
    let filter = log_filter(&settings.log_filter)?;
    let provider = otlp::provider(&settings)?;
    let json = match settings.log_format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => settings.environment != "development" || !std::io::stderr().is_terminal(),
    };
    let logs = LogLayer::new(json, &settings.service_name, std::io::stderr).with_filter(filter);
    let traces = provider.as_ref().map(|provider| otlp::layer(provider.tracer("battlearena")));
    tracing_subscriber::registry().with(traces).with(logs).try_init()?;

    process::start(&settings, runtime);
    process::watch_panics(false);
    failures::register();
    let tasks = Tasks::new();
    let stop = tasks.token();
    tasks.spawn("metrics-upkeep", async move {
        while stop.run_until_cancelled(tokio::time::sleep(UPKEEP)).await.is_some() {
            recorder::upkeep();
        }
    });
    Ok(Telemetry { provider, tasks })
}

impl Telemetry {
    /// Exports the spans that wait, for at most 5 seconds.
    pub async fn shutdown(self) {
        if let Err(error) = self.tasks.stop(PATIENCE).await {
            tracing::warn!(%error, "telemetry stops with tasks running");
        }
        let Some(provider) = self.provider else { return };
        // The processor waits without yielding, so it must not do that on a worker that the exporter needs.
        let flush = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(PATIENCE));
        match tokio::time::timeout(PATIENCE, flush).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::warn!(%error, "the last spans may be lost"),
            Ok(Err(error)) => tracing::warn!(%error, "the last spans may be lost"),
            Err(_) => tracing::warn!("the last spans are lost: no end within {PATIENCE:?}"),
        }
    }
}

/// Telemetry for tests: metrics are recorded, warnings go to the test's own output, nothing is exported. Any number of
/// calls start it once.
pub fn start_for_tests() {
    static STARTED: OnceLock<()> = OnceLock::new();
    STARTED.get_or_init(|| {
        recorder::install();
        failures::register();
        process::watch_panics(true);
        let writer = tracing_subscriber::fmt::TestWriter::new();
        if let Ok(filter) = log_filter("warn") {
            let logs = LogLayer::new(false, "test", writer).with_filter(filter);
            // A test that installed its own log keeps it.
            let _ = tracing_subscriber::registry().with(logs).try_init();
        }
    });
}

/// Events that `directives` let through, and no spans: a span that nobody exports is then never made.
pub(crate) fn log_filter<S: Subscriber>(directives: &str) -> Result<impl Filter<S> + use<S>, ParseError> {
    let filter = EnvFilter::builder().parse(directives)?;
    Ok(filter.and(filter_fn(|metadata| metadata.is_event())))
}
