//! Tables `rooms` and `feed`.

use battlearena_storage::{Database, Row, Session, Statement, StorageError};

/// A room as the table has it.
#[derive(Debug, Clone)]
pub(crate) struct RoomRow {
    pub(crate) id: i64,
    pub(crate) epoch: String,
    pub(crate) last_offset: i64,
}

pub(crate) static ALL: &[&Statement] = &[&FIND, &MAKE, &LOCK, &HEADS, &FEED_EPOCH];

static FIND: Statement = Statement::new(
    "find_room",
    "SELECT",
    "rooms",
    "select room_id, epoch, last_offset from socket.rooms where name = $1",
);

/// Finds a room.
pub(crate) async fn find(database: &Database, name: &str) -> Result<Option<RoomRow>, StorageError> {
    Ok(database.query_opt(&FIND, &[&name]).await?.as_ref().map(row))
}

static MAKE: Statement = Statement::new(
    "make_room",
    "INSERT",
    "rooms",
    "insert into socket.rooms (name) values ($1)
     on conflict on constraint rooms_name_key do update set name = excluded.name
     returning room_id, epoch, last_offset",
);

/// Finds a room, or makes it. Looks first: an insert that meets the row would wait for whoever writes into the room.
pub(crate) async fn open(database: &Database, name: &str) -> Result<RoomRow, StorageError> {
    match find(database, name).await? {
        Some(found) => Ok(found),
        None => Ok(row(&database.query_one(&MAKE, &[&name]).await?)),
    }
}

static LOCK: Statement = Statement::new(
    "lock_rooms",
    "SELECT",
    "rooms",
    "select room_id from socket.rooms where room_id = any($1) order by room_id for update",
);

/// Makes other writers of these rooms wait until the end of the transaction. The next statement sees what they wrote.
pub(crate) async fn lock(session: Session<'_>, ids: &[i64]) -> Result<(), StorageError> {
    session.query(&LOCK, &[&ids]).await.map(drop)
}

static HEADS: Statement = Statement::new(
    "room_heads",
    "SELECT",
    "rooms",
    "select room_id, last_offset from socket.rooms where room_id = any($1)",
);

/// The last offsets of rooms.
pub(crate) async fn heads(database: &Database, ids: &[i64]) -> Result<Vec<(i64, i64)>, StorageError> {
    let rows = database.query(&HEADS, &[&ids]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

static FEED_EPOCH: Statement =
    Statement::new("feed_epoch", "SELECT", "feed", "select epoch from socket.feed");

/// The epoch of the feed.
pub(crate) async fn feed_epoch(database: &Database) -> Result<String, StorageError> {
    Ok(database.query_one(&FEED_EPOCH, &[]).await?.get(0))
}

fn row(row: &Row) -> RoomRow {
    RoomRow { id: row.get(0), epoch: row.get(1), last_offset: row.get(2) }
}
