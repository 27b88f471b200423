//! Statements about players. A change and the event that tells of it are one statement: one round trip, one commit.

use battlearena_proto::{PlayerId, Tier};
use battlearena_storage::{Row, Session, Statement, StorageError};
use jiff::Timestamp;

use crate::domain::money::Cents;
use crate::domain::player::NewPlayer;

pub(crate) const ALL: [&Statement; 6] =
    [&REGISTER, &LOG_IN, &PLAYER_BY_ID, &PLAYER_IS_ACTIVE, &TIERS_OF, &POINTS_AND_TIER];

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

/// What a log-in tells.
#[derive(Debug, Clone)]
pub(crate) struct LoggedIn {
    pub(crate) username: String,
    pub(crate) level: i32,
    pub(crate) last_login: Timestamp,
}

// A name that is taken gives no row, and takes no number: the identity column counts only what is inserted. Two that
// come at the same moment are told apart by the unique constraint.
static REGISTER: Statement = Statement::new(
    "register_player",
    "INSERT",
    "players",
    "with player as (
       insert into gateway.players (username, email, level, tier, region)
       select $1::text, $2::text, $3::int, $4::text, $5::text
       where not exists (select from gateway.players where username = $1)
       returning id, username, level, tier, region
     ), event as (
       insert into gateway.outbox (kind, payload, traceparent)
       select 'player_registered',
              json_build_object('player_id', id, 'username', username, 'level', level, 'tier', tier, 'region', region),
              $6::text
       from player
     )
     select id from player",
);

/// Creates an account; `None` when the name is taken.
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

static LOG_IN: Statement = Statement::new(
    "log_in_player",
    "UPDATE",
    "players",
    "with player as (
       update gateway.players set last_login = now()
       where id = $1 and is_active
       returning id, username, level, last_login
     ), event as (
       insert into gateway.outbox (kind, payload, traceparent)
       select 'player_logged_in', json_build_object('player_id', id), $2::text from player
     )
     select username, level, last_login from player",
);

/// Sets the time of the last log-in; `None` when there is no such active player.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn log_in(
    session: Session<'_>,
    id: PlayerId,
    traceparent: Option<&str>,
) -> Result<Option<LoggedIn>, StorageError> {
    let row = session.query_opt(&LOG_IN, &[&id.get(), &traceparent]).await?;
    Ok(row.map(|row| LoggedIn { username: row.get(0), level: row.get(1), last_login: row.get(2) }))
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
