//! Drops days of the log that are over their retention, once a snapshot holds what they added up to.

use std::time::Duration;

use battlearena_proto::chain;
use battlearena_runtime::CancellationToken;
use battlearena_storage::events::stored_offset;
use battlearena_storage::partitions::Partition;
use battlearena_storage::{Database, Ownership, StorageError};
use battlearena_telemetry::Measured;
use jiff::Timestamp;

use super::READ_MODELS;
use crate::store::{events, snapshot};
use crate::{SCHEMA, SYSTEM_EVENTS};

/// How often it looks.
const INTERVAL: Duration = Duration::from_secs(3600);
/// How long copying the read models may take.
const SNAPSHOT: Duration = Duration::from_secs(600);

/// Runs until told to stop; measured from the call on.
pub(crate) fn run(
    database: Database,
    retention: Duration,
    stop: CancellationToken,
) -> impl Future<Output = ()> {
    let measured = Measured::new("trim_event_log");
    async move {
        let ownership = Ownership::new(database.clone(), "analytics retention");
        while let Some(owned) = ownership.acquire(&stop).await {
            let trimming = async {
                while owned.is_held() {
                    if let Err(error) = measured.run(trim(&database, retention, Timestamp::now())).await {
                        tracing::warn!(error = chain(&error), "old events are not dropped");
                    }
                    tokio::time::sleep(INTERVAL).await;
                }
            };
            // What was interrupted is taken up again by the next run.
            tokio::select! {
                () = stop.cancelled() => return,
                () = trimming => {}
            }
        }
    }
}

/// Drops the days that are over.
async fn trim(database: &Database, retention: Duration, now: Timestamp) -> Result<(), StorageError> {
    let expired = SYSTEM_EVENTS.expired(database, now, retention).await?;
    if expired.is_empty() {
        return Ok(());
    }
    if !snapshot_covers(database, &expired).await? {
        tracing::warn!("days are kept past their retention: the read models are behind them");
        return Ok(());
    }
    for partition in &expired {
        SYSTEM_EVENTS.drop_partition(database, partition).await?;
        tracing::info!(partition = partition.name, "dropped a day of the log");
    }
    Ok(())
}

/// Takes a snapshot when the read models contain these days, which are then noted as trimmed. Copying holds up the relays
/// for its time, which is why all days share one snapshot.
async fn snapshot_covers(database: &Database, expired: &[Partition]) -> Result<bool, StorageError> {
    let mut connection = database.connection().await?;
    let newest = {
        let session = connection.session();
        let mut newest = 0;
        for partition in expired {
            let last = format!("select coalesce(max(log_offset), 0) from {}", partition.name);
            newest = session.query_text(&last, &[]).await?.get::<_, i64>(0).max(newest);
        }
        if stored_offset(session, SCHEMA, READ_MODELS).await?.unwrap_or(0) < newest {
            return Ok(false);
        }
        newest
    };
    let transaction = connection.begin().await?;
    transaction.session().define("set local statement_timeout = '10min'").await?;
    let session = transaction.session().with_statement_timeout(SNAPSHOT);
    snapshot::take(session, READ_MODELS).await?;
    events::trim(session, newest).await?;
    transaction.commit().await?;
    Ok(true)
}
