//! The arithmetic of a token bucket, in the form of the generic cell rate algorithm (ITU-T I.371): all that is kept is
//! the time at which the bucket will be full again.

use std::time::Duration;

use super::Decision;

/// How many at once, and how fast it fills up again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Between two tokens, in nanoseconds; at least 1.
    interval: u64,
    /// The time that a full bucket holds, in nanoseconds.
    burst: u64,
}

impl Quota {
    /// `tokens` at once, and as many again in each `period`. At least one token; periods up to years.
    pub fn new(tokens: u32, period: Duration) -> Self {
        let tokens = u64::from(tokens.max(1));
        let interval = (nanoseconds(period) / tokens).max(1);
        Self { interval, burst: interval.saturating_mul(tokens) }
    }

    /// Another number of tokens at once, at the same pace.
    #[must_use]
    pub fn with_burst(self, tokens: u32) -> Self {
        Self { burst: self.interval.saturating_mul(u64::from(tokens.max(1))), ..self }
    }

    /// So many times as many, at once and in the long run.
    pub(super) fn times(self, factor: u32) -> Self {
        Self { interval: (self.interval / u64::from(factor)).max(1), burst: self.burst }
    }
}

/// A bucket, full at first. Times are counted from any fixed moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bucket {
    /// When it will be full, in nanoseconds.
    full_at: u64,
}

impl Bucket {
    /// Takes `tokens` out at `now`, or none. More than the bucket can ever hold are taken when it is full, and then
    /// paid off.
    pub fn take(&mut self, quota: Quota, tokens: u32, now: Duration) -> Decision {
        let now = nanoseconds(now);
        let cost = quota.interval.saturating_mul(u64::from(tokens));
        let from = self.full_at.max(now);
        // How long until there is room for the cost, given that the bucket may be empty by `burst`.
        let wait = (from - now).saturating_add(cost.min(quota.burst)).saturating_sub(quota.burst);
        if wait > 0 {
            return Decision::Wait(Duration::from_nanos(wait));
        }
        self.full_at = from.saturating_add(cost);
        Decision::Allowed
    }

    /// Whether nothing would be lost by forgetting it.
    pub fn is_full(&self, now: Duration) -> bool {
        self.full_at <= nanoseconds(now)
    }

    /// Which of two buckets has less in it.
    pub(super) fn full_at(&self) -> u64 {
        self.full_at
    }
}

/// 584 years fit.
fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
