//! The rooms that somebody is in, loaded once for all who come at the same time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use battlearena_storage::{Database, StorageError};
use tokio::sync::OnceCell;

use super::channel::{Channel, Origin};
use super::lock;
use super::room::Room;
use crate::domain::{Answer, Entry};
use crate::metrics::Sent;
use crate::store::{messages, rooms};

/// Seconds for which a room without anybody stays loaded.
const IDLE: u32 = 60;

/// The loaded rooms.
pub(crate) struct Rooms {
    database: Database,
    /// Messages that are kept for those who come back.
    kept: usize,
    rooms: Mutex<HashMap<String, Arc<OnceCell<Arc<Room>>>>>,
    /// Players whose name was forgotten a short while ago, and when.
    nameless: Mutex<HashMap<i64, u32>>,
}

impl Rooms {
    pub(super) fn new(database: Database, kept: usize) -> Self {
        Self { database, kept, rooms: Mutex::default(), nameless: Mutex::default() }
    }

    /// A room that is loaded.
    pub(crate) fn find(&self, name: &str) -> Option<Arc<Room>> {
        lock(&self.rooms).get(name)?.get().cloned()
    }

    /// A room, which is made when there is none. Who asks while it is being loaded waits for the same loading.
    ///
    /// # Errors
    /// See [`StorageError`]; the next one who asks tries again.
    pub(crate) async fn open(&self, name: &str, now: u32) -> Result<Arc<Room>, StorageError> {
        let cell = lock(&self.rooms).entry(name.to_owned()).or_default().clone();
        let is_loaded = cell.initialized();
        let room = cell.get_or_try_init(|| self.load(name)).await?;
        if !is_loaded {
            // It may have been read just before the name was taken off the messages.
            lock(&self.nameless).keys().for_each(|player_id| room.channel.forget(*player_id));
        }
        room.used(now);
        Ok(room.clone())
    }

    /// Every loaded room.
    pub(crate) fn loaded(&self) -> Vec<Arc<Room>> {
        lock(&self.rooms).values().filter_map(|cell| cell.get().cloned()).collect()
    }

    /// Keeps nothing any more that names a player.
    pub(super) fn forget_name(&self, player_id: i64, now: u32) {
        lock(&self.nameless).insert(player_id, now);
        for room in self.loaded() {
            room.channel.forget(player_id);
        }
    }

    /// Forgets rooms that nobody has used for a while.
    pub(crate) fn sweep(&self, now: u32) {
        lock(&self.nameless).retain(|_, since| now.saturating_sub(*since) <= IDLE);
        // Whoever may still use a room holds the room or its cell, and both are handed out under this lock.
        lock(&self.rooms).retain(|_, cell| {
            let is_held = Arc::strong_count(cell) > 1;
            let keeps = cell.get().is_some_and(|room| {
                let idle = now.saturating_sub(room.used_at()) > IDLE;
                Arc::strong_count(room) > 1 || !idle
            });
            is_held || keeps
        });
    }

    async fn load(&self, name: &str) -> Result<Arc<Room>, StorageError> {
        let row = rooms::open(&self.database, name).await?;
        let recent = messages::newest(&self.database, row.id, row.last_offset, &[], self.kept as i64).await?;
        let name_of_channel = format!("room:{name}");
        // What retention dropped, and what is further back than what is kept, cannot be recovered.
        let floor = recent.first().map_or(row.last_offset, |first| first.offset - 1);
        let entries = recent.iter().map(|said| Entry {
            offset: said.offset,
            names: Some(said.player_id),
            text: Answer::Message { channel: &name_of_channel, room: name, said }.to_text(),
        });
        let entries = entries.collect();
        let origin = Origin { epoch: row.epoch, floor, recent: entries, last: row.last_offset };
        let channel = Channel::new(name_of_channel, Sent::Message, self.kept, origin);
        Ok(Arc::new(Room::new(row.id, name.to_owned(), channel)))
    }
}
