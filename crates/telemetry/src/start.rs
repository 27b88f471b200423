//! Start and flush: the one log writer, the one recorder, the one pipeline of traces.

use std::io::IsTerminal;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use battlearena_runtime::Tasks;
use opentelemetry::trace::TracerProvider;
use tokio::runtime::Handle;
use tracing::{Level, Subscriber};
use tracing_subscriber::filter::{EnvFilter, FilterExt, ParseError, filter_fn};
use tracing_subscriber::layer::{Filter, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::logs::LogLayer;
use crate::otlp::{Pipeline, TracesError};
use crate::settings::{LogFormat, Settings, Switch};
use crate::span_queue::Tally;
use crate::{failures, otlp, process, recorder, span_queue};

/// How long the last spans and the last task may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often histogram samples move into their buckets.
const UPKEEP: Duration = Duration::from_secs(5);

/// Running telemetry. Flush it with [`Telemetry::shutdown`] as the last thing in `main`; dropped, it loses the last
/// spans.
#[must_use = "flush it with shutdown"]
#[derive(Debug)]
pub struct Telemetry {
    pipeline: Option<Pipeline>,
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
/// Traces follow the standard variables: `OTEL_EXPORTER_OTLP_ENDPOINT`, `…_PROTOCOL` (`grpc` or `http/protobuf`, the
/// default), `…_HEADERS`, `…_TIMEOUT`, `…_COMPRESSION` (`gzip`), `…_CERTIFICATE` and `…_INSECURE`, each also as
/// `OTEL_EXPORTER_OTLP_TRACES_…`; `OTEL_TRACES_SAMPLER` and `…_ARG`, `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`,
/// `OTEL_TRACES_EXPORTER` (`otlp` or `none`), `OTEL_SDK_DISABLED`, and `OTEL_BSP_*`.
///
/// # Errors
/// [`StartError`]; nothing is left running.
pub fn start(settings: Settings) -> Result<Telemetry, StartError> {
    let runtime = Handle::try_current()?;
    if settings.metrics == Switch::Off {
        recorder::switch_off();
    }
    // What the exporter says of its variables must be seen; the SDK only repeats what we say of the sampler. Later, all
    // of them would repeat with each batch that the collector is away.
    let early = tracing_subscriber::registry().with(logs(&settings, "opentelemetry_sdk")?);
    let pipeline = tracing::subscriber::with_default(early, || otlp::pipeline(&settings, runtime.clone()))?;
    let silent = "opentelemetry";
    match &pipeline {
        Some(pipeline) => {
            let traces = otlp::layer(pipeline.provider.tracer("battlearena"));
            tracing_subscriber::registry().with(traces).with(logs(&settings, silent)?).try_init()?;
        }
        // An absent layer would want every span: without it none is made.
        None => tracing_subscriber::registry().with(logs(&settings, silent)?).try_init()?,
    }

    process::start(&settings, runtime);
    process::watch_panics(false);
    failures::register();
    span_queue::register();
    if settings.access_log {
        failures::log_access();
    }
    let tasks = Tasks::new();
    let stop = tasks.token();
    tasks.spawn("metrics-upkeep", async move {
        while stop.run_until_cancelled(tokio::time::sleep(UPKEEP)).await.is_some() {
            recorder::upkeep();
        }
    });
    Ok(Telemetry { pipeline, tasks })
}

/// The log, without what libraries say whose targets begin with `silent`.
fn logs<S>(settings: &Settings, silent: &'static str) -> Result<impl Layer<S> + use<S>, ParseError>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let json = match settings.log_format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => settings.environment.is_production() || !std::io::stderr().is_terminal(),
    };
    let lines = LogLayer::new(json, &settings.service_name, std::io::stderr);
    Ok(lines.with_filter(log_filter(&settings.log_filter, Some(silent))?))
}

impl Telemetry {
    /// Exports the spans that wait, for at most 5 seconds, and says what became of all of them. Spans that end later
    /// are lost.
    pub async fn shutdown(self) {
        if let Err(error) = self.tasks.stop(PATIENCE).await {
            tracing::warn!(%error, "telemetry stops with tasks running");
        }
        let Tally { ended, exported, dropped } = match self.pipeline {
            Some(pipeline) => flush(pipeline).await,
            None => Tally::default(),
        };
        tracing::info!(
            spans_ended = ended,
            spans_exported = exported,
            spans_dropped = dropped,
            "telemetry stopped"
        );
    }
}

async fn flush(Pipeline { provider, fates }: Pipeline) -> Tally {
    let (flushing, until) = (fates.clone(), Instant::now() + PATIENCE);
    let (done, finished) = tokio::sync::oneshot::channel();
    // It waits without yielding, so that it must not do so on a worker which the exporter needs; and nothing waits for
    // this thread when the time is over.
    let flush = move || {
        flushing.flush(&provider, until);
        // Nobody listens any more when the time is over.
        let _ = done.send(());
    };
    match std::thread::Builder::new().name("telemetry-flush".into()).spawn(flush) {
        // In time or not, what is left is told when the queue is closed.
        Ok(_) => drop(tokio::time::timeout_at(until.into(), finished).await),
        Err(error) => tracing::warn!(%error, "the spans that wait cannot be flushed"),
    }
    fates.close()
}

/// Telemetry for tests: metrics are recorded, warnings go to the test's own output, nothing is exported. Any number of
/// calls start it once.
pub fn start_for_tests() {
    static STARTED: OnceLock<()> = OnceLock::new();
    STARTED.get_or_init(|| {
        recorder::install();
        failures::register();
        span_queue::register();
        process::watch_panics(true);
        let writer = tracing_subscriber::fmt::TestWriter::new();
        if let Ok(filter) = log_filter("warn", None) {
            let logs = LogLayer::new(false, "test", writer).with_filter(filter);
            // A test that installed its own log keeps it.
            let _ = tracing_subscriber::registry().with(logs).try_init();
        }
    });
}

/// The driver of the database, which at `debug` writes every statement with its parameters: addresses, hashes, messages.
const TALKATIVE: &str = "tokio_postgres";

/// Events that `directives` let through, but for those of targets that begin with `silent`, and for what `TALKATIVE` says
/// of single statements, whatever is asked for; and no spans: a span that nobody exports is then never made.
pub(crate) fn log_filter<S: Subscriber>(
    directives: &str,
    silent: Option<&'static str>,
) -> Result<impl Filter<S> + use<S>, ParseError> {
    let filter = EnvFilter::builder().parse(directives)?;
    Ok(filter.and(filter_fn(move |metadata| {
        let (target, level) = (metadata.target(), *metadata.level());
        let is_harmless = level <= Level::INFO || !target.starts_with(TALKATIVE);
        metadata.is_event() && is_harmless && silent.is_none_or(|silent| !target.starts_with(silent))
    })))
}
