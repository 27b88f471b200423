//! Table `outbox`: what this service tells the platform.

use battlearena_storage::{Database, Statement, StorageError};

pub(crate) static ALL: &[&Statement] = &[&PLAYERS_SEEN];

static PLAYERS_SEEN: Statement = Statement::new(
    "tell_players_seen",
    "INSERT",
    "outbox",
    "insert into socket.outbox (kind, payload)
     values ('players_seen', json_build_object('player_ids', $1::bigint[]))",
);

/// Tells that players were connected.
pub(crate) async fn players_seen(database: &Database, player_ids: &[i64]) -> Result<(), StorageError> {
    database.execute(&PLAYERS_SEEN, &[&player_ids]).await.map(drop)
}
