//! Background tasks: each has a name, a stop token and somebody who waits for it. Nothing is spawned anywhere else.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::finish;

/// The tasks of one owner. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    token: CancellationToken,
    running: Arc<Running>,
    broken: Arc<OnceLock<&'static str>>,
    is_broken: CancellationToken,
}

/// A task ended by a panic. What it did is not done any more: the process should end, and be started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the background task \"{name}\" panicked")]
pub struct TaskPanicked {
    /// Which one.
    pub name: &'static str,
}

/// Tasks that did not end in time. They go on running, unwatched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("still running after {patience:?}: {}", names.join(", "))]
pub struct StillRunning {
    /// Names, sorted; a name stands as often as it runs.
    pub names: Vec<&'static str>,
    /// How long they were waited for.
    pub patience: Duration,
}

impl Tasks {
    /// No tasks yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled once [`Tasks::stop`] is called; every loop selects on it.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Runs a task on the current runtime. A panic ends the task alone, is logged with its name, and resolves
    /// [`Tasks::panicked`].
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        // Registered before it runs, so that `stop` never misses a task that was just spawned.
        let presence = Presence::enter(&self.running, name);
        let (broken, is_broken) = (self.broken.clone(), self.is_broken.clone());
        let named = async move {
            let _presence = presence;
            // A task owns what it captured: nobody sees state that its panic left half changed.
            if let Err(panic) = AssertUnwindSafe(task).catch_unwind().await {
                tracing::error!(task = name, panic = panic_text(panic.as_ref()), "task panicked");
                broken.get_or_init(|| name);
                is_broken.cancel();
            }
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that spawns: the task is named and tracked"
        )]
        drop(tokio::spawn(self.tracker.track_future(named)));
    }

    /// Waits until some task has panicked. Whoever runs the process selects on it: a service without its relay looks
    /// well and is not.
    pub async fn panicked(&self) -> TaskPanicked {
        self.is_broken.cancelled().await;
        TaskPanicked { name: self.broken.get().copied().unwrap_or_default() }
    }

    /// Names of the tasks that run now, sorted.
    pub fn running(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.running.lock().values().copied().collect();
        names.sort_unstable();
        names
    }

    /// Cancels the token and waits until every task has ended, and the work of requests that were given up
    /// ([`finish`](crate::finish())). May be called again.
    ///
    /// # Errors
    /// [`StillRunning`] names the tasks that outlived `patience`.
    pub async fn stop(&self, patience: Duration) -> Result<(), StillRunning> {
        self.token.cancel();
        self.tracker.close();
        let ended = async { tokio::join!(self.tracker.wait(), finish::all_finished()) };
        if tokio::time::timeout(patience, ended).await.is_ok() {
            return Ok(());
        }
        let work = finish::is_unfinished().then_some("work of a request");
        Err(StillRunning { names: self.running().into_iter().chain(work).collect(), patience })
    }
}

#[derive(Debug, Default)]
struct Running {
    next: AtomicU64,
    names: Mutex<BTreeMap<u64, &'static str>>,
}

impl Running {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, &'static str>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a name in the list while its task lives.
struct Presence {
    running: Arc<Running>,
    id: u64,
}

impl Presence {
    fn enter(running: &Arc<Running>, name: &'static str) -> Self {
        let id = running.next.fetch_add(1, Ordering::Relaxed);
        running.lock().insert(id, name);
        Self { running: running.clone(), id }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.running.lock().remove(&self.id);
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("not a text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn stop_waits_for_tasks_that_heed_the_token() {
        let tasks = Tasks::new();
        let token = tasks.token();
        tasks.spawn("obedient", async move { token.cancelled().await });
        assert_eq!(tasks.running(), ["obedient"]);
        assert_eq!(tasks.stop(Duration::from_secs(60)).await, Ok(()));
        assert!(tasks.running().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn stop_names_the_tasks_that_do_not() {
        let tasks = Tasks::new();
        tasks.spawn("stubborn", std::future::pending());
        let error = tasks.stop(Duration::from_secs(3)).await.unwrap_err();
        assert_eq!(error.to_string(), "still running after 3s: stubborn");
    }

    #[tokio::test]
    async fn a_panic_ends_its_own_task_only() {
        let tasks = Tasks::new();
        let token = tasks.token();
        tasks.spawn("broken", async { panic!("boom") });
        tasks.spawn("whole", async move { token.cancelled().await });
        assert_eq!(tasks.panicked().await, TaskPanicked { name: "broken" });
        assert_eq!(tasks.running(), ["whole"]);
        assert_eq!(tasks.stop(Duration::from_secs(60)).await, Ok(()));
    }
}
