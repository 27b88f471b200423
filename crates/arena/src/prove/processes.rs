//! The processes of a running platform, as `ps` tells of them, and signals to them. Knows which one is which by its parent
//! and its command line, and touches none that does not belong to the platform.

use anyhow::{Context as _, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;

use super::plan::Target;

/// One process that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Process {
    pid: i32,
    parent: i32,
    command: String,
}

/// Every process of the machine at one moment.
#[derive(Debug)]
pub(super) struct Processes(Vec<Process>);

impl Processes {
    /// Looks.
    ///
    /// # Errors
    /// `ps` cannot be run.
    pub(super) async fn look() -> anyhow::Result<Self> {
        let output = Command::new("ps").args(["-A", "-o", "pid=,ppid=,stat=,args="]).output().await;
        let output = output.context("cannot run ps")?;
        ensure!(output.status.success(), "ps failed ({})", output.status);
        Ok(Self::parse(&String::from_utf8_lossy(&output.stdout)))
    }

    fn parse(text: &str) -> Self {
        let process = |line: &str| {
            let mut words = line.split_whitespace();
            let (pid, parent) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            let has_ended = words.next()?.starts_with('Z');
            let command = words.collect::<Vec<_>>().join(" ");
            (!has_ended).then_some(Process { pid, parent, command })
        };
        Self(text.lines().filter_map(process).collect())
    }

    /// The process ids of a target in the platform whose first process is `up`; none while it does not run. Of PostgreSQL
    /// the first is its own first process, and the others are that one's children. `draw` chooses the connection.
    pub(super) fn of(&self, up: i32, target: Target, draw: u64) -> Vec<i32> {
        match target {
            Target::Service(role) => {
                let subcommand = format!(" {}", role.name());
                self.children(up).filter(|p| p.command.ends_with(&subcommand)).map(|p| p.pid).collect()
            }
            Target::Postgres => {
                let Some(first) = self.postmaster(up) else { return Vec::new() };
                [first].into_iter().chain(self.children(first).map(|p| p.pid)).collect()
            }
            // Not a process.
            Target::ReadModels(_) => Vec::new(),
            Target::Backend => {
                let connections: Vec<i32> = self.connections(up).collect();
                // The remainder is smaller than the length.
                let chosen = draw.checked_rem(connections.len() as u64).map(|n| connections[n as usize]);
                chosen.into_iter().collect()
            }
        }
    }

    /// Whether such a process runs.
    pub(super) fn runs(&self, pid: i32) -> bool {
        self.0.iter().any(|process| process.pid == pid)
    }

    fn children(&self, parent: i32) -> impl Iterator<Item = &Process> {
        self.0.iter().filter(move |process| process.parent == parent)
    }

    fn postmaster(&self, up: i32) -> Option<i32> {
        self.children(up).find(|process| process.command.contains("/postgres -D ")).map(|process| process.pid)
    }

    /// Connections say whose they are; the other processes of PostgreSQL say what they do.
    fn connections(&self, up: i32) -> impl Iterator<Item = i32> {
        let title = format!("postgres: {} ", battlearena_storage::cluster::SUPERUSER);
        let first = self.postmaster(up);
        let children = first.into_iter().flat_map(|first| self.children(first));
        children.filter(move |process| process.command.starts_with(&title)).map(|process| process.pid)
    }
}

/// Sends a signal. A process that has ended meanwhile gets none, which is no error.
pub(super) fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = kill_process(pid, signal);
    }
}

/// Processes that stand still, until this is dropped: nothing that was stopped here is ever left that way.
#[derive(Debug)]
pub(super) struct Stopped(Vec<i32>);

impl Stopped {
    /// Stops them in their order: who starts others comes first.
    pub(super) fn stop(pids: Vec<i32>) -> Self {
        let stopped = Self(pids);
        for pid in &stopped.0 {
            signal(*pid, Signal::STOP);
        }
        stopped
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        for pid in self.0.iter().rev() {
            signal(*pid, Signal::CONT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roles::Role;

    const PS: &str = "
        1     0 Ss   /sbin/init
      100     1 Sl   /opt/arena up --data /tmp/x
      101   100 Ss   /usr/lib/postgresql/15/bin/postgres -D /tmp/x/pgdata -p 5432
      102   101 Ss   postgres: checkpointer
      103   101 Ss   postgres: arena battlearena [local] idle
      104   101 Ss   postgres: arena battlearena [local] SELECT
      105   100 Sl   /opt/arena analytics
      106   100 Zl   /opt/arena match
      107   100 Sl   /opt/arena gateway
      108     1 Sl   /opt/arena gateway
    ";

    #[test]
    fn targets_are_found_below_the_platform_only() {
        let processes = Processes::parse(PS);
        let of = |target, draw| processes.of(100, target, draw);
        assert_eq!(of(Target::Service(Role::Gateway), 0), [107]);
        assert_eq!(of(Target::Service(Role::Match), 0), [] as [i32; 0], "it has ended");
        assert_eq!(of(Target::Postgres, 0), [101, 102, 103, 104]);
        assert_eq!([of(Target::Backend, 6), of(Target::Backend, 7)], [[103], [104]]);
        assert_eq!(processes.of(1, Target::Backend, 0), [] as [i32; 0]);
    }
}
