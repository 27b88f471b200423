//! The frames of protocol version 1: JSON to types and back. The contract is `docs/socket-protocol.md`.

use std::fmt;

use battlearena_proto::PlayerId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::{Acknowledged, FeedEvent, History, Message, Position, Presence, PresenceChanged};

/// The version that this client speaks.
pub(super) const PROTOCOL: u32 = 1;

/// A frame on its way out.
pub(super) struct Frame {
    /// Its `type`.
    pub(super) kind: &'static str,
    pub(super) text: String,
}

/// Without the text, which may hold a token.
impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Frame").field(&self.kind).finish()
    }
}

/// What a client sends.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Outgoing<'a> {
    Hello {
        protocol: u32,
        #[serde(flatten)]
        who: Introduction<'a>,
    },
    /// A newer access token.
    Refresh {
        token: &'a str,
    },
    Join {
        id: String,
        room: &'a str,
        #[serde(flatten)]
        position: Option<&'a Position>,
    },
    Subscribe {
        id: String,
        channel: String,
        #[serde(flatten)]
        position: Option<&'a Position>,
    },
    Unsubscribe {
        channel: String,
    },
    Message {
        id: String,
        room: &'a str,
        client_id: &'a str,
        text: &'a str,
    },
    History {
        id: String,
        room: &'a str,
        limit: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        before: Option<i64>,
    },
    Presence {
        id: String,
        room: &'a str,
    },
    Block {
        id: String,
        player_id: PlayerId,
    },
    Unblock {
        id: String,
        player_id: PlayerId,
    },
    Blocks {
        id: String,
    },
    Ping,
}

/// How a client says who it is.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Introduction<'a> {
    Named { player_id: PlayerId, username: &'a str },
    Token { token: &'a str },
}

impl Outgoing<'_> {
    /// The frame, in the trace that the command belongs to.
    pub(super) fn frame(&self, traceparent: Option<&str>) -> Frame {
        #[derive(Serialize)]
        struct Envelope<'a> {
            #[serde(flatten)]
            command: &'a Outgoing<'a>,
            #[serde(skip_serializing_if = "Option::is_none")]
            traceparent: Option<&'a str>,
        }
        // Structs of numbers and text can always be written.
        let text = serde_json::to_string(&Envelope { command: self, traceparent }).unwrap_or_default();
        Frame { kind: self.kind(), text }
    }

    /// The `type`, as serde writes it.
    fn kind(&self) -> &'static str {
        match self {
            Self::Hello { .. } => "hello",
            Self::Refresh { .. } => "refresh",
            Self::Join { .. } => "join",
            Self::Subscribe { .. } => "subscribe",
            Self::Unsubscribe { .. } => "unsubscribe",
            Self::Message { .. } => "message",
            Self::History { .. } => "history",
            Self::Presence { .. } => "presence",
            Self::Block { .. } => "block",
            Self::Unblock { .. } => "unblock",
            Self::Blocks { .. } => "blocks",
            Self::Ping => "ping",
        }
    }
}

/// What a server sends.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Incoming {
    Welcome(Welcome),
    Joined(Answer),
    Subscribed(Answer),
    Message(Message),
    Ack {
        id: Option<String>,
        #[serde(flatten)]
        ack: Acknowledged,
    },
    Event(FeedEvent),
    History {
        id: Option<String>,
        #[serde(flatten)]
        history: History,
    },
    Presence {
        id: Option<String>,
        #[serde(flatten)]
        presence: Presence,
    },
    PresenceChanged(PresenceChanged),
    Blocked {
        id: Option<String>,
        player_id: PlayerId,
    },
    Unblocked {
        id: Option<String>,
        player_id: PlayerId,
    },
    Blocks {
        id: Option<String>,
        player_ids: Vec<PlayerId>,
    },
    Error(Problem),
    Reconnect {
        reconnect_after_ms: u64,
    },
    /// Nothing that this client waits for, or a word that is newer than this client.
    #[serde(other)]
    Other,
}

