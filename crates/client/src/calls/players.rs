//! Calls about players: registration, log-in, profile.

use battlearena_proto::{PlayerId, Tier};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Cents;
use crate::http::Call;

/// A new account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct NewPlayer<'a> {
    /// Unique name in any script, 1 to 50 characters.
    pub username: &'a str,
    /// Address with one @, at most 254 characters.
    pub email: &'a str,
    /// 1 to 1000.
    pub level: u32,
    /// What the player pays.
    pub tier: Tier,
    /// Home region in free words, at most 20 characters; may be empty.
    pub region: &'a str,
}

impl<'a> NewPlayer<'a> {
    /// A player of level 1 who pays nothing.
    pub fn named(username: &'a str, email: &'a str) -> Self {
        Self { username, email, level: 1, tier: Tier::Free, region: "" }
    }
}

/// The account that was created.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Registered {
    /// Number of the account, from 1.
    pub player_id: PlayerId,
    /// The name as it was taken.
    pub username: String,
}

/// Creates an account: `POST /api/players/register`. Conflict: the name is taken.
pub fn register(new: &NewPlayer<'_>) -> Call<Registered> {
    Call::post("/api/players/register", new)
}

/// The player who is in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LoggedIn {
    /// Number of the account.
    pub player_id: PlayerId,
    /// Name of the player.
    pub username: String,
    /// 1 to 1000.
    pub level: i32,
    /// Now (UTC).
    pub last_login: Timestamp,
}

/// Logs a player in: `POST /api/players/login`. It has no idempotency key: each attempt that arrives counts as a log-in.
/// Not found: no such player.
pub fn log_in(player_id: PlayerId) -> Call<LoggedIn> {
    #[derive(Serialize)]
    struct Body {
        player_id: PlayerId,
    }
    Call::post("/api/players/login", &Body { player_id }).without_key()
}

/// A player's profile.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Player {
    /// Number of the account.
    pub player_id: PlayerId,
    /// Name of the player.
    pub username: String,
    /// Address of the player.
    pub email: String,
    /// 1 to 1000.
    pub level: i32,
    /// Ranking points from matches; a moment behind the match that earned them.
    pub total_points: i64,
    /// Store credit.
    pub account_balance: Cents,
    /// When the account was created (UTC).
    pub created_at: Timestamp,
    /// The last log-in (UTC); none before the first.
    pub last_login: Option<Timestamp>,
    /// Whether the player may log in.
    pub is_active: bool,
}

/// Reads a profile: `GET /api/players/{player_id}`. Not found: no such player.
pub fn player(player_id: PlayerId) -> Call<Player> {
    Call::get("/api/players/{player_id}").with(player_id)
}
