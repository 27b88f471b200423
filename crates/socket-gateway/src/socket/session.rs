//! What one connection has said so far, and what it may do next. Commands that the database is needed for are carried
//! out by a future that the connection polls; until it is done, the next command waits.

mod channels;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use battlearena_proto::Failure;
use battlearena_storage::StorageError;
use battlearena_telemetry::trace;
use jiff::Timestamp;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use super::Socket;
use crate::domain::{Action, Answer, Bucket, Command, ErrorCode, PROTOCOL, Position, Refusal, Topic, parse};
use crate::hub::{Hub, Room};
use crate::metrics::{Metrics, Received, Sent};
use crate::service::{self, Draft};

/// The state of one connection.
pub(crate) struct Session {
    hub: Arc<Hub>,
    socket: Arc<Socket>,
    player: Option<(i64, Arc<str>)>,
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

type Work = Pin<Box<dyn Future<Output = Option<Loaded>> + Send>>;

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

impl Session {
    /// A session after its handshake, with the trace context of that.
    pub(crate) fn new(hub: Arc<Hub>, socket: Arc<Socket>, handshake: Option<String>) -> Self {
        let bucket = Bucket::full(hub.policy.limits.commands_burst, Instant::now());
        let (handshake, rooms) = (handshake.map(String::into_boxed_str), Vec::new());
        Self { hub, socket, player: None, rooms, hears_feed: false, bucket, work: None, handshake }
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
        let Poll::Ready(loaded) = work.as_mut().poll(context) else { return Poll::Pending };
        self.work = None;
        if let Some(Loaded { room, entering }) = loaded {
            let span = entering.span.clone();
            span.in_scope(|| match room {
                Ok(room) => self.go_in(room, entering),
                Err(error) => refuse_for(&self.socket, entering.id.as_deref(), error),
            });
        }
        Poll::Ready(())
    }

    /// Counts a command or a ping; `false` when it was one too many, which ends the connection.
    pub(super) fn spend(&mut self) -> bool {
        let limits = self.hub.policy.limits;
        let may = self.bucket.take(limits.commands_per_second, limits.commands_burst, Instant::now());
        if !may {
            Metrics::get().received(Received::Refused);
            let message = format!("more than {} commands a second", limits.commands_per_second);
            self.socket.refuse(&Refusal::new(ErrorCode::Throttled, &message));
        }
        may
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
        span.in_scope(|| {
            if let Err(refusal) = self.carry_out(command, began, &span) {
                self.socket.refuse(&refusal.with_id(id.as_deref()));
            }
        });
        let answered_later = self.work.is_some() || received == Received::Message;
        if !answered_later {
            Metrics::get().processed(received, began, &span);
        }
    }

    fn carry_out(&mut self, command: Command, began: Instant, span: &Span) -> Result<(), Refusal> {
        let Command { id, action, traceparent: _ } = command;
        if let Action::Hello { player_id, username } = action {
            return self.greet(id, player_id, &username);
        }
        let Some(player) = self.player.clone() else {
            return Err(Refusal::new(ErrorCode::Unauthenticated, "say hello first"));
        };
        match action {
            Action::Hello { .. } => {}
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
            Action::Message { room, client_id, text } => {
                let room = match self.find(&room) {
                    Some(Listening { room, is_joined: true }) => room.clone(),
                    _ => return Err(Refusal::conflict("join the room first").with_client_id(&client_id)),
                };
                let (player_id, username) = player;
                self.hub.writer.submit(Draft {
                    room,
                    player_id,
                    username,
                    client_id,
                    text,
                    socket: self.socket.clone(),
                    id,
                    received: began,
                    span: span.clone(),
                    traceparent: trace::current_traceparent(),
                });
            }
            Action::History { room, limit, before } => {
                self.work =
                    Some(Box::pin(self.history(id, room, (limit, before), began).instrument(span.clone())));
            }
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

    fn greet(&mut self, id: Option<String>, player_id: i64, username: &str) -> Result<(), Refusal> {
        if self.player.is_some() {
            return Err(Refusal::conflict("hello was said before"));
        }
        self.player = Some((player_id, username.into()));
        self.hub.player_came(player_id);
        self.socket.greet();
        let policy = &self.hub.policy;
        self.answer(&Answer::Welcome {
            id: id.as_deref(),
            protocol: PROTOCOL,
            session: &format!("{:016x}", self.socket.id),
            server_time: Timestamp::now(),
            heartbeat_seconds: policy.heartbeat.as_secs(),
            timeout_seconds: policy.timeout.as_secs(),
            limits: policy.limits,
        });
        Ok(())
    }

    fn history(
        &self,
        id: Option<String>,
        room: String,
        (limit, before): (i64, Option<i64>),
        began: Instant,
    ) -> impl Future<Output = Option<Loaded>> + Send + use<> {
        let (hub, socket) = (self.hub.clone(), self.socket.clone());
        async move {
            match service::history(&hub.database, &room, limit, before).await {
                Ok(page) => {
                    let (epoch, offset, messages) = (&page.epoch, page.last_offset, &page.messages);
                    let answer = Answer::History { id: id.as_deref(), room: &room, epoch, offset, messages };
                    socket.send(&answer.to_text(), Sent::Answer);
                }
                Err(error) => refuse_for(&socket, id.as_deref(), error),
            }
            Metrics::get().processed(Received::History, began, &Span::current());
            None
        }
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
            messaging.operation.name = battlearena_telemetry::metrics::Label::as_str(received),
            messaging.destination.name = room,
            player.id = self.player.as_ref().map(|(player_id, _)| *player_id),
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
        if let Some((player_id, _)) = self.player {
            self.hub.player_went(player_id);
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use battlearena_storage::{Database, DatabaseSettings};
    use battlearena_telemetry::recording::Recording;

    use super::*;
    use crate::domain::Limits;
    use crate::hub::Policy;

    const HANDSHAKE: &str = "00-eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee-5555555555555555-01";
    const COMMAND: &str = "00-cccccccccccccccccccccccccccccccc-3333333333333333-01";

    fn session(handshake: Option<&str>) -> Session {
        let limits = Limits {
            frame_bytes: 16_384,
            text_characters: 2000,
            channels: 64,
            commands_per_second: 50,
            commands_burst: 200,
            recovery_messages: 2000,
        };
        let (heartbeat, timeout) = (Duration::from_secs(25), Duration::from_secs(60));
        let policy = Policy { limits, queue_bytes: 1_048_576, heartbeat, timeout };
        let nowhere = DatabaseSettings::for_url("postgresql://127.0.0.1:9/nowhere");
        let hub = Arc::new(Hub::new(Database::new(&nowhere, "test").unwrap(), policy));
        let socket = hub.open();
        Session::new(hub, socket, handshake.map(str::to_owned))
    }

    #[tokio::test]
    async fn a_command_is_a_span_that_is_linked_to_the_handshake() {
        let spans = Recording::start();
        for handshake in [Some(HANDSHAKE), None] {
            let mut session = session(handshake);
            session.take(&format!(r#"{{"type":"ping","traceparent":"{COMMAND}"}}"#));
        }
        let [linked, alone] = spans.spans().try_into().unwrap();
        for span in [&linked, &alone] {
            assert_eq!((span.name.as_str(), span.parent.as_str()), ("socket_command", COMMAND));
            assert_eq!((span.attribute("error.type"), span.is_error), ("unauthenticated", false));
        }
        assert_eq!((linked.links, alone.links), (vec![HANDSHAKE.to_owned()], vec![]));
    }
}
