//! Drops days of messages that are over their retention.

use std::time::Duration;

use battlearena_proto::chain;
use battlearena_runtime::CancellationToken;
use battlearena_storage::{Database, Ownership, StorageError};
use jiff::Timestamp;

use crate::MESSAGES;

/// How often it looks.
const INTERVAL: Duration = Duration::from_secs(3600);

/// Runs until told to stop.
pub(crate) async fn run(database: Database, retention: Duration, stop: CancellationToken) {
    let ownership = Ownership::new(database.clone(), "message retention");
    while let Some(owned) = ownership.acquire(&stop).await {
        while owned.is_held() && !stop.is_cancelled() {
            if let Err(error) = trim(&database, retention, Timestamp::now()).await {
                tracing::warn!(error = chain(&error), "old messages are not dropped");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    }
}

async fn trim(database: &Database, retention: Duration, now: Timestamp) -> Result<(), StorageError> {
    for partition in MESSAGES.expired(database, now, retention).await? {
        MESSAGES.drop_partition(database, &partition).await?;
        tracing::info!(partition = partition.name, "dropped a day of messages");
    }
    Ok(())
}
