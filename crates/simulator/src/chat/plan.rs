//! The plan of talk: who sits where, who says what and when. Pure: the same seed, number of players and rate give the
//! same plan.

use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Players of one room, about.
const A_ROOMFUL: usize = 8;
const MOST_ROOMS: usize = 16;
/// One in so many follows the live feed.
const FEED_EVERY: usize = 5;

const WORDS: [&str; 8] =
    ["gg", "well played", "anyone for a team match?", "nice shot!", "brb", "one more?", "who won?", "🎉"];

/// Something that is to be said.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Utterance {
    /// Time since the one before it.
    pub(crate) after: Duration,
    /// Number of the player, from 0.
    pub(crate) speaker: usize,
    pub(crate) words: &'static str,
}

/// An endless talk.
#[derive(Debug)]
pub(crate) struct ChatPlan {
    players: usize,
    per_second: f64,
    random: ChaCha8Rng,
}

impl ChatPlan {
    /// A plan for so many players, who say so much a second in all.
    pub(crate) fn new(seed: u64, players: usize, per_second: f64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        // The plan of operations has the streams 1 to 7.
        random.set_stream(8);
        Self { players, per_second, random }
    }

    pub(crate) fn players(&self) -> usize {
        self.players
    }

    pub(crate) fn rooms(&self) -> usize {
        self.players.div_ceil(A_ROOMFUL).min(MOST_ROOMS)
    }

    /// The room of a player, from 0.
    pub(crate) fn room_of(&self, player: usize) -> usize {
        player % self.rooms().max(1)
    }

    pub(crate) fn follows_the_feed(&self, player: usize) -> bool {
        player.is_multiple_of(FEED_EVERY)
    }

    /// The next utterance, while the hour multiplies the rate with `hour_factor` (more than 0): a Poisson process. None
    /// when nobody is there to talk.
    pub(crate) fn next(&mut self, hour_factor: f64) -> Option<Utterance> {
        if self.players == 0 || self.per_second <= 0.0 {
            return None;
        }
        let uniform: f64 = self.random.random();
        let after = Duration::from_secs_f64(-(1.0 - uniform).ln() / (self.per_second * hour_factor));
        let speaker = self.random.random_range(0..self.players);
        let words = WORDS[self.random.random_range(0..WORDS.len())];
        Some(Utterance { after, speaker, words })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_is_one_talk_at_its_rate() {
        let talk = |seed| {
            let mut plan = ChatPlan::new(seed, 20, 50.0);
            (0..10_000).map(|_| plan.next(1.0).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(talk(1), talk(1));
        assert_ne!(talk(1), talk(2));
        let seconds: f64 = talk(1).iter().map(|utterance| utterance.after.as_secs_f64()).sum();
        assert!((seconds / 200.0 - 1.0).abs() < 0.05, "{seconds}");
        assert!((0..20).all(|player| talk(1).iter().any(|utterance| utterance.speaker == player)));
    }

    #[test]
    fn everybody_has_a_room_and_every_room_somebody() {
        for players in [1, 8, 9, 20, 1000] {
            let plan = ChatPlan::new(1, players, 1.0);
            let mut rooms: Vec<_> = (0..players).map(|player| plan.room_of(player)).collect();
            rooms.sort_unstable();
            rooms.dedup();
            assert_eq!(rooms, (0..plan.rooms()).collect::<Vec<_>>(), "{players}");
        }
        assert_eq!(ChatPlan::new(1, 0, 1.0).next(1.0), None);
    }
}
