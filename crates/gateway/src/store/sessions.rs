//! Statements about sessions and their refresh tokens. A session that is revoked and the event that tells of it are one
//! statement.

use battlearena_identity::SessionId;
use battlearena_identity::credential::CredentialHash;
use battlearena_proto::{PlayerId, Tier};
use battlearena_storage::{Row, Session, Statement, StorageError};
use jiff::Timestamp;

use super::players::tier_of;
use crate::domain::session::{Presented, RevokedReason};

pub(crate) const ALL: [&Statement; 8] = [
    &LOCK_BY_TOKEN,
    &PRESENTED_TOKEN,
    &ROTATE_TOKEN,
    &REVOKE_SESSIONS,
    &REVOKED_SINCE,
    &COUNT_SESSIONS,
    &SWEEP_SESSIONS,
    &SWEEP_ADDRESSES,
];

/// A session as its refresh token finds it.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) session: SessionId,
    pub(crate) player: PlayerId,
    /// The player's name.
    pub(crate) username: String,
    pub(crate) tier: Tier,
    /// What decides about a refresh.
    pub(crate) presented: Presented,
}

// The lock makes refreshes of one session wait for each other. It is taken by a statement of its own: what the next one
// reads of the other tokens is what they left.
static LOCK_BY_TOKEN: Statement = Statement::new(
    "lock_session_by_token",
    "SELECT",
    "sessions",
    "select id from gateway.sessions
     where id = (select session_id from gateway.refresh_tokens where hash = $1) for update",
);

// `now()` would be the time before the wait.
static PRESENTED_TOKEN: Statement = Statement::new(
    "presented_refresh_token",
    "SELECT",
    "refresh_tokens",
    "select sessions.id, sessions.player_id, username,
            extract(epoch from clock_timestamp() - used_at)::float8,
            sessions.expires_at <= clock_timestamp(), sessions.revoked_at is not null,
            not is_active or exists (
              select from gateway.sanctions
              where player_id = players.id and kind = 'ban' and lifted_at is null and (until is null or until > now())
            ), tier,
            (select count(*) from gateway.refresh_tokens as next where next.parent = presented.hash),
            exists (
              select from gateway.refresh_tokens as next where next.parent = presented.hash and next.used_at is not null
            ) or exists (
              select from gateway.refresh_tokens as sibling
              where sibling.parent = presented.parent and sibling.hash <> presented.hash and sibling.used_at is not null
            )
     from gateway.refresh_tokens as presented
       join gateway.sessions on sessions.id = session_id
       join gateway.players on players.id = sessions.player_id
     where hash = $1",
);

/// The session of a refresh token, locked until the transaction ends; `None` when there is no such token.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn lock_by_token(
    session: Session<'_>,
    token: &CredentialHash,
) -> Result<Option<Found>, StorageError> {
    let token = &token.as_bytes()[..];
    if session.query_opt(&LOCK_BY_TOKEN, &[&token]).await?.is_none() {
        return Ok(None);
    }
    let row = session.query_opt(&PRESENTED_TOKEN, &[&token]).await?;
    Ok(row.map(|row| Found {
        session: SessionId(row.get(0)),
        player: PlayerId(row.get(1)),
        username: row.get(2),
        tier: tier_of(&row, 7),
        presented: Presented {
            used_seconds_ago: row.get(3),
            is_expired: row.get(4),
            is_revoked: row.get(5),
            is_locked_out: row.get(6),
            successors: row.get(8),
            is_overtaken: row.get(9),
        },
    }))
}

static ROTATE_TOKEN: Statement = Statement::new(
    "rotate_refresh_token",
    "INSERT",
    "refresh_tokens",
    "with used as (
       update gateway.refresh_tokens set used_at = clock_timestamp() where hash = $1 and used_at is null
     ), session as (
       update gateway.sessions
       set last_used_at = clock_timestamp(), expires_at = clock_timestamp() + make_interval(secs => $4::float8)
       where id = $3
     )
     insert into gateway.refresh_tokens (hash, session_id, parent) values ($2, $3, $1)",
);

/// Uses a token up, unless it was, and stores the next one of its session, whose life begins anew.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn rotate(
    session: Session<'_>,
    used: &CredentialHash,
    next: &CredentialHash,
    id: SessionId,
    life_seconds: f64,
) -> Result<(), StorageError> {
    let (used, next) = (&used.as_bytes()[..], &next.as_bytes()[..]);
    session.execute(&ROTATE_TOKEN, &[&used, &next, &id.0, &life_seconds]).await?;
    Ok(())
}

