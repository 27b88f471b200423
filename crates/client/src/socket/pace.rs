//! How fast commands may go out, so that the server does not take this client for a flood. Pure: the clock is passed
//! in.

use std::time::Duration;

use tokio::time::Instant;

use super::frames::Limits;

/// A token bucket that stays a good way below the server's own.
#[derive(Debug)]
pub(super) struct Pace {
    per_second: f64,
    burst: f64,
    tokens: f64,
    since: Instant,
}

impl Pace {
    pub(super) fn new(limits: Limits, now: Instant) -> Self {
        let burst = (f64::from(limits.commands_burst) / 2.0).max(1.0);
        let per_second = (f64::from(limits.commands_per_second) * 0.9).max(1.0);
        Self { per_second, burst, tokens: burst, since: now }
    }

    /// When the next command may go out: now, or later.
    pub(super) fn next(&mut self, now: Instant) -> Instant {
        let gained = (now - self.since).as_secs_f64() * self.per_second;
        self.tokens = (self.tokens + gained).min(self.burst);
        self.since = now;
        if self.tokens >= 1.0 {
            return now;
        }
        // A little later rather than a little earlier: the sum of rounded steps must not stay short of one.
        now + Duration::from_secs_f64((1.0 - self.tokens) / self.per_second) + Duration::from_micros(10)
    }

    /// A command goes out.
    pub(super) fn spend(&mut self) {
        self.tokens -= 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_becomes_a_stream_below_the_limit() {
        let mut now = Instant::now();
        let start = now;
        let mut pace = Pace::new(Limits { commands_per_second: 50, commands_burst: 200 }, now);
        for _ in 0..1000 {
            now = pace.next(now);
            assert_eq!(pace.next(now), now, "who waits that long may send");
            pace.spend();
        }
        // 100 at once, the other 900 at 45 a second.
        let seconds = (now - start).as_secs_f64();
        assert!((20.0..20.2).contains(&seconds), "{seconds}");
    }
}
