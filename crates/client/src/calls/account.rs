//! What a player does with its own account: what it logs in by, its profile, its data, its end.

use battlearena_proto::PlayerId;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::players::shown;
use crate::http::Call;

/// Sets another password: `POST /api/players/{player_id}/password`. The other sessions of the player end. A player who
/// has a password must give it. Unauthenticated: it is another one.
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

#[derive(Serialize)]
struct Device<'a> {
    device_id: &'a str,
}

/// Lets the player log in by the secret of a device, too: `POST /api/players/{player_id}/devices`. Conflict: another
/// player logs in by it.
pub fn link_device(player_id: PlayerId, device_id: &SecretString) -> Call<()> {
    let body = Device { device_id: device_id.expose_secret() };
    Call::post("/api/players/{player_id}/devices", &body).with(player_id)
}

/// The reverse: `DELETE /api/players/{player_id}/devices`. Conflict: the player has nothing else to log in by.
pub fn unlink_device(player_id: PlayerId, device_id: &SecretString) -> Call<()> {
    let body = Device { device_id: device_id.expose_secret() };
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
