//! What a player does with its own account: what it logs in by, its profile, its data, its end.

use battlearena_proto::PlayerId;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::players::shown;
use crate::http::Call;

/// Sets another password: `POST /api/players/{player_id}/password`. The other sessions of the player end, and a
/// player who had a password keeps the device of this session alone. A player who has a password must give it. Unauthenticated: it is another one.
pub fn change_password(player_id: PlayerId, current: Option<&SecretString>, new: &SecretString) -> Call<()> {
    #[derive(Serialize)]
    struct Body<'a> {
        #[serde(serialize_with = "shown", skip_serializing_if = "Option::is_none")]
        current_password: Option<&'a SecretString>,
        new_password: &'a str,
    }
    let body = Body { current_password: current, new_password: new.expose_secret() };
    Call::post("/api/players/{player_id}/password", &body).with(player_id)
}

/// A device that is linked.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct LinkedDevice {
    /// Its number, which the export shows too.
    pub id: i64,
}

/// Lets the player log in by the secret of a device, too: `POST /api/players/{player_id}/devices`. A player who has a
/// password must give it. Forbidden: it is another one. Conflict: another player logs in by the device.
pub fn link_device(
    player_id: PlayerId,
    device_id: &SecretString,
    current: Option<&SecretString>,
) -> Call<LinkedDevice> {
    #[derive(Serialize)]
    struct Body<'a> {
        device_id: &'a str,
        #[serde(serialize_with = "shown", skip_serializing_if = "Option::is_none")]
        current_password: Option<&'a SecretString>,
    }
    let body = Body { device_id: device_id.expose_secret(), current_password: current };
    Call::post("/api/players/{player_id}/devices", &body).with(player_id)
}

/// The reverse: `DELETE /api/players/{player_id}/devices`. Conflict: the player has nothing else to log in by.
pub fn unlink_device(player_id: PlayerId, device_id: &SecretString) -> Call<()> {
    #[derive(Serialize)]
    struct Body<'a> {
        device_id: &'a str,
    }
    let body = Body { device_id: device_id.expose_secret() };
    Call::delete("/api/players/{player_id}/devices", &body).with(player_id)
}

/// What changes of a profile; the rest stays.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct ProfileChange<'a> {
    /// Another name. Conflict: it is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<&'a str>,
    /// Another address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<&'a str>,
    /// Another home region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<&'a str>,
}

/// Changes a profile: `PATCH /api/players/{player_id}`.
pub fn change_profile(player_id: PlayerId, change: &ProfileChange<'_>) -> Call<serde_json::Value> {
    Call::patch("/api/players/{player_id}", change).with(player_id)
}

/// Everything that is held about a player: `GET /api/players/{player_id}/export`.
pub fn export(player_id: PlayerId) -> Call<serde_json::Value> {
    Call::get("/api/players/{player_id}/export").with(player_id)
}

/// Ends an account for good: `DELETE /api/players/{player_id}`. What was bought and played stays in the books, without
/// the person.
pub fn delete_account(player_id: PlayerId) -> Call<()> {
    Call::delete("/api/players/{player_id}", &serde_json::json!({})).with(player_id)
}
