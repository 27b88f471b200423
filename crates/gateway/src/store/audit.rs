//! The statement that tells of refusals at the door.

use battlearena_proto::events::AccessRefused;
use battlearena_storage::{Database, Statement, StorageError};

pub(crate) const ALL: [&Statement; 1] = [&TELL_ACCESS_REFUSED];

static TELL_ACCESS_REFUSED: Statement = Statement::new(
    "tell_access_refused",
    "INSERT",
    "outbox",
    "insert into gateway.outbox (kind, payload)
     values ('access_refused', json_build_object('caller', $1::text, 'door', $2::text, 'reason', $3::text))",
);

/// Tells that somebody was not let in.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn tell_refused(database: &Database, refused: &AccessRefused) -> Result<(), StorageError> {
    let AccessRefused { caller, door, reason } = refused;
    database.execute(&TELL_ACCESS_REFUSED, &[caller, door, reason]).await?;
    Ok(())
}
