//! Statements about the points of players, which are a projection: sums commute, so the order of events is no matter.

use battlearena_storage::{Session, Statement, StorageError};

pub(crate) const ALL: [&Statement; 2] = [&ADD_POINTS, &CLEAR_POINTS];

static ADD_POINTS: Statement = Statement::new(
    "add_points",
    "UPDATE",
    "players",
    "update gateway.players
     set total_points = total_points + earned.points
     from unnest($1::bigint[], $2::bigint[]) as earned (player_id, points)
     where id = earned.player_id",
);

/// Adds points to players; those whom nobody knows are left out. Each player may be named once.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn add(session: Session<'_>, players: &[i64], points: &[i64]) -> Result<(), StorageError> {
    session.execute(&ADD_POINTS, &[&players, &points]).await?;
    Ok(())
}

static CLEAR_POINTS: Statement = Statement::new(
    "clear_points",
    "UPDATE",
    "players",
    "update gateway.players set total_points = 0 where total_points <> 0",
);

/// Takes all points from all players.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn clear(session: Session<'_>) -> Result<(), StorageError> {
    session.execute(&CLEAR_POINTS, &[]).await?;
    Ok(())
}
