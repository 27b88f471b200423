//! The plan of traffic: when operations arrive and what players choose. Pure: the same seed, mix and number
//! of players give the same plan, whatever the platform answers. Each concern has its own generator, so that
//! one more choice in one of them leaves the others as they were.

use std::sync::Arc;
use std::time::Duration;

use battlearena_client::calls::ParticipantStats;
use battlearena_proto::{ItemType, MatchType, PlayerId, Severity};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::mix::Mix;

/// Most players of one match.
pub(crate) const MOST_PLAYERS: usize = 10;

/// Something on sale.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) item_type: ItemType,
    pub(crate) name: &'static str,
    pub(crate) price_cents: i64,
}

/// What the store sells.
pub(crate) const ITEMS: [Item; 8] = [
    Item { item_type: ItemType::Skin, name: "Dragon Armor", price_cents: 999 },
    Item { item_type: ItemType::Skin, name: "Galaxy Wings", price_cents: 1999 },
    Item { item_type: ItemType::Skin, name: "Ice Crown", price_cents: 2499 },
    Item { item_type: ItemType::Weapon, name: "Legendary Sword", price_cents: 1499 },
    Item { item_type: ItemType::Weapon, name: "Fire Staff", price_cents: 1299 },
    Item { item_type: ItemType::Weapon, name: "Shadow Blade", price_cents: 1699 },
    Item { item_type: ItemType::Currency, name: "1000 Gold", price_cents: 499 },
    Item { item_type: ItemType::Currency, name: "500 Gold", price_cents: 299 },
];

/// Something that an operator has to say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) event_type: &'static str,
    pub(crate) severity: Severity,
    pub(crate) message: &'static str,
}

/// What operators say.
pub(crate) const NOTICES: [Notice; 4] = [
    Notice { event_type: "deployment", severity: Severity::Info, message: "A new version is out" },
    Notice { event_type: "maintenance", severity: Severity::Info, message: "A server restarts in an hour" },
    Notice {
        event_type: "server_overload",
        severity: Severity::Warning,
        message: "A server is at its limit",
    },
    Notice { event_type: "server_lost", severity: Severity::Error, message: "A server does not answer" },
];

/// Where players play.
pub(crate) const REGIONS: [&str; 4] = ["us-east", "us-west", "eu-west", "asia"];

/// Solo 1 : team 2 : tournament 1.
const MATCH_TYPES: [MatchType; 4] =
    [MatchType::Solo, MatchType::Team, MatchType::Team, MatchType::Tournament];

const CRASH_PROBABILITY: f64 = 0.02;

/// One operation that is to come.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Arrival {
    /// Time since the arrival before it.
    pub(crate) after: Duration,
    pub(crate) action: Action,
}

/// What a player does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    /// Who `leaves` logs out again at once: somebody else's device, while the player goes on playing on the own.
    LogIn {
        player_id: PlayerId,
        leaves: bool,
    },
    StartMatch(MatchPlan),
    Purchase {
        player_id: PlayerId,
        item: &'static Item,
    },
    SystemEvent(&'static Notice),
    Read(Read),
    Mistake(Mistake),
}

/// A match from its start to its end.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MatchPlan {
    pub(crate) match_type: MatchType,
    pub(crate) region: &'static str,
    pub(crate) roster: Roster,
    /// From the answered start to the due end, 5 to 30 s.
    pub(crate) length: Duration,
    pub(crate) crashes: bool,
    seed: u64,
}

/// Who plays: 2 to [`MOST_PLAYERS`] distinct players, kept in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Roster {
    ids: [PlayerId; MOST_PLAYERS],
    len: usize,
}

impl Roster {
    pub(crate) fn ids(&self) -> &[PlayerId] {
        &self.ids[..self.len]
    }
}

