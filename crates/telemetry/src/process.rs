//! What is true of the process as a whole: build, uptime, resources, the runtimes, panics. Collected at each scrape.

use std::sync::OnceLock;
use std::time::Instant;

use metrics_process::Collector;
use tokio::runtime::Handle;

use crate::metrics::{Counter, Desc, Gauge, Kind, Unit, describe};
use crate::runtimes::Runtimes;
use crate::settings::Settings;

static PROCESS: OnceLock<Process> = OnceLock::new();

struct Process {
    began: Instant,
    collector: Collector,
    uptime: Gauge,
    runtimes: Runtimes,
}

/// Begins to report about the process, its build and the runtime of `runtime`. Later calls change nothing.
pub(crate) fn start(settings: &Settings, runtime: Handle) {
    PROCESS.get_or_init(|| {
        let collector = Collector::default();
        crate::recorder::install();
        collector.describe();
        register_build(settings);
        Process::new(collector, runtime)
    });
}

/// Counts the current thread among the HTTP workers, once. In a process that does not tell of itself it does nothing.
pub(crate) fn add_http_worker() {
    if let Some(process) = PROCESS.get() {
        process.runtimes.add_http_worker();
    }
}

/// Brings the gauges up to date.
pub(crate) fn collect() {
    if let Some(process) = PROCESS.get() {
        process.collect();
    }
}

impl Process {
    fn new(collector: Collector, runtime: Handle) -> Self {
        Self {
            began: Instant::now(),
            collector,
            uptime: Gauge::new(&Desc {
                name: "app_uptime_seconds",
                unit: Unit::Seconds,
                help: "Time since the start of the process.",
            }),
            runtimes: Runtimes::new(runtime),
        }
    }

    fn collect(&self) {
        self.collector.collect();
        self.uptime.set(self.began.elapsed().as_secs_f64());
        self.runtimes.collect();
    }
}

/// The one series whose values are not known to the compiler: they are settings of the process, and there is one.
fn register_build(settings: &Settings) {
    let name = "app_info";
    let labels = ["version", "environment", "service_name", "git_commit", "build_date"];
    let help = "Which build runs, and where; always 1.";
    describe(&Desc { name, unit: Unit::Count, help }, Kind::Gauge, &labels.map(|label| (label, None)));
    let Settings { service_name, environment, .. } = settings;
    metrics::gauge!(
        name,
        "version" => VERSION,
        "environment" => environment.as_str(),
        "service_name" => service_name.clone(),
        "git_commit" => option_env!("ARENA_GIT_COMMIT").unwrap_or("unknown"),
        "build_date" => option_env!("ARENA_BUILD_DATE").unwrap_or("unknown"),
    )
    .set(1.0);
}

/// Version of the workspace.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Counts and logs panics, and then does what `previous` says, when it is given.
pub(crate) fn watch_panics(call_previous: bool) {
    let previous = std::panic::take_hook();
    let panics = Counter::new(&Desc {
        name: "app_panics_total",
        unit: Unit::Count,
        help: "Panics, each of which ended a request or a task.",
    });
    std::panic::set_hook(Box::new(move |panic| {
        panics.increment(1);
        if call_previous {
            return previous(panic);
        }
        let location = panic.location().map(ToString::to_string);
        let backtrace = std::backtrace::Backtrace::capture();
        let text = panic.payload_as_str().unwrap_or("not a text");
        tracing::error!(location, %backtrace, panic = text, "panic");
    }));
}
