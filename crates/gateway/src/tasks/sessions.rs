//! Counts the sessions that could be refreshed, and forgets what is over. One replica at a time does it: the gauge is a
//! fact of the database, and has one owner.

use std::time::{Duration, Instant};

use battlearena_proto::chain;
use battlearena_runtime::CancellationToken;
use battlearena_storage::{Database, Ownership, StorageError};
use battlearena_telemetry::Measured;

use crate::metrics::Metrics;
use crate::store::sessions;

/// How often it counts.
const COUNT_EVERY: Duration = Duration::from_secs(10);

/// How often it forgets, when there was little to forget the last time.
const SWEEP_EVERY: Duration = Duration::from_secs(600);

/// How many rows go at once.
const BATCH: i64 = 1000;

/// Runs until told to stop. It is measured from the call on.
pub(crate) fn keep_sessions(
    database: Database,
    metrics: Metrics,
    stop: CancellationToken,
) -> impl Future<Output = ()> {
    let sweeping = Measured::new("sweep_sessions");
    async move {
        let ownership = Ownership::new(database.clone(), "gateway sessions");
        while let Some(owned) = ownership.acquire(&stop).await {
            let keeping = async {
                let mut sweep_at = Instant::now();
                while owned.is_held() {
                    match look(&database, &metrics, &sweeping, Instant::now() >= sweep_at).await {
                        Ok(is_swept) if is_swept => sweep_at = Instant::now() + SWEEP_EVERY,
                        Ok(_) => {}
                        Err(error) => tracing::warn!(error = chain(&error), "sessions are not counted"),
                    }
                    tokio::time::sleep(COUNT_EVERY).await;
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = keeping => metrics.sessions_active(0),
            }
        }
    }
}

/// Whether all that was over is gone.
async fn look(
    database: &Database,
    metrics: &Metrics,
    sweeping: &Measured,
    is_time_to_sweep: bool,
) -> Result<bool, StorageError> {
    let connection = database.connection().await?;
    let session = connection.session();
    metrics.sessions_active(sessions::count(session).await?);
    if !is_time_to_sweep {
        return Ok(false);
    }
    Ok(sweeping.run(sessions::sweep(session, BATCH)).await? < BATCH as u64)
}
