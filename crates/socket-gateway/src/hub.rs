//! What the connections of this process share: who is connected, rooms, the feed, and whether it all ends.

mod channel;
mod players;
mod presence;
mod room;
mod rooms;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use battlearena_identity::Gatekeeper;
use battlearena_identity::limits::{Quota, Throttles};
use battlearena_storage::Database;
use tokio::sync::OnceCell;

pub(crate) use channel::{Channel, Origin};
pub(crate) use players::Players;
pub(crate) use room::Room;
pub(crate) use rooms::Rooms;

use crate::domain::{Answer, Limits};
use crate::service::Writer;
use crate::socket::Socket;

/// The longest time after which a client is told to come back, in milliseconds.
const LONGEST_RECONNECT_MS: u64 = 5000;

/// How a connection is treated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Policy {
    pub(crate) limits: Limits,
    /// How fast commands may come.
    pub(crate) commands: Quota,
    /// Bytes that may wait for a client that reads slowly.
    pub(crate) queue_bytes: usize,
    /// Silence after which the server pings.
    pub(crate) heartbeat: Duration,
    /// Silence after which the connection is closed.
    pub(crate) timeout: Duration,
}

/// The shared state of one process.
pub(crate) struct Hub {
    pub(crate) policy: Policy,
    pub(crate) gatekeeper: Arc<Gatekeeper>,
    pub(crate) database: Database,
    pub(crate) rooms: Rooms,
    /// The feed, once its epoch is known and the log was looked at.
    pub(crate) feed: OnceCell<Channel>,
    pub(crate) writer: Writer,
    pub(crate) throttles: Throttles,
    pub(crate) players: Players,
    sockets: Mutex<HashMap<u64, Arc<Socket>>>,
    is_draining: AtomicBool,
    next_id: AtomicU64,
    began: Instant,
}

impl Hub {
    pub(crate) fn new(database: Database, policy: Policy, gatekeeper: Arc<Gatekeeper>) -> Self {
        Self {
            policy,
            rooms: Rooms::new(database.clone(), policy.limits.recovery_messages),
            feed: OnceCell::new(),
            writer: Writer::new(database.clone()),
            throttles: Throttles::new(),
            database,
            gatekeeper,
            players: Players::default(),
            sockets: Mutex::default(),
            is_draining: AtomicBool::new(false),
            next_id: AtomicU64::new(1),
            began: Instant::now(),
        }
    }

    /// Time since the hub began: the clock of limits.
    pub(crate) fn age(&self) -> Duration {
        self.began.elapsed()
    }

    /// The same in seconds: the clock of heartbeats.
    pub(crate) fn now(&self) -> u32 {
        // 136 years fit.
        self.age().as_secs() as u32
    }

    /// A connection opens.
    pub(crate) fn open(&self) -> Arc<Socket> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let socket = Socket::new(id, self.policy.queue_bytes, self.now());
        lock(&self.sockets).insert(id, socket.clone());
        socket
    }

    /// A connection has ended.
    pub(crate) fn forget(&self, socket: &Socket) {
        lock(&self.sockets).remove(&socket.id);
    }

    /// Every open connection.
    pub(crate) fn sockets(&self) -> Vec<Arc<Socket>> {
        lock(&self.sockets).values().cloned().collect()
    }

    /// Forgets the name of a player whose account was deleted, wherever it is kept for those who come back.
    pub(crate) fn forget_name(&self, player_id: i64) {
        if let Some(feed) = self.feed.get() {
            feed.forget(player_id);
        }
        self.rooms.forget_name(player_id, self.now());
    }

    /// A player has another name: what is said from now on has it, and what was said keeps the old one.
    pub(crate) fn rename(&self, player_id: i64, username: &str) {
        let username = Arc::from(username);
        self.players.rename(player_id, &username);
        for room in self.rooms.loaded() {
            room.rename(player_id, &username);
        }
    }

    /// No new connections and no new commands from now on.
    pub(crate) fn start_draining(&self) {
        self.is_draining.store(true, Ordering::Release);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Acquire)
    }

    /// Tells every client to come back later, each at a time of its own, and closes.
    pub(crate) fn send_away(&self) {
        for socket in self.sockets() {
            let reconnect_after_ms = rand::random_range(0..=LONGEST_RECONNECT_MS);
            let last = Answer::Reconnect { reconnect_after_ms }.to_text();
            socket.outbox.close(1001, "going away", Some(&last));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
