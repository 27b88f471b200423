//! Statements about players. A change and the event that tells of it are one statement: one round trip, one commit.

use battlearena_identity::SessionId;
use battlearena_identity::credential::CredentialHash;
use battlearena_proto::{PlayerId, Tier};
use battlearena_storage::{Row, Session, Statement, StorageError};
use jiff::Timestamp;

use super::log_ins::NewSession;
use crate::domain::money::Cents;
use crate::domain::player::NewPlayer;

pub(crate) const ALL: [&Statement; 6] =
    [&REGISTER, &REGISTER_WITH_CREDENTIAL, &PLAYER_BY_ID, &PLAYER_IS_ACTIVE, &TIERS_OF, &POINTS_AND_TIER];

/// The constraint that a second account of the same name violates.
pub(crate) const USERNAME_TAKEN: &str = "players_username_key";

/// A player as their profile shows them.
#[derive(Debug, Clone)]
pub(crate) struct Player {
    pub(crate) id: PlayerId,
    pub(crate) username: String,
    pub(crate) email: String,
    pub(crate) level: i32,
    pub(crate) tier: Tier,
    pub(crate) total_points: i64,
    pub(crate) account_balance: Cents,
    pub(crate) created_at: Timestamp,
    pub(crate) last_login: Option<Timestamp>,
    pub(crate) is_active: bool,
}

// A name that is taken gives no row, and takes no number: the identity column counts only what is inserted. Two that
// come at the same moment are told apart by the unique constraint.
macro_rules! register {
    ($more:literal, $what:literal) => {
        concat!(
            "with player as (
               insert into gateway.players (username, email, level, tier, region)
               select $1::text, $2::text, $3::int, $4::text, $5::text
               where not exists (select from gateway.players where username = $1)
               returning id, username, level, tier, region
             ), event as (
               insert into gateway.outbox (kind, payload, traceparent)
               select 'player_registered',
                      json_build_object('player_id', id, 'username', username, 'level', level, 'tier', tier,
                                        'region', region),
                      $6::text
               from player
             )",
            $more,
            " select ",
            $what
        )
    };
}

static REGISTER: Statement =
    Statement::new("register_player", "INSERT", "players", register!("", "id from player"));

/// Creates an account that nobody can log in to but by its number; `None` when the name is taken.
///
/// # Errors
/// See [`StorageError`]; a violation of [`USERNAME_TAKEN`] when another registration of that name came in between.
pub(crate) async fn register(
    session: Session<'_>,
    new: &NewPlayer,
    traceparent: Option<&str>,
) -> Result<Option<PlayerId>, StorageError> {
    let NewPlayer { username, email, level, tier, region } = new;
    let row =
        session.query_opt(&REGISTER, &[username, email, level, &tier.as_str(), region, &traceparent]).await?;
    Ok(row.map(|row| PlayerId(row.get(0))))
}

/// What a new account is logged in to with.
#[derive(Debug)]
pub(crate) struct NewCredentials<'a> {
    /// PHC string.
    pub(crate) password_hash: Option<&'a str>,
    pub(crate) device: Option<CredentialHash>,
    /// The session that begins with the account.
    pub(crate) session: NewSession,
    /// From where; remembered with a password.
    pub(crate) address: &'a str,
}

static REGISTER_WITH_CREDENTIAL: Statement = Statement::new(
    "register_with_credential",
    "INSERT",
    "players",
    register!(
        ", credential as (
           insert into gateway.credentials (player_id, password_hash)
           select id, $7::text from player where $7 is not null
         ), device as (
           insert into gateway.devices (device_hash, player_id) select $8::bytea, id from player where $8 is not null
         ), address as (
           insert into gateway.known_addresses (player_id, address_hash)
           select id, sha256(convert_to(id || ' ' || $9::text, 'UTF8')) from player where $7 is not null
         ), session as (
           insert into gateway.sessions (player_id, device_hash, expires_at)
           select id, $8::bytea, now() + make_interval(secs => $10::float8) from player returning id
         ), token as (
           insert into gateway.refresh_tokens (hash, session_id) select $11::bytea, id from session
         )",
        "player.id, session.id from player, session"
    ),
);

