//! The guard: a small shell that outlives this process by a moment, to stop PostgreSQL and to remove folders. Nothing
//! that a process does at its end runs after SIGKILL; the end of a pipe is noticed always.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::ClusterError;

/// Each line that is read replaces the last one: the id of the process to stop, or an empty line when it has ended (its
/// id may be somebody else's by now). What counts is the last line before the pipe closes. The arguments are removed at
/// the end; a second time when something was still being written into them.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
pid=
while read -r line; do pid=$line; done
await() { n=0; while kill -0 "$pid" 2>/dev/null && [ "$n" -lt "$1" ]; do sleep 0.1; n=$((n + 1)); done; }
if [ -n "$pid" ] && kill -INT "$pid" 2>/dev/null; then
    await 150
    kill -QUIT "$pid" 2>/dev/null && await 60
fi
[ $# -eq 0 ] || rm -rf -- "$@" 2>/dev/null || { sleep 1; rm -rf -- "$@"; }
"#;

/// How long the guard may take to end: longer than its own bounds together.
const PATIENCE: Duration = Duration::from_secs(30);

/// The guard of one folder. Dropping it lets the guard do its work.
#[derive(Debug)]
pub(super) struct Guard {
    child: Child,
    pipe: Mutex<ChildStdin>,
}

impl Guard {
    /// Starts a guard that keeps the lock for as long as it lives and removes the paths at the end.
    pub(super) fn start(lock: File, remove: &[&Path]) -> Result<Self, ClusterError> {
        let shell = Path::new("/bin/sh");
        let failed = |source| ClusterError::run(shell, source);
        let mut child = Command::new(shell)
            .args(["-c", SCRIPT, "arena-guard"])
            .args(remove)
            .current_dir("/")
            .stdin(Stdio::piped())
            // An open file that is never written to: it carries the lock on the folder.
            .stdout(lock)
            .stderr(Stdio::null())
            // A terminal's Ctrl-C reaches the whole group.
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let pipe = child.stdin.take().ok_or_else(|| failed(std::io::ErrorKind::BrokenPipe.into()))?;
        Ok(Self { child, pipe: Mutex::new(pipe) })
    }

    /// Names the process to be stopped.
    pub(super) fn watch(&self, pid: u32) {
        self.tell(&format!("{pid}\n"));
    }

    /// Says that the process has ended by itself.
    pub(super) fn forget(&self) {
        self.tell("\n");
    }

    fn tell(&self, line: &str) {
        let mut pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        // A few bytes into an empty pipe do not block.
        if let Err(error) = pipe.write_all(line.as_bytes()) {
            tracing::warn!(%error, "the guard of PostgreSQL is gone");
        }
    }

    /// Lets the guard do its work and waits for its end.
    pub(super) async fn finish(self) -> Result<(), ClusterError> {
        let Self { mut child, pipe } = self;
        drop(pipe);
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if child.try_wait().map_err(ClusterError::Lost)?.is_some() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Err(ClusterError::NotClosed)
    }
}
