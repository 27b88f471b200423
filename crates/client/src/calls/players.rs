//! Calls about players: registration, log-in, profile.

use battlearena_proto::{PlayerId, Tier};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};

use super::Cents;
use crate::credentials::Tokens;
use crate::http::Call;

/// A new account.
#[derive(Debug, Clone, Copy, Serialize)]
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
    /// A password of 8 to 128 characters to log in by.
    #[serde(serialize_with = "shown", skip_serializing_if = "Option::is_none")]
    pub password: Option<&'a SecretString>,
    /// A secret of the device to log in by: random, 32 to 256 bytes.
    #[serde(serialize_with = "shown", skip_serializing_if = "Option::is_none")]
    pub device_id: Option<&'a SecretString>,
}

/// Writes a secret where it has to be shown: into the request that brings it.
pub(super) fn shown<S: Serializer>(secret: &Option<&SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.map(ExposeSecret::expose_secret).serialize(serializer)
}

impl<'a> NewPlayer<'a> {
    /// A player of level 1 who pays nothing, and has nothing to log in by: open mode takes such a player.
    pub fn named(username: &'a str, email: &'a str) -> Self {
        Self { username, email, level: 1, tier: Tier::Free, region: "", password: None, device_id: None }
    }
}

/// The account that was created.
#[derive(Debug, Clone, Deserialize)]
pub struct Registered {
    /// Number of the account, from 1.
    pub player_id: PlayerId,
    /// The name as it was taken.
    pub username: String,
    /// The session of a player with something to log in by. A registration that is answered for the second time may
    /// have none: log in then.
    #[serde(flatten)]
    pub tokens: Option<Tokens>,
}

/// Creates an account: `POST /api/players/register`. Conflict: the name is taken.
pub fn register(new: &NewPlayer<'_>) -> Call<Registered> {
    Call::post("/api/players/register", new)
}

/// The player who is in.
#[derive(Debug, Clone, Deserialize)]
pub struct LoggedIn {
    /// Number of the account.
    pub player_id: PlayerId,
    /// Name of the player.
    pub username: String,
    /// 1 to 1000.
    pub level: i32,
    /// Now (UTC).
    pub last_login: Timestamp,
    /// The session; none for a player who logged in by number.
    #[serde(flatten)]
    pub tokens: Option<Tokens>,
}

/// By what a player logs in.
#[derive(Debug, Clone, Copy)]
pub enum LogIn<'a> {
    /// By number, which open mode takes.
    Number(PlayerId),
    /// By name and password.
    Password {
        /// The name.
        username: &'a str,
        /// The password.
        password: &'a SecretString,
    },
    /// By the secret of a device.
    Device(&'a SecretString),
}

/// Logs a player in: `POST /api/players/login`. It has no idempotency key: each attempt that arrives counts as a log-in.
/// Not found: no such number. Unauthenticated: a name, password or device that is not known.
pub fn log_in(by: LogIn<'_>) -> Call<LoggedIn> {
    #[derive(Default, Serialize)]
    struct Body<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        player_id: Option<PlayerId>,
        #[serde(skip_serializing_if = "Option::is_none")]
        username: Option<&'a str>,
        #[serde(serialize_with = "shown", skip_serializing_if = "Option::is_none")]
        password: Option<&'a SecretString>,
        #[serde(serialize_with = "shown", skip_serializing_if = "Option::is_none")]
        device_id: Option<&'a SecretString>,
    }
    let body = match by {
        LogIn::Number(player_id) => Body { player_id: Some(player_id), ..Body::default() },
        LogIn::Password { username, password } => {
            Body { username: Some(username), password: Some(password), ..Body::default() }
        }
        LogIn::Device(device_id) => Body { device_id: Some(device_id), ..Body::default() },
    };
    Call::post("/api/players/login", &body).without_key()
}

/// Ends the session of a refresh token: `POST /api/players/logout`. That it has ended already is no mistake.
pub fn log_out(refresh_token: &SecretString) -> Call<()> {
    #[derive(Serialize)]
    struct Body<'a> {
        #[serde(serialize_with = "shown")]
        refresh_token: Option<&'a SecretString>,
    }
    Call::post("/api/players/logout", &Body { refresh_token: Some(refresh_token) }).without_key()
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
