//! The leaderboard and who is active: everything that is known of players, in memory, ordered by points. A place is
//! found in logarithmic time among a million players.

use std::cmp::Reverse;
use std::collections::HashMap;

use battlearena_proto::Tier;
use indexset::BTreeSet;
use jiff::Timestamp;

use super::activity::{Activity, DAY};

/// What a batch of events says of one player.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlayerChange {
    /// Name, level and tier, when the batch tells them.
    pub profile: Option<(String, i32, String)>,
    /// The last of the names that the batch tells of a player who has another one since, and which of its names that is,
    /// from 1.
    pub renamed: Option<(i32, String)>,
    /// Points earned.
    pub points: i64,
    /// When the player was last seen.
    pub last_seen: Timestamp,
}

/// All players.
#[derive(Debug)]
pub struct Board {
    players: HashMap<i64, Player>,
    /// More points first; equal points in order of player id.
    ranking: BTreeSet<(Reverse<i64>, i64)>,
    activity: [Activity; Tier::ALL.len()],
}

#[derive(Debug)]
struct Player {
    username: Box<str>,
    /// Which of the player's names it is.
    name_version: i32,
    level: i32,
    tier: Tier,
    points: i64,
    /// Unix seconds.
    last_seen: i64,
}

/// What a player is called whose account was deleted; the tables have the same.
pub(crate) fn forgotten_name(player_id: i64) -> String {
    format!("deleted-{player_id}")
}

/// One place of the ranking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) rank: i64,
    pub(crate) player_id: i64,
    pub(crate) username: String,
    pub(crate) level: i32,
    pub(crate) points: i64,
}

impl Board {
    /// Nobody.
    #[expect(clippy::new_without_default, reason = "an empty board is made on purpose or not at all")]
    pub fn new() -> Self {
        let activity = std::array::from_fn(|_| Activity::new());
        Self { players: HashMap::new(), ranking: BTreeSet::new(), activity }
    }

    /// Applies what a batch says of a player, or what was stored of one.
    pub fn apply(&mut self, player_id: i64, change: &PlayerChange) {
        let last_seen = change.last_seen.as_second();
        let is_new = !self.players.contains_key(&player_id);
        let player = self.players.entry(player_id).or_insert_with(|| Player {
            username: "".into(),
            name_version: 0,
            level: 1,
            tier: Tier::Free,
            points: 0,
            last_seen,
        });
        let (old_points, old_tier, old_seen) = (player.points, player.tier, player.last_seen);
        if let Some((username, level, tier)) = &change.profile {
            if player.name_version == 0 {
                player.username = username.as_str().into();
            }
            player.level = *level;
            player.tier = tier.parse().unwrap_or(Tier::Free);
        }
        if let Some((version, username)) = &change.renamed
            && *version > player.name_version
        {
            player.username = username.as_str().into();
            player.name_version = *version;
        }
        player.points += change.points;
        player.last_seen = player.last_seen.max(last_seen);
        if is_new || player.points != old_points {
            self.ranking.remove(&(Reverse(old_points), player_id));
            self.ranking.insert((Reverse(player.points), player_id));
        }
        let (tier, seen) = (player.tier, player.last_seen);
        if is_new {
            self.activity[tier as usize].seen(None, seen);
        } else if tier != old_tier {
            self.activity[old_tier as usize].forget(old_seen);
            self.activity[tier as usize].seen(None, seen);
        } else if seen != old_seen {
            self.activity[tier as usize].seen(Some(old_seen), seen);
        }
    }

    /// Forgets the name of a player, who keeps the place.
    pub(crate) fn forget_name(&mut self, player_id: i64) {
        if let Some(player) = self.players.get_mut(&player_id) {
            player.username = forgotten_name(player_id).into();
            // No name that is still on its way comes after this one.
            player.name_version = i32::MAX;
        }
    }

    /// The first places.
    pub(crate) fn top(&self, limit: usize) -> Vec<Place> {
        let places = self.ranking.iter().take(limit).zip(1..);
        places.filter_map(|((_, player_id), rank)| self.place_at(rank, *player_id)).collect()
    }

    /// The place of one player; `None` when the player is unknown.
    pub(crate) fn place(&self, player_id: i64) -> Option<Place> {
        let points = self.players.get(&player_id)?.points;
        let before = self.ranking.rank(&(Reverse(points), player_id));
        self.place_at(before as i64 + 1, player_id)
    }

    /// The rank of one player, from 1; `None` when the player is unknown.
    pub fn rank(&self, player_id: i64) -> Option<i64> {
        self.place(player_id).map(|place| place.rank)
    }

