//! Routes of players: registration and profile.

use actix_web::web::{Data, Json};
use battlearena_identity::credential::DeviceSecret;
use battlearena_identity::password::Password;
use battlearena_identity::{Caller, Secret};
use battlearena_proto::Tier;
use battlearena_runtime::finish;
use battlearena_telemetry::http::HttpFailure;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Body;
use super::client::Origin;
use super::document::{BodyErrors, ReadErrors};
use super::parameters::{Key, PlayerPath};
use super::tokens::Shown;
use crate::domain::player::NewPlayer;
use crate::service::accounts::{Accounts, Registration};
use crate::store::players::Player;

/// A new account.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct RegisterRequest {
    /// Unique name in any script, 1 to 50 characters, without control characters and without space at its ends.
    #[schema(example = "DragonSlayer", min_length = 1, max_length = 50)]
    username: String,
    /// Address with one @, at most 254 characters.
    #[schema(
        example = "dragon@example.com",
        min_length = 3,
        max_length = 254,
        pattern = "^[^@\\s]+@[^@\\s]+$"
    )]
    email: String,
    /// 1 to 1000.
    #[serde(default = "first_level")]
    #[schema(default = 1, example = 1, minimum = 1, maximum = 1000)]
    level: i32,
    /// `free`, `premium` or `enterprise`.
    #[serde(default = "usual_tier")]
    #[schema(schema_with = super::document::tier)]
    tier: Tier,
    /// Home region in free words, at most 20 characters.
    #[serde(default)]
    #[schema(example = "eu-west", max_length = 20)]
    region: Option<String>,
    /// 8 to 128 characters of any kind.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "correct horse battery", min_length = 8, max_length = 128)]
    password: Option<Secret>,
    /// The secret of a device: 32 to 256 random bytes of text, made and kept by the device.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "0f8d5a1c7b3e49f2a6c4d8e0b1f37a95c2e6d4f8", min_length = 32, max_length = 256)]
    device_id: Option<Secret>,
}

fn first_level() -> i32 {
    1
}

fn usual_tier() -> Tier {
    Tier::Free
}

/// The account that was created.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RegisterResponse {
    /// Number of the account, from 1.
    #[schema(example = 1)]
    player_id: i64,
    /// The name as it was taken.
    #[schema(example = "DragonSlayer")]
    username: String,
    /// For people.
    #[schema(example = "Player registered successfully")]
    message: &'static str,
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

/// Create an account.
///
/// With a password or a device, the answer has tokens: the player is in. Without either (open mode) the number alone is
/// enough to log in. With an `Idempotency-Key`, a retry within 24 hours gets the first answer, with tokens of its own.
#[utoipa::path(
    post, path = "/api/players/register", tag = "players", request_body = RegisterRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters.")),
    responses((status = 200, description = "The account exists.", body = RegisterResponse), (status = 409, response = super::document::Conflict), BodyErrors)
)]
pub(super) async fn register(
    _: Caller,
    accounts: Data<Accounts>,
    key: Key,
    client: Origin,
    body: Body<RegisterRequest>,
) -> Result<Json<RegisterResponse>, HttpFailure> {
    let RegisterRequest { username, email, level, tier, region, password, device_id } = body.0;
    let new = NewPlayer { username, email, level, tier, region: region.unwrap_or_default() }.checked()?;
    let about = [new.username.as_str(), new.email.as_str()];
    let password = password.map(|secret| Password::chosen(secret, &about)).transpose()?;
    let device = device_id.map(DeviceSecret::parse).transpose()?;
    let username = new.username.clone();
    let registration = Registration { new, password, device };
    let work = async move { accounts.register(registration, key.0.as_ref(), &client.0).await };
    let registered = finish(work).await?;
    let Shown { access_token, refresh_token, token_type, expires_in } = Shown::of(registered.tokens);
    Ok(Json(RegisterResponse {
        player_id: registered.id.get(),
        username,
        message: "Player registered successfully",
        access_token,
        refresh_token,
        token_type,
        expires_in,
    }))
}

/// A player's profile.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PlayerResponse {
    /// Number of the account.
    #[schema(example = 1)]
    player_id: i64,
    /// Name of the player.
    #[schema(example = "DragonSlayer")]
    username: String,
    /// Address of the player.
    #[schema(example = "dragon@example.com")]
    email: String,
    /// 1 to 1000.
    #[schema(example = 1)]
    level: i32,
    /// Ranking points from matches; a moment behind the match that earned them.
    #[schema(example = 120)]
    total_points: i64,
    /// Store credit in US dollars.
    #[schema(example = 0.0)]
    account_balance: f64,
    /// When the account was created (UTC).
    #[schema(value_type = String, format = DateTime, example = "2030-01-01T12:00:00Z")]
    created_at: Timestamp,
    /// The last log-in (UTC); null before the first.
    #[schema(value_type = Option<String>, format = DateTime, example = "2030-01-01T12:00:00Z")]
    last_login: Option<Timestamp>,
    /// Whether the player may log in.
    #[schema(example = true)]
    is_active: bool,
}

impl From<Player> for PlayerResponse {
    fn from(player: Player) -> Self {
        let Player {
            id,
            username,
            email,
            level,
            tier: _,
            total_points,
            account_balance,
            created_at,
            last_login,
            is_active,
        } = player;
        Self {
            player_id: id.get(),
            username,
            email,
            level,
            total_points,
            account_balance: account_balance.dollars(),
            created_at,
            last_login,
            is_active,
        }
    }
}

/// A player's profile.
#[utoipa::path(
    get, path = "/api/players/{player_id}", tag = "players",
    params(("player_id" = i64, Path, description = "Number of the account.")),
    responses((status = 200, description = "The profile.", body = PlayerResponse), ReadErrors)
)]
pub(super) async fn get(
    caller: Caller,
    accounts: Data<Accounts>,
    player: PlayerPath,
) -> Result<Json<PlayerResponse>, HttpFailure> {
    caller.own(player.0)?;
    Ok(Json(accounts.profile(player.0).await?.into()))
}
