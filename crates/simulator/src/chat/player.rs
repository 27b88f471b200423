//! One player with a socket: says what it is told to, listens, and keeps its books. It judges only itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use battlearena_client::socket::{Acknowledged, Channel, Entered, Event, Events, Recovery, Refused, Socket};
use battlearena_proto::PlayerId;
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;
use tracing::Span;

use super::hearing::{Digest, FeedHearing, Hearing};
use crate::operations::Players;
use crate::report::{Finished, Operation, Problem};
use crate::trace::{Outcome, conclude_as, operation_span};

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

/// Something that has no answer yet.
#[derive(Debug)]
struct Begun {
    operation: Operation,
    due: Instant,
    /// Its trace.
    span: Span,
}

/// A message without an acknowledgement.
#[derive(Debug)]
struct Saying {
    text: String,
    begun: Begun,
}

/// A player at work.
#[derive(Debug)]
pub(super) struct Player {
    player_id: PlayerId,
    socket: Socket,
    events: Events,
    room: String,
    orders: Receiver<Order>,
    under_way: HashMap<String, Saying>,
    state: Arc<Mutex<State>>,
    players: Arc<Players>,
    /// Its way into the room, until it is in.
    entry: Option<Begun>,
    /// Its try of a room that cannot be, until that is refused.
    mistake: Option<Begun>,
}

impl Player {
    /// A player that enters its room, and the feed if it wants to, as soon as it is played.
    pub(super) fn new(
        (player_id, socket, events): (PlayerId, Socket, Events),
        (room, feed): (String, bool),
        orders: Receiver<Order>,
        state: Arc<Mutex<State>>,
        players: Arc<Players>,
    ) -> Self {
        let (entry, mistake) = (entry_of(player_id), mistake_of(player_id));
        // A new socket takes a few commands at once.
        entry.span.in_scope(|| {
            let _ = socket.join(&room, None);
            if feed {
                let _ = socket.listen(Channel::Feed, None);
            }
        });
        let _ = mistake.span.in_scope(|| socket.join(IMPOSSIBLE, None));
        let (entry, mistake, under_way) = (Some(entry), Some(mistake), HashMap::new());
        Self { player_id, socket, events, room, orders, under_way, state, players, entry, mistake }
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
        for (_, Saying { text, begun }) in under_way {
            self.book(begun, Outcome::Unknown, 0, Some(Problem::plain("not acknowledged")));
            self.state().unknown.push(text);
        }
        self.state().unacknowledged = 0;
    }

    fn say(&mut self, order: Order) {
        let Order { text, due } = order;
        let span = operation_span!("simulate_chat_message", player.id = self.player_id.get());
        match span.in_scope(|| self.socket.say(&self.room, text.clone())) {
            Ok(client_id) => {
                let begun = Begun { operation: Operation::ChatMessage, due, span };
                self.under_way.insert(client_id, Saying { text, begun });
                self.state().unacknowledged = self.under_way.len();
            }
            Err(_too_much_waits_already) => {
                conclude_as(&span, Outcome::Failed, Some("not_sent"), false);
                self.state().not_sent += 1;
            }
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
                let entry = self.entry.take().unwrap_or_else(|| entry_of(self.player_id));
                self.book(entry, Outcome::Failed, 0, Some(problem));
                self.state().ended = Some(reason);
            }
            Event::Connected { .. }
            | Event::Presence(_)
            | Event::PresenceChanged(_)
            | Event::Blocked(_)
            | Event::Unblocked(_)
            | Event::Blocks(_) => {}
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
        if let Some(entry) = self.entry.take() {
            conclude_as(&entry.span, Outcome::Ok, None, true);
        }
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
        let Some(Saying { text, begun }) = self.under_way.remove(&client_id) else { return };
        {
            let mut state = self.state();
            state.acknowledged.add(offset, &text);
            state.last_acknowledged = state.last_acknowledged.max(offset);
            state.unacknowledged = self.under_way.len();
        }
        self.book(begun, Outcome::Ok, u32::from(duplicate), None);
    }

    fn refused(&mut self, refused: Refused) {
        let Refused { channel, client_id, code, message, .. } = refused;
        let problem = Problem { example: format!("{code}: {message}"), what: code.clone() };
        let Some(client_id) = client_id else {
            let (begun, expected) = if channel == Some(Channel::room(IMPOSSIBLE)) {
                (self.mistake.take().unwrap_or_else(|| mistake_of(self.player_id)), code == "invalid")
            } else {
                (self.entry.take().unwrap_or_else(|| entry_of(self.player_id)), false)
            };
            self.book(begun, Outcome::Refused, 0, (!expected).then_some(problem));
            return;
        };
        let Some(Saying { begun, .. }) = self.under_way.remove(&client_id) else { return };
        self.state().unacknowledged = self.under_way.len();
        self.book(begun, Outcome::Refused, 0, Some(problem));
    }

    fn book(&self, begun: Begun, outcome: Outcome, retries: u32, problem: Option<Problem>) {
        let Begun { operation, due, span } = begun;
        let error_type = problem.as_ref().map(|problem| problem.what.replace(' ', "_"));
        conclude_as(&span, outcome, error_type.as_deref(), problem.is_none());
        let (latency, unknown): (Duration, _) = (due.elapsed(), outcome == Outcome::Unknown);
        self.players.report().record(Finished { operation, latency, retries, problem, unknown });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Begins to enter a room.
fn entry_of(player_id: PlayerId) -> Begun {
    let span = operation_span!("simulate_room_entry", player.id = player_id.get());
    Begun { operation: Operation::EnterRoom, due: Instant::now(), span }
}

/// Begins to enter a room that cannot be.
fn mistake_of(player_id: PlayerId) -> Begun {
    let operation = Operation::BadRoom;
    let name = operation.as_str();
    let span = operation_span!("simulate_mistake", player.id = player_id.get(), simulation.operation = name);
    Begun { operation, due: Instant::now(), span }
}
