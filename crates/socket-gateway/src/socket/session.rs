//! What one connection has said so far, and what it may do next. Commands that the database is needed for are carried
//! out by a future that the connection polls; until it is done, the next command waits.

mod arrival;
mod channels;
mod lookups;
#[cfg(test)]
mod tests;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use arrival::{Arriving, not_let_in};
use battlearena_identity::Door;
use battlearena_identity::limits::{Bucket, Decision, Limit};
use battlearena_proto::Failure;
use battlearena_storage::StorageError;
use battlearena_telemetry::metrics::Label as _;
use battlearena_telemetry::trace;
use jiff::Timestamp;
use lookups::Asked;
use tracing::Span;
use tracing::field::Empty;

use super::Socket;
use crate::domain::{Action, Answer, Command, ErrorCode, Position, Refusal, Topic, parse};
use crate::hub::{Hub, Policy, Room};
use crate::metrics::{Metrics, Received, Sent};
use crate::service::Draft;

/// The state of one connection.
pub(crate) struct Session {
    hub: Arc<Hub>,
    socket: Arc<Socket>,
    /// Who plays; nobody before hello.
    player: Option<i64>,
    rooms: Vec<Listening>,
    hears_feed: bool,
    bucket: Bucket,
    work: Option<Work>,
    /// The trace context of the handshake, when it is sampled.
    handshake: Option<Box<str>>,
}

/// A room that the connection listens to.
struct Listening {
    room: Arc<Room>,
    /// Whether the player is in it, too.
    is_joined: bool,
}

type Work = Pin<Box<dyn Future<Output = Option<Finish>> + Send>>;

/// What is still to be done for a command, once what it waited for is there.
enum Finish {
    Arrive(Arriving),
    GoIn(Loaded),
}

/// A command that goes on once its room is loaded.
struct Loaded {
    room: Result<Arc<Room>, StorageError>,
    entering: Entering,
}

/// A command to go into a room.
struct Entering {
    joins: bool,
    position: Option<Position>,
    id: Option<String>,
    began: Instant,
    span: Span,
}

impl Entering {
    fn received(&self) -> Received {
        if self.joins { Received::Join } else { Received::Subscribe }
    }
}

impl Session {
    /// A session after its handshake, with the trace context of that.
    pub(crate) fn new(hub: Arc<Hub>, socket: Arc<Socket>, handshake: Option<String>) -> Self {
        Self {
            hub,
            socket,
            player: None,
            rooms: Vec::new(),
            hears_feed: false,
            bucket: Bucket::default(),
            work: None,
            handshake: handshake.map(String::into_boxed_str),
        }
    }

    pub(super) fn socket(&self) -> &Arc<Socket> {
        &self.socket
    }

    pub(super) fn is_draining(&self) -> bool {
        self.hub.is_draining()
    }

    /// Something came from the client.
    pub(super) fn heard(&self) {
        self.socket.heard(self.hub.now());
    }

    /// Ready when no command is being carried out.
    pub(super) fn poll_work(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(work) = &mut self.work else { return Poll::Ready(()) };
        let Poll::Ready(finish) = work.as_mut().poll(context) else { return Poll::Pending };
        self.work = None;
        match finish {
            Some(Finish::Arrive(arriving)) => {
                let (began, span) = (arriving.asked.began, arriving.asked.span.clone());
                span.in_scope(|| self.arrive(arriving));
                Metrics::get().processed(Received::Hello, began, &span);
            }
            Some(Finish::GoIn(Loaded { room, entering })) => {
                let (received, began, span) = (entering.received(), entering.began, entering.span.clone());
                span.in_scope(|| match room {
                    Ok(room) => self.go_in(room, entering),
                    Err(error) => refuse_for(&self.socket, entering.id.as_deref(), error),
                });
                Metrics::get().processed(received, began, &span);
            }
            None => {}
        }
        Poll::Ready(())
    }

    /// Counts a command or a ping; `false` when it was one too many, which ends the connection.
    pub(super) fn spend(&mut self) -> bool {
        let Policy { limits, commands, .. } = self.hub.policy;
        let decision = self.bucket.take(commands, 1, self.hub.age());
        self.hub.throttles.count(Limit::Connection, decision);
        if decision == Decision::Allowed {
            return true;
        }
        Metrics::get().received(Received::Refused);
        let message = format!("more than {} commands a second", limits.commands_per_second);
        self.socket.refuse(&Refusal::new(ErrorCode::Throttled, &message));
        false
    }

    /// Carries a command out, or begins to.
    pub(super) fn take(&mut self, text: &str) {
        let began = Instant::now();
        if !self.spend() {
            return;
        }
        let command = match parse(text) {
            Ok(command) => command,
            Err(refusal) => {
                Metrics::get().received(Received::Refused);
                let is_greeted = self.player.is_some();
                return self.socket.refuse(&if is_greeted { refusal } else { before_hello(refusal) });
            }
        };
        let received = Received::of(&command.action);
        Metrics::get().received(received);
        let span = self.span(received, &command);
        let id = command.id.clone();
        let is_refused = span.in_scope(|| {
            let refusal = self.carry_out(command, received, began, &span).err();
            refusal.map(|refusal| self.socket.refuse(&refusal.with_id(id.as_deref()))).is_some()
        });
        let is_answered_later = self.work.is_some() || received == Received::Message;
        if is_refused || !is_answered_later {
            Metrics::get().processed(received, began, &span);
        }
    }

