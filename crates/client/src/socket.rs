//! The socket: rooms, chat and the live feed over one connection that comes back by itself. Channels go on where they
//! stood, and a message is sent until it is acknowledged, always under the same name, so that it is stored once.
//!
//! The two ends of it are a [`Socket`], which gives commands and never waits, and its [`Events`], which are to be read in
//! a loop. Reading is what drives the socket.

mod event;
mod events;
mod frames;
mod pace;
mod session;
#[cfg(test)]
mod session_tests;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use battlearena_proto::PlayerId;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Sender, channel};
use tokio_util::sync::CancellationToken;

pub use event::{
    Acknowledged, Channel, Disconnect, Entered, Event, FeedEvent, History, Message, Occupant, Position,
    Presence, PresenceChanged, Recovery, Refused,
};
pub use events::Events;

use crate::credentials::Credentials;
use crate::hooks::Hooks;
use crate::tls::Tls;
use session::{Command, Given, Request};

/// Commands that may wait for the events to be read.
const QUEUE: usize = 256;

/// Where to connect, and as whom.
#[derive(Debug, Clone)]
pub struct SocketSettings {
    /// `ws://host:port/ws` or `wss://host:port/ws`.
    pub url: String,
    /// How to speak TLS, when the URL says so.
    pub tls: Tls,
    /// Who plays.
    pub who: Who,
    /// How long one attempt to connect may take, the welcome included.
    pub connect_timeout: Duration,
    /// Trace context for the commands, and who is told of handshakes and commands.
    pub hooks: Hooks,
}

/// Who plays.
#[derive(Debug, Clone)]
pub enum Who {
    /// Whoever says so, which open mode takes.
    Named {
        /// The player.
        player_id: PlayerId,
        /// The name that others see, 1 to 50 characters.
        username: String,
    },
    /// The player whose session it is. The connection stays when the access token is renewed.
    Session(Credentials),
}

impl SocketSettings {
    /// A player of open mode, with ten seconds for each attempt to connect, and without hooks.
    pub fn new(url: impl Into<String>, player_id: PlayerId, username: impl Into<String>) -> Self {
        Self::by(url, Who::Named { player_id, username: username.into() })
    }

    /// The same for the player of a session.
    pub fn of(url: impl Into<String>, session: Credentials) -> Self {
        Self::by(url, Who::Session(session))
    }

    fn by(url: impl Into<String>, who: Who) -> Self {
        let connect_timeout = Duration::from_secs(10);
        Self { url: url.into(), tls: Tls::default(), who, connect_timeout, hooks: Hooks::default() }
    }
}

/// A command was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// Too many commands wait: read the events.
    #[error("too many commands wait to be carried out")]
    Busy,
    /// The events were dropped.
    #[error("the socket has ended")]
    Ended,
}

/// The commanding end of a socket. Clones command the same one.
#[derive(Debug, Clone)]
pub struct Socket {
    commands: Sender<Given>,
    closing: CancellationToken,
    hooks: Hooks,
    names: Arc<Names>,
}

/// Makes names for messages that no other socket makes.
#[derive(Debug)]
struct Names {
    prefix: u64,
    next: AtomicU64,
}

impl Socket {
    /// A socket and its events. It connects once the events are read.
    pub fn open(settings: SocketSettings) -> (Self, Events) {
        let (commands, taken) = channel(QUEUE);
        let closing = CancellationToken::new();
        let names = Arc::new(Names { prefix: rand::random(), next: AtomicU64::new(1) });
        let hooks = settings.hooks.clone();
        (Self { commands, closing: closing.clone(), hooks, names }, Events::new(settings, taken, closing))
    }

    /// Joins a room: shows the player there, allows messages, and listens, from a position when one is given. The answer
    /// is an [`Event::Entered`], now and after each reconnect.
    ///
    /// # Errors
    /// Too many commands wait, or the socket has ended; the same goes for every other command.
    pub fn join(&self, room: &str, from: Option<Position>) -> Result<(), NotTaken> {
        self.give(Command::Enter { channel: Channel::room(room), join: true, from })
    }

