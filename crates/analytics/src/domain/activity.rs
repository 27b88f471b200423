//! How many were seen in the last while: a ring of counters, one a second of the last day.

use jiff::Timestamp;

/// Seconds that the ring remembers.
pub(crate) const DAY: i64 = 86_400;

/// Counts things by the second at which they were last seen. All times are Unix seconds.
#[derive(Debug)]
pub(crate) struct Activity {
    counts: Box<[u32]>,
    /// The newest second that the ring has room for; older ones than a day before it are forgotten.
    newest: i64,
    /// All that the ring remembers.
    all: u64,
}

impl Activity {
    pub(crate) fn new() -> Self {
        Self { counts: vec![0; DAY as usize].into_boxed_slice(), newest: 0, all: 0 }
    }

    /// Moves something from the second at which it was seen before, if ever, to another.
    pub(crate) fn seen(&mut self, before: Option<i64>, at: i64) {
        self.advance(at);
        if let Some(before) = before {
            self.forget(before);
        }
        if self.remembers(at) {
            self.counts[slot(at)] += 1;
            self.all += 1;
        }
    }

    /// Takes something out again that was seen at that second.
    pub(crate) fn forget(&mut self, at: i64) {
        if self.remembers(at) {
            let count = &mut self.counts[slot(at)];
            if let Some(fewer) = count.checked_sub(1) {
                *count = fewer;
                self.all -= 1;
            }
        }
    }

    /// How many were last seen after `now - seconds`; at most a day.
    pub(crate) fn within(&self, seconds: i64, now: i64) -> u64 {
        // Seconds up to here do not count, those after it do: whichever are fewer are added up.
        let before = (now - seconds.min(DAY)).clamp(self.newest - DAY, self.newest);
        let sum = |seconds: std::ops::RangeInclusive<i64>| -> u64 {
            seconds.map(|second| u64::from(self.counts[slot(second)])).sum()
        };
        if self.newest - before < DAY / 2 {
            sum(before + 1..=self.newest)
        } else {
            self.all - sum(self.newest - DAY + 1..=before)
        }
    }

    fn remembers(&self, second: i64) -> bool {
        second > self.newest - DAY && second <= self.newest
    }

    fn advance(&mut self, to: i64) {
        if to <= self.newest {
            return;
        }
        if to - self.newest >= DAY {
            self.counts.fill(0);
            self.all = 0;
        } else {
            for second in (self.newest + 1)..=to {
                self.all -= u64::from(std::mem::take(&mut self.counts[slot(second)]));
            }
        }
        self.newest = to;
    }
}

/// How purchases went in the last while.
#[derive(Debug)]
pub(crate) struct Purchases {
    completed: Activity,
    failed: Activity,
}

impl Purchases {
    pub(crate) fn new() -> Self {
        Self { completed: Activity::new(), failed: Activity::new() }
    }

    /// A purchase was decided.
    pub(crate) fn seen(&mut self, has_failed: bool, at: Timestamp) {
        let which = if has_failed { &mut self.failed } else { &mut self.completed };
        which.seen(None, at.as_second());
    }

    /// Failed ÷ all of the last five minutes; 0 without any.
    pub(crate) fn failure_rate(&self, now: Timestamp) -> f64 {
        let within = |activity: &Activity| activity.within(300, now.as_second()) as f64;
        let (completed, failed) = (within(&self.completed), within(&self.failed));
        if failed == 0.0 { 0.0 } else { failed / (completed + failed) }
    }
}

fn slot(second: i64) -> usize {
    second.rem_euclid(DAY) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    #[test]
    fn the_active_fall_again() {
        let mut activity = Activity::new();
        activity.seen(None, NOW);
        activity.seen(None, NOW + 10);
        assert_eq!(activity.within(300, NOW + 10), 2);
        assert_eq!(activity.within(300, NOW + 300), 1);
        assert_eq!(activity.within(300, NOW + 310), 0);
        assert_eq!(activity.within(DAY, NOW + 310), 2);
    }

    #[test]
    fn who_is_seen_again_counts_once() {
        let mut activity = Activity::new();
        activity.seen(None, NOW);
        activity.seen(Some(NOW), NOW + 100);
        assert_eq!(activity.within(300, NOW + 100), 1);
        assert_eq!(activity.within(DAY, NOW + DAY + 99), 1);
        assert_eq!(activity.within(DAY, NOW + DAY + 100), 0);
    }

    #[test]
    fn a_gap_of_days_forgets_everybody() {
        let mut activity = Activity::new();
        activity.seen(None, NOW);
        activity.seen(None, NOW + 5 * DAY);
        assert_eq!(activity.within(DAY, NOW + 5 * DAY), 1);
        activity.seen(Some(NOW), NOW + 5 * DAY + 1);
        assert_eq!(activity.within(DAY, NOW + 5 * DAY + 1), 2);
    }

    #[test]
    fn the_failure_rate_forgets() {
        let at = |second| Timestamp::from_second(NOW + second).unwrap();
        let mut purchases = Purchases::new();
        assert_eq!(purchases.failure_rate(at(0)), 0.0);
        purchases.seen(true, at(0));
        purchases.seen(false, at(100));
        assert_eq!(purchases.failure_rate(at(100)), 0.5);
        assert_eq!(purchases.failure_rate(at(350)), 0.0);
    }

    #[test]
    fn what_is_over_a_day_old_does_not_count() {
        let mut activity = Activity::new();
        activity.seen(None, NOW);
        activity.seen(None, NOW - DAY - 5);
        assert_eq!(activity.within(DAY, NOW), 1);
    }
}
