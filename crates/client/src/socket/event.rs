//! What a socket tells: the events that a program reads, in the types of the platform. Holds values only.

use std::fmt::{self, Display};
use std::time::Duration;

use battlearena_proto::PlayerId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An ordered stream of publications.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// The platform's events. Offsets grow, but are not dense.
    Feed,
    /// The messages of a room. Offsets are dense: 1, 2, 3, …
    Room(String),
}

impl Channel {
    /// The channel of a room.
    pub fn room(name: impl Into<String>) -> Self {
        Self::Room(name.into())
    }
}

/// As the protocol names it.
impl Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Feed => f.write_str("feed"),
            Self::Room(name) => write!(f, "room:{name}"),
        }
    }
}

/// A place in a channel, which outlives connections, clients and servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Which life of the channel: offsets of another one mean something else.
    pub epoch: String,
    /// The last publication that was seen.
    pub offset: i64,
}

/// Something that happened on a socket.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A connection stands. Channels are entered again next, each with an [`Event::Entered`].
    Connected {
        /// The connection's name in the platform's logs.
        session: String,
    },
    /// The connection is gone; another one is tried by itself. Nothing is lost by that: channels go on where they
    /// stood, and commands that were not answered are sent again.
    Disconnected {
        /// Why it is gone.
        cause: Disconnect,
        /// When the next one is tried.
        retry_in: Duration,
    },
    /// A channel is being listened to, for the first time or again.
    Entered(Entered),
    /// A message in a room.
    Message(Message),
    /// A message of ours is stored for good.
    Acknowledged(Acknowledged),
    /// Something happened on the platform.
    Feed(FeedEvent),
    /// What was said in a room, as asked for.
    History(History),
    /// Who is in a room, as asked for.
    Presence(Presence),
    /// Somebody came or went.
    PresenceChanged(PresenceChanged),
    /// No message of that player comes any more, as asked for.
    Blocked(PlayerId),
    /// Messages of that player come again, as asked for.
    Unblocked(PlayerId),
    /// Whom this player has blocked, as asked for.
    Blocks(Vec<PlayerId>),
    /// The server refused a command, and will refuse it again.
    Refused(Refused),
    /// The server does not want this client; the socket has ended.
    Ended {
        /// Why, by the close code or the error's.
        reason: String,
    },
}

/// Why a connection is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disconnect {
    /// The server goes away, and said when to come back.
    ServerLeaves,
    /// The server closed with this code.
    Closed(u16),
    /// The connection broke.
    Broken,
    /// Nothing was heard for too long.
    Silent,
}

/// A channel is being listened to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entered {
    /// Which one.
    pub channel: Channel,
    /// How it fits to what was seen before.
    pub recovery: Recovery,
    /// Where the channel stood at that moment. After [`Recovery::Continued`] the publications up to here follow.
    pub position: Position,
    /// Players in the room, when it was joined.
    pub players: Option<u64>,
}

/// How a channel fits to what was seen of it before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recovery {
    /// Nothing was seen before: what comes is live.
    Began,
    /// Everything that was missed comes next, and nothing twice (`recovered: true`).
    Continued,
    /// What was missed does not come (`recovered: false`): state that was made of this channel must be loaded anew.
    /// Of a room with the same epoch, history tells what lies between the two positions.
    Lost {
        /// What was seen last.
        since: Position,
    },
}

/// A message in a room.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Message {
    /// Which room.
    #[serde(default)]
    pub room: String,
    /// Its place in the room, from 1 without gaps.
    pub offset: i64,
    /// Who said it.
    pub player_id: PlayerId,
    /// Under which name.
    pub username: String,
    /// What was said.
    pub text: String,
    /// The sender's name for it.
    pub client_id: String,
    /// When it was stored (UTC).
    pub timestamp: Timestamp,
    /// The trace that it belongs to, as W3C's `traceparent`; none when that is not sampled, and in history.
    pub traceparent: Option<String>,
}

/// A message of ours is stored for good.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Acknowledged {
    /// In which room.
    pub room: String,
    /// Our name for it.
    pub client_id: String,
    /// Its place in the room.
    pub offset: i64,
    /// When it was stored (UTC).
    pub timestamp: Timestamp,
    /// Whether it had been stored by an earlier attempt.
    pub duplicate: bool,
}

/// Something that happened on the platform.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct FeedEvent {
    /// Its place in the event log.
    pub offset: i64,
    /// What: `match_started`, `match_completed`, `match_crashed`, `player_registered`, `purchase`, or a newer word.
    pub kind: String,
    /// When (UTC).
    pub timestamp: Timestamp,
    /// The rest, by kind.
    pub data: Value,
    /// The trace that it belongs to, as W3C's `traceparent`; none when that is not sampled.
    pub traceparent: Option<String>,
}

/// What was said in a room.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct History {
    /// Which room.
    pub room: String,
    /// The room's last offset, and the epoch that it belongs to. A room that nobody ever joined has offset 0.
    #[serde(flatten)]
    pub position: Position,
    /// Oldest first.
    pub messages: Vec<Message>,
}

/// A player in a room.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Occupant {
    /// Who.
    pub player_id: PlayerId,
    /// Under which name.
    pub username: String,
}

/// Who is in a room.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Presence {
    /// Which room.
    pub room: String,
    /// How many.
    pub count: u64,
    /// Who, at most 1000.
    pub players: Vec<Occupant>,
}

/// Somebody came or went.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PresenceChanged {
    /// In which room.
    pub room: String,
    /// How many are there now.
    pub count: u64,
    /// Who came, at most 100.
    pub joined: Vec<Occupant>,
    /// Who went, at most 100.
    pub left: Vec<Occupant>,
    /// Whether more came or went than are named.
    #[serde(default)]
    pub truncated: bool,
}

/// A command that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Which room or channel it was about, if any.
    pub channel: Option<Channel>,
    /// The refused message, by our name for it.
    pub client_id: Option<String>,
    /// `invalid`, `conflict`, `forbidden`, or a newer word.
    pub code: String,
    /// The same for people.
    pub message: String,
    /// The field that it is about.
    pub field: Option<String>,
    /// When it ends that the player is muted (UTC), where that is why, and where it ends.
    pub until: Option<Timestamp>,
}