    /// The ids of the first players.
    pub fn top_ids(&self, limit: usize) -> Vec<i64> {
        self.top(limit).into_iter().map(|place| place.player_id).collect()
    }

    /// How many players of a tier were seen in the last five minutes.
    pub(crate) fn active_now(&self, tier: Tier, now: Timestamp) -> u64 {
        self.activity[tier as usize].within(300, now.as_second())
    }

    /// How many players were seen in the last 24 hours.
    pub(crate) fn active_today(&self, now: Timestamp) -> u64 {
        self.activity.iter().map(|activity| activity.within(DAY, now.as_second())).sum()
    }

    fn place_at(&self, rank: i64, player_id: i64) -> Option<Place> {
        let Player { username, level, points, .. } = self.players.get(&player_id)?;
        Some(Place { rank, player_id, username: username.to_string(), level: *level, points: *points })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(points: i64, seen: &str) -> PlayerChange {
        PlayerChange { points, last_seen: seen.parse().unwrap(), ..PlayerChange::default() }
    }

    const NOW: &str = "2026-03-01T12:00:00Z";

    #[test]
    fn places_follow_points_and_then_ids() {
        let mut board = Board::new();
        for (player_id, points) in [(3, 10), (1, 5), (2, 10), (4, 0)] {
            board.apply(player_id, &change(points, NOW));
        }
        assert_eq!(board.top_ids(10), [2, 3, 1, 4]);
        assert_eq!([1, 2, 3, 4].map(|id| board.rank(id)), [Some(3), Some(1), Some(2), Some(4)]);
        assert_eq!(board.rank(5), None);
        board.apply(1, &change(6, NOW));
        assert_eq!(board.top_ids(2), [1, 2]);
    }

    #[test]
    fn a_profile_may_come_after_points() {
        let mut board = Board::new();
        board.apply(1, &change(5, NOW));
        let profile = Some(("ada".to_owned(), 7, "premium".to_owned()));
        board.apply(1, &PlayerChange { profile, ..change(0, NOW) });
        let place = Place { rank: 1, player_id: 1, username: "ada".into(), level: 7, points: 5 };
        assert_eq!(board.place(1), Some(place));
        let now = NOW.parse().unwrap();
        assert_eq!([Tier::Free, Tier::Premium].map(|tier| board.active_now(tier, now)), [0, 1]);
    }

    #[test]
    fn the_last_name_holds_in_whatever_order_they_come() {
        let registered = PlayerChange { profile: Some(("ada".into(), 7, "free".into())), ..change(0, NOW) };
        let renamed = |version, name: &str| PlayerChange {
            renamed: Some((version, name.to_owned())),
            ..change(0, NOW)
        };
        let mut board = Board::new();
        for (change, expected) in [
            (registered.clone(), "ada"),
            (renamed(2, "lovelace"), "lovelace"),
            (renamed(1, "byron"), "lovelace"),
            (registered, "lovelace"),
        ] {
            board.apply(1, &change);
            assert_eq!(board.place(1).unwrap().username, expected);
        }
        board.forget_name(1);
        board.apply(1, &renamed(3, "king"));
        assert_eq!(board.place(1).unwrap().username, "deleted-1");
    }

    #[test]
    fn the_active_fall_again() {
        let mut board = Board::new();
        board.apply(1, &change(0, NOW));
        board.apply(1, &change(0, "2026-03-01T12:04:00Z"));
        let active = |at: &str| board.active_now(Tier::Free, at.parse().unwrap());
        assert_eq!((active("2026-03-01T12:08:59Z"), active("2026-03-01T12:09:00Z")), (1, 0));
        assert_eq!(board.active_today("2026-03-02T12:03:59Z".parse().unwrap()), 1);
        assert_eq!(board.active_today("2026-03-02T12:04:00Z".parse().unwrap()), 0);
    }

    #[test]
    fn the_ranking_agrees_with_sorting() {
        let mut board = Board::new();
        let mut points = vec![0_i64; 500];
        let mut state = 7_u64;
        for _ in 0..5000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let player = (state >> 33) as usize % points.len();
            let earned = (state >> 20) as i64 % 100;
            points[player] += earned;
            board.apply(player as i64, &change(earned, NOW));
        }
        let mut sorted: Vec<_> =
            board.players.keys().map(|id| (Reverse(points[*id as usize]), *id)).collect();
        sorted.sort_unstable();
        for (index, (_, id)) in sorted.iter().enumerate() {
            assert_eq!(board.rank(*id), Some(index as i64 + 1));
        }
    }
}
