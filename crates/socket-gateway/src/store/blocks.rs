//! Tables `blocks`, whose messages a player does not want to see, and `block_changes`, whose list was changed lately.

use std::time::Duration;

use battlearena_storage::{Database, Session, Statement, StorageError};

pub(crate) static ALL: &[&Statement] = &[&BLOCK, &UNBLOCK, &LIST, &CHANGED, &LISTS, &SWEEP, &FORGET];

static BLOCK: Statement = Statement::new(
    "block_player",
    "INSERT",
    "blocks",
    "with blocked as (
       insert into socket.blocks (player_id, blocked_id)
       select $1, $2
       where (select count(*) from socket.blocks where player_id = $1 and blocked_id <> $2) < $3
       on conflict on constraint blocks_pkey do update set blocked_id = excluded.blocked_id
       returning player_id
     )
     insert into socket.block_changes (player_id, changed_at) select player_id, clock_timestamp() from blocked
     on conflict on constraint block_changes_pkey do update set changed_at = excluded.changed_at",
);

/// Blocks a player, who may be blocked already. `false` when so many others are that none can be added.
pub(crate) async fn block(
    database: &Database,
    player_id: i64,
    blocked_id: i64,
    most: i64,
) -> Result<bool, StorageError> {
    Ok(database.execute(&BLOCK, &[&player_id, &blocked_id, &most]).await? > 0)
}

static UNBLOCK: Statement = Statement::new(
    "unblock_player",
    "DELETE",
    "blocks",
    "with unblocked as (
       delete from socket.blocks where player_id = $1 and blocked_id = $2 returning player_id
     )
     insert into socket.block_changes (player_id, changed_at) select player_id, clock_timestamp() from unblocked
     on conflict on constraint block_changes_pkey do update set changed_at = excluded.changed_at",
);

/// Unblocks a player, if it was blocked.
pub(crate) async fn unblock(
    database: &Database,
    player_id: i64,
    blocked_id: i64,
) -> Result<(), StorageError> {
    database.execute(&UNBLOCK, &[&player_id, &blocked_id]).await.map(drop)
}

static LIST: Statement = Statement::new(
    "blocked_players",
    "SELECT",
    "blocks",
    "select blocked_id from socket.blocks where player_id = $1 order by blocked_id",
);

/// Whom a player has blocked, in order.
pub(crate) async fn list(database: &Database, player_id: i64) -> Result<Vec<i64>, StorageError> {
    Ok(database.query(&LIST, &[&player_id]).await?.iter().map(|row| row.get(0)).collect())
}

static CHANGED: Statement = Statement::new(
    "changed_blocks",
    "SELECT",
    "block_changes",
    "select player_id from socket.block_changes where changed_at > now() - make_interval(secs => $1)",
);

/// Who has blocked or unblocked somebody within a time.
pub(crate) async fn changed(database: &Database, within: Duration) -> Result<Vec<i64>, StorageError> {
    let rows = database.query(&CHANGED, &[&within.as_secs_f64()]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

static LISTS: Statement = Statement::new(
    "blocks_of_players",
    "SELECT",
    "blocks",
    "select player_id, blocked_id from socket.blocks where player_id = any($1) order by player_id, blocked_id",
);

/// Whom some players have blocked, as pairs in order.
pub(crate) async fn lists(database: &Database, player_ids: &[i64]) -> Result<Vec<(i64, i64)>, StorageError> {
    let rows = database.query(&LISTS, &[&player_ids]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

static SWEEP: Statement = Statement::new(
    "sweep_block_changes",
    "DELETE",
    "block_changes",
    "delete from socket.block_changes where changed_at < now() - make_interval(secs => $1)",
);

/// Forgets changes that everybody has heard of.
pub(crate) async fn sweep(database: &Database, older_than: Duration) -> Result<(), StorageError> {
    database.execute(&SWEEP, &[&older_than.as_secs_f64()]).await.map(drop)
}

static FORGET: Statement = Statement::new(
    "forget_blocks",
    "DELETE",
    "blocks",
    "with changed as (
       delete from socket.block_changes where player_id = any($1)
     )
     delete from socket.blocks where player_id = any($1) or blocked_id = any($1)",
);

/// Forgets whom players have blocked, and who has blocked them.
pub(crate) async fn forget(session: Session<'_>, player_ids: &[i64]) -> Result<(), StorageError> {
    session.execute(&FORGET, &[&player_ids]).await.map(drop)
}
