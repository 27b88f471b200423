//! `arena up`: the whole platform on one machine. Starts PostgreSQL and then each service as a supervised child, tells
//! where everything is, and on request drains it all in order. Nothing that it starts outlives it.

mod backoff;
mod child;
mod console;
mod fleet;
mod place;
mod ports;
mod postgres;
mod secrets;
mod status;
mod supervise;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use battlearena_runtime::{CancellationToken, Tasks, raise_open_file_limit, stop_requested};
use battlearena_storage::DatabasePassword;
use battlearena_tls::Tls;
use clap::Args;

use crate::probe::Scheme;
use crate::role_process::runtime;
use crate::roles::{Addresses, AuthMode, Mode};
use console::Console;
use fleet::Fleet;
use secrets::SecretsSettings;

/// Settings of `arena up`.
#[derive(Debug, Args)]
pub(crate) struct UpSettings {
    /// Folder of the database, the secrets and the logs, kept across restarts [default: /var/lib/battlearena for root, otherwise
    /// battlearena in $XDG_DATA_HOME or ~/.local/share].
    #[arg(long, env = "ARENA_DATA", value_name = "FOLDER")]
    data: Option<PathBuf>,

    /// Use a temporary folder, without durability, and remove it at the end.
    #[arg(long, env = "ARENA_EPHEMERAL", conflicts_with = "data")]
    ephemeral: bool,

    /// Use this PostgreSQL database instead of a private one: connection string or URL (secrets belong into the
    /// environment, not into argv).
    #[arg(
        long,
        env = "ARENA_DATABASE_URL",
        hide_env_values = true,
        conflicts_with = "ephemeral",
        value_name = "URL"
    )]
    database_url: Option<String>,

    #[command(flatten)]
    database_password: DatabasePassword,

    /// Who may call: in open mode anybody may act for every player, which is for demonstrations on this machine.
    #[arg(long, env = "ARENA_AUTH", value_enum, default_value_t = AuthMode::Required)]
    auth: AuthMode,

    /// Lets open mode listen on addresses that other machines reach.
    #[arg(long, env = "ARENA_OPEN_BIND_ANY")]
    open_bind_any: bool,

    /// Play traffic until stopped: slow, normal (when no mode is given), stress or tournament.
    #[arg(long, env = "ARENA_SIMULATE", value_enum, num_args = 0..=1, default_missing_value = "normal", value_name = "MODE")]
    simulate: Option<Mode>,

    /// Let a synthetic player log in, play and chat all the time, and count what it misses.
    #[arg(long, env = "ARENA_CANARY")]
    canary: bool,

    /// Stop when standard input, a pipe, is closed: whoever started this holds the other end.
    #[arg(long, env = "ARENA_STOP_WITH_PARENT", hide = true)]
    stop_with_parent: bool,

    #[command(flatten)]
    secrets: SecretsSettings,

    #[command(flatten)]
    addresses: Addresses,

    #[command(flatten)]
    tls: battlearena_tls::Settings,
}

impl UpSettings {
    /// How the services are spoken to.
    fn scheme(&self) -> Scheme {
        Scheme::of(&self.tls)
    }
}

/// How long the tasks of this process may take to end: they only wait for their tokens.
const TASKS_PATIENCE: Duration = Duration::from_secs(5);

/// Runs the platform until SIGINT, SIGTERM or SIGHUP. A second signal kills what has not ended by then.
///
/// # Errors
/// Something is missing or taken (nothing was started then), or a part of the platform does not become ready (what was
/// started is stopped again).
pub(crate) fn run(settings: UpSettings) -> anyhow::Result<ExitCode> {
    raise_open_file_limit()?;
    let tls = Tls::load(&settings.tls)?;
    runtime()?.block_on(async {
        let signals = Signals::default();
        let tasks = Tasks::new();
        tasks.spawn("stop signals", signals.clone().watch(settings.stop_with_parent, tasks.token()));
        tasks.spawn("certificates", tls.clone().keep_reloading(tasks.token()));
        let console = Console::new();
        let mut fleet = Fleet::new(console.clone(), signals.hurry.clone());

        let started = tokio::select! {
            started = fleet.start(&settings, &tls) => started.map(Some),
            () = signals.stop.cancelled() => Ok(None),
        };
        if let Ok(Some(report)) = &started {
            console.say(report);
            if console.is_terminal() {
                let restarts = fleet.restarts();
                let where_and_how = (settings.addresses.clone(), settings.scheme(), tls.clone());
                let shown = status::show(console.clone(), where_and_how, restarts, signals.stop.clone());
                tasks.spawn("status line", shown);
            }
            signals.stop.cancelled().await;
        }
        console.set_status("");
        if signals.stop.is_cancelled() {
            console.say("Stopping everything in order. A second signal kills what has not ended.");
        }
        fleet.drain().await;
        tasks.stop(TASKS_PATIENCE).await?;
        started?;
        if signals.hurry.is_cancelled() {
            bail!("killed before everything had ended");
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// What the operator asked for by signals.
#[derive(Debug, Clone, Default)]
struct Signals {
    /// Drain and end.
    stop: CancellationToken,
    /// End without draining.
    hurry: CancellationToken,
}

impl Signals {
    async fn watch(self, stop_with_parent: bool, done: CancellationToken) {
        // The end of the parent is a reason to stop, and none to hurry.
        for (token, with_parent) in [(&self.stop, stop_with_parent), (&self.hurry, false)] {
            tokio::select! {
                () = stop_requested(with_parent) => token.cancel(),
                () = done.cancelled() => return,
            }
        }
    }
}
