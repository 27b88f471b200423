//! What operators do about players, with a key that may moderate.

use battlearena_proto::PlayerId;
use jiff::Timestamp;
use serde::Serialize;

use crate::http::Call;

#[derive(Serialize)]
struct Sanction<'a> {
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
}

/// Shuts a player out, until a time or for good: `POST /api/players/{player_id}/ban`. Its sessions end.
pub fn ban(player_id: PlayerId, reason: &str, until: Option<Timestamp>) -> Call<serde_json::Value> {
    Call::post("/api/players/{player_id}/ban", &Sanction { reason, until }).with(player_id)
}

/// Lets a player in again: `DELETE /api/players/{player_id}/ban`.
pub fn lift_ban(player_id: PlayerId) -> Call<serde_json::Value> {
    Call::delete("/api/players/{player_id}/ban", &serde_json::json!({})).with(player_id)
}

/// Silences a player in chat, until a time or for good: `POST /api/players/{player_id}/mute`.
pub fn mute(player_id: PlayerId, reason: &str, until: Option<Timestamp>) -> Call<serde_json::Value> {
    Call::post("/api/players/{player_id}/mute", &Sanction { reason, until }).with(player_id)
}

/// Lets a player speak again: `DELETE /api/players/{player_id}/mute`.
pub fn lift_mute(player_id: PlayerId) -> Call<serde_json::Value> {
    Call::delete("/api/players/{player_id}/mute", &serde_json::json!({})).with(player_id)
}

/// What was ever decided about a player: `GET /api/players/{player_id}/sanctions`.
pub fn sanctions(player_id: PlayerId) -> Call<serde_json::Value> {
    Call::get("/api/players/{player_id}/sanctions").with(player_id)
}
