//! Routes of players: registration, log-in, profile.

use actix_web::web::{Data, Json};
use battlearena_proto::{PlayerId, Tier};
use battlearena_telemetry::http::HttpFailure;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Body;
use super::caller::Caller;
use super::document::{BodyErrors, ReadErrors};
use super::parameters::{Key, PlayerPath};
use crate::domain::player::NewPlayer;
use crate::service::players::Players;
use crate::store::players::{LoggedIn, Player};

/// A new account.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct RegisterRequest {
    /// Unique name in any script, 1 to 50 characters, without control characters and without space at its ends.
    #[schema(example = "DragonSlayer")]
    username: String,
    /// Address with one @, at most 254 characters.
    #[schema(example = "dragon@example.com")]
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
    #[schema(example = "eu-west")]
    region: Option<String>,
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
}

/// Create an account.
///
/// With an `Idempotency-Key`, a retry within 24 hours gets the first answer.
#[utoipa::path(
    post, path = "/api/players/register", tag = "players", request_body = RegisterRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters.")),
    responses((status = 200, description = "The account exists.", body = RegisterResponse), (status = 409, response = super::document::Conflict), BodyErrors)
)]
pub(super) async fn register(
    _: Caller,
    players: Data<Players>,
    key: Key,
    body: Body<RegisterRequest>,
) -> Result<Json<RegisterResponse>, HttpFailure> {
    let RegisterRequest { username, email, level, tier, region } = body.0;
    let new = NewPlayer { username, email, level, tier, region: region.unwrap_or_default() }.checked()?;
    let PlayerId(player_id) = players.register(&new, key.0.as_ref()).await?;
    Ok(Json(RegisterResponse {
        player_id,
        username: new.username,
        message: "Player registered successfully",
    }))
}

/// Who logs in.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct LoginRequest {
    /// Number of the account.
    #[schema(example = 1)]
    player_id: i64,
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
}

/// Log in (open mode: by number alone).
///
/// Takes no idempotency key: each accepted log-in counts.
#[utoipa::path(
    post, path = "/api/players/login", tag = "players", request_body = LoginRequest,
    responses(
        (status = 200, description = "The player is in.", body = LoginResponse),
        (status = 403, response = super::document::Forbidden),
        (status = 404, response = super::document::NotFound),
        BodyErrors
    )
)]
pub(super) async fn log_in(
    _: Caller,
    players: Data<Players>,
    body: Result<Body<LoginRequest>, HttpFailure>,
) -> Result<Json<LoginResponse>, HttpFailure> {
    let Body(LoginRequest { player_id }) = body.inspect_err(|_| players.malformed_log_in())?;
    let LoggedIn { username, level, last_login } = players.log_in(PlayerId(player_id)).await?;
    Ok(Json(LoginResponse { player_id, username, level, last_login }))
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
    _: Caller,
    players: Data<Players>,
    player: PlayerPath,
) -> Result<Json<PlayerResponse>, HttpFailure> {
    Ok(Json(players.profile(player.0).await?.into()))
}