/// Which sessions of a player end.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Which<'a> {
    /// One.
    One(SessionId),
    /// All but this one, if there is one to keep.
    AllBut(Option<SessionId>),
    /// Those that a device opened.
    OfDevice(&'a CredentialHash),
}

/// A revocation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Revocation<'a> {
    pub(crate) player: PlayerId,
    pub(crate) which: Which<'a>,
    pub(crate) reason: RevokedReason,
    /// How long access tokens live, in seconds.
    pub(crate) token_life_seconds: f64,
}

/// The time in the event is rounded up to the second and written as the log writes it, so that the two can be compared.
static REVOKE_SESSIONS: Statement = Statement::new(
    "revoke_sessions",
    "UPDATE",
    "sessions",
    r#"with revoked as (
       update gateway.sessions set revoked_at = now(), revoked_reason = $2
       where player_id = $1 and revoked_at is null
         and ($3::bigint is null or id = $3) and ($4::bigint is null or id <> $4)
         and ($5::bytea is null or device_hash = $5)
       returning id, player_id, revoked_reason
     ), event as (
       insert into gateway.outbox (kind, payload, traceparent)
       select 'session_revoked',
              json_build_object('player_id', player_id, 'session_id', id, 'reason', revoked_reason,
                                'tokens_expire_at', to_char(
                                  clock_timestamp() at time zone 'utc' + make_interval(secs => $6::float8 + 1),
                                  'YYYY-MM-DD"T"HH24:MI:SS"Z"')),
              $7::text
       from revoked
     )
     select id from revoked"#,
);

/// Ends sessions, and returns those that had not ended before.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn revoke(
    session: Session<'_>,
    revocation: &Revocation<'_>,
    traceparent: Option<&str>,
) -> Result<Vec<SessionId>, StorageError> {
    let Revocation { player, which, reason, token_life_seconds } = revocation;
    let (one, but, device) = match which {
        Which::One(id) => (Some(id.0), None, None),
        Which::AllBut(kept) => (None, kept.map(|id| id.0), None),
        Which::OfDevice(hash) => (None, None, Some(&hash.as_bytes()[..])),
    };
    let rows = session
        .query(
            &REVOKE_SESSIONS,
            &[&player.get(), &reason.as_str(), &one, &but, &device, token_life_seconds, &traceparent],
        )
        .await?;
    Ok(rows.iter().map(|row| SessionId(row.get(0))).collect())
}

static REVOKED_SINCE: Statement = Statement::new(
    "sessions_revoked_since",
    "SELECT",
    "sessions",
    "select id, revoked_at from gateway.sessions where revoked_at > $1",
);

/// The sessions that were revoked after a time, and when.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn revoked_since(
    session: Session<'_>,
    since: Timestamp,
) -> Result<Vec<(SessionId, Timestamp)>, StorageError> {
    let rows = session.query(&REVOKED_SINCE, &[&since]).await?;
    Ok(rows.iter().map(|row| (SessionId(row.get(0)), row.get(1))).collect())
}

static COUNT_SESSIONS: Statement = Statement::new(
    "count_sessions",
    "SELECT",
    "sessions",
    "select count(*) from gateway.sessions where revoked_at is null and expires_at > now()",
);

/// How many sessions could be refreshed now.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn count(session: Session<'_>) -> Result<i64, StorageError> {
    let row: Row = session.query_one(&COUNT_SESSIONS, &[]).await?;
    Ok(row.get(0))
}

// By the order of their numbers, so that the lock on each is taken in one order.
static SWEEP_SESSIONS: Statement = Statement::new(
    "sweep_sessions",
    "DELETE",
    "sessions",
    "with over as (
       select id from gateway.sessions where expires_at < now() - interval '1 day' order by id limit $1 for update
     ), tokens as (
       delete from gateway.refresh_tokens where session_id in (select id from over)
     )
     delete from gateway.sessions where id in (select id from over)",
);

static SWEEP_ADDRESSES: Statement = Statement::new(
    "sweep_known_addresses",
    "DELETE",
    "known_addresses",
    "delete from gateway.known_addresses where ctid in (
       select ctid from gateway.known_addresses where seen_at < now() - interval '90 days' limit $1
     )",
);

/// Forgets some of what is over: sessions that ended a day ago with all their tokens, and addresses not seen for 90 days.
/// Returns how many rows of the largest kind went.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn sweep(session: Session<'_>, most: i64) -> Result<u64, StorageError> {
    let mut largest = 0;
    for statement in [&SWEEP_SESSIONS, &SWEEP_ADDRESSES] {
        largest = largest.max(session.execute(statement, &[&most]).await?);
    }
    Ok(largest)
}