/// Creates an account with its credentials and its first session; `None` when the name is taken.
///
/// # Errors
/// See [`StorageError`]; a violation of [`USERNAME_TAKEN`] when another registration of that name came in between, and
/// of [`super::credentials::DEVICE_TAKEN`] when the device belongs to another account.
pub(crate) async fn register_with(
    session: Session<'_>,
    new: &NewPlayer,
    credentials: &NewCredentials<'_>,
    traceparent: Option<&str>,
) -> Result<Option<(PlayerId, SessionId)>, StorageError> {
    let NewPlayer { username, email, level, tier, region } = new;
    let NewCredentials { password_hash, device, session: opened, address } = credentials;
    let device = device.as_ref().map(|hash| &hash.as_bytes()[..]);
    let row = session
        .query_opt(
            &REGISTER_WITH_CREDENTIAL,
            &[
                username,
                email,
                level,
                &tier.as_str(),
                region,
                &traceparent,
                password_hash,
                &device,
                address,
                &opened.life_seconds,
                &&opened.refresh_hash.as_bytes()[..],
            ],
        )
        .await?;
    Ok(row.map(|row| (PlayerId(row.get(0)), SessionId(row.get(1)))))
}

static PLAYER_BY_ID: Statement = Statement::new(
    "player_by_id",
    "SELECT",
    "players",
    "select id, username, email, level, tier, total_points, account_balance_minor, created_at, last_login, is_active
     from gateway.players where id = $1",
);

/// A player's profile.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn by_id(session: Session<'_>, id: PlayerId) -> Result<Option<Player>, StorageError> {
    let row = session.query_opt(&PLAYER_BY_ID, &[&id.get()]).await?;
    Ok(row.map(|row| Player {
        id: PlayerId(row.get(0)),
        username: row.get(1),
        email: row.get(2),
        level: row.get(3),
        tier: tier_of(&row, 4),
        total_points: row.get(5),
        account_balance: Cents(row.get(6)),
        created_at: row.get(7),
        last_login: row.get(8),
        is_active: row.get(9),
    }))
}

static PLAYER_IS_ACTIVE: Statement = Statement::new(
    "player_is_active",
    "SELECT",
    "players",
    "select is_active from gateway.players where id = $1",
);

/// Whether a player may log in; `None` when there is no such player.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn is_active(session: Session<'_>, id: PlayerId) -> Result<Option<bool>, StorageError> {
    Ok(session.query_opt(&PLAYER_IS_ACTIVE, &[&id.get()]).await?.map(|row| row.get(0)))
}

static TIERS_OF: Statement = Statement::new(
    "tiers_of_players",
    "SELECT",
    "players",
    "select id, tier from gateway.players where id = any($1)",
);

/// Those of the ids that are players, with their tiers, in no order.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn tiers_of(session: Session<'_>, ids: &[i64]) -> Result<Vec<(i64, Tier)>, StorageError> {
    let rows = session.query(&TIERS_OF, &[&ids]).await?;
    Ok(rows.iter().map(|row| (row.get(0), tier_of(row, 1))).collect())
}

static POINTS_AND_TIER: Statement = Statement::new(
    "points_and_tier",
    "SELECT",
    "players",
    "select total_points, tier from gateway.players where id = $1",
);

/// A player's points as far as they have been told here, and tier; `None` when there is no such player.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn points_and_tier(
    session: Session<'_>,
    id: PlayerId,
) -> Result<Option<(i64, Tier)>, StorageError> {
    let row = session.query_opt(&POINTS_AND_TIER, &[&id.get()]).await?;
    Ok(row.map(|row| (row.get(0), tier_of(&row, 1))))
}

/// The column has a check constraint; a tier of a newer release counts as free until this one knows it.
pub(super) fn tier_of(row: &Row, column: usize) -> Tier {
    row.get::<_, &str>(column).parse().unwrap_or(Tier::Free)
}
