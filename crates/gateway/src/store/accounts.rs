//! Statements about an account as a whole: what it holds, its change and its end.

use battlearena_proto::PlayerId;
use battlearena_storage::{Row, Session, Statement, StorageError};
use jiff::Timestamp;

use crate::domain::player::ProfileChange;

pub(crate) const ALL: [&Statement; 6] =
    [&CHANGE_PROFILE, &DEVICES_OF, &SESSIONS_OF, &ADDRESSES_OF, &DELETE_ACCOUNT, &FORGET_NAME];

static CHANGE_PROFILE: Statement = Statement::new(
    "change_profile",
    "UPDATE",
    "players",
    "with old as (
       select username from gateway.players where id = $1 and is_active for update
     ), player as (
       update gateway.players as p
       set email = coalesce($2, p.email), region = coalesce($3, p.region), username = coalesce($4, p.username),
           name_version = p.name_version + (old.username is distinct from coalesce($4, p.username))::int
       from old where p.id = $1
       returning p.id, p.username, p.name_version, old.username <> p.username as is_renamed
     ), event as (
       insert into gateway.outbox (kind, payload, traceparent)
       select 'player_renamed',
              json_build_object('player_id', id, 'username', username, 'name_version', name_version), $5::text
       from player where is_renamed
     )
     select exists (select from player)",
);

/// Changes what a player says of itself; `false` without such a player.
///
/// # Errors
/// See [`StorageError`]; a violation of [`USERNAME_TAKEN`](super::players::USERNAME_TAKEN) when another player has the
/// name.
pub(crate) async fn change_profile(
    session: Session<'_>,
    player: PlayerId,
    change: &ProfileChange,
    traceparent: Option<&str>,
) -> Result<bool, StorageError> {
    let ProfileChange { username, email, region } = change;
    let row =
        session.query_one(&CHANGE_PROFILE, &[&player.get(), email, region, username, &traceparent]).await?;
    Ok(row.get(0))
}

/// A session as its player may see it.
#[derive(Debug)]
pub(crate) struct SessionRecord {
    pub(crate) id: i64,
    pub(crate) by_device: bool,
    pub(crate) created_at: Timestamp,
    pub(crate) last_used_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) revoked_at: Option<Timestamp>,
    pub(crate) revoked_reason: Option<String>,
}

static DEVICES_OF: Statement = Statement::new(
    "devices_of_player",
    "SELECT",
    "devices",
    "select id, linked_at from gateway.devices where player_id = $1 order by id",
);

/// A device as its player may see it.
#[derive(Debug)]
pub(crate) struct DeviceRecord {
    pub(crate) id: i64,
    pub(crate) linked_at: Timestamp,
}

/// The devices of a player, in the order in which they were linked.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn devices(
    session: Session<'_>,
    player: PlayerId,
) -> Result<Vec<DeviceRecord>, StorageError> {
    let rows = session.query(&DEVICES_OF, &[&player.get()]).await?;
    Ok(rows.iter().map(|row| DeviceRecord { id: row.get(0), linked_at: row.get(1) }).collect())
}

static SESSIONS_OF: Statement = Statement::new(
    "sessions_of_player",
    "SELECT",
    "sessions",
    "select id, device_hash is not null, created_at, last_used_at, expires_at, revoked_at, revoked_reason
     from gateway.sessions where player_id = $1 order by id desc limit 1000",
);

/// The sessions of a player, newest first, at most 1000.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn sessions(
    session: Session<'_>,
    player: PlayerId,
) -> Result<Vec<SessionRecord>, StorageError> {
    let rows = session.query(&SESSIONS_OF, &[&player.get()]).await?;
    let record = |row: &Row| SessionRecord {
        id: row.get(0),
        by_device: row.get(1),
        created_at: row.get(2),
        last_used_at: row.get(3),
        expires_at: row.get(4),
        revoked_at: row.get(5),
        revoked_reason: row.get(6),
    };
    Ok(rows.iter().map(record).collect())
}

static ADDRESSES_OF: Statement = Statement::new(
    "addresses_of_player",
    "SELECT",
    "known_addresses",
    "select seen_at from gateway.known_addresses where player_id = $1 order by seen_at",
);

/// When each known address of a player was last written down.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn addresses(
    session: Session<'_>,
    player: PlayerId,
) -> Result<Vec<Timestamp>, StorageError> {
    let rows = session.query(&ADDRESSES_OF, &[&player.get()]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

static DELETE_ACCOUNT: Statement = Statement::new(
    "delete_account",
    "UPDATE",
    "players",
    "with player as (
       update gateway.players
       set username = 'deleted-' || id, email = '', region = '', is_active = false
       where id = $1 and is_active returning id
     ), credential as (
       delete from gateway.credentials where player_id in (select id from player)
     ), device as (
       delete from gateway.devices where player_id in (select id from player)
     ), address as (
       delete from gateway.known_addresses where player_id in (select id from player)
     ), session as (
       delete from gateway.sessions where player_id in (select id from player) returning id
     ), token as (
       delete from gateway.refresh_tokens where session_id in (select id from session)
     ), sanction as (
       update gateway.sanctions set reason = '' where player_id in (select id from player)
     )
     insert into gateway.outbox (kind, payload, traceparent)
     select 'player_deleted', json_build_object('player_id', id), $2::text from player",
);

/// Takes everything personal out of an account, and every way into it; `false` without such a player. Its sessions are
/// to be revoked first. The ledger keeps the number.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn delete(
    session: Session<'_>,
    player: PlayerId,
    traceparent: Option<&str>,
) -> Result<bool, StorageError> {
    Ok(session.execute(&DELETE_ACCOUNT, &[&player.get(), &traceparent]).await? > 0)
}

static FORGET_NAME: Statement = Statement::new(
    "forget_name",
    "UPDATE",
    "outbox",
    "with dead as (
       delete from gateway.dead_letters
       where kind in ('player_registered', 'player_renamed', 'player_sanctioned') and payload::json ->> 'player_id' = $1::text
     ), sanction as (
       update gateway.outbox set payload = (payload::jsonb || '{\"reason\": \"\"}')::json
       where kind = 'player_sanctioned' and payload ->> 'player_id' = $1::text
     ), renamed as (
       update gateway.outbox
       set payload = (payload::jsonb || jsonb_build_object('username', 'deleted-' || $1::text))::json
       where kind = 'player_renamed' and payload ->> 'player_id' = $1::text
     )
     update gateway.outbox
     set payload = (payload::jsonb || jsonb_build_object('username', 'deleted-' || $1::text, 'region', ''))::json
     where kind = 'player_registered' and payload ->> 'player_id' = $1::text",
);

/// Takes the name out of what was told and is still kept here, delivered or not.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn forget_name(session: Session<'_>, player: PlayerId) -> Result<(), StorageError> {
    session.execute(&FORGET_NAME, &[&player.to_string()]).await?;
    Ok(())
}
