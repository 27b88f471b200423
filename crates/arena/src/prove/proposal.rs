//! A proof from beginning to end: platform, traffic, faults if any, rest, invariants. Builds the parts and decides what
//! becomes of the data; knows no invariant and no signal.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tempfile::TempDir;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::fault::{Inflicted, Scene};
use super::invariants;
use super::plan::Round;
use super::platform::{Platform, new_folder};
use super::report::{Proof, Voice};
use super::traffic::{Traffic, Wanted};

/// How long the platform may take to be ready after the last fault.
const READY: Duration = Duration::from_secs(120);

/// What is to be proved.
#[derive(Debug)]
pub(super) struct Proposal {
    pub(super) wanted: Wanted,
    /// What goes wrong; nothing when there are none.
    pub(super) rounds: Vec<Round>,
    /// How long a round lasts at least.
    pub(super) round: Duration,
    /// The program to be proved; this one by default.
    pub(super) program: Option<PathBuf>,
    pub(super) json: bool,
}

impl Proposal {
    /// Carries the proof out, until its end or until it is asked to stop.
    ///
    /// # Errors
    /// The proof could not be carried out, and the data are kept; or it was stopped.
    pub(super) async fn carry_out(self, stop: impl Future<Output = ()>) -> anyhow::Result<ExitCode> {
        let voice = Voice { json: self.json };
        let folder = new_folder()?;
        let program = match &self.program {
            Some(program) => std::path::absolute(program)?,
            None => std::env::current_exe().context("cannot find this program's own file")?,
        };
        voice.plan(&self);
        let platform = Platform::start(&program, folder.path()).await?;
        let proved = tokio::select! {
            proved = self.prove(&program, folder.path(), &platform, voice) => Some(proved),
            () = stop => None,
        };
        // Whatever came of it, PostgreSQL lets go of the folder before that is removed.
        let stopped = platform.stop().await;
        let Some(proved) = proved else { bail!("stopped before anything was proved") };
        let proof = match proved {
            Ok(mut proof) => {
                if let Err(error) = &stopped {
                    voice.say(&format!("{error:#}"));
                }
                proof.findings.push(invariants::ends_in_order(stopped.is_ok()));
                proof
            }
            Err(error) => bail!("{error:#}; seed {}; {}", self.wanted.seed, kept(folder)),
        };
        voice.conclude(&proof)?;
        if proof.holds() {
            return Ok(ExitCode::SUCCESS);
        }
        voice.say(&kept(folder));
        Ok(ExitCode::FAILURE)
    }

    async fn prove(
        &self,
        program: &Path,
        folder: &Path,
        platform: &Platform,
        voice: Voice,
    ) -> anyhow::Result<Proof> {
        let database = platform.database()?;
        let traffic = Traffic::start(program, folder, platform, &database, self.wanted).await?;
        let scene = Scene { platform, database: &database };
        let faults = self.play(scene, voice).await?;
        let books = traffic.finish(self.wanted).await?;
        voice.say("the traffic is over; everything comes to rest and is checked");
        let findings = invariants::check(platform, &database, &books, self.wanted).await?;
        database.close();
        let (seed, rounds, round_seconds) = (self.wanted.seed, self.rounds.len(), self.round.as_secs());
        Ok(Proof { seed, rounds, round_seconds, faults, books, findings })
    }

    /// Plays every round: its faults at their times, then until everything is ready and the time of the round is over.
    async fn play(&self, scene: Scene<'_>, voice: Voice) -> anyhow::Result<Vec<Inflicted>> {
        let mut all = Vec::new();
        for (number, faults) in (1..).zip(&self.rounds) {
            let began = Instant::now();
            let inflict = async |fault: Option<&_>| match fault {
                Some(fault) => scene.inflict(fault, number, began).await.map(Some),
                None => Ok(None),
            };
            let (one, other) = tokio::try_join!(inflict(faults.first()), inflict(faults.get(1)))?;
            for inflicted in [one, other].into_iter().flatten() {
                voice.say(&inflicted.to_string());
                all.push(inflicted);
            }
            ready(scene).await?;
            sleep_until(began + self.round).await;
        }
        Ok(all)
    }
}

/// Keeps the folder and says where it is.
fn kept(folder: TempDir) -> String {
    let folder = folder.keep();
    let data = folder.join("data");
    format!("the data are kept in {}; `arena up --data {}` opens them", folder.display(), data.display())
}

/// Waits until everything is ready at the same moment.
async fn ready(scene: Scene<'_>) -> anyhow::Result<()> {
    let ready = async {
        while !scene.is_ready().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(READY, ready).await.with_context(|| format!("not ready within {} s", READY.as_secs()))
}
