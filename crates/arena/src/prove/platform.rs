//! The platform under proof: `arena up` as a child on free ports, with a durable database in a folder of its own. It ends
//! with this process, however this ends.

use std::fs::{self, File, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use battlearena_identity::Secret;
use battlearena_storage::{Database, DatabaseSettings};
use battlearena_tls::{Settings, Tls};
use clap::Parser;
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{Instant, sleep, timeout};

use super::processes::signal;
use crate::probe::{Probe, Scheme};
use crate::roles::{Addresses, Role};

/// How long the platform may take to come up, and to end.
const START: Duration = Duration::from_secs(120);
const END: Duration = Duration::from_secs(90);

/// How long a service may take to say that it is ready.
const READY_ANSWER: Duration = Duration::from_secs(2);

/// A match without a heartbeat lives so long: beyond the longest of the simulator's, with some time to end it late. The
/// default of two hours would keep the proof waiting for matches that nobody can end.
const MATCH_TTL_SECONDS: u64 = 60;

/// Twice the simulator's interval: an outage of some seconds costs a match now and then, so that the reaper has work.
const HEARTBEAT_TIMEOUT_SECONDS: u64 = 20;

/// A proof plays a year of log-ins in a minute: as many as that of one device in ten minutes are no guessing.
const LOG_INS_PER_DEVICE: u64 = 1_000_000;

/// Longer than the longest stall, so that a refresh whose answer was lost is not taken for theft when it is sent again.
const REFRESH_GRACE_SECONDS: u64 = 60;

/// After so long every match has ended that nobody plays.
pub(super) const LONGEST_LOST_MATCH: Duration = Duration::from_secs(MATCH_TTL_SECONDS + 15);

/// A statement of a check reads all of the log.
const STATEMENT_TIMEOUT_MS: u64 = 120_000;

/// A platform that is up.
#[derive(Debug)]
pub(super) struct Platform {
    child: Child,
    pid: i32,
    /// When it closes, the platform ends.
    _lifeline: Option<ChildStdin>,
    folder: PathBuf,
    pub(super) addresses: Addresses,
    pub(super) database_url: String,
    probe: Probe,
}

/// Reads addresses as `arena up` would.
#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    addresses: Addresses,
}

impl Platform {
    /// Starts it in a folder and waits until it is up.
    ///
    /// # Errors
    /// It does not come up; the error quotes what it said.
    pub(super) async fn start(program: &Path, folder: &Path) -> anyhow::Result<Self> {
        let flags = free_addresses()?;
        let addresses =
            Flags::try_parse_from(["up"].into_iter().chain(flags.iter().map(String::as_str)))?.addresses;
        let said = folder.join("up.log");
        let output = File::create(&said).context("cannot create the log of arena up")?;
        let mut child = clean(Command::new(program))
            .args(["up", "--data"])
            .arg(folder.join("data"))
            .args(&flags)
            .env("ARENA_GATEWAY_LOGINS_PER_KNOWN", LOG_INS_PER_DEVICE.to_string())
            .env("ARENA_GATEWAY_REFRESH_GRACE_SECONDS", REFRESH_GRACE_SECONDS.to_string())
            .env("ARENA_MATCH_TTL_SECONDS", MATCH_TTL_SECONDS.to_string())
            .env("ARENA_MATCH_HEARTBEAT_TIMEOUT_SECONDS", HEARTBEAT_TIMEOUT_SECONDS.to_string())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        let pid = i32::try_from(child.id().context("arena up ended at once")?)?;
        // Waiting for the child would close the pipe, which is a second request to end.
        let lifeline = child.stdin.take();
        let database_url = up(&mut child, &said).await?;
        let probe = Probe::new(READY_ANSWER, &Tls::load(&Settings::default())?);
        Ok(Self {
            child,
            pid,
            _lifeline: lifeline,
            folder: folder.to_owned(),
            addresses,
            database_url,
            probe,
        })
    }

    /// The id of its first process.
    pub(super) fn pid(&self) -> i32 {
        self.pid
    }