/// The server's hello.
#[derive(Debug, Deserialize)]
pub(super) struct Welcome {
    pub(super) session: String,
    pub(super) heartbeat_seconds: u64,
    pub(super) limits: Limits,
}

/// What the server lets pass.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Limits {
    pub(super) commands_per_second: u32,
    pub(super) commands_burst: u32,
}

/// The answer to join and subscribe.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    pub(super) id: Option<String>,
    #[serde(flatten)]
    pub(super) position: Position,
    pub(super) count: Option<u64>,
    pub(super) recovered: Option<bool>,
}

/// A command was refused, or the whole client.
#[derive(Debug, Deserialize)]
pub(super) struct Problem {
    pub(super) code: String,
    pub(super) message: String,
    pub(super) id: Option<String>,
    pub(super) field: Option<String>,
    pub(super) until: Option<Timestamp>,
}

impl Problem {
    /// What the server would say, too.
    pub(super) fn not_joined() -> Self {
        let (code, message) = ("conflict".to_owned(), "the room is not joined".to_owned());
        Self { code, message, id: None, field: None, until: None }
    }

    /// Whether the same command may be taken in a moment.
    pub(super) fn is_temporary(&self) -> bool {
        matches!(self.code.as_str(), "unavailable" | "internal" | "throttled")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_written_as_the_protocol_has_them() {
        let position = Position { epoch: "5d41".into(), offset: 42 };
        let join = Outgoing::Join { id: "3".into(), room: "general", position: Some(&position) };
        assert_eq!(
            join.frame(None).text,
            r#"{"type":"join","id":"3","room":"general","epoch":"5d41","offset":42}"#
        );
        let subscribe = Outgoing::Subscribe { id: "1".into(), channel: "feed".into(), position: None };
        assert_eq!(subscribe.frame(None).text, r#"{"type":"subscribe","id":"1","channel":"feed"}"#);
        let who = Introduction::Named { player_id: PlayerId(7), username: "ada" };
        let hello = Outgoing::Hello { protocol: 1, who };
        assert_eq!(hello.frame(None).text, r#"{"type":"hello","protocol":1,"player_id":7,"username":"ada"}"#);
        let hello = Outgoing::Hello { protocol: 1, who: Introduction::Token { token: "t" } }.frame(None);
        assert_eq!(hello.text, r#"{"type":"hello","protocol":1,"token":"t"}"#);
        assert_eq!(format!("{hello:?}"), r#"Frame("hello")"#);
        assert_eq!(Outgoing::Ping.frame(None).text, r#"{"type":"ping"}"#);
    }

    #[test]
    fn the_examples_of_the_protocol_are_read() {
        let read = |text| serde_json::from_str::<Incoming>(text).unwrap();
        let joined = read(
            r#"{"type":"joined","id":"3","room":"general","channel":"room:general","epoch":"5d41402abc4b2a76",
                "offset":44,"count":3,"recovered":true}"#,
        );
        assert!(matches!(joined, Incoming::Joined(Answer { count: Some(3), recovered: Some(true), .. })));
        let message = read(
            r#"{"type":"message","channel":"room:general","room":"general","offset":42,"player_id":7,
                "username":"ada","text":"hello","client_id":"ada-17","timestamp":"2030-01-01T12:00:01.5Z"}"#,
        );
        assert!(matches!(message, Incoming::Message(Message { offset: 42, .. })));
        let ack = read(
            r#"{"type":"ack","id":"2","room":"general","client_id":"ada-17","offset":42,
                "timestamp":"2030-01-01T12:00:01.5Z","duplicate":false}"#,
        );
        assert!(matches!(ack, Incoming::Ack { id: Some(_), ack: Acknowledged { duplicate: false, .. } }));
        assert!(matches!(
            read(r#"{"type":"subscribed","channel":"feed","epoch":"e","offset":9}"#),
            Incoming::Subscribed(_)
        ));
        assert!(matches!(read(r#"{"type":"pong","server_time":"2030-01-01T12:00:00Z"}"#), Incoming::Other));
        assert!(matches!(read(r#"{"type":"weather","sun":true}"#), Incoming::Other));
    }
}
