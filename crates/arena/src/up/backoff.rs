//! How long to wait before a child is started again. Pure: the time it lived is passed in.

use std::time::Duration;

/// Counts the deaths in a row.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    deaths: u32,
}

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(10);

/// Whoever lived this long was well: its death is the first of a new row.
const WELL: Duration = Duration::from_secs(30);

impl Backoff {
    /// The wait after the death of a child that lived for this long: 0.2 s, doubled by each further death in a row, at
    /// most 10 s.
    pub(super) fn after(&mut self, lived: Duration) -> Duration {
        if lived >= WELL {
            self.deaths = 0;
        }
        let wait = FIRST.saturating_mul(2_u32.saturating_pow(self.deaths)).min(LONGEST);
        self.deaths = self.deaths.saturating_add(1);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(backoff: &mut Backoff, lives: &[u64]) -> Vec<u128> {
        lives.iter().map(|lived| backoff.after(Duration::from_secs(*lived)).as_millis()).collect()
    }

    #[test]
    fn waits_double_up_to_a_bound() {
        let waits = waits(&mut Backoff::default(), &[100, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(waits, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
    }

    #[test]
    fn a_long_life_is_a_new_beginning() {
        assert_eq!(waits(&mut Backoff::default(), &[0, 0, 29, 30, 0]), [200, 400, 800, 200, 400]);
    }

    #[test]
    fn the_bound_holds_for_ever() {
        let mut backoff = Backoff { deaths: u32::MAX };
        assert_eq!(backoff.after(Duration::ZERO), LONGEST);
        assert_eq!(backoff.after(Duration::ZERO), LONGEST);
    }
}
