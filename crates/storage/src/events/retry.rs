//! Pauses between tries: exponential, with full jitter, so that replicas do not come back in step.

use std::time::Duration;

/// Counts failures in a row and says how long to pause after each.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(50);
    const LONGEST: Duration = Duration::from_secs(5);

    /// It worked: the next failure is the first again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// It failed: how long to pause, between half of and the whole of 50 ms × 2ⁿ, at most 5 s.
    pub fn next_pause(&mut self) -> Duration {
        let longest = Self::FIRST.saturating_mul(1 << self.failures.min(10)).min(Self::LONGEST);
        self.failures = self.failures.saturating_add(1);
        longest.mul_f64(rand::random_range(0.5..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_bounded() {
        let mut backoff = Backoff::default();
        assert!(backoff.next_pause() <= Duration::from_millis(50));
        for _ in 0..100 {
            assert!(backoff.next_pause() <= Duration::from_secs(5));
        }
        assert!(backoff.next_pause() >= Duration::from_millis(2500));
        backoff.reset();
        assert!(backoff.next_pause() <= Duration::from_millis(50));
    }
}