    fn carry_out(
        &mut self,
        command: Command,
        received: Received,
        began: Instant,
        span: &Span,
    ) -> Result<(), Refusal> {
        let Command { id, action, traceparent: _ } = command;
        if self.player.is_none() && received != Received::Hello {
            return Err(Refusal::unauthenticated("say hello first"));
        }
        let door = Door::Socket(received.as_str());
        self.hub
            .gatekeeper
            .admit_known(door, &self.socket.caller())
            .map_err(|failure| not_let_in(&failure))?;
        let asked = |id| Asked { id, received, began, span: span.clone() };
        match action {
            Action::Hello(introduction) => self.greet(asked(id), introduction)?,
            Action::Refresh { token } => self.renew(id.as_deref(), &token)?,
            Action::Block { player_id } => self.block(asked(id), player_id)?,
            Action::Unblock { player_id } => self.unblock(asked(id), player_id),
            Action::Blocks => self.blocks(asked(id)),
            Action::Subscribe { topic: Topic::Feed, position } => self.hear_feed(id, position)?,
            Action::Subscribe { topic: Topic::Room(room), position } => {
                let span = span.clone();
                self.subscribe(&room, Entering { joins: false, position, id, began, span })?;
            }
            Action::Join { room, position } => {
                let span = span.clone();
                self.join(&room, Entering { joins: true, position, id, began, span })?;
            }
            Action::Unsubscribe { topic } => self.unsubscribe(id, &topic)?,
            Action::Leave { room } => {
                self.leave(&room, true)?;
                self.answer(&Answer::Left { id: id.as_deref(), room: &room });
            }
            Action::Message { room, client_id, text } => self.say(asked(id), &room, client_id, text)?,
            Action::History { room, limit, before } => self.history(asked(id), room, limit, before),
            Action::Presence { room } => {
                let here = self.find(&room).ok_or_else(|| Refusal::conflict("join or subscribe first"))?;
                self.socket.send(&here.room.presence(id.as_deref()), Sent::Answer);
            }
            Action::Ping => {
                self.answer(&Answer::Pong { id: id.as_deref(), server_time: Timestamp::now() });
            }
        }
        Ok(())
    }

    fn say(&self, asked: Asked, room: &str, client_id: String, text: String) -> Result<(), Refusal> {
        let Asked { id, began, span, received: _ } = asked;
        let (Some(player_id), Some(Listening { room, is_joined: true })) = (self.player, self.find(room))
        else {
            return Err(Refusal::conflict("join the room first").with_client_id(&client_id));
        };
        self.hub.writer.submit(Draft {
            room: room.clone(),
            player_id,
            username: self.socket.username(),
            client_id,
            text,
            socket: self.socket.clone(),
            id,
            received: began,
            span,
            traceparent: trace::current_traceparent(),
        });
        Ok(())
    }

    /// Who plays; 0 before hello, when nothing is asked of it.
    fn player_id(&self) -> i64 {
        self.player.unwrap_or(0)
    }

    fn answer(&self, answer: &Answer<'_>) {
        self.socket.send(&answer.to_text(), Sent::Answer);
    }

    fn span(&self, received: Received, command: &Command) -> Span {
        let (name, room) = match &command.action {
            Action::Message { room, .. } => ("send_message", Some(room.as_str())),
            _ => ("socket_command", None),
        };
        let span = tracing::info_span!(
            "socket",
            otel.name = name,
            otel.kind = "server",
            otel.status_code = Empty,
            messaging.operation.name = received.as_str(),
            messaging.destination.name = room,
            player.id = self.player,
            "error.type" = Empty,
        );
        if !command.traceparent.is_empty() {
            trace::set_parent_at_edge(&span, &command.traceparent);
        }
        if let Some(handshake) = &self.handshake {
            trace::link(&span, handshake);
        }
        span
    }
}

impl Drop for Session {
    /// However a connection ends, nobody sees its player any more.
    fn drop(&mut self) {
        for listening in &self.rooms {
            self.go_out(listening);
        }
        if let Some(feed) = self.hub.feed.get().filter(|_| self.hears_feed) {
            feed.unsubscribe(&self.socket);
        }
        if let Some(player_id) = self.player {
            self.hub.players.went(player_id, &self.socket);
        }
        self.hub.forget(&self.socket);
    }
}

/// Before hello nothing else will do: a bad hello, or another command, ends the connection as unauthenticated.
fn before_hello(refusal: Refusal) -> Refusal {
    match refusal.code {
        ErrorCode::Invalid => Refusal { code: ErrorCode::Unauthenticated, ..refusal },
        _ => refusal,
    }
}

fn refuse_for(socket: &Socket, id: Option<&str>, error: StorageError) {
    let code = if error.is_transient() { ErrorCode::Unavailable } else { ErrorCode::Internal };
    let failure = Failure::from(error);
    battlearena_telemetry::report(&failure);
    socket.refuse(&Refusal::new(code, failure.message()).with_id(id));
}
