//! The route of log-ins. What a player shows to come in is read here; whether it is good is decided behind.

use actix_web::web::{Data, Json};
use battlearena_identity::credential::DeviceSecret;
use battlearena_identity::password::Password;
use battlearena_identity::{Caller, Secret};
use battlearena_proto::{Failure, PlayerId};
use battlearena_runtime::finish;
use battlearena_telemetry::http::HttpFailure;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Body;
use super::client::Origin;
use super::document::BodyErrors;
use super::tokens::Shown;
use crate::service::accounts::{Accounts, Attempt, LogIn};
use crate::store::log_ins::LoggedIn;

/// Who logs in: by name and password, by device, or (open mode) by number.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct LoginRequest {
    /// Number of the account: open mode.
    #[serde(default)]
    #[schema(example = 1)]
    player_id: Option<i64>,
    /// Name of the player, with `password`.
    #[serde(default)]
    #[schema(example = "DragonSlayer")]
    username: Option<String>,
    /// The password.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "correct horse battery")]
    password: Option<Secret>,
    /// The secret of a device of the player.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "0f8d5a1c7b3e49f2a6c4d8e0b1f37a95c2e6d4f8")]
    device_id: Option<Secret>,
}

impl LoginRequest {
    /// What is shown, the strongest first.
    fn attempt(self) -> Result<Attempt, Failure> {
        let Self { player_id, username, password, device_id } = self;
        let missing = |field: &str| Failure::invalid(field, format!("missing field `{field}`"));
        match (device_id, username, password, player_id) {
            (Some(device), ..) => Ok(Attempt::Device(DeviceSecret::parse(device)?)),
            (None, Some(username), Some(password), _) => {
                Ok(Attempt::Password { username, password: Password::presented(password)? })
            }
            (None, Some(_), None, _) => Err(missing("password")),
            (None, None, Some(_), _) => Err(missing("username")),
            (None, None, None, Some(id)) => Ok(Attempt::Number(PlayerId(id))),
            (None, None, None, None) => Err(missing("player_id")),
        }
    }
}

/// The player who is in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LoginResponse {
    /// Number of the account.
    #[schema(example = 1)]
    player_id: i64,
    /// Name of the player.
    #[schema(example = "DragonSlayer")]
    username: String,
    /// 1 to 1000.
    #[schema(example = 1)]
    level: i32,
    /// Now (UTC).
    #[schema(value_type = String, format = DateTime, example = "2030-01-01T12:00:00.5Z")]
    last_login: Timestamp,
    /// For `authorization: Bearer …`, when a credential was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9.e30.c2lnbmF0dXJl")]
    access_token: Option<String>,
    /// For the next refresh.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "rt_Tq1jW6cVfT0cKf3m2p4p3c9V1aYw8nD5x7u2b6z0Qe4")]
    refresh_token: Option<String>,
    /// `Bearer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Bearer")]
    token_type: Option<&'static str>,
    /// Seconds until the access token is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 300)]
    expires_in: Option<u64>,
}

/// Log in: by name and password, by device, or in open mode by number.
///
/// An unknown name, a wrong password and an unknown device get the same answer. Takes no idempotency key: each accepted
/// log-in counts.
#[utoipa::path(
    post, path = "/api/players/login", tag = "players", request_body = LoginRequest,
    responses(
        (status = 200, description = "The player is in.", body = LoginResponse),
        (status = 404, response = super::document::NotFound),
        BodyErrors
    )
)]
pub(super) async fn log_in(
    _: Caller,
    accounts: Data<Accounts>,
    client: Origin,
    body: Result<Body<LoginRequest>, HttpFailure>,
) -> Result<Json<LoginResponse>, HttpFailure> {
    let malformed = |_: &HttpFailure| accounts.malformed_log_in();
    let Body(request) = body.inspect_err(malformed)?;
    let attempt = request.attempt().map_err(HttpFailure).inspect_err(malformed)?;
    let LogIn { player, tokens } = finish(async move { accounts.log_in(attempt, &client.0).await }).await?;
    let LoggedIn { id, username, level, last_login, tier: _ } = player;
    let Shown { access_token, refresh_token, token_type, expires_in } = Shown::of(tokens);
    let player_id = id.get();
    Ok(Json(LoginResponse {
        player_id,
        username,
        level,
        last_login,
        access_token,
        refresh_token,
        token_type,
        expires_in,
    }))
}
