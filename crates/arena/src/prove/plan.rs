//! What will go wrong, when, and to whom: decided by the seed alone. Pure; does nothing to anybody.

use std::fmt;
use std::time::Duration;

use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::{Serialize, Serializer};

use crate::roles::Role;

/// A stall is longer than every lease and time-out of the platform but one: a transaction may idle for 10 seconds, so
/// that some stalls are shorter than that and some longer.
const STALL_MILLIS: std::ops::RangeInclusive<u64> = 6_000..=12_000;

/// Of ten rounds, so many have a second fault, which may come while the first one lasts.
const SECOND_FAULT_IN_TEN: u32 = 4;

/// Whom it happens to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// The process of a service.
    Service(Role),
    /// PostgreSQL as a whole.
    Postgres,
    /// One of PostgreSQL's processes: one connection of a service.
    Backend,
    /// What a service makes of the event log.
    ReadModels(Role),
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// SIGKILL. For one process of PostgreSQL it means that all of its connections end, and that it recovers.
    Kill,
    /// SIGSTOP, and SIGCONT after a while.
    Stall,
    /// SIGTERM (for PostgreSQL its fast shutdown): it ends in order, and is started again.
    Restart,
    /// Read models are built anew from the log while events come in.
    Rebuild,
}

/// One thing that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) kind: Kind,
    pub(super) target: Target,
    /// From the beginning of the round.
    pub(super) after: Duration,
    /// How long a stall lasts.
    pub(super) lasts: Duration,
    /// Chooses among targets that are alike.
    pub(super) draw: u64,
}

/// What goes wrong in one round: one thing or two, which may overlap.
pub(super) type Round = Vec<Fault>;

/// The plan of a seed. Every kind of fault happens to every target before any happens to the same one again.
pub(super) fn plan(seed: u64, rounds: u32, round: Duration) -> Vec<Round> {
    let mut deck = Deck { random: ChaCha8Rng::seed_from_u64(seed), cards: Vec::new() };
    let rounds = (0..rounds).map(|_| {
        let first = deck.deal(round, None);
        let second = deck.random.random_ratio(SECOND_FAULT_IN_TEN, 10);
        // Two for the same target would take turns at one process, and tell nothing of overlapping.
        let second = second.then(|| deck.deal(round, first.map(|first| first.target))).flatten();
        first.into_iter().chain(second).collect()
    });
    rounds.collect()
}

/// Every kind of fault for every target, in random order, again and again.
struct Deck {
    random: ChaCha8Rng,
    cards: Vec<(Kind, Target)>,
}

impl Deck {
    /// The next fault; none, and it stays the next one, when it is for `not`.
    fn deal(&mut self, round: Duration, not: Option<Target>) -> Option<Fault> {
        if self.cards.is_empty() {
            self.cards = every_fault();
            self.cards.shuffle(&mut self.random);
        }
        let (kind, target) = self.cards.pop_if(|(_, target)| Some(*target) != not)?;
        // In the first half of the round, so that the second one sees the recovery under traffic.
        let after = round.mul_f64(self.random.random_range(0.0..0.5));
        let lasts = Duration::from_millis(self.random.random_range(STALL_MILLIS));
        Some(Fault { kind, target, after, lasts, draw: self.random.random() })
    }
}

fn every_fault() -> Vec<(Kind, Target)> {
    let services = Role::START_ORDER.into_iter().map(Target::Service);
    let targets: Vec<Target> = services.chain([Target::Postgres, Target::Backend]).collect();
    let kinds = [Kind::Kill, Kind::Stall, Kind::Restart];
    let processes = kinds.into_iter().flat_map(|kind| targets.iter().map(move |target| (kind, *target)));
    let rebuilds = [Role::Analytics, Role::Gateway].map(|role| (Kind::Rebuild, Target::ReadModels(role)));
    processes.chain(rebuilds).collect()
}

impl Kind {
    /// The word for people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Stall => "stall",
            Self::Restart => "restart",
            Self::Rebuild => "rebuild",
        }
    }
}

impl Target {
    /// The word for people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Service(role) => role.name(),
            Self::Postgres => "postgresql",
            Self::Backend => "one-connection",
            Self::ReadModels(Role::Gateway) => "points",
            Self::ReadModels(_) => "read-models",
        }
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, target, after, lasts, draw: _ } = self;
        write!(f, "{} {} at {:.1} s", kind.name(), target.name(), after.as_secs_f64())?;
        if *kind == Kind::Stall {
            write!(f, " for {:.1} s", lasts.as_secs_f64())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND: Duration = Duration::from_secs(12);

    #[test]
    fn the_seed_decides() {
        assert_eq!(plan(7, 30, ROUND), plan(7, 30, ROUND));
        assert_ne!(plan(7, 30, ROUND), plan(8, 30, ROUND));
    }

    #[test]
    fn thirty_rounds_do_everything_to_everybody() {
        for seed in 0..20 {
            let plan = plan(seed, 30, ROUND);
            let faults: Vec<_> = plan.iter().flatten().map(|fault| (fault.kind, fault.target)).collect();
            assert!(every_fault().iter().all(|wanted| faults.contains(wanted)), "seed {seed}: {faults:?}");
        }
    }

    #[test]
    fn rounds_have_one_fault_or_two_for_different_targets() {
        for round in plan(3, 200, ROUND) {
            assert!(round.len() == 1 || round.len() == 2 && round[0].target != round[1].target, "{round:?}");
            assert!(
                round.iter().all(|fault| fault.after < ROUND / 2 && fault.lasts >= Duration::from_secs(6))
            );
        }
    }
}
