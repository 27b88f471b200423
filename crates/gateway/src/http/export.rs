//! The export of an account as JSON.

use battlearena_proto::realtime::{Message, RoomMessage};
use battlearena_proto::timestamp_from_wire;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::match_views::MatchResponse;
use super::moderation::SanctionEntry;
use super::players::PlayerResponse;
use super::transactions::TransactionEntry;
use crate::service::accounts::Export;
use crate::store::accounts::{DeviceRecord, SessionRecord};

/// Everything that is held about a player.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ExportResponse {
    /// The profile.
    player: PlayerResponse,
    /// What the player pays for the service.
    #[schema(example = "free")]
    tier: &'static str,
    /// Home region as the player gave it.
    #[schema(example = "eu-west")]
    region: String,
    /// Whether there is a password; its hash is not shown.
    #[schema(example = true)]
    has_password: bool,
    /// Devices that may log in, in the order in which they were linked; their secrets are not known.
    devices: Vec<DeviceEntry>,
    /// Log-ins that are remembered, newest first.
    sessions: Vec<SessionEntry>,
    /// When each known address was last written down (UTC); the addresses themselves are not known.
    #[schema(value_type = Vec<String>, example = json!(["2030-01-01T12:00:00Z"]))]
    known_addresses_seen_at: Vec<Timestamp>,
    /// Bans and mutes, newest first.
    sanctions: Vec<SanctionEntry>,
    /// Purchases, newest first.
    transactions: Vec<TransactionEntry>,
    /// Matches with everybody's results, newest first.
    matches: Vec<MatchResponse>,
    /// What the player said in rooms, newest first.
    messages: Vec<SaidEntry>,
    /// Whom the player has blocked in chat.
    #[schema(example = json!([2]))]
    blocked_player_ids: Vec<i64>,
    /// What is held about the player besides, by name.
    #[schema(value_type = Vec<String>)]
    left_out: [&'static str; 2],
}

/// What stays where it is: it tells the same once more, or is no text that anybody could read.
const LEFT_OUT: [&str; 2] = [
    "the event log: when each of these things happened, refused log-ins and changed credentials, kept for the time of its retention",
    "hashes: of the password, of device secrets, of refresh tokens and of known addresses",
];

/// What a player said.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SaidEntry {
    /// Where.
    #[schema(example = "general")]
    room: String,
    /// Number of the message in its room.
    #[schema(example = 42)]
    id: i64,
    /// As the player was called then.
    #[schema(example = "ada")]
    username: String,
    /// What was said.
    #[schema(example = "well played")]
    text: String,
    /// When (UTC).
    #[schema(value_type = Option<String>, format = DateTime, example = "2030-01-01T12:00:00Z")]
    timestamp: Option<Timestamp>,
}

impl From<RoomMessage> for SaidEntry {
    fn from(said: RoomMessage) -> Self {
        let RoomMessage { room, message } = said;
        let Message { offset, player_id: _, username, text, timestamp } = message.unwrap_or_default();
        Self { room, id: offset, username, text, timestamp: timestamp_from_wire(timestamp) }
    }
}

/// A device that may log in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeviceEntry {
    /// Its number, by which it can be unlinked.
    #[schema(example = 3)]
    id: i64,
    /// When it was linked (UTC).
    #[schema(value_type = String, format = DateTime, example = "2030-01-01T12:00:00Z")]
    linked_at: Timestamp,
}

impl From<DeviceRecord> for DeviceEntry {
    fn from(DeviceRecord { id, linked_at }: DeviceRecord) -> Self {
        Self { id, linked_at }
    }
}

/// A log-in that is remembered.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionEntry {
    /// Number of the session.
    #[schema(example = 7)]
    session_id: i64,
    /// Whether a device opened it, and not a password.
    #[schema(example = true)]
    by_device: bool,
    /// When it began (UTC).
    #[schema(value_type = String, format = DateTime, example = "2030-01-01T12:00:00Z")]
    created_at: Timestamp,
    /// The last refresh (UTC).
    #[schema(value_type = String, format = DateTime, example = "2030-01-01T12:00:00Z")]
    last_used_at: Timestamp,
    /// When it ends without another (UTC).
    #[schema(value_type = String, format = DateTime, example = "2030-01-31T12:00:00Z")]
    expires_at: Timestamp,
    /// When it was ended (UTC).
    #[schema(value_type = Option<String>, format = DateTime, example = "2030-01-02T12:00:00Z")]
    revoked_at: Option<Timestamp>,
    /// Why.
    #[schema(example = "logged_out")]
    revoked_reason: Option<String>,
}

impl From<SessionRecord> for SessionEntry {
    fn from(record: SessionRecord) -> Self {
        let SessionRecord { id, by_device, created_at, last_used_at, expires_at, revoked_at, revoked_reason } =
            record;
        Self { session_id: id, by_device, created_at, last_used_at, expires_at, revoked_at, revoked_reason }
    }
}

impl From<Export> for ExportResponse {
    fn from(export: Export) -> Self {
        let Export {
            player,
            region,
            has_password,
            devices,
            sessions,
            known_addresses,
            sanctions,
            transactions,
            matches,
            messages,
            blocked,
        } = export;
        Self {
            tier: player.tier.as_str(),
            player: player.into(),
            region,
            has_password,
            devices: devices.into_iter().map(Into::into).collect(),
            sessions: sessions.into_iter().map(Into::into).collect(),
            known_addresses_seen_at: known_addresses,
            sanctions: sanctions.into_iter().map(Into::into).collect(),
            transactions: transactions.into_iter().map(Into::into).collect(),
            matches: matches.into_iter().map(Into::into).collect(),
            messages: messages.into_iter().map(Into::into).collect(),
            blocked_player_ids: blocked,
            left_out: LEFT_OUT,
        }
    }
}
