//! Counts the sessions that could be refreshed, and forgets what is over. One replica at a time does it: the gauge is a
//! fact of the database, and has one owner.

use std::time::{Duration, Instant};

use battlearena_proto::chain;
use battlearena_runtime::CancellationToken;
use battlearena_storage::{Database, Ownership, StorageError};
use battlearena_telemetry::Measured;

use crate::metrics::Metrics;
use crate::store::sessions;

/// How often it counts, at most. What tells of a session's end changes with each refresh and has no index, so that a count
/// reads the table: it may take one part in 500 of the time.
const COUNT_EVERY: Duration = Duration::from_secs(60);
const COUNTING_SHARE: u32 = 500;

/// When it counts again after it could not.
const COUNT_AGAIN: Duration = Duration::from_secs(10);

/// How often it forgets, when there was little to forget the last time, and when there was more than goes at once.
const SWEEP_EVERY: Duration = Duration::from_secs(600);
const SWEEP_ON: Duration = Duration::from_secs(10);

/// How often it looks whether it is still the one.
const LOOK: Duration = Duration::from_secs(2);

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
            let lost = async {
                while owned.is_held() {
                    tokio::time::sleep(LOOK).await;
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = lost => metrics.sessions_active(0),
                () = keep_counting(&database, &metrics) => {}
                () = keep_sweeping(&database, &sweeping) => {}
            }
        }
    }
}

async fn keep_counting(database: &Database, metrics: &Metrics) {
    loop {
        let rest = count(database, metrics).await;
        tokio::time::sleep(rest).await;
    }
}

async fn keep_sweeping(database: &Database, sweeping: &Measured) {
    loop {
        let rest = sweep(database, sweeping).await;
        tokio::time::sleep(rest).await;
    }
}

/// Counts, and says how long to rest.
async fn count(database: &Database, metrics: &Metrics) -> Duration {
    let counting = async {
        let connection = database.connection().await?;
        let began = Instant::now();
        let sessions = sessions::count(connection.session()).await?;
        Ok::<_, StorageError>((sessions, began.elapsed()))
    };
    match counting.await {
        Ok((sessions, took)) => {
            metrics.sessions_active(sessions);
            COUNT_EVERY.max(took * COUNTING_SHARE)
        }
        Err(error) => {
            tracing::warn!(error = chain(&error), "sessions are not counted");
            COUNT_AGAIN
        }
    }
}

/// Forgets some of what is over, and says how long to rest.
async fn sweep(database: &Database, sweeping: &Measured) -> Duration {
    let forgetting = async {
        let connection = database.connection().await?;
        sweeping.run(sessions::sweep(connection.session(), BATCH)).await
    };
    match forgetting.await {
        Ok(gone) if gone < BATCH as u64 => SWEEP_EVERY,
        Ok(_) => SWEEP_ON,
        Err(error) => {
            tracing::warn!(error = chain(&error), "sessions that are over are not forgotten");
            SWEEP_ON
        }
    }
}
