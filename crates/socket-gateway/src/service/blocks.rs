//! Who does not want whose messages: in the database for good, and at once on every connection here.

use battlearena_storage::{Database, StorageError};

use crate::hub::Players;
use crate::store::blocks;

/// Players that one player can block.
const MOST_BLOCKED: i64 = 1000;

/// Blocks somebody for a player. `false` when as many as can be are blocked.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn block(
    database: &Database,
    players: &Players,
    player_id: i64,
    other: i64,
) -> Result<bool, StorageError> {
    let is_blocked = blocks::block(database, player_id, other, MOST_BLOCKED).await?;
    if is_blocked {
        players.block(player_id, other);
    }
    Ok(is_blocked)
}

/// Unblocks somebody for a player.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn unblock(
    database: &Database,
    players: &Players,
    player_id: i64,
    other: i64,
) -> Result<(), StorageError> {
    blocks::unblock(database, player_id, other).await?;
    players.unblock(player_id, other);
    Ok(())
}
