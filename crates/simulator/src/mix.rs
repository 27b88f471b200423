//! How often each kind of operation arrives: base rates, modes, the hour of the day, a target rate. Pure
//! arithmetic.

use std::time::Duration;

use serde::Serialize;

/// How busy the players are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Half of the base rates.
    Slow,
    /// The base rates.
    Normal,
    /// Five times the base rates.
    Stress,
    /// Ten times the base rates.
    Tournament,
}

impl Mode {
    /// What the base rates are multiplied with.
    pub(crate) fn factor(self) -> f64 {
        match self {
            Self::Slow => 0.5,
            Self::Normal => 1.0,
            Self::Stress => 5.0,
            Self::Tournament => 10.0,
        }
    }
}

/// Arrivals a second, by kind. A match start is one arrival and two operations: its end follows 5 to 30 s
/// later.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Mix {
    pub(crate) log_ins: f64,
    pub(crate) match_starts: f64,
    pub(crate) purchases: f64,
    pub(crate) system_events: f64,
    pub(crate) reads: f64,
    pub(crate) mistakes: f64,
    /// The share of log-ins that log out again. That they do is no part of the rate.
    pub(crate) leaving: f64,
}

/// One log-in in ten is for a moment only.
const LEAVING: f64 = 0.1;

impl Mix {
    /// 100 log-ins, 20 match starts, 10 purchases and 2 system events a minute, with such shares (0 to 0.45) of all
    /// operations added.
    pub(crate) fn base(reads: f64, mistakes: f64) -> Self {
        let (log_ins, match_starts) = (100.0 / 60.0, 20.0 / 60.0);
        let (purchases, system_events) = (10.0 / 60.0, 2.0 / 60.0);
        let all = (log_ins + 2.0 * match_starts + purchases + system_events) / (1.0 - reads - mistakes);
        let (reads, mistakes) = (reads * all, mistakes * all);
        Self { log_ins, match_starts, purchases, system_events, reads, mistakes, leaving: LEAVING }
    }

    /// One log-in a second, and nothing else.
    pub(crate) fn log_ins_only() -> Self {
        Self {
            log_ins: 1.0,
            match_starts: 0.0,
            purchases: 0.0,
            system_events: 0.0,
            reads: 0.0,
            mistakes: 0.0,
            leaving: 0.0,
        }
    }

    /// All rates multiplied.
    pub(crate) fn times(self, factor: f64) -> Self {
        Self {
            log_ins: self.log_ins * factor,
            match_starts: self.match_starts * factor,
            purchases: self.purchases * factor,
            system_events: self.system_events * factor,
            reads: self.reads * factor,
            mistakes: self.mistakes * factor,
            leaving: self.leaving,
        }
    }

    /// The same mix with so many operations a second in all.
    pub(crate) fn at_rate(self, operations_per_second: f64) -> Self {
        self.times(operations_per_second / self.operations_per_second())
    }

    /// Arrivals of any kind a second.
    pub(crate) fn arrivals_per_second(&self) -> f64 {
        let Self { log_ins, match_starts, purchases, system_events, reads, mistakes, leaving: _ } = self;
        log_ins + match_starts + purchases + system_events + reads + mistakes
    }

    /// Operations a second once as many matches end as begin.
    pub(crate) fn operations_per_second(&self) -> f64 {
        self.arrivals_per_second() + self.match_starts
    }
}

/// What an hour of the day (0 to 23) multiplies the rates with: evenings are busy, nights are not.
pub(crate) fn hour_factor(hour: u64) -> f64 {
    match hour {
        18..=23 => 2.0,
        0..=6 => 0.3,
        12..=14 => 1.5,
        _ => 1.0,
    }
}

/// The hour of the day, 0 to 23, so long after the Unix epoch (UTC).
pub(crate) fn hour_of_day(since_epoch: Duration) -> u64 {
    since_epoch.as_secs() / 3600 % 24
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_shares_of_all_operations() {
        let mix = Mix::base(0.05, 0.01).at_rate(2000.0);
        assert!((mix.operations_per_second() - 2000.0).abs() < 1e-9);
        assert!((mix.reads - 100.0).abs() < 1e-9);
        assert!((mix.mistakes - 20.0).abs() < 1e-9);
        assert!((mix.log_ins / mix.match_starts - 5.0).abs() < 1e-9);
        assert!((mix.match_starts / mix.purchases - 2.0).abs() < 1e-9);
        assert!((mix.purchases / mix.system_events - 5.0).abs() < 1e-9);
    }

    #[test]
    fn log_ins_alone_are_the_whole_rate() {
        let mix = Mix::log_ins_only().at_rate(5000.0);
        assert_eq!((mix.log_ins, mix.operations_per_second()), (5000.0, 5000.0));
    }

    #[test]
    fn modes_multiply_the_base_rates() {
        let stress = Mix::base(0.0, 0.0).times(Mode::Stress.factor());
        assert!((stress.log_ins * 60.0 - 500.0).abs() < 1e-9);
    }

    #[test]
    fn hours_have_factors() {
        let factor = |hour: u64| hour_factor(hour_of_day(Duration::from_secs(86_400 * 3 + hour * 3600 + 59)));
        assert_eq!([0, 6, 7, 12, 14, 15, 18, 23].map(factor), [0.3, 0.3, 1.0, 1.5, 1.5, 1.0, 2.0, 2.0]);
    }
}