    /// The folder of the logs of its services.
    pub(super) fn logs(&self) -> PathBuf {
        self.folder.join("data/logs")
    }

    /// The file with the key of a game server.
    pub(super) fn game_server_key(&self) -> PathBuf {
        self.folder.join("data/secrets/game-server.key")
    }

    /// A way to its database that is patient enough for checks.
    pub(super) fn database(&self) -> anyhow::Result<Database> {
        let settings = DatabaseSettings {
            database_statement_timeout_ms: STATEMENT_TIMEOUT_MS,
            ..DatabaseSettings::for_url(&self.database_url)
        };
        Ok(Database::new(&settings, "arena-prove")?)
    }

    /// Whether every service says that it is ready.
    pub(super) async fn is_ready(&self) -> bool {
        for role in Role::START_ORDER {
            if !self.probe.is_ready(&Scheme::Http.url(role.operations(&self.addresses), "/readyz")).await {
                return false;
            }
        }
        true
    }

    /// The body of a path of the gateway, as a game server sees it.
    pub(super) async fn get(&self, path: &str) -> anyhow::Result<String> {
        let file = self.game_server_key();
        let key = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let key = Secret::from(key.trim().to_owned());
        let answer =
            self.probe.get_by_key(&Scheme::Http.url(self.addresses.gateway_http, path), &key).await?;
        ensure!(answer.status == 200, "{path} answers {}", answer.status);
        Ok(answer.body)
    }

    /// Has it end in order; by force when it does not.
    ///
    /// # Errors
    /// It did not end in order, or had ended before.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        ensure!(self.child.try_wait()?.is_none(), "arena up has ended by itself");
        signal(self.pid, Signal::TERM);
        let Ok(status) = timeout(END, self.child.wait()).await else {
            self.child.kill().await?;
            bail!("the platform did not end within {} s", END.as_secs());
        };
        let status = status?;
        ensure!(status.success(), "the platform ended badly ({status})");
        Ok(())
    }
}

/// A new folder for a platform and its logs, which an unprivileged user who runs PostgreSQL can enter.
pub(super) fn new_folder() -> anyhow::Result<TempDir> {
    let folder =
        tempfile::Builder::new().prefix("arena-prove-").tempdir().context("cannot create a folder")?;
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
    Ok(folder)
}

/// A child that takes no settings from our own environment, is not reached by a terminal's Ctrl-C, and ends when we do.
pub(super) fn clean(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("ARENA_") || text.starts_with("OTEL_") {
            command.env_remove(name);
        }
    }
    command.env("ARENA_STOP_WITH_PARENT", "true").stdin(Stdio::piped()).process_group(0).kill_on_drop(true);
    command
}

/// The flags of free ports for everything. They were free a moment ago, which is the best that can be had.
fn free_addresses() -> anyhow::Result<Vec<String>> {
    let defaults = Flags::try_parse_from(["up"])?.addresses;
    let mut held = Vec::new();
    for listener in defaults.listeners() {
        held.push((listener.flag, TcpListener::bind("127.0.0.1:0").context("no port is free")?));
    }
    held.iter().map(|(flag, socket)| Ok(format!("{flag}={}", socket.local_addr()?))).collect()
}

/// Waits until `arena up` says that it is up, and returns the database that it names.
async fn up(child: &mut Child, log: &Path) -> anyhow::Result<String> {
    let give_up_at = Instant::now() + START;
    loop {
        let said = fs::read_to_string(log)?;
        // The line is complete when the quote is closed.
        if let Some((url, _)) = said.split_once("psql '").and_then(|(_, rest)| rest.split_once('\'')) {
            return Ok(url.to_owned());
        }
        if let Some(status) = child.try_wait()? {
            bail!("arena up did not start ({status}): {said}");
        }
        ensure!(Instant::now() < give_up_at, "arena up is not up within {} s: {said}", START.as_secs());
        sleep(Duration::from_millis(50)).await;
    }
}