impl MatchPlan {
    /// Each participant's result, the winner (the best score) first.
    pub(crate) fn results(&self) -> Vec<ParticipantStats> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let mut results: Vec<_> = self
            .roster
            .ids()
            .iter()
            .map(|&player_id| ParticipantStats {
                player_id,
                score: random.random_range(100..=5000),
                kills: random.random_range(0..=30),
                deaths: random.random_range(0..=20),
            })
            .collect();
        results.sort_by_key(|result| std::cmp::Reverse(result.score));
        results
    }
}

/// A question that changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    Player(PlayerId),
    Rank(PlayerId),
    PlayerMatches(PlayerId),
    Leaderboard,
    PlayerStats,
    MatchStats,
    RevenueStats,
}

/// A request that must be refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mistake {
    UnknownPlayer,
    /// A guess at somebody's password; the place of the player among those who play.
    WrongPassword(i64),
    MalformedBody,
    UnknownMatch,
}

/// The players who take part, in an order of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Population {
    /// The players 1 to this one.
    UpTo(i64),
    /// These players.
    These(Arc<[PlayerId]>),
}

impl Population {
    /// How many there are.
    pub(crate) fn len(&self) -> i64 {
        match self {
            Self::UpTo(highest) => *highest,
            Self::These(ids) => ids.len() as i64,
        }
    }

    /// The one at that place, from 0; after the last comes the first again.
    pub(crate) fn at(&self, place: i64) -> PlayerId {
        let place = place.rem_euclid(self.len().max(1));
        match self {
            Self::UpTo(_) => PlayerId(1 + place),
            Self::These(ids) => ids.get(place as usize).copied().unwrap_or(PlayerId(1)),
        }
    }

    fn draw(&self, random: &mut ChaCha8Rng) -> PlayerId {
        self.at(random.random_range(0..self.len().max(1)))
    }
}

/// An endless sequence of arrivals.
#[derive(Debug)]
pub(crate) struct Plan {
    mix: Mix,
    players: Population,
    times: ChaCha8Rng,
    kinds: ChaCha8Rng,
    log_ins: ChaCha8Rng,
    matches: ChaCha8Rng,
    purchases: ChaCha8Rng,
    system_events: ChaCha8Rng,
    reads: ChaCha8Rng,
    mistakes: ChaCha8Rng,
}

impl Plan {
    /// A plan for some players, of whom there must be [`MOST_PLAYERS`] at least: with fewer, as after a stop while they
    /// came, it is one for others, which nobody is to play.
    pub(crate) fn new(seed: u64, mix: Mix, players: Population) -> Self {
        let fewest = MOST_PLAYERS as i64;
        let players = if players.len() < fewest { Population::UpTo(fewest) } else { players };
        let generator = |stream| {
            let mut generator = ChaCha8Rng::seed_from_u64(seed);
            generator.set_stream(stream);
            generator
        };
        Self {
            mix,
            players,
            times: generator(1),
            kinds: generator(2),
            log_ins: generator(3),
            matches: generator(4),
            purchases: generator(5),
            reads: generator(6),
            mistakes: generator(7),
            // The talk has stream 8.
            system_events: generator(9),
        }
    }

    /// The next arrival, while the hour multiplies the rates with `hour_factor` (more than 0). A Poisson
    /// process: the times between arrivals are exponential, and each arrival's kind is drawn by its share of
    /// the rate.
    pub(crate) fn next(&mut self, hour_factor: f64) -> Arrival {
        let rate = self.mix.arrivals_per_second() * hour_factor;
        let uniform: f64 = self.times.random();
        let after = Duration::from_secs_f64(-(1.0 - uniform).ln() / rate);
        Arrival { after, action: self.action() }
    }

