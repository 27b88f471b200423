//! One fault: inflicts what was planned, and measures how long the platform takes until every part of it is ready again.
//! Whatever was stalled goes on when this is dropped.

use std::time::Duration;

use battlearena_storage::Database;
use rustix::process::Signal;
use serde::Serialize;
use tokio::time::{Instant, sleep, sleep_until};

use super::plan::{Fault, Kind, Target};
use super::platform::Platform;
use super::processes::{Processes, Stopped, signal};
use super::read_models::ReadModels;

/// How long the platform may take to recover. Beyond it, it does not recover by itself.
const RECOVERY: Duration = Duration::from_secs(120);

/// How long a target may be away because of another fault.
const APPEARANCE: Duration = Duration::from_secs(60);

const POLL: Duration = Duration::from_millis(20);

/// What became of a fault.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Inflicted {
    /// The round, from 1.
    pub(super) round: usize,
    pub(super) kind: Kind,
    pub(super) target: Target,
    /// From the beginning of the round until it happened.
    pub(super) at_seconds: f64,
    /// How long a stall lasted.
    pub(super) stalled_seconds: Option<f64>,
    /// From the signal (of a stall from its end) until everything was ready again; `None` when that never was.
    pub(super) recovery_seconds: Option<f64>,
}

/// The victims of faults.
#[derive(Clone, Copy)]
pub(super) struct Scene<'p> {
    pub(super) platform: &'p Platform,
    pub(super) database: &'p Database,
}

impl Scene<'_> {
    /// Inflicts a fault at its time in a round that began at `began`.
    ///
    /// # Errors
    /// The machine does not tell of its processes.
    pub(super) async fn inflict(
        self,
        fault: &Fault,
        round: usize,
        began: Instant,
    ) -> anyhow::Result<Inflicted> {
        sleep_until(began + fault.after).await;
        let mut inflicted = Inflicted {
            round,
            kind: fault.kind,
            target: fault.target,
            at_seconds: began.elapsed().as_secs_f64(),
            stalled_seconds: None,
            recovery_seconds: None,
        };
        if let Target::ReadModels(role) = fault.target {
            let begin = Instant::now();
            let done = self.rebuild(ReadModels::of(role)).await;
            inflicted.recovery_seconds = done.then(|| begin.elapsed().as_secs_f64());
            return Ok(inflicted);
        }
        let victims = self.victims(fault).await?;
        // Only the first process of PostgreSQL is told to end; it sees to the others.
        let Some(first) = victims.first().copied() else { return Ok(inflicted) };
        if fault.kind == Kind::Stall {
            let begin = Instant::now();
            let stopped = Stopped::stop(victims);
            sleep(fault.lasts).await;
            drop(stopped);
            inflicted.stalled_seconds = Some(begin.elapsed().as_secs_f64());
        } else {
            signal(first, deadly(fault));
        }
        let hurt = Instant::now();
        while inflicted.recovery_seconds.is_none() && hurt.elapsed() < RECOVERY {
            if self.has_recovered(fault, first).await? {
                inflicted.recovery_seconds = Some(hurt.elapsed().as_secs_f64());
            } else {
                sleep(POLL).await;
            }
        }
        Ok(inflicted)
    }

    /// Has read models built anew, and waits until that is done. The database may be away meanwhile.
    async fn rebuild(self, models: ReadModels) -> bool {
        let begin = Instant::now();
        let mut requested = false;
        while begin.elapsed() < RECOVERY {
            if requested {
                if models.are_rebuilt(self.database).await.unwrap_or(false) {
                    return true;
                }
            } else {
                requested = models.request(self.database).await.unwrap_or(false);
            }
            sleep(POLL).await;
        }
        false
    }

    /// Whether the platform answers for all of its parts.
    pub(super) async fn is_ready(self) -> bool {
        self.platform.is_ready().await && self.database.ping().await.is_ok()
    }

    /// The processes that the fault is for, which another fault may have taken away for a while; none when they do not
    /// come back.
    async fn victims(self, fault: &Fault) -> anyhow::Result<Vec<i32>> {
        let begin = Instant::now();
        loop {
            let victims = Processes::look().await?.of(self.platform.pid(), fault.target, fault.draw);
            if !victims.is_empty() || begin.elapsed() > APPEARANCE {
                return Ok(victims);
            }
            sleep(POLL).await;
        }
    }

    /// Whether the one who was to die has died and has a successor, and everything is ready.
    async fn has_recovered(self, fault: &Fault, victim: i32) -> anyhow::Result<bool> {
        if fault.kind != Kind::Stall {
            let now = Processes::look().await?;
            let is_replaced = match fault.target {
                // Connections are opened as they are needed.
                Target::Backend | Target::ReadModels(_) => !now.runs(victim),
                Target::Service(_) | Target::Postgres => {
                    let first = now.of(self.platform.pid(), fault.target, 0).first().copied();
                    first.is_some_and(|first| first != victim)
                }
            };
            if !is_replaced {
                return Ok(false);
            }
        }
        Ok(self.is_ready().await)
    }
}

/// The signal that ends a target. PostgreSQL takes SIGTERM for "when everybody has gone", which never comes with pools
/// of connections; an operator's restart is SIGINT.
fn deadly(fault: &Fault) -> Signal {
    match (fault.kind, fault.target) {
        (Kind::Kill, _) => Signal::KILL,
        (Kind::Restart, Target::Postgres) => Signal::INT,
        (Kind::Restart | Kind::Stall | Kind::Rebuild, _) => Signal::TERM,
    }
}
