//! The sandbox that stands where a payment processor will: it declines a share of payments. Chance is passed in, so
//! that the decision is made once and written down with the purchase.

use battlearena_proto::TransactionStatus;

/// Which share of payments is declined, in percent: 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct DeclinePercent(pub(crate) f64);

impl DeclinePercent {
    /// Decides one payment. `draw` is uniform in [0, 1).
    pub(crate) fn decide(self, draw: f64) -> TransactionStatus {
        if draw * 100.0 < self.0 { TransactionStatus::Failed } else { TransactionStatus::Completed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_what_was_set() {
        let declined = |percent| {
            (0..1000).filter(|n| decide(percent, f64::from(*n) / 1000.0) == TransactionStatus::Failed).count()
        };
        assert_eq!([declined(0.0), declined(1.0), declined(50.0), declined(100.0)], [0, 10, 500, 1000]);
    }

    fn decide(percent: f64, draw: f64) -> TransactionStatus {
        DeclinePercent(percent).decide(draw)
    }
}
