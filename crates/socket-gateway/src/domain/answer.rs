//! What the server says: the frames of the protocol as JSON.

use jiff::Timestamp;
use serde::Serialize;

/// A frame for a client. Fields are those of the protocol's document.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Answer<'a> {
    Welcome {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        protocol: i64,
        session: &'a str,
        player_id: i64,
        username: &'a str,
        /// When the token ends that was shown, where one was.
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_at: Option<Timestamp>,
        server_time: Timestamp,
        heartbeat_seconds: u64,
        timeout_seconds: u64,
        limits: Limits,
    },
    Refreshed {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_at: Option<Timestamp>,
    },
    Subscribed {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        channel: &'a str,
        epoch: &'a str,
        offset: i64,
        #[serde(skip_serializing_if = "Option::is_none")]
        recovered: Option<bool>,
    },
    Unsubscribed {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        channel: &'a str,
    },
    Joined {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        room: &'a str,
        channel: &'a str,
        epoch: &'a str,
        offset: i64,
        count: usize,
        #[serde(skip_serializing_if = "Option::is_none")]
        recovered: Option<bool>,
    },
    Left {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        room: &'a str,
    },
    Ack {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        room: &'a str,
        client_id: &'a str,
        offset: i64,
        timestamp: Timestamp,
        duplicate: bool,
    },
    Message {
        channel: &'a str,
        room: &'a str,
        #[serde(flatten)]
        said: &'a Said,
    },
    History {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        room: &'a str,
        epoch: &'a str,
        offset: i64,
        messages: &'a [Said],
    },
    Presence {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        room: &'a str,
        count: usize,
        players: Vec<Player<'a>>,
    },
    PresenceChanged {
        room: &'a str,
        count: usize,
        joined: Vec<Player<'a>>,
        left: Vec<Player<'a>>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        truncated: bool,
    },
    Blocked {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        player_id: i64,
    },
    Unblocked {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        player_id: i64,
    },
    Blocks {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        player_ids: &'a [i64],
    },
    Event {
        channel: &'a str,
        offset: i64,
        kind: &'a str,
        timestamp: Timestamp,
        data: &'a serde_json::Value,
        #[serde(skip_serializing_if = "Option::is_none")]
        traceparent: Option<&'a str>,
    },
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        server_time: Timestamp,
    },
    Reconnect {
        reconnect_after_ms: u64,
    },
    Error {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        code: &'a str,
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        field: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        client_id: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
}

/// A message of a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Said {
    pub(crate) offset: i64,
    pub(crate) player_id: i64,
    pub(crate) username: String,
    pub(crate) text: String,
    pub(crate) client_id: String,
    pub(crate) timestamp: Timestamp,
    /// The trace in which it was said, while it is new and the trace sampled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) traceparent: Option<String>,
}

/// A player, as others see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Player<'a> {
    pub(crate) player_id: i64,
    pub(crate) username: &'a str,
}

/// What a connection may do.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Limits {
    pub(crate) frame_bytes: usize,
    pub(crate) text_characters: usize,
    pub(crate) channels: usize,
    pub(crate) commands_per_second: u32,
    pub(crate) commands_burst: u32,
    pub(crate) recovery_messages: usize,
}

/// One publication of a channel: its offset, the player whose name stands in it, and its frame's text.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) offset: i64,
    pub(crate) names: Option<i64>,
    pub(crate) text: Vec<u8>,
}

impl Answer<'_> {
    /// The frame's text.
    pub(crate) fn to_text(&self) -> Vec<u8> {
        // Maps with non-string keys are the only values that cannot be written, and no frame has one.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Refusal;

    #[test]
    fn frames_are_as_documented() {
        let text = |answer: Answer<'_>| String::from_utf8(answer.to_text()).unwrap();
        let subscribed =
            Answer::Subscribed { id: None, channel: "feed", epoch: "e", offset: 3, recovered: Some(false) };
        assert_eq!(
            text(subscribed),
            r#"{"type":"subscribed","channel":"feed","epoch":"e","offset":3,"recovered":false}"#
        );
        let said = Said {
            offset: 1,
            player_id: 7,
            username: "ada".into(),
            text: "hi".into(),
            client_id: "c".into(),
            timestamp: Timestamp::UNIX_EPOCH,
            traceparent: None,
        };
        assert_eq!(
            text(Answer::Message { channel: "room:a", room: "a", said: &said }),
            r#"{"type":"message","channel":"room:a","room":"a","offset":1,"player_id":7,"username":"ada","text":"hi","client_id":"c","timestamp":"1970-01-01T00:00:00Z"}"#
        );
        let traced = Said { traceparent: Some("00-1-2-01".into()), ..said };
        let traced = text(Answer::Message { channel: "room:a", room: "a", said: &traced });
        assert!(
            traced.ends_with(r#","timestamp":"1970-01-01T00:00:00Z","traceparent":"00-1-2-01"}"#),
            "{traced}"
        );
        let refusal = Refusal::invalid("room", "is missing").with_id(Some("9"));
        assert_eq!(
            String::from_utf8(refusal.to_text()).unwrap(),
            r#"{"type":"error","id":"9","code":"invalid","message":"is missing","field":"room"}"#
        );
        let muted = Refusal::muted(Some(Timestamp::UNIX_EPOCH)).with_client_id("c");
        assert_eq!(
            String::from_utf8(muted.to_text()).unwrap(),
            r#"{"type":"error","code":"forbidden","message":"you are muted","client_id":"c","until":"1970-01-01T00:00:00Z"}"#
        );
    }
}
