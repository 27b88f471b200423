//! Table `mutes`: who must not speak. Filled from the event log, and read where messages are stored.

use battlearena_storage::{Session, Statement, StorageError};
use jiff::Timestamp;

pub(crate) static ALL: &[&Statement] = &[&MUTE, &LIFT];

static MUTE: Statement = Statement::new(
    "mute_players",
    "INSERT",
    "mutes",
    "insert into socket.mutes (player_id, until) select distinct unnest($1::bigint[]), $2::timestamptz
     on conflict on constraint mutes_pkey do update set until = excluded.until",
);

/// Mutes players, in place of a mute that there was: until a time, or until it is lifted.
pub(crate) async fn mute(
    session: Session<'_>,
    player_ids: &[i64],
    until: Option<Timestamp>,
) -> Result<(), StorageError> {
    session.execute(&MUTE, &[&player_ids, &until]).await.map(drop)
}

static LIFT: Statement =
    Statement::new("lift_mute", "DELETE", "mutes", "delete from socket.mutes where player_id = $1");

/// Lets a player speak again.
pub(crate) async fn lift(session: Session<'_>, player_id: i64) -> Result<(), StorageError> {
    session.execute(&LIFT, &[&player_id]).await.map(drop)
}
