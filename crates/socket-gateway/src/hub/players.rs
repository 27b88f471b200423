//! Who is connected: players with their connections, and whose messages they do not want. All connections of a player
//! know the same, so that a block on one of them holds on the others.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use super::lock;
use crate::metrics::Metrics;
use crate::socket::Socket;

/// The players of one process.
#[derive(Default)]
pub(crate) struct Players(Mutex<State>);

#[derive(Default)]
struct State {
    /// The connections of each, at least one.
    connected: HashMap<i64, Vec<Arc<Socket>>>,
    /// Who was connected since the last time this was told.
    seen: HashSet<i64>,
}

impl Players {
    /// A connection has said who plays, who has `blocked` others, in order. What is known from another connection of
    /// the player is newer.
    pub(crate) fn came(&self, player_id: i64, socket: &Arc<Socket>, blocked: Vec<i64>) {
        let mut state = lock(&self.0);
        let sockets = match state.connected.entry(player_id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(Vec::with_capacity(1)),
        };
        socket.set_blocked(sockets.first().map_or_else(|| some(blocked), |other| other.blocked()));
        sockets.push(socket.clone());
        state.seen.insert(player_id);
        Metrics::get().users(state.connected.len());
    }

    /// A connection of a player has ended.
    pub(crate) fn went(&self, player_id: i64, socket: &Socket) {
        let mut state = lock(&self.0);
        if let Some(sockets) = state.connected.get_mut(&player_id) {
            sockets.retain(|other| other.id != socket.id);
            if sockets.is_empty() {
                state.connected.remove(&player_id);
            }
        }
        Metrics::get().users(state.connected.len());
    }

    /// A player does not want somebody's messages any more.
    pub(crate) fn block(&self, player_id: i64, blocked_id: i64) {
        self.change(player_id, |blocked| {
            if let Err(place) = blocked.binary_search(&blocked_id) {
                blocked.insert(place, blocked_id);
            }
        });
    }

    /// A player wants somebody's messages again.
    pub(crate) fn unblock(&self, player_id: i64, blocked_id: i64) {
        self.change(player_id, |blocked| blocked.retain(|id| *id != blocked_id));
    }

    fn change(&self, player_id: i64, change: impl FnOnce(&mut Vec<i64>)) {
        let state = lock(&self.0);
        let Some(sockets) = state.connected.get(&player_id) else { return };
        let known = sockets.first().and_then(|socket| socket.blocked());
        let mut blocked = known.as_deref().unwrap_or_default().to_vec();
        change(&mut blocked);
        let blocked = some(blocked);
        sockets.iter().for_each(|socket| socket.set_blocked(blocked.clone()));
    }

    /// Whom a player has blocked, in order, as the database has it.
    pub(crate) fn replace(&self, player_id: i64, list: Vec<i64>) {
        self.change(player_id, |blocked| *blocked = list);
    }

    /// A player has another name, on every connection.
    pub(crate) fn rename(&self, player_id: i64, username: &Arc<str>) {
        let state = lock(&self.0);
        let sockets = state.connected.get(&player_id).into_iter().flatten();
        sockets.for_each(|socket| socket.set_username(username.clone()));
    }

    /// Who is connected.
    pub(crate) fn connected(&self) -> Vec<i64> {
        lock(&self.0).connected.keys().copied().collect()
    }

    /// Those of some players who are connected.
    pub(crate) fn connected_of(&self, player_ids: Vec<i64>) -> Vec<i64> {
        let state = lock(&self.0);
        player_ids.into_iter().filter(|player_id| state.connected.contains_key(player_id)).collect()
    }

    /// Who was connected since the last call.
    pub(crate) fn take_seen(&self) -> Vec<i64> {
        let mut state = lock(&self.0);
        let still_there = state.connected.keys().copied().collect();
        let mut seen: Vec<i64> = std::mem::replace(&mut state.seen, still_there).into_iter().collect();
        seen.sort_unstable();
        seen
    }

    /// What was taken could not be told: it is told the next time.
    pub(crate) fn give_back_seen(&self, seen: Vec<i64>) {
        lock(&self.0).seen.extend(seen);
    }
}

fn some(blocked: Vec<i64>) -> Option<Arc<[i64]>> {
    (!blocked.is_empty()).then(|| blocked.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_holds_on_every_connection_of_the_player() {
        let players = Players::default();
        let sockets = [1, 2, 3].map(|id| Socket::new(id, 100, 0));
        let blocked = |of: usize| sockets[of].blocked().map(|blocked| blocked.to_vec());
        players.came(7, &sockets[0], vec![5]);
        players.block(7, 3);
        // Read before the block, and registered after it.
        players.came(7, &sockets[1], vec![5]);
        players.came(8, &sockets[2], vec![]);
        assert_eq!([blocked(0), blocked(1), blocked(2)], [Some(vec![3, 5]), Some(vec![3, 5]), None]);
        players.block(7, 3);
        players.unblock(7, 5);
        assert_eq!([blocked(0), blocked(1)], [Some(vec![3]), Some(vec![3])]);
        players.unblock(7, 3);
        assert_eq!([blocked(0), blocked(1)], [None, None]);
    }

    #[test]
    fn a_player_is_seen_while_a_connection_lasts_and_once_after_it() {
        let players = Players::default();
        let sockets = [1, 2].map(|id| Socket::new(id, 100, 0));
        sockets.iter().for_each(|socket| players.came(7, socket, vec![]));
        players.went(7, &sockets[0]);
        assert_eq!([players.take_seen(), players.take_seen()], [[7], [7]]);
        players.went(7, &sockets[1]);
        assert_eq!((players.take_seen(), players.take_seen()), (vec![7], vec![]));
        players.give_back_seen(vec![7]);
        assert_eq!(players.take_seen(), [7]);
    }
}
