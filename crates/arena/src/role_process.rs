//! The process around one role: runtime, telemetry, stop signals, exit code. Knows no role by name.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use battlearena_runtime::{CancellationToken, Tasks, finish_on, raise_open_file_limit, stop_requested};
use clap::Args;
use tokio::runtime::{Builder, Handle, Runtime};

/// The settings of one role, and what every role's process has besides.
#[derive(Debug, Args)]
pub(crate) struct RoleProcess<C: Args> {
    #[command(flatten)]
    config: C,
    #[command(flatten)]
    telemetry: battlearena_telemetry::Settings,
    /// Stop when standard input, a pipe, is closed: `arena up` holds the other end for as long as it lives.
    #[arg(long, env = "ARENA_STOP_WITH_PARENT", hide = true)]
    stop_with_parent: bool,
}

/// How long the watcher of signals may take to end: it only waits for its token.
const WATCHER_PATIENCE: Duration = Duration::from_secs(1);

impl<C: Args> RoleProcess<C> {
    /// Runs the role until it ends by itself or is asked to stop, and flushes telemetry.
    ///
    /// # Errors
    /// The runtime or telemetry does not start, or what the role returns.
    pub(crate) fn run<F>(
        self,
        name: &str,
        serve: impl FnOnce(C, CancellationToken) -> F,
    ) -> anyhow::Result<ExitCode>
    where
        F: Future<Output = anyhow::Result<ExitCode>>,
    {
        let Self { config, telemetry, stop_with_parent } = self;
        raise_open_file_limit().context("cannot raise the limit of open files")?;
        runtime()?.block_on(async {
            let telemetry =
                battlearena_telemetry::start(telemetry.named(name)).context("cannot start telemetry")?;
            // It outlives the workers of the HTTP servers, and so does what requests have begun.
            finish_on(Handle::current());
            let stop = CancellationToken::new();
            let watchers = Tasks::new();
            let (stopped, watched) = (stop.clone(), watchers.token());
            watchers.spawn("stop signals", async move {
                tokio::select! {
                    () = stop_requested(stop_with_parent) => stopped.cancel(),
                    () = watched.cancelled() => {}
                }
            });
            let result = serve(config, stop).await;
            watchers.stop(WATCHER_PATIENCE).await?;
            telemetry.shutdown().await;
            result
        })
    }
}

/// The main runtime. Two workers at least: flushing spans over gRPC hangs on one.
pub(crate) fn runtime() -> anyhow::Result<Runtime> {
    let workers = std::thread::available_parallelism().map_or(2, std::num::NonZero::get).max(2);
    Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
        .context("cannot start the runtime")
}
