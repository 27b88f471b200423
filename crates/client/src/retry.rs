//! When an attempt follows another: the pauses between them and the end of all patience. Does no IO of its own.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Fault, Missed};

/// How long to try. What may be tried again is decided by each call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// How long one attempt may take before its answer is taken for lost.
    pub attempt: Duration,
    /// How long after the first attempt the last one may begin.
    pub give_up: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempt: Duration::from_secs(10), give_up: Duration::from_secs(30) }
    }
}

/// Whether a call is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Whatever comes of the first attempt stands.
    Once,
    /// Tried again until it is answered or the time to give up has come.
    UntilAnswered,
}

/// What became of a call, attempts and all.
#[derive(Debug)]
pub(crate) struct Tried<T> {
    /// The answer, or the last attempt's way to miss it.
    pub(crate) result: Result<T, Missed>,
    /// Attempts without an answer that may have been applied.
    pub(crate) lost: u32,
    /// Attempts after the first.
    pub(crate) retries: u32,
}

impl Retry {
    /// Makes attempts until one is answered or the patience is over. It takes at most the time to give up plus one
    /// attempt's.
    pub(crate) async fn until_answered<T, F>(
        &self,
        patience: Patience,
        mut attempt: impl FnMut() -> F,
    ) -> Tried<T>
    where
        F: Future<Output = Result<T, Missed>>,
    {
        let give_up_at = Instant::now() + self.give_up;
        let (mut lost, mut retries) = (0, 0);
        loop {
            let outcome = tokio::time::timeout(self.attempt, attempt()).await;
            let missed = match outcome {
                Ok(Ok(answer)) => return Tried { result: Ok(answer), lost, retries },
                Ok(Err(missed)) => missed,
                Err(_elapsed) => Fault::TimedOut.into(),
            };
            lost += u32::from(missed.fault.may_have_been_applied());
            let pause = missed.wait.unwrap_or_default().max(BETWEEN_ATTEMPTS.pause(retries));
            if patience == Patience::Once || Instant::now() + pause >= give_up_at {
                return Tried { result: Err(missed), lost, retries };
            }
            tokio::time::sleep(pause).await;
            retries += 1;
        }
    }
}

/// Pauses between the attempts of a call.
const BETWEEN_ATTEMPTS: Backoff =
    Backoff { first: Duration::from_millis(50), longest: Duration::from_secs(2) };

/// Pauses that grow to a bound, with jitter over their upper half, so that what failed together does not come back
/// together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backoff {
    pub(crate) first: Duration,
    pub(crate) longest: Duration,
}

impl Backoff {
    /// The pause after so many others.
    pub(crate) fn pause(self, earlier: u32) -> Duration {
        let longest = self.first.saturating_mul(1 << earlier.min(16)).min(self.longest);
        longest.mul_f64(rand::random_range(0.5..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use battlearena_proto::ErrorKind;

    use super::*;

    #[test]
    fn pauses_grow_to_a_bound() {
        for (retries, longest_millis) in [(0, 50), (1, 100), (4, 800), (6, 2000), (60, 2000)] {
            for _ in 0..100 {
                let pause = BETWEEN_ATTEMPTS.pause(retries).as_secs_f64() * 1000.0;
                let longest = f64::from(longest_millis);
                assert!((longest * 0.499..=longest * 1.001).contains(&pause), "{retries}: {pause}");
            }
        }
    }

    fn throttled(wait: u64) -> Missed {
        Missed { wait: Some(Duration::from_secs(wait)), ..Fault::NotNow(ErrorKind::Throttled).into() }
    }

    #[tokio::test(start_paused = true)]
    async fn the_platform_says_when_to_come_back() {
        let (start, mut attempts) = (Instant::now(), 0);
        let tried = Retry::default()
            .until_answered(Patience::UntilAnswered, || {
                attempts += 1;
                let result = if attempts < 3 { Err(throttled(7)) } else { Ok("answer") };
                async move { result }
            })
            .await;
        assert_eq!((tried.result, tried.lost, tried.retries), (Ok("answer"), 0, 2));
        assert_eq!(start.elapsed().as_secs(), 14);
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends_before_a_pause_that_would_outlast_it() {
        let start = Instant::now();
        let tried = Retry::default()
            .until_answered(Patience::UntilAnswered, || async { Err::<(), _>(throttled(20)) })
            .await;
        assert_eq!((tried.lost, tried.retries, start.elapsed().as_secs()), (0, 1, 20));
        tried.result.unwrap_err();
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_hangs_is_lost_and_bounded() {
        let retry = Retry { attempt: Duration::from_secs(1), give_up: Duration::from_secs(3) };
        let start = Instant::now();
        let hang = || std::future::pending::<Result<(), Missed>>();
        let tried = retry.until_answered(Patience::UntilAnswered, hang).await;
        assert_eq!((tried.result, tried.lost), (Err(Fault::TimedOut.into()), tried.retries + 1));
        assert!(start.elapsed() <= Duration::from_secs(4), "{:?}", start.elapsed());
        assert_eq!(retry.until_answered(Patience::Once, hang).await.retries, 0);
    }
}
