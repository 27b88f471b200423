//! Events between their two forms: the JSON payload of an outbox or log row, and the wire message.

use crate::events::{
    AccessRefused, CredentialChanged, KeyChanged, LoginRefused, MatchCompleted, MatchCrashed, MatchStarted,
    PlayerDeleted, PlayerLoggedIn, PlayerRegistered, PlayerRenamed, PlayerSanctioned, PlayersSeen,
    SessionRevoked, SystemEventRecorded, TransactionRecorded, event::Body,
};

/// A stored event that this build cannot read: an unknown kind, or a payload that does not fit it.
#[derive(Debug, thiserror::Error)]
pub enum UndecodableEvent {
    /// No such kind (written by a newer release, perhaps).
    #[error("unknown event kind \"{0}\"")]
    UnknownKind(String),
    /// The payload is not a message of its kind.
    #[error("payload does not fit event kind \"{kind}\"")]
    Payload {
        /// The kind that the row claims.
        kind: &'static str,
        /// What the decoder says.
        #[source]
        source: serde_json::Error,
    },
}

macro_rules! kinds {
    ($($variant:ident($message:ident) = $word:literal,)+) => {
        /// The kind of an event: the name of its field in `Event.body`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "events.proto documents each")]
        pub enum EventKind { $($variant,)+ }

        impl EventKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name of the field in `Event.body`; the `kind` column of an outbox.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl Body {
            /// Which kind of event it is.
            pub fn kind(&self) -> EventKind {
                match self { $(Self::$variant(_) => EventKind::$variant,)+ }
            }

            /// Reads a stored event.
            ///
            /// # Errors
            /// [`UndecodableEvent`] for an unknown kind or a payload of another shape.
            pub fn decode(kind: &str, payload: &str) -> Result<Self, UndecodableEvent> {
                match kind {
                    $($word => serde_json::from_str::<$message>(payload)
                        .map(Self::$variant)
                        .map_err(|source| UndecodableEvent::Payload { kind: $word, source }),)+
                    other => Err(UndecodableEvent::UnknownKind(other.chars().take(50).collect())),
                }
            }

            /// The payload as it is stored: a JSON object with the message's field names.
            pub fn to_payload(&self) -> String {
                let json = match self { $(Self::$variant(message) => serde_json::to_string(message),)+ };
                // Maps with non-string keys are the only values that cannot be written, and no event has one.
                json.unwrap_or_default()
            }
        }
    };
}

kinds! {
    PlayerRegistered(PlayerRegistered) = "player_registered",
    PlayerLoggedIn(PlayerLoggedIn) = "player_logged_in",
    MatchStarted(MatchStarted) = "match_started",
    MatchCompleted(MatchCompleted) = "match_completed",
    MatchCrashed(MatchCrashed) = "match_crashed",
    TransactionRecorded(TransactionRecorded) = "transaction_recorded",
    SystemEventRecorded(SystemEventRecorded) = "system_event_recorded",
    PlayersSeen(PlayersSeen) = "players_seen",
    SessionRevoked(SessionRevoked) = "session_revoked",
    LoginRefused(LoginRefused) = "login_refused",
    CredentialChanged(CredentialChanged) = "credential_changed",
    PlayerSanctioned(PlayerSanctioned) = "player_sanctioned",
    KeyChanged(KeyChanged) = "key_changed",
    PlayerDeleted(PlayerDeleted) = "player_deleted",
    AccessRefused(AccessRefused) = "access_refused",
    PlayerRenamed(PlayerRenamed) = "player_renamed",
}

impl std::str::FromStr for EventKind {
    type Err = UndecodableEvent;

    fn from_str(word: &str) -> Result<Self, UndecodableEvent> {
        Self::ALL
            .iter()
            .copied()
            .find(|kind| kind.as_str() == word)
            .ok_or_else(|| UndecodableEvent::UnknownKind(word.chars().take(50).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_survives_the_round_trip() {
        let body = Body::MatchStarted(MatchStarted {
            match_id: 7,
            match_type: "solo".into(),
            server_region: "eu-west".into(),
            player_ids: vec![1, 2],
        });
        assert_eq!(Body::decode(body.kind().as_str(), &body.to_payload()).unwrap(), body);
    }

    #[test]
    fn times_are_text_and_may_be_missing() {
        let ban = |payload: &str| Body::decode("player_sanctioned", payload);
        let common = r#""player_id":7,"kind":"ban","reason":"spam","by":"k","lifted":false"#;
        let forever = ban(&format!("{{{common}}}")).unwrap();
        assert_eq!(forever, ban(&format!(r#"{{{common},"until":null}}"#)).unwrap());
        // As PostgreSQL writes a timestamptz into JSON, and as we do.
        let until = ban(&format!(r#"{{{common},"until":"2026-11-20T14:10:00.5+01:00"}}"#)).unwrap();
        assert!(until.to_payload().contains(r#""until":"2026-11-20T13:10:00.5Z""#), "{}", until.to_payload());
        assert_eq!(ban(&until.to_payload()).unwrap(), until);
        assert!(ban(&format!(r#"{{{common},"until":"soon"}}"#)).is_err());
    }

    #[test]
    fn unknown_kinds_and_shapes_are_errors() {
        assert!(matches!(Body::decode("player_teleported", "{}"), Err(UndecodableEvent::UnknownKind(_))));
        let error = Body::decode("player_logged_in", r#"{"player_id":"one"}"#).unwrap_err();
        assert!(matches!(error, UndecodableEvent::Payload { kind: "player_logged_in", .. }));
    }
}
