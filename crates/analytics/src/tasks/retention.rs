//! Drops days of the log that are over their retention, once a snapshot holds what they added up to.

use std::time::Duration;

use battlearena_runtime::CancellationToken;
use battlearena_storage::partitions::Partition;
use battlearena_storage::{Database, Ownership, StorageError};
use jiff::Timestamp;

use super::READ_MODELS;
use crate::SYSTEM_EVENTS;
use crate::store::{events, snapshot};

/// How often it looks.
const INTERVAL: Duration = Duration::from_secs(3600);
/// How long copying the read models may take.
const SNAPSHOT: Duration = Duration::from_secs(600);

/// Runs until told to stop.
pub(crate) async fn run(database: Database, retention: Duration, stop: CancellationToken) {
    let ownership = Ownership::new(database.clone(), "analytics retention");
    while let Some(owned) = ownership.acquire(&stop).await {
        while owned.is_held() && !stop.is_cancelled() {
            if let Err(error) = trim(&database, retention, Timestamp::now()).await {
                tracing::warn!(%error, "old events are not dropped");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    }
}

/// Drops what is over, day by day.
pub(crate) async fn trim(
    database: &Database,
    retention: Duration,
    now: Timestamp,
) -> Result<(), StorageError> {
    for partition in SYSTEM_EVENTS.expired(database, now, retention).await? {
        if !snapshot_covers(database, &partition).await? {
            tracing::warn!(
                partition = partition.name,
                "kept past its retention: the read models are behind it"
            );
            return Ok(());
        }
        SYSTEM_EVENTS.drop_partition(database, &partition).await?;
        tracing::info!(partition = partition.name, "dropped a day of the log");
    }
    Ok(())
}

/// Takes a snapshot; whether it contains the partition, which is then noted as trimmed.
async fn snapshot_covers(database: &Database, partition: &Partition) -> Result<bool, StorageError> {
    let mut connection = database.connection().await?;
    let transaction = connection.begin().await?;
    let session = transaction.session().with_statement_timeout(SNAPSHOT);
    session.define("set local statement_timeout = '10min'").await?;
    let newest = format!("select coalesce(max(log_offset), 0) from {}", partition.name);
    let newest: i64 = session.query_text(&newest, &[]).await?.get(0);
    let offset = snapshot::take(session, READ_MODELS).await?;
    if offset < newest {
        transaction.rollback().await?;
        return Ok(false);
    }
    events::trim(session, newest).await?;
    transaction.commit().await?;
    Ok(true)
}