    /// Listens to a channel without being seen, from a position when one is given.
    ///
    /// # Errors
    /// As [`Socket::join`].
    pub fn listen(&self, channel: Channel, from: Option<Position>) -> Result<(), NotTaken> {
        self.give(Command::Enter { channel, join: false, from })
    }

    /// Leaves a room, or stops listening to a channel: nothing of it comes after the next event. Messages that were not
    /// sent yet are refused.
    ///
    /// # Errors
    /// As [`Socket::join`].
    pub fn leave(&self, channel: Channel) -> Result<(), NotTaken> {
        self.give(Command::Leave(channel))
    }

    /// Says something in a room that was joined, 1 to 2000 characters, and returns the name of the message. It is sent
    /// until an [`Event::Acknowledged`] or [`Event::Refused`] tells its name. Messages go out in the order in which they
    /// were given; one that the server could not take at once may be stored behind later ones.
    ///
    /// # Errors
    /// As [`Socket::join`].
    pub fn say(&self, room: &str, text: impl Into<String>) -> Result<String, NotTaken> {
        let Names { prefix, next } = &*self.names;
        let client_id = format!("{prefix:016x}-{}", next.fetch_add(1, Ordering::Relaxed));
        self.say_as(room, client_id.clone(), text)?;
        Ok(client_id)
    }

    /// Like [`Socket::say`], under a name of the program's own choice: 1 to 64 visible ASCII characters, unique among the
    /// player's messages in this room. The same name within 24 hours is the same message.
    ///
    /// # Errors
    /// As [`Socket::join`].
    pub fn say_as(
        &self,
        room: &str,
        client_id: impl Into<String>,
        text: impl Into<String>,
    ) -> Result<(), NotTaken> {
        let (client_id, text) = (client_id.into(), text.into());
        self.give(Command::Ask(Request::Say { room: room.to_owned(), client_id, text }))
    }

    /// Asks what was said in a room: the newest 1 to 100 messages, or those before an offset. The answer is an
    /// [`Event::History`].
    ///
    /// # Errors
    /// As [`Socket::join`].
    pub fn history(&self, room: &str, limit: u32, before: Option<i64>) -> Result<(), NotTaken> {
        self.give(Command::Ask(Request::History { room: room.to_owned(), limit, before }))
    }

    /// Asks who is in a room that was joined or is listened to. The answer is an [`Event::Presence`].
    ///
    /// # Errors
    /// As [`Socket::join`].
    pub fn presence(&self, room: &str) -> Result<(), NotTaken> {
        self.give(Command::Ask(Request::Presence { room: room.to_owned() }))
    }

    /// Shuts a player out: none of its messages comes after the answer, an [`Event::Blocked`]. It holds for good and on
    /// every connection, and the other one is not told. In a room, the offsets of its messages are left out.
    ///
    /// # Errors
    /// As [`Socket::join`].
    pub fn block(&self, player_id: PlayerId) -> Result<(), NotTaken> {
        self.give(Command::Ask(Request::Block { player_id }))
    }

    /// Lets a player's messages come again. The answer is an [`Event::Unblocked`].
    ///
    /// # Errors
    /// As [`Socket::join`].
    pub fn unblock(&self, player_id: PlayerId) -> Result<(), NotTaken> {
        self.give(Command::Ask(Request::Unblock { player_id }))
    }

    /// Asks who is blocked. The answer is an [`Event::Blocks`].
    ///
    /// # Errors
    /// As [`Socket::join`].
    pub fn blocks(&self) -> Result<(), NotTaken> {
        self.give(Command::Ask(Request::Blocks))
    }

    /// Ends the socket at once, and its events with it. Commands without an answer are given up.
    pub fn close(&self) {
        self.closing.cancel();
    }

    fn give(&self, command: Command) -> Result<(), NotTaken> {
        let given = Given { command, traceparent: self.hooks.traceparent() };
        self.commands.try_send(given).map_err(|error| match error {
            TrySendError::Full(_) => NotTaken::Busy,
            TrySendError::Closed(_) => NotTaken::Ended,
        })
    }
}
