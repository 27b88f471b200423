//! Statements that let a player in. A log-in is one statement: it notes the time, opens the session, stores its refresh
//! token and tells of it.

use battlearena_identity::SessionId;
use battlearena_identity::credential::CredentialHash;
use battlearena_proto::{PlayerId, Tier};
use battlearena_storage::{Row, Session, Statement, StorageError};
use jiff::Timestamp;

use super::players::tier_of;

pub(crate) const ALL: [&Statement; 7] = [
    &LOG_IN,
    &LOG_IN_BY_DEVICE,
    &LOG_IN_BY_PASSWORD,
    &ACCOUNT_BY_NAME,
    &STANDING_OF,
    &STANDING_BY_DEVICE,
    &TELL_REFUSED,
];

/// What a log-in tells.
#[derive(Debug, Clone)]
pub(crate) struct LoggedIn {
    pub(crate) id: PlayerId,
    pub(crate) username: String,
    pub(crate) level: i32,
    pub(crate) tier: Tier,
    pub(crate) last_login: Timestamp,
}

/// A session that a log-in opens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewSession {
    /// Its first refresh token.
    pub(crate) refresh_hash: CredentialHash,
    /// How long it lives without a refresh, in seconds.
    pub(crate) life_seconds: f64,
}

// Who may come in: an account that is active and not banned.
macro_rules! may_enter {
    () => {
        "is_active and not exists (
           select from gateway.sanctions
           where player_id = players.id and kind = 'ban' and lifted_at is null and (until is null or until > now())
         )"
    };
}

macro_rules! told {
    ($traceparent:literal) => {
        concat!(
            "insert into gateway.outbox (kind, payload, traceparent)
             select 'player_logged_in', json_build_object('player_id', id), ",
            $traceparent,
            "::text from player"
        )
    };
}

// What the player comes in by is locked before the player's row, as whoever takes it away does too (see
// `credentials::lock`): either the log-in waits and finds nothing, or its session is there to be revoked.
// $2: life of the session in seconds, $3: hash of the refresh token, $4: traceparent.
macro_rules! log_in_with_session {
    ($who:literal, $device:literal, $more:literal) => {
        concat!(
            "with player as (
               update gateway.players set last_login = now() where id = ",
            $who,
            " and ",
            may_enter!(),
            " returning id, username, level, last_login, tier
             ), session as (
               insert into gateway.sessions (player_id, device_hash, expires_at)
               select id, ",
            $device,
            ", now() + make_interval(secs => $2::float8) from player returning id
             ), token as (
               insert into gateway.refresh_tokens (hash, session_id) select $3::bytea, id from session
             )",
            $more,
            ", event as (",
            told!("$4"),
            ") select player.id, username, level, last_login, tier, session.id from player, session"
        )
    };
}

static LOG_IN: Statement = Statement::new(
    "log_in_player",
    "UPDATE",
    "players",
    concat!(
        "with player as (update gateway.players set last_login = now() where id = $1 and ",
        may_enter!(),
        " returning id, username, level, last_login, tier), event as (",
        told!("$2"),
        ") select id, username, level, last_login, tier from player"
    ),
);

/// Notes that a player is here, without a session: open mode. `None` when there is no such player, or it may not enter.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn by_number(
    session: Session<'_>,
    id: PlayerId,
    traceparent: Option<&str>,
) -> Result<Option<LoggedIn>, StorageError> {
    let row = session.query_opt(&LOG_IN, &[&id.get(), &traceparent]).await?;
    Ok(row.as_ref().map(logged_in))
}

static LOG_IN_BY_DEVICE: Statement = Statement::new(
    "log_in_by_device",
    "UPDATE",
    "players",
    log_in_with_session!(
        "(select player_id from gateway.devices where device_hash = $1::bytea for key share)",
        "$1::bytea",
        ""
    ),
);

/// Lets the owner of a device in; `None` when there is no such device, or its owner may not enter.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn by_device(
    session: Session<'_>,
    device: &CredentialHash,
    new: &NewSession,
    traceparent: Option<&str>,
) -> Result<Option<(LoggedIn, SessionId)>, StorageError> {
    let (device, refresh) = (&device.as_bytes()[..], &new.refresh_hash.as_bytes()[..]);
    let row =
        session.query_opt(&LOG_IN_BY_DEVICE, &[&device, &new.life_seconds, &refresh, &traceparent]).await?;
    Ok(row.as_ref().map(|row| (logged_in(row), SessionId(row.get(5)))))
}

static LOG_IN_BY_PASSWORD: Statement = Statement::new(
    "log_in_by_password",
    "UPDATE",
    "players",
    // An address is written down anew once a day: most log-ins change nothing there.
    // Nor does a password let anybody in that was changed while it was compared.
    log_in_with_session!(
        "$1::bigint and exists (
           select from gateway.credentials where player_id = $1 and password_hash = $6::text for share
         )",
        "null",
        ", address as (
           insert into gateway.known_addresses as known (player_id, address_hash)
           select id, sha256(convert_to(id || ' ' || $5::text, 'UTF8')) from player
           on conflict on constraint known_addresses_pkey
           do update set seen_at = now() where known.seen_at < now() - interval '1 day'
         )"
    ),
);