    fn action(&mut self) -> Action {
        let Mix { log_ins, match_starts, purchases, system_events, reads, mistakes: _, leaving: _ } =
            self.mix;
        let drawn = self.kinds.random::<f64>() * self.mix.arrivals_per_second();
        let bought = log_ins + match_starts + purchases;
        if drawn < log_ins {
            let player_id = self.players.draw(&mut self.log_ins);
            Action::LogIn { player_id, leaves: self.log_ins.random_bool(self.mix.leaving) }
        } else if drawn < log_ins + match_starts {
            Action::StartMatch(self.a_match())
        } else if drawn < bought {
            let player_id = self.players.draw(&mut self.purchases);
            Action::Purchase { player_id, item: &ITEMS[self.purchases.random_range(0..ITEMS.len())] }
        } else if drawn < bought + system_events {
            Action::SystemEvent(&NOTICES[self.system_events.random_range(0..NOTICES.len())])
        } else if drawn < bought + system_events + reads {
            Action::Read(self.read())
        } else {
            Action::Mistake(self.mistake())
        }
    }

    fn a_match(&mut self) -> MatchPlan {
        let random = &mut self.matches;
        let match_type = MATCH_TYPES[random.random_range(0..MATCH_TYPES.len())];
        let size = match match_type {
            MatchType::Solo => 2,
            MatchType::Team | MatchType::Tournament => random.random_range(4..=MOST_PLAYERS),
        };
        let mut roster = Roster { ids: [PlayerId(0); MOST_PLAYERS], len: 0 };
        while roster.len < size {
            let player_id = self.players.draw(random);
            if !roster.ids().contains(&player_id) {
                roster.ids[roster.len] = player_id;
                roster.len += 1;
            }
        }
        MatchPlan {
            match_type,
            region: REGIONS[random.random_range(0..REGIONS.len())],
            roster,
            length: Duration::from_millis(random.random_range(5_000..=30_000)),
            crashes: random.random_bool(CRASH_PROBABILITY),
            seed: random.random(),
        }
    }

    fn read(&mut self) -> Read {
        let player_id = self.players.draw(&mut self.reads);
        match self.reads.random_range(0..10) {
            0..4 => Read::Player(player_id),
            4 => Read::Rank(player_id),
            5 => Read::PlayerMatches(player_id),
            6 => Read::Leaderboard,
            7 => Read::PlayerStats,
            8 => Read::MatchStats,
            _ => Read::RevenueStats,
        }
    }

