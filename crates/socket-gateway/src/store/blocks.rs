//! Table `blocks`: whose messages a player does not want to see.

use battlearena_storage::{Database, Session, Statement, StorageError};

pub(crate) static ALL: &[&Statement] = &[&BLOCK, &UNBLOCK, &LIST, &FORGET];

static BLOCK: Statement = Statement::new(
    "block_player",
    "INSERT",
    "blocks",
    "insert into socket.blocks (player_id, blocked_id)
     select $1, $2
     where (select count(*) from socket.blocks where player_id = $1 and blocked_id <> $2) < $3
     on conflict on constraint blocks_pkey do update set blocked_id = excluded.blocked_id",
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
    "delete from socket.blocks where player_id = $1 and blocked_id = $2",
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

static FORGET: Statement = Statement::new(
    "forget_blocks",
    "DELETE",
    "blocks",
    "delete from socket.blocks where player_id = any($1) or blocked_id = any($1)",
);

/// Forgets whom players have blocked, and who has blocked them.
pub(crate) async fn forget(session: Session<'_>, player_ids: &[i64]) -> Result<(), StorageError> {
    session.execute(&FORGET, &[&player_ids]).await.map(drop)
}
