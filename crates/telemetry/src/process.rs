//! What is true of the process as a whole: build, uptime, resources, the runtime, panics. Collected at each scrape.

use std::sync::OnceLock;
use std::time::Instant;

use metrics_process::Collector;
use tokio::runtime::Handle;

use crate::metrics::{Counter, Desc, Gauge, Kind, Unit, describe};
use crate::settings::Settings;

static PROCESS: OnceLock<Process> = OnceLock::new();

struct Process {
    began: Instant,
    collector: Collector,
    runtime: Handle,
    uptime: Gauge,
    workers: Gauge,
    alive_tasks: Gauge,
    queue_depth: Gauge,
    busy: Counter,
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

/// Brings the gauges up to date.
pub(crate) fn collect() {
    if let Some(process) = PROCESS.get() {
        process.collect();
    }
}

impl Process {
    fn new(collector: Collector, runtime: Handle) -> Self {
        let gauge = |name, help| Gauge::new(&Desc { name, unit: Unit::Count, help });
        Self {
            began: Instant::now(),
            collector,
            runtime,
            uptime: Gauge::new(&Desc {
                name: "app_uptime_seconds",
                unit: Unit::Seconds,
                help: "Time since the start of the process.",
            }),
            workers: gauge("tokio_workers", "Worker threads of the main runtime."),
            alive_tasks: gauge("tokio_alive_tasks", "Tasks of the main runtime that have not ended."),
            queue_depth: gauge(
                "tokio_global_queue_depth",
                "Tasks that wait in the main runtime's shared queue.",
            ),
            busy: Counter::new(&Desc {
                name: "tokio_workers_busy_seconds_total",
                unit: Unit::Seconds,
                help: "Time that all workers of the main runtime spent working; divide by tokio_workers for the busy ratio.",
            }),
        }
    }

    fn collect(&self) {
        self.collector.collect();
        let runtime = self.runtime.metrics();
        let busy: u128 = (0..runtime.num_workers())
            .map(|worker| runtime.worker_total_busy_duration(worker).as_micros())
            .sum();
        self.uptime.set(self.began.elapsed().as_secs_f64());
        self.workers.set(runtime.num_workers() as f64);
        self.alive_tasks.set(runtime.num_alive_tasks() as f64);
        self.queue_depth.set(runtime.global_queue_depth() as f64);
        self.busy.absolute(u64::try_from(busy).unwrap_or(u64::MAX));
    }
}

/// The one series whose values are not known to the compiler: they are settings of the process, and there is one.
fn register_build(settings: &Settings) {
    let name = "app_info";
    let labels = ["version", "environment", "service_name", "git_commit", "build_date"];
    let help = "Which build runs, and where; always 1.";
    describe(&Desc { name, unit: Unit::Count, help }, Kind::Gauge, &labels);
    let Settings { service_name, environment, .. } = settings;
    metrics::gauge!(
        name,
        "version" => VERSION,
        "environment" => environment.clone(),
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
