//! Whether the process should get traffic: its own dependencies answer, and it is not draining. A missing peer is
//! reported and does not make it unready.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};

/// How long one check may take; a probe must be answered before its own timeout.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a check found; the text says what is wrong, for the operator.
pub type CheckResult = Result<(), String>;

type Check = Arc<dyn Fn() -> BoxFuture<'static, CheckResult> + Send + Sync>;

/// Named checks and the draining flag. Clones made after the checks were added share them, and always the flag.
#[derive(Clone, Default)]
pub struct Readiness {
    checks: Vec<(&'static str, Check)>,
    peers: Vec<(&'static str, Check)>,
    draining: Arc<AtomicBool>,
}

/// The answer to one probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Every check passed, and the process is not draining.
    pub ready: bool,
    /// The process is on its way out.
    pub draining: bool,
    /// Own dependencies, in the order in which they were added.
    pub checks: Vec<(&'static str, CheckResult)>,
    /// Other services; they do not count for `ready`.
    pub peers: Vec<(&'static str, CheckResult)>,
}

impl Readiness {
    /// No checks: ready until draining.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a dependency without which the process cannot serve. A check that takes longer than a second has failed.
    #[must_use]
    pub fn with_check<F, R>(mut self, name: &'static str, check: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = CheckResult> + Send + 'static,
    {
        self.checks.push((name, Arc::new(move || check().boxed())));
        self
    }

    /// Adds another service, whose absence is shown and changes nothing. The same bound of a second holds.
    #[must_use]
    pub fn with_peer<F, R>(mut self, name: &'static str, check: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = CheckResult> + Send + 'static,
    {
        self.peers.push((name, Arc::new(move || check().boxed())));
        self
    }

    /// Unready from now on, for good: the first step of a shutdown.
    pub fn start_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether [`Readiness::start_draining`] was called.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Runs all checks at the same time, each for at most a second.
    pub async fn report(&self) -> Report {
        let (checks, peers) = tokio::join!(run(&self.checks), run(&self.peers));
        let draining = self.is_draining();
        let ready = !draining && checks.iter().all(|(_, result)| result.is_ok());
        Report { ready, draining, checks, peers }
    }
}

impl std::fmt::Debug for Readiness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = |list: &[(&'static str, Check)]| list.iter().map(|(name, _)| *name).collect::<Vec<_>>();
        f.debug_struct("Readiness")
            .field("checks", &names(&self.checks))
            .field("peers", &names(&self.peers))
            .field("draining", &self.is_draining())
            .finish()
    }
}

async fn run(checks: &[(&'static str, Check)]) -> Vec<(&'static str, CheckResult)> {
    join_all(checks.iter().map(|(name, check)| async move {
        let result = tokio::time::timeout(PATIENCE, check()).await;
        (*name, result.unwrap_or_else(|_| Err(format!("no answer within {PATIENCE:?}"))))
    }))
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_check_that_hangs_has_failed_and_delays_no_other() {
        let readiness = Readiness::new()
            .with_check("database", || async { Ok(()) })
            .with_check("disk", std::future::pending)
            .with_check("tape", std::future::pending);
        let began = tokio::time::Instant::now();
        let report = readiness.report().await;
        assert_eq!(began.elapsed(), PATIENCE);
        let hung = || Err("no answer within 1s".to_owned());
        assert_eq!(report.checks, [("database", Ok(())), ("disk", hung()), ("tape", hung())]);
        assert!(!report.ready);
    }

    #[tokio::test]
    async fn a_missing_peer_does_not_make_unready() {
        let readiness = Readiness::new().with_peer("match", || async { Err("refused".to_owned()) });
        let report = readiness.report().await;
        assert_eq!((report.ready, report.peers), (true, vec![("match", Err("refused".to_owned()))]));
    }

    #[tokio::test]
    async fn draining_is_seen_by_every_clone() {
        let readiness = Readiness::new().with_check("database", || async { Ok(()) });
        let clone = readiness.clone();
        assert!(clone.report().await.ready);
        readiness.start_draining();
        let report = clone.report().await;
        assert!(report.draining && !report.ready && report.checks[0].1.is_ok());
    }
}