/// Lets a player in whose password was right, if its hash is still `stored`, and remembers the address; `None` when it
/// may not enter.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn by_password(
    session: Session<'_>,
    (id, stored): (PlayerId, &str),
    address: &str,
    new: &NewSession,
    traceparent: Option<&str>,
) -> Result<Option<(LoggedIn, SessionId)>, StorageError> {
    let refresh = &new.refresh_hash.as_bytes()[..];
    let row = session
        .query_opt(
            &LOG_IN_BY_PASSWORD,
            &[&id.get(), &new.life_seconds, &refresh, &traceparent, &address, &stored],
        )
        .await?;
    Ok(row.as_ref().map(|row| (logged_in(row), SessionId(row.get(5)))))
}

fn logged_in(row: &Row) -> LoggedIn {
    LoggedIn {
        id: PlayerId(row.get(0)),
        username: row.get(1),
        level: row.get(2),
        last_login: row.get(3),
        tier: tier_of(row, 4),
    }
}

/// An account as a log-in by password finds it.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) id: PlayerId,
    /// PHC string; `None` when the player has no password.
    pub(crate) password_hash: Option<String>,
    /// Whether the player entered from this address before.
    pub(crate) is_address_known: bool,
}

static ACCOUNT_BY_NAME: Statement = Statement::new(
    "account_by_name",
    "SELECT",
    "players",
    "select id, password_hash, exists (
       select from gateway.known_addresses
       where player_id = players.id and address_hash = sha256(convert_to(players.id || ' ' || $2::text, 'UTF8'))
     )
     from gateway.players left join gateway.credentials on player_id = id
     where username = $1",
);

/// The account of a name; `None` when there is none.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn account(
    session: Session<'_>,
    username: &str,
    address: &str,
) -> Result<Option<Account>, StorageError> {
    let row = session.query_opt(&ACCOUNT_BY_NAME, &[&username, &address]).await?;
    Ok(row.map(|row| Account {
        id: PlayerId(row.get(0)),
        password_hash: row.get(1),
        is_address_known: row.get(2),
    }))
}

/// Why a player may not enter.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) id: PlayerId,
    pub(crate) is_active: bool,
    /// A ban in force, with its end; `None` within for one that does not end.
    pub(crate) ban: Option<Option<Timestamp>>,
}

macro_rules! standing {
    ($who:literal) => {
        concat!(
            "select players.id, is_active, ban.id is not null, ban.until
             from gateway.players left join lateral (
               select id, until from gateway.sanctions
               where player_id = players.id and kind = 'ban' and lifted_at is null and (until is null or until > now())
               order by id desc limit 1
             ) ban on true
             where players.id = ",
            $who
        )
    };
}

static STANDING_OF: Statement = Statement::new("standing_of_player", "SELECT", "players", standing!("$1"));

static STANDING_BY_DEVICE: Statement = Statement::new(
    "standing_by_device",
    "SELECT",
    "players",
    standing!("(select player_id from gateway.devices where device_hash = $1)"),
);

/// Why a log-in of a player was not accepted; `None` when there is no such player.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn standing(session: Session<'_>, id: PlayerId) -> Result<Option<Standing>, StorageError> {
    let row = session.query_opt(&STANDING_OF, &[&id.get()]).await?;
    Ok(row.as_ref().map(standing_of))
}

/// Why a log-in by a device was not accepted; `None` when there is no such device.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn standing_by_device(
    session: Session<'_>,
    device: &CredentialHash,
) -> Result<Option<Standing>, StorageError> {
    let row = session.query_opt(&STANDING_BY_DEVICE, &[&&device.as_bytes()[..]]).await?;
    Ok(row.as_ref().map(standing_of))
}

fn standing_of(row: &Row) -> Standing {
    let is_banned: bool = row.get(2);
    Standing { id: PlayerId(row.get(0)), is_active: row.get(1), ban: is_banned.then(|| row.get(3)) }
}

static TELL_REFUSED: Statement = Statement::new(
    "tell_login_refused",
    "INSERT",
    "outbox",
    "insert into gateway.outbox (kind, payload, traceparent)
     values ('login_refused', json_build_object('player_id', $1::bigint, 'reason', $2::text), $3)",
);

/// Tells of a refused log-in. `player` is 0 when nobody knows whose it would have been.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn tell_refused(
    session: Session<'_>,
    player: i64,
    reason: &str,
    traceparent: Option<&str>,
) -> Result<(), StorageError> {
    session.execute(&TELL_REFUSED, &[&player, &reason, &traceparent]).await?;
    Ok(())
}
