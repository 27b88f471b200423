//! Who is in a room. A player is there once, however many connections it has; comings and goings are gathered until
//! somebody tells of them, and what cancels out is not told.

use std::collections::HashMap;
use std::sync::Arc;

use super::answer::Player;

/// Players that are named in one notice at most, in each list.
pub(crate) const MOST_NAMED: usize = 100;

/// The players of one room.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    present: HashMap<i64, Present>,
    /// Whether each player who came or went since the last telling was there at that time.
    untold: HashMap<i64, (bool, Arc<str>)>,
}

#[derive(Debug)]
struct Present {
    username: Arc<str>,
    connections: u32,
}

/// What changed since the last telling.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) count: usize,
    pub(crate) joined: Vec<(i64, Arc<str>)>,
    pub(crate) left: Vec<(i64, Arc<str>)>,
}

impl Roster {
    /// A connection of a player comes in. Returns how many players there are now.
    pub(crate) fn enter(&mut self, player_id: i64, username: &Arc<str>) -> usize {
        let new = || Present { username: username.clone(), connections: 0 };
        let present = self.present.entry(player_id).or_insert_with(new);
        present.connections += 1;
        if present.connections == 1 {
            self.untold.entry(player_id).or_insert_with(|| (false, username.clone()));
        }
        self.present.len()
    }

    /// A connection of a player goes.
    pub(crate) fn leave(&mut self, player_id: i64) {
        let Some(present) = self.present.get_mut(&player_id) else { return };
        present.connections -= 1;
        if present.connections == 0 {
            let username = present.username.clone();
            self.present.remove(&player_id);
            self.untold.entry(player_id).or_insert((true, username));
        }
    }

    /// A player who may be there has another name.
    pub(crate) fn rename(&mut self, player_id: i64, username: &Arc<str>) {
        if let Some(present) = self.present.get_mut(&player_id) {
            present.username = username.clone();
        }
    }

    /// How many players are there.
    pub(crate) fn count(&self) -> usize {
        self.present.len()
    }

    /// The first so many players, by id.
    pub(crate) fn players(&self, most: usize) -> Vec<Player<'_>> {
        let present = self.present.iter();
        let mut players: Vec<_> = present
            .map(|(&player_id, Present { username, connections: _ })| Player { player_id, username })
            .collect();
        players.sort_unstable();
        players.truncate(most);
        players
    }

    /// What changed since the last call; `None` when nothing did.
    pub(crate) fn take_changes(&mut self) -> Option<Changes> {
        let (mut joined, mut left) = (Vec::new(), Vec::new());
        for (player_id, (was_there, username)) in self.untold.drain() {
            match (was_there, self.present.contains_key(&player_id)) {
                (false, true) => joined.push((player_id, username)),
                (true, false) => left.push((player_id, username)),
                (true, true) | (false, false) => {}
            }
        }
        joined.sort_unstable();
        left.sort_unstable();
        let changed = !joined.is_empty() || !left.is_empty();
        changed.then_some(Changes { count: self.present.len(), joined, left })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_player_is_there_once() {
        let (mut roster, ada) = (Roster::default(), Arc::from("ada"));
        assert_eq!((roster.enter(7, &ada), roster.enter(7, &ada)), (1, 1));
        let joined = Changes { count: 1, joined: vec![(7, ada)], left: vec![] };
        assert_eq!(roster.take_changes(), Some(joined));
        roster.leave(7);
        assert_eq!((roster.count(), roster.take_changes()), (1, None));
        roster.rename(7, &"lovelace".into());
        roster.rename(8, &"nobody".into());
        assert_eq!(roster.players(9), [Player { player_id: 7, username: "lovelace" }]);
        roster.leave(7);
        let changes = roster.take_changes().unwrap();
        assert_eq!((changes.count, changes.left.len(), roster.players(9).len()), (0, 1, 0));
    }

    #[test]
    fn who_comes_and_goes_in_between_is_not_told() {
        let mut roster = Roster::default();
        roster.enter(2, &"bob".into());
        roster.enter(1, &"ada".into());
        roster.leave(2);
        assert_eq!(roster.take_changes().unwrap().joined, [(1, Arc::from("ada"))]);
        roster.leave(1);
        roster.enter(1, &"ada".into());
        assert_eq!(roster.take_changes(), None);
        roster.enter(3, &"eve".into());
        assert_eq!(roster.players(1), [Player { player_id: 1, username: "ada" }]);
    }
}
