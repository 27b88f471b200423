//! How long the current request may still take. A deadline travels with the task, and over the wire as
//! `grpc-timeout`: each hop bounds its waits by what is left, so that nobody works for a caller who is gone.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

/// What a request may take when its caller does not say.
pub const DEFAULT: Duration = Duration::from_secs(5);

/// The longest time that fits the wire format in seconds, and far more than any request needs.
const LONGEST: Duration = Duration::from_secs(99_999_999);

tokio::task_local! {
    static CURRENT: Deadline;
}

/// A point in time after which the answer is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// That long from now.
    pub fn after(allowed: Duration) -> Self {
        Self(Instant::now() + allowed.min(LONGEST))
    }

    /// What is left; zero once it has passed.
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Runs a future until this deadline; `None` when that is over first. A deadline that is over already begins nothing: a
    /// timer alone would let through what is done within its tick.
    pub async fn bound<F: Future>(self, future: F) -> Option<F::Output> {
        if self.remaining().is_zero() {
            return None;
        }
        tokio::time::timeout_at(self.0, future).await.ok()
    }

    /// The point in time itself, for `timeout_at`.
    pub fn instant(self) -> Instant {
        self.0
    }
}

/// Runs a future under a deadline, which [`current`] then tells. Does not cancel anything by itself.
pub async fn scope<F: Future>(deadline: Deadline, future: F) -> F::Output {
    CURRENT.scope(deadline, future).await
}

/// The deadline of the current task, when it runs in a [`scope`].
pub fn current() -> Option<Deadline> {
    CURRENT.try_with(|deadline| *deadline).ok()
}

/// What the current request has left; [`DEFAULT`] outside of any [`scope`].
pub fn remaining() -> Duration {
    current().map_or(DEFAULT, Deadline::remaining)
}

/// Reads the value of a `grpc-timeout` header: 1 to 8 digits and a unit (`H`, `M`, `S`, `m`, `u` or `n`).
pub fn parse_grpc_timeout(header: &str) -> Option<Duration> {
    let (digits, unit) = header.split_at_checked(header.len().checked_sub(1)?)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

/// Writes the value of a `grpc-timeout` header in the finest unit that fits, rounded down, so that the callee never
/// believes to have more time than its caller.
pub fn format_grpc_timeout(timeout: Duration) -> String {
    let units =
        [(timeout.as_micros(), 'u'), (timeout.as_millis(), 'm'), (u128::from(timeout.as_secs()), 'S')];
    let fits = units.into_iter().find(|(count, _)| *count <= 99_999_999);
    let (count, unit) = fits.unwrap_or((u128::from(LONGEST.as_secs()), 'S'));
    format!("{count}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_deadline_that_is_over_begins_nothing() {
        let mut began = false;
        let work = async { began = true };
        assert_eq!(Deadline::after(Duration::ZERO).bound(work).await, None);
        assert!(!began);
        assert_eq!(Deadline::after(DEFAULT).bound(async { 7 }).await, Some(7));
    }

    #[test]
    fn every_unit_of_the_specification_is_read() {
        let table = [
            ("2H", Duration::from_secs(7200)),
            ("3M", Duration::from_secs(180)),
            ("99999999S", Duration::from_secs(99_999_999)),
            ("250m", Duration::from_millis(250)),
            ("7u", Duration::from_micros(7)),
            ("0n", Duration::ZERO),
        ];
        for (text, duration) in table {
            assert_eq!(parse_grpc_timeout(text), Some(duration), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "S", "5", "5s", "123456789S", "-1S", "+1S", "1.5S", " 1S", "1é"] {
            assert_eq!(parse_grpc_timeout(text), None, "{text:?}");
        }
    }

    #[test]
    fn writing_never_adds_time() {
        assert_eq!(format_grpc_timeout(Duration::from_nanos(1_999)), "1u");
        assert_eq!(format_grpc_timeout(Duration::from_secs(5)), "5000000u");
        assert_eq!(format_grpc_timeout(Duration::from_micros(100_000_999)), "100000m");
        assert_eq!(format_grpc_timeout(Duration::from_millis(100_000_999)), "100000S");
        assert_eq!(format_grpc_timeout(Duration::MAX), "99999999S");
    }

    #[tokio::test(start_paused = true)]
    async fn a_scope_tells_what_is_left() {
        assert_eq!((current(), remaining()), (None, DEFAULT));
        let deadline = Deadline::after(Duration::from_secs(2));
        scope(deadline, async {
            tokio::time::advance(Duration::from_millis(500)).await;
            assert_eq!(remaining(), Duration::from_millis(1_500));
            tokio::time::advance(Duration::from_secs(9)).await;
            assert_eq!((current(), remaining()), (Some(deadline), Duration::ZERO));
        })
        .await;
    }
}
