//! The traffic: the simulator as a child, which keeps its own books. What it could not learn is an interval there, never
//! a guess here.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use battlearena_storage::Database;
use rustix::process::Signal;
use serde::Deserialize;
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{Instant, sleep, timeout};

use super::platform::{Platform, clean};
use super::processes::signal;
use crate::probe::Scheme;
use crate::roles::{Mode, simulator_environment};

/// How long the first registration may take: the simulator first waits for the totals to settle.
const START: Duration = Duration::from_secs(90);

/// How long the simulator may take to end its matches and to check: twice the time to give up, and the time to settle.
const END: Duration = Duration::from_secs(300);

/// Settings for traffic under faults. An attempt is shorter than a stall, so that answers are lost; trying goes on for
/// longer than any outage, so that nothing that has an idempotency key stays unknown.
const UNDER_FAULTS: [&str; 4] = ["--allow-errors", "--timeout=5s", "--give-up=90s", "--settle=120s"];

/// What is to be played.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) seed: u64,
    /// Operations a second.
    pub(super) rate: u32,
    pub(super) players: u32,
    /// Without a fault, for so long: nothing may fail, nothing may be unknown. Otherwise until the faults are over.
    pub(super) exactly: Option<Duration>,
}

/// Traffic that is being played.
#[derive(Debug)]
pub(super) struct Traffic {
    child: Child,
    pid: i32,
    /// When it closes, the simulator ends.
    _lifeline: Option<ChildStdin>,
    summary: PathBuf,
    log: PathBuf,
}

/// The simulator's books, as far as they matter here.
#[derive(Debug, Deserialize)]
pub(super) struct Books {
    pub(super) offered_per_second: f64,
    pub(super) achieved_per_second: f64,
    pub(super) not_sent: u64,
    pub(super) operations: Vec<Operation>,
    pub(super) check: Check,
}

/// One kind of operation.
#[derive(Debug, Deserialize)]
pub(super) struct Operation {
    pub(super) operation: String,
    pub(super) count: u64,
    pub(super) errors: u64,
    pub(super) unknown: u64,
    pub(super) retries: u64,
}

/// The simulator's own comparison.
#[derive(Debug, Deserialize)]
pub(super) struct Check {
    pub(super) held: bool,
    pub(super) totals: Vec<Total>,
}

/// One total: what the truth allows, and what the simulator found.
#[derive(Debug, Deserialize)]
pub(super) struct Total {
    pub(super) name: String,
    pub(super) at_least: i64,
    pub(super) at_most: i64,
    pub(super) grown: i64,
}

impl Traffic {
    /// Starts the simulator, and waits until it has registered its first player: from then on everything counts.
    ///
    /// # Errors
    /// It does not begin.
    pub(super) async fn start(
        program: &Path,
        folder: &Path,
        platform: &Platform,
        database: &Database,
        wanted: Wanted,
    ) -> anyhow::Result<Self> {
        let (summary, log) = (folder.join("simulator.json"), folder.join("simulator.log"));
        let Wanted { seed, rate, players, exactly } = wanted;
        let how: Vec<String> = match exactly {
            Some(duration) => vec![format!("--duration={}s", duration.as_secs())],
            None => UNDER_FAULTS.map(str::to_owned).to_vec(),
        };
        let mut child = clean(Command::new(program))
            .args(["simulate", "--check", "--json", "--heartbeats"])
            .args(how)
            .args([format!("--seed={seed}"), format!("--rate={rate}"), format!("--players={players}")])
            .envs(simulator_environment(
                &platform.addresses,
                Scheme::Http,
                Mode::Normal,
                Some(&platform.game_server_key()),
            ))
            .stdout(File::create(&summary)?)
            .stderr(File::create(&log)?)
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        let pid = i32::try_from(child.id().context("the simulator ended at once")?)?;
        // Waiting for the child would close the pipe.
        let lifeline = child.stdin.take();
        let mut traffic = Self { child, pid, _lifeline: lifeline, summary, log };
        let give_up_at = Instant::now() + START;
        while !has_players(database).await? {
            if let Some(status) = traffic.child.try_wait()? {
                bail!(
                    "the simulator ended before it began ({status}): {}",
                    fs::read_to_string(&traffic.log)?
                );
            }
            ensure!(Instant::now() < give_up_at, "no player was registered within {} s", START.as_secs());
            sleep(Duration::from_millis(20)).await;
        }
        Ok(traffic)
    }

    /// Ends the traffic, when it has no end of its own, and returns the books.
    ///
    /// # Errors
    /// The simulator ends without a summary, or does not end.
    pub(super) async fn finish(mut self, wanted: Wanted) -> anyhow::Result<Books> {
        if wanted.exactly.is_none() {
            signal(self.pid, Signal::TERM);
        }
        let patience = wanted.exactly.unwrap_or_default() + END;
        let Ok(status) = timeout(patience, self.child.wait()).await else {
            bail!("the simulator did not end within {} s", patience.as_secs());
        };
        let status = status?;
        let summary = fs::read_to_string(&self.summary)?;
        match serde_json::from_str(&summary) {
            Ok(books) => Ok(books),
            Err(error) => {
                let said = fs::read_to_string(&self.log)?;
                bail!("the simulator left no books ({status}, {error}): {said}")
            }
        }
    }
}

async fn has_players(database: &Database) -> anyhow::Result<bool> {
    let connection = database.connection().await?;
    let row = connection.session().query_text("select exists (select from gateway.players)", &[]).await?;
    Ok(row.get(0))
}