    fn mistake(&mut self) -> Mistake {
        match self.mistakes.random_range(0..4) {
            0 => Mistake::UnknownPlayer,
            1 => Mistake::WrongPassword(self.mistakes.random_range(0..self.players.len())),
            2 => Mistake::MalformedBody,
            _ => Mistake::UnknownMatch,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(seed: u64, count: usize) -> Vec<Arrival> {
        let mut plan = Plan::new(seed, Mix::base(0.05, 0.01).at_rate(2000.0), Population::UpTo(1000));
        (0..count).map(|_| plan.next(1.0)).collect()
    }

    #[test]
    fn one_seed_is_one_plan() {
        assert_eq!(arrivals(7, 5000), arrivals(7, 5000));
        assert_ne!(arrivals(7, 100), arrivals(8, 100));
    }

    #[test]
    fn other_numbers_are_the_same_plan_for_other_players() {
        let ids: Vec<_> = (0..1000).map(|place| PlayerId(5000 + 3 * place)).collect();
        let these = Population::These(ids.into());
        let mut plan = Plan::new(7, Mix::base(0.05, 0.01).at_rate(2000.0), these.clone());
        for arrival in arrivals(7, 1000) {
            match (arrival.action, plan.next(1.0).action) {
                (Action::LogIn { player_id: one, .. }, Action::LogIn { player_id: other, .. }) => {
                    assert_eq!(these.at(one.get() - 1), other);
                }
                (Action::StartMatch(one), Action::StartMatch(other)) => {
                    let moved = one.roster.ids().iter().map(|id| these.at(id.get() - 1));
                    assert!(moved.eq(other.roster.ids().iter().copied()));
                }
                (one, other) => assert_eq!(std::mem::discriminant(&one), std::mem::discriminant(&other)),
            }
        }
        assert_eq!((these.at(1000), Population::UpTo(10).at(10)), (PlayerId(5000), PlayerId(1)));
    }

    #[test]
    fn a_plan_without_players_has_no_endless_search_for_them() {
        let few = Population::These(vec![PlayerId(7)].into());
        let mut plan = Plan::new(1, Mix::base(0.05, 0.01), few);
        assert!((0..1000).any(|_| matches!(plan.next(1.0).action, Action::StartMatch(_))));
    }

    #[test]
    fn arrivals_are_poisson_at_the_rate() {
        let mix = Mix::base(0.05, 0.01).at_rate(2000.0);
        let gaps: Vec<f64> = arrivals(1, 100_000).iter().map(|arrival| arrival.after.as_secs_f64()).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((mean * mix.arrivals_per_second() - 1.0).abs() < 0.02, "{mean}");
        // Exponential: the standard deviation equals the mean.
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.03, "{variance}");
    }

    #[test]
    fn the_hour_shortens_the_gaps() {
        let mix = Mix::base(0.05, 0.01);
        let (mut day, mut evening) =
            (Plan::new(3, mix, Population::UpTo(1000)), Plan::new(3, mix, Population::UpTo(1000)));
        for _ in 0..100 {
            let (slow, fast) = (day.next(1.0), evening.next(2.0));
            assert!((slow.after.as_secs_f64() / fast.after.as_secs_f64() - 2.0).abs() < 1e-3);
            assert_eq!(slow.action, fast.action);
        }
    }

    #[test]
    fn kinds_come_in_their_shares() {
        let (mut log_ins, mut starts, mut purchases, mut reads, mut mistakes) = (0.0, 0.0, 0.0, 0.0, 0.0);
        let (mut crashes, mut teams, mut system_events, mut log_outs) = (0.0, 0.0, 0.0, 0.0);
        for arrival in arrivals(2, 200_000) {
            match arrival.action {
                Action::LogIn { leaves, .. } => {
                    log_ins += 1.0;
                    log_outs += f64::from(leaves);
                }
                Action::StartMatch(plan) => {
                    starts += 1.0;
                    crashes += f64::from(plan.crashes);
                    teams += f64::from(plan.match_type == MatchType::Team);
                }
                Action::Purchase { .. } => purchases += 1.0,
                Action::SystemEvent(_) => system_events += 1.0,
                Action::Read(_) => reads += 1.0,
                Action::Mistake(_) => mistakes += 1.0,
            }
        }
        let operations = 200_000.0 + starts;
        for (share, expected) in [
            (log_ins / starts, 5.0),
            (log_outs / log_ins, 0.1),
            (starts / purchases, 2.0),
            (purchases / system_events, 5.0),
            (reads / operations, 0.05),
            (mistakes / operations, 0.01),
            (crashes / starts, 0.02),
            (teams / starts, 0.5),
        ] {
            assert!((share / expected - 1.0).abs() < 0.15, "{share} instead of {expected}");
        }
    }

    #[test]
    fn matches_are_as_the_rules_of_the_game_want_them() {
        for arrival in arrivals(4, 20_000) {
            let Action::StartMatch(plan) = arrival.action else { continue };
            let ids = plan.roster.ids();
            let sizes = if plan.match_type == MatchType::Solo { 2..=2 } else { 4..=10 };
            assert!(sizes.contains(&ids.len()), "{plan:?}");
            assert!(ids.iter().all(|id| (1..=1000).contains(&id.get())), "{plan:?}");
            assert!(ids.iter().enumerate().all(|(at, id)| !ids[..at].contains(id)), "{plan:?}");
            assert!((5_000..=30_000).contains(&plan.length.as_millis()), "{plan:?}");
            let results = plan.results();
            assert_eq!(results, plan.results());
            assert_eq!(results.len(), ids.len());
            assert!(results.iter().all(|result| ids.contains(&result.player_id)));
            assert!(results.iter().all(|result| result.score <= results[0].score));
        }
    }
}
