//! Fills the revocations of this process from the log, which here needs no subscription. Other services do the same with
//! `identity::follow`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use battlearena_identity::{Gatekeeper, follow};
use battlearena_proto::chain;
use battlearena_runtime::CancellationToken;
use battlearena_storage::events::Backoff;
use jiff::Timestamp;

use crate::log::{EventLog, ReadError, Reader};

/// How far our clock and that of the database may be apart.
const SKEW: Duration = Duration::from_secs(60);

/// How often what has run out is forgotten.
const SWEEP: Duration = Duration::from_secs(60);

/// Runs until told to stop. Nothing ends it but that: what fails is tried again.
pub(crate) async fn run(log: Arc<EventLog>, gatekeeper: Arc<Gatekeeper>, stop: CancellationToken) {
    let following = async {
        let mut backoff = Backoff::default();
        loop {
            let Err(error) = follow_log(&log, &gatekeeper, &mut backoff).await;
            tracing::warn!(error = chain(&error), "revocations are not followed");
            tokio::time::sleep(backoff.next_pause()).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = following => {}
    }
}

async fn follow_log(
    log: &Arc<EventLog>,
    gatekeeper: &Gatekeeper,
    backoff: &mut Backoff,
) -> Result<std::convert::Infallible, ReadError> {
    let (revocations, life) = (gatekeeper.revocations(), gatekeeper.settings().life());
    let since = Timestamp::now().checked_sub(life + SKEW).unwrap_or(Timestamp::MIN);
    let mut reader = Reader::new(log.clone(), log.offset_before(since).await?);
    let mut swept = Instant::now();
    loop {
        let batch = reader.next().await?;
        backoff.reset();
        for event in &batch.events {
            follow::learn(revocations, life, event);
        }
        if swept.elapsed() > SWEEP {
            revocations.sweep(Timestamp::now());
            swept = Instant::now();
        }
        if batch.events.is_empty() {
            log.wait_beyond(reader.offset(), Duration::from_secs(1)).await;
        }
    }
}
