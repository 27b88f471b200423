//! When a process is asked to stop: by a signal, or by the end of the parent that holds its standard input.

use std::os::fd::{AsFd, OwnedFd};

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::signal::unix::{SignalKind, signal};

/// Resolves on SIGTERM, SIGINT or SIGHUP (the terminal was closed, and no `nohup` said that it does not matter) and, with
/// `stop_with_parent`, when standard input is a pipe that has reached its end: a supervisor holds the other side, which
/// closes when the supervisor dies, however it dies.
///
/// What cannot be listened for is logged and left out; the other ways to stop remain.
pub async fn stop_requested(stop_with_parent: bool) {
    let reason = tokio::select! {
        () = received(SignalKind::terminate()) => "SIGTERM",
        () = received(SignalKind::interrupt()) => "SIGINT",
        () = received(SignalKind::hangup()), if !is_ignored(SignalKind::hangup()) => "SIGHUP",
        () = parent_gone(), if stop_with_parent => "end of the parent process",
    };
    tracing::info!(reason, "stop requested");
}

async fn received(kind: SignalKind) {
    match signal(kind) {
        Ok(mut signal) => drop(signal.recv().await),
        Err(error) => {
            tracing::warn!(signal = kind.as_raw_value(), %error, "cannot listen for a signal");
            std::future::pending().await
        }
    }
}

/// Whether the process was started with a signal ignored. To be asked before the first wait for that signal, which would
/// undo it.
fn is_ignored(kind: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    // The mask has a bit for each signal, from number 1 on.
    mask >> (kind.as_raw_value() - 1) & 1 == 1
}

/// Never resolves when standard input is a terminal, a file or /dev/null: nobody can die behind those.
async fn parent_gone() {
    match std::io::stdin().as_fd().try_clone_to_owned().and_then(end_of_pipe) {
        Ok(end) => end.await,
        Err(error) => {
            tracing::warn!(%error, "standard input is not a pipe, so the end of the parent goes unseen");
            std::future::pending().await
        }
    }
}

/// Reads without a thread: a thread that blocks in `read` would hold up the end of the runtime.
fn end_of_pipe(pipe: OwnedFd) -> std::io::Result<impl Future<Output = ()>> {
    let mut pipe = pipe::Receiver::from_owned_fd(pipe)?;
    Ok(async move {
        let mut ignored = [0; 64];
        // What the parent writes has no meaning; an error means the same as the end.
        while pipe.read(&mut ignored).await.is_ok_and(|length| length > 0) {}
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use rustix::process::{Signal, getpid, kill_process};

    use super::*;

    #[tokio::test]
    async fn sigterm_is_a_request_to_stop() {
        let mut stop = Box::pin(stop_requested(false));
        // The first poll installs the handlers; without them the signal would end the test run.
        assert!(futures::poll!(stop.as_mut()).is_pending());
        kill_process(getpid(), Signal::TERM).unwrap();
        stop.await;
    }

    #[test]
    fn what_is_ignored_is_known() {
        // Rust's own start ignores SIGPIPE, and nobody ignores SIGUSR2.
        assert!(is_ignored(SignalKind::pipe()));
        assert!(!is_ignored(SignalKind::user_defined2()));
    }

    #[tokio::test]
    async fn the_end_of_the_pipe_is_the_end_of_the_parent() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let mut end = Box::pin(end_of_pipe(reader.into()).unwrap());
        writer.write_all(b"still here").unwrap();
        assert!(futures::poll!(end.as_mut()).is_pending());
        drop(writer);
        end.await;
    }

    #[tokio::test]
    async fn a_file_has_no_parent_behind_it() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(end_of_pipe(file.into()).is_err());
    }
}
