//! The read models as of an offset, kept when the beginning of the log is dropped.

use std::collections::HashMap;

use battlearena_storage::{Session, Statement, StorageError};

use crate::domain::{Changes, Count, Counted};

pub(crate) static ALL: &[&Statement] = &[&OFFSET, &DAYS, &PLAYERS, &FORGET];

static OFFSET: Statement = Statement::new(
    "snapshot_offset",
    "SELECT",
    "snapshot_offset",
    "select log_offset from analytics.snapshot_offset",
);

static DAYS: Statement = Statement::new(
    "snapshot_daily_totals",
    "SELECT",
    "snapshot_daily_totals",
    "select day, kind, type, status, count, amount from analytics.snapshot_daily_totals",
);

static PLAYERS: Statement = Statement::new(
    "snapshot_players",
    "SELECT",
    "snapshot_players",
    "select player_id, username, level, tier, points, last_seen, name_version from analytics.snapshot_players",
);

/// The snapshot as the changes that make it out of nothing, and its offset; nothing and 0 when there is none.
pub(crate) async fn load(session: Session<'_>) -> Result<(Changes, i64), StorageError> {
    let offset = session.query_one(&OFFSET, &[]).await?.get(0);
    let days = session.query(&DAYS, &[]).await?;
    let day = |row: &battlearena_storage::Row| {
        let kind = KINDS.iter().copied().find(|kind| *kind == row.get::<_, &str>(1)).unwrap_or("unknown");
        let counted = Counted { kind, type_: row.get(2), status: row.get(3) };
        ((row.get(0), counted), Count { count: row.get(4), amount: row.get(5) })
    };
    let players: HashMap<_, _> =
        session.query(&PLAYERS, &[]).await?.iter().map(super::players::player).collect();
    let days = days.iter().map(day).collect();
    Ok((Changes { days, players, ..Changes::default() }, offset))
}

static FORGET: Statement = Statement::new(
    "forget_names_in_snapshot",
    "UPDATE",
    "snapshot_players",
    "update analytics.snapshot_players set username = 'deleted-' || player_id, name_version = 2147483647
     where player_id = any($1)",
);

/// Forgets the names of players, and keeps the rest.
pub(crate) async fn forget(session: Session<'_>, player_ids: &[i64]) -> Result<(), StorageError> {
    session.execute(&FORGET, &[&player_ids]).await?;
    Ok(())
}

/// What is counted, as [`Counted::kind`] has it.
const KINDS: [&str; 7] =
    ["registrations", "logins", "log_outs", "refused_log_ins", "matches", "transactions", "system_events"];

/// Takes a snapshot of the read models as of the consumer's offset, and returns that. The consumer stands still until
/// the transaction ends.
pub(crate) async fn take(session: Session<'_>, consumer: &str) -> Result<i64, StorageError> {
    static LOCK: Statement = Statement::new(
        "lock_consumer",
        "SELECT",
        "consumers",
        "select log_offset from analytics.consumers where name = $1 for update",
    );
    static MOVE: Statement = Statement::new(
        "move_snapshot",
        "UPDATE",
        "snapshot_offset",
        "update analytics.snapshot_offset set log_offset = $1",
    );
    let offset: i64 = session.query_one(&LOCK, &[&consumer]).await?.get(0);
    for table in ["totals", "daily_totals", "players"] {
        session
            .define(&format!(
                "delete from analytics.snapshot_{table}; insert into analytics.snapshot_{table} select * from \
                 analytics.{table}"
            ))
            .await?;
    }
    session.execute(&MOVE, &[&offset]).await?;
    Ok(offset)
}
