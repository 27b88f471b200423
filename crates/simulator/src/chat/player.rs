//! One player with a socket: says what it is told to, listens, and keeps its books. It judges only itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use battlearena_client::socket::{Acknowledged, Channel, Entered, Event, Events, Recovery, Refused, Socket};
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

use super::hearing::{Digest, FeedHearing, Hearing};
use crate::operations::Players;
use crate::report::{Finished, Operation, Problem};

/// A room that cannot be: names have no spaces.
const IMPOSSIBLE: &str = "no such room";
/// Messages on one page of history.
const PAGE: u32 = 100;

/// Something to say.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) text: String,
    pub(super) due: Instant,
}

/// A player's books.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) entered: bool,
    /// Messages under way.
    pub(super) unacknowledged: usize,
    /// Messages of which nobody knows at the end whether they are stored.
    pub(super) unknown: Vec<String>,
    pub(super) acknowledged: Digest,
    last_acknowledged: i64,
    pub(super) hearing: Hearing,
    pub(super) feed: FeedHearing,
    /// Messages that were not even tried, because too many others were under way.
    pub(super) not_sent: u64,
    pub(super) reconnects: u64,
    pub(super) reloads: u64,
    /// Why the socket-gateway does not want this player.
    pub(super) ended: Option<String>,
}

impl State {
    /// The furthest place in the room that this player knows of.
    pub(super) fn last_known(&self) -> i64 {
        self.hearing.last().max(self.last_acknowledged)
    }
}

/// A player at work.
#[derive(Debug)]
pub(super) struct Player {
    socket: Socket,
    events: Events,
    room: String,
    orders: Receiver<Order>,
    under_way: HashMap<String, Order>,
    state: Arc<Mutex<State>>,
    players: Arc<Players>,
    /// When it tried a room that cannot be.
    mistaken: Instant,
}

impl Player {
    /// A player that enters its room, and the feed if it wants to, as soon as it is played.
    pub(super) fn new(
        (socket, events): (Socket, Events),
        (room, feed): (String, bool),
        orders: Receiver<Order>,
        state: Arc<Mutex<State>>,
        players: Arc<Players>,
    ) -> Self {
        // A new socket takes a few commands at once.
        let _ = socket.join(&room, None);
        let _ = socket.join(IMPOSSIBLE, None);
        if feed {
            let _ = socket.listen(Channel::Feed, None);
        }
        let (under_way, mistaken) = (HashMap::new(), Instant::now());
        Self { socket, events, room, orders, under_way, state, players, mistaken }
    }

    /// Plays until told to end; what is not acknowledged by then is booked as unknown.
    pub(super) async fn play(mut self, end: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = end.cancelled() => break,
                Some(order) = self.orders.recv() => self.say(order),
                event = self.events.next() => match event {
                    Some(event) => self.take(event),
                    None => break,
                },
            }
        }
        let under_way: Vec<_> = self.under_way.drain().collect();
        for (_, Order { text, due }) in under_way {
            self.book(Operation::ChatMessage, due, 0, Some(Problem::plain("not acknowledged")), true);
            self.state().unknown.push(text);
        }
        self.state().unacknowledged = 0;
    }

    fn say(&mut self, order: Order) {
        match self.socket.say(&self.room, order.text.clone()) {
            Ok(client_id) => {
                self.under_way.insert(client_id, order);
                self.state().unacknowledged = self.under_way.len();
            }
            Err(_too_much_waits_already) => self.state().not_sent += 1,
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Entered(entered) => self.entered(&entered),
            Event::Message(message) => self.state().hearing.heard_live(&message),
            Event::Acknowledged(acknowledged) => self.acknowledged(acknowledged),
            Event::Feed(event) => self.state().feed.heard(event.offset),
            Event::History(history) => {
                let before = self.state().hearing.read(&history.messages);
                self.read_before(before);
            }
            Event::Refused(refused) => self.refused(refused),
            Event::Disconnected { .. } => self.state().reconnects += 1,
            Event::Ended { reason } => {
                let problem = Problem { what: "not wanted".to_owned(), example: reason.clone() };
                self.book(Operation::EnterRoom, Instant::now(), 0, Some(problem), false);
                self.state().ended = Some(reason);
            }
            Event::Connected { .. } | Event::Presence(_) | Event::PresenceChanged(_) => {}
        }
    }

    fn entered(&mut self, entered: &Entered) {
        let before = {
            let mut state = self.state();
            state.reloads += u64::from(matches!(entered.recovery, Recovery::Lost { .. }));
            if entered.channel == Channel::Feed {
                return;
            }
            state.entered = true;
            state.hearing.entered(entered)
        };
        self.read_before(before);
    }

    /// Reads the part of the history that did not come live.
    fn read_before(&self, before: Option<i64>) {
        if before.is_some() {
            // Should there be too much to do, the hearing stays incomplete, which the check finds.
            let _ = self.socket.history(&self.room, PAGE, before);
        }
    }

    fn acknowledged(&mut self, acknowledged: Acknowledged) {
        let Acknowledged { client_id, offset, duplicate, .. } = acknowledged;
        let Some(Order { text, due }) = self.under_way.remove(&client_id) else { return };
        {
            let mut state = self.state();
            state.acknowledged.add(offset, &text);
            state.last_acknowledged = state.last_acknowledged.max(offset);
            state.unacknowledged = self.under_way.len();
        }
        self.book(Operation::ChatMessage, due, u32::from(duplicate), None, false);
    }

    fn refused(&mut self, refused: Refused) {
        let Refused { channel, client_id, code, message, .. } = refused;
        let problem = Problem { example: format!("{code}: {message}"), what: code.clone() };
        let Some(client_id) = client_id else {
            let expected = channel == Channel::room(IMPOSSIBLE) && code == "invalid";
            let operation =
                if channel == Channel::room(IMPOSSIBLE) { Operation::BadRoom } else { Operation::EnterRoom };
            self.book(operation, self.mistaken, 0, (!expected).then_some(problem), false);
            return;
        };
        let Some(Order { due, .. }) = self.under_way.remove(&client_id) else { return };
        self.state().unacknowledged = self.under_way.len();
        self.book(Operation::ChatMessage, due, 0, Some(problem), false);
    }

    fn book(
        &self,
        operation: Operation,
        due: Instant,
        retries: u32,
        problem: Option<Problem>,
        unknown: bool,
    ) {
        let latency: Duration = due.elapsed();
        self.players.report().record(Finished { operation, latency, retries, problem, unknown });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
