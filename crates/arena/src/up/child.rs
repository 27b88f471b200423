//! A role as a child of `arena up`: this same program, in a process group of its own, with a pipe that tells it of our
//! end, configured by environment, with its output in a log file.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use battlearena_runtime::CancellationToken;
use battlearena_storage::cluster::LogTail;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{sleep, timeout};

use super::supervise::{DRAIN, Process, Program};
use crate::probe::Probe;

/// How to start one role.
#[derive(Debug)]
pub(super) struct RoleProgram {
    /// Name of the role in logs, and of its log file.
    pub(super) name: &'static str,
    /// The subcommand.
    pub(super) subcommand: &'static str,
    /// Settings, by environment name.
    pub(super) environment: Vec<(&'static str, String)>,
    /// The folder of its log file.
    pub(super) logs: PathBuf,
}

/// A role that runs.
#[derive(Debug)]
pub(super) struct RoleProcess {
    name: &'static str,
    child: Child,
    pid: u32,
    /// When it closes, for whatever reason, the role ends.
    _lifeline: Option<ChildStdin>,
    log: PathBuf,
    log_start: u64,
}

/// How long a role may take until it is ready.
const READY: Duration = Duration::from_secs(30);

impl Program for RoleProgram {
    type Process = RoleProcess;

    fn name(&self) -> &'static str {
        self.name
    }

    async fn start(&mut self) -> anyhow::Result<RoleProcess> {
        let log = self.logs.join(format!("{}.log", self.name));
        let (output, log_start) = open(&log)?;
        let errors = output.try_clone().context("cannot share the log file")?;
        let program = std::env::current_exe().context("cannot find this program's own file")?;
        let mut child = Command::new(&program)
            .arg(self.subcommand)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("OTEL_SERVICE_NAME", self.name)
            .env("ARENA_LOG_FORMAT", "json")
            .env("ARENA_STOP_WITH_PARENT", "true")
            // The child ends when the pipe does. Nothing is ever written to it.
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(errors)
            // A terminal's Ctrl-C reaches the whole group; the order in which children end is ours to decide.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        let pid = child.id().context("the process ended at once")?;
        // `wait` would close a pipe that the child still has.
        let lifeline = child.stdin.take();
        Ok(RoleProcess { name: self.name, child, pid, _lifeline: lifeline, log, log_start })
    }
}

impl RoleProcess {
    /// Waits until the role says that it is ready.
    ///
    /// # Errors
    /// It ends, or is not ready within 30 seconds; the error quotes the end of its log.
    pub(super) async fn ready(&mut self, probe: &Probe, readyz: &str) -> anyhow::Result<()> {
        let ready = async {
            while !probe.is_ready(readyz).await {
                sleep(Duration::from_millis(20)).await;
            }
        };
        let problem = tokio::select! {
            ready = timeout(READY, ready) => match ready {
                Ok(()) => return Ok(()),
                Err(_) => format!("{} was not ready within {} s", self.name, READY.as_secs()),
            },
            how = self.child.wait() => format!("{} ended while it was to start ({})", self.name, describe(how)),
        };
        bail!("{problem}; in {} {}", self.log.display(), LogTail::read(&self.log, self.log_start))
    }

    fn signal(&self, signal: Signal) {
        // A child that was not waited for keeps its process id, even when it has ended.
        if self.child.id().is_some()
            && let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw)
        {
            // It can only fail for a process that is not ours.
            let _ = kill_process(pid, signal);
        }
    }
}

impl Process for RoleProcess {
    fn pid(&self) -> u32 {
        self.pid
    }

    async fn ended(&mut self) -> String {
        describe(self.child.wait().await)
    }

    async fn stop(mut self, hurry: &CancellationToken) {
        self.signal(Signal::TERM);
        tokio::select! {
            ended = timeout(DRAIN, self.child.wait()) => if ended.is_ok() { return },
            () = hurry.cancelled() => {}
        }
        // An error means that it has ended.
        let _ = self.child.kill().await;
    }
}

fn open(log: &Path) -> anyhow::Result<(File, u64)> {
    let file = File::options().create(true).append(true).open(log);
    let file = file.with_context(|| format!("cannot write to {}", log.display()))?;
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    Ok((file, length))
}

fn describe(how: std::io::Result<std::process::ExitStatus>) -> String {
    match how {
        Ok(status) => status.to_string(),
        Err(error) => format!("lost: {error}"),
    }
}
