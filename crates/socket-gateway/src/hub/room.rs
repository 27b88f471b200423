//! A room: a channel of messages, and who is in it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use super::channel::Channel;
use super::lock;
use crate::domain::{Answer, Changes, Entry, MOST_NAMED, Player, Position, Roster, Said};
use crate::metrics::Sent;
use crate::socket::Socket;

/// Players that the presence command lists at most.
const MOST_LISTED: usize = 1000;

/// One room, as this process sees it.
pub(crate) struct Room {
    /// The row in the database.
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) channel: Channel,
    roster: Mutex<Roster>,
    has_untold_changes: AtomicBool,
    used_at: AtomicU32,
}

impl Room {
    pub(super) fn new(id: i64, name: String, channel: Channel) -> Self {
        Self {
            id,
            name,
            channel,
            roster: Mutex::default(),
            has_untold_changes: AtomicBool::new(false),
            used_at: AtomicU32::new(0),
        }
    }

    /// Lets a player in, who listens from now on, or did before.
    pub(crate) fn join(
        &self,
        socket: &Arc<Socket>,
        player: (i64, &Arc<str>),
        position: Option<&Position>,
        id: Option<&str>,
    ) {
        let count = lock(&self.roster).enter(player.0, player.1);
        self.has_untold_changes.store(true, Ordering::Release);
        self.channel.subscribe(socket, position, |offset, recovered| {
            let (channel, epoch) = (self.channel.name(), self.channel.epoch());
            Answer::Joined { id, room: &self.name, channel, epoch, offset, count, recovered }.to_text()
        });
    }

    /// Lets a player go.
    pub(crate) fn leave(&self, player_id: i64) {
        lock(&self.roster).leave(player_id);
        self.has_untold_changes.store(true, Ordering::Release);
    }

    /// A player who may be here has another name.
    pub(super) fn rename(&self, player_id: i64, username: &Arc<str>) {
        lock(&self.roster).rename(player_id, username);
    }

    /// Says who is here.
    pub(crate) fn presence(&self, id: Option<&str>) -> Vec<u8> {
        let roster = lock(&self.roster);
        let (count, players) = (roster.count(), roster.players(MOST_LISTED));
        Answer::Presence { id, room: &self.name, count, players }.to_text()
    }

    /// Tells everybody who came and went since the last time, if anybody did.
    pub(super) fn tell_changes(&self) {
        if !self.has_untold_changes.swap(false, Ordering::AcqRel) {
            return;
        }
        let changes = lock(&self.roster).take_changes();
        if let Some(Changes { count, joined, left }) = changes {
            let truncated = joined.len().max(left.len()) > MOST_NAMED;
            let (joined, left) = (named(&joined), named(&left));
            let notice = Answer::PresenceChanged { room: &self.name, count, joined, left, truncated };
            self.channel.announce(&notice.to_text(), Sent::Presence);
        }
    }

    /// The frame of a message.
    pub(crate) fn entry(&self, said: &Said) -> Entry {
        let frame = Answer::Message { channel: self.channel.name(), room: &self.name, said };
        Entry { offset: said.offset, names: Some(said.player_id), text: frame.to_text() }
    }

    pub(super) fn used(&self, now: u32) {
        self.used_at.store(now, Ordering::Relaxed);
    }

    pub(super) fn used_at(&self) -> u32 {
        self.used_at.load(Ordering::Relaxed)
    }
}

fn named(players: &[(i64, Arc<str>)]) -> Vec<Player<'_>> {
    let mut named = Vec::with_capacity(players.len().min(MOST_NAMED));
    for (player_id, username) in players.iter().take(MOST_NAMED) {
        named.push(Player { player_id: *player_id, username });
    }
    named
}
