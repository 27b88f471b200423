//! From a schema's outbox into the event log. One relay an outbox at a time; two at once would do no harm but to send
//! everything twice, because the log knows every position that it has.

use std::time::{Duration, Instant};

use battlearena_proto::events::event_log_service_client::EventLogServiceClient;
use battlearena_proto::events::{AppendRequest, GetSourcePositionRequest, OutboxEvent, OutboxPosition};
use battlearena_proto::{ErrorKind, Failure};
use battlearena_runtime::deadline::{self, Deadline};
use battlearena_telemetry::grpc::InstrumentedChannel;
use tokio_util::sync::CancellationToken;

use super::dead_letters::{self, DeadLetter};
use super::queue::QueueMetrics;
use super::spans::{ErrorType, Work};
use super::{Backoff, Outbox, OutboxRow};
use crate::{Database, Ownership, StorageError, Wake};
use battlearena_proto::chain;

/// Events in one call. Bounds the size of a message: an event has at most some 5 KiB.
const BATCH: i64 = 500;
/// How long over-old days, requested replays and the depth of the queue go unlooked at.
const HOUSEKEEPING: Duration = Duration::from_secs(5);
/// The longest sleep between two looks, when no wake-up comes.
const POLL: Duration = Duration::from_millis(500);
/// The first sleep after a wake-up that found nothing: the transaction may not be the oldest one yet.
const POLL_AGAIN: Duration = Duration::from_millis(5);
/// How long a relay that was told to stop goes on delivering.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How often an event is tried alone before it becomes a dead letter.
const TRIES: u32 = 3;

/// What can be set about a relay.
#[derive(Debug, Clone, clap::Args)]
pub struct RelaySettings {
    /// Address of the event log (the gRPC port of analytics).
    #[arg(long, env = "ARENA_EVENT_LOG_URL", default_value = "http://127.0.0.1:9004", value_name = "URL")]
    pub event_log_url: String,

    /// Days for which delivered events stay in the outbox: a log restored from a backup is filled again from them.
    #[arg(long, env = "ARENA_OUTBOX_RETENTION_DAYS", default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=3650), value_name = "DAYS")]
    pub outbox_retention_days: u16,
}

impl RelaySettings {
    /// The setting that names the event log, for messages.
    pub const EVENT_LOG: &'static str = "--event-log-url (ARENA_EVENT_LOG_URL)";
}

/// Carries one outbox into the log.
pub struct Relay {
    outbox: Outbox,
    database: Database,
    ownership: Ownership,
    wake: Wake,
    /// How far the log was when it was last heard of.
    acknowledged: Option<OutboxPosition>,
    log: EventLogServiceClient<InstrumentedChannel>,
    retention: Duration,
    queue: &'static str,
    metrics: QueueMetrics,
}

#[derive(Debug, thiserror::Error)]
enum RelayError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("the event log does not take events")]
    Log(#[source] Failure),
}

impl ErrorType for RelayError {
    fn error_type(&self) -> &'static str {
        match self {
            Self::Storage(error) => error.class(),
            Self::Log(failure) => failure.kind().as_str(),
        }
    }
}

impl Relay {
    /// `queue` is the label of its metrics ("gateway_outbox"); `wake` is woken after each commit that told an event.
    pub fn new(
        database: Database,
        schema: &'static str,
        queue: &'static str,
        wake: Wake,
        log: InstrumentedChannel,
        settings: &RelaySettings,
    ) -> Self {
        Self {
            outbox: Outbox::new(database.clone(), schema),
            ownership: Ownership::new(database.clone(), format!("{schema} relay")),
            database,
            wake,
            acknowledged: None,
            log: EventLogServiceClient::new(log),
            retention: Duration::from_secs(u64::from(settings.outbox_retention_days) * 86_400),
            queue,
            metrics: QueueMetrics::new(queue),
        }
    }

    /// Runs until told to stop. Nothing ends it but that: what fails is tried again.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut backoff = Backoff::default();
        let ownership = self.ownership.clone();
        while let Some(owned) = ownership.acquire(&stop).await {
            while owned.is_held() && !stop.is_cancelled() {
                match self.deliver_until(&stop, || owned.is_held(), &mut backoff).await {
                    Ok(()) => {}
                    Err(error) => {
                        tracing::warn!(schema = self.outbox.schema, error = %chain(&error), "the relay pauses");
                        self.tell_what_waits().await;
                        pause(&stop, backoff.next_pause()).await;
                    }
                }
            }
            // What waits is told by whoever owns the outbox now.
            self.metrics.waiting(0, Duration::ZERO);
            if stop.is_cancelled() {
                return;
            }
        }
    }

    async fn deliver_until(
        &mut self,
        stop: &CancellationToken,
        is_owner: impl Fn() -> bool,
        backoff: &mut Backoff,
    ) -> Result<(), RelayError> {
        let mut position = self.start_position().await?;
        let mut empty_looks = 0_u32;
        let mut housekeeping: Option<Instant> = None;
        while is_owner() {
            self.acknowledged = Some(position);
            if stop.is_cancelled() {
                return self.last_words(position).await;
            }
            if housekeeping.is_none_or(|last| last.elapsed() > HOUSEKEEPING) {
                // Delivery does not depend on it.
                if let Err(error) = self.keep_house(&position).await {
                    tracing::warn!(schema = self.outbox.schema, error = %chain(&error), "no housekeeping");
                }
                housekeeping = Some(Instant::now());
            }
            let rows = self.outbox.after(&position, BATCH).await?;
            if let Some(last) = rows.last() {
                let through = last.position;
                self.deliver(&rows).await?;
                position = through;
                empty_looks = 0;
                backoff.reset();
                continue;
            }
            let sleep = POLL.min(POLL_AGAIN * 2_u32.saturating_pow(empty_looks));
            empty_looks = empty_looks.saturating_add(1).min(16);
            let asleep = Instant::now();
            tokio::select! {
                () = self.wake.wait(sleep) => {}
                () = stop.cancelled() => {}
            }
            if asleep.elapsed() < sleep {
                empty_looks = 0;
            }
        }
        Ok(())
    }

    /// Tells what was committed up to the moment of the stop.
    async fn last_words(&mut self, mut position: OutboxPosition) -> Result<(), RelayError> {
        let until = Instant::now() + LAST_WORDS;
        while Instant::now() < until {
            let rows = self.outbox.after(&position, BATCH).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            position = last.position;
            self.deliver(&rows).await?;
        }
        Ok(())
    }

    async fn start_position(&mut self) -> Result<OutboxPosition, RelayError> {
        let request = GetSourcePositionRequest { source: self.outbox.schema.to_owned() };
        let answer =
            deadline::scope(Deadline::after(deadline::DEFAULT), self.log.get_source_position(request)).await;
        let acknowledged = answer
            .map_err(|status| RelayError::Log(status.into()))?
            .into_inner()
            .acknowledged
            .unwrap_or_default();
        let incarnation = self.outbox.incarnation(&acknowledged).await?;
        if acknowledged.incarnation == incarnation {
            return Ok(acknowledged);
        }
        Ok(OutboxPosition { incarnation, transaction: 0, sequence: 0 })
    }

    async fn deliver(&self, rows: &[OutboxRow]) -> Result<(), RelayError> {
        let began = Instant::now();
        let work = Work::relay(self.queue, rows);
        let span = work.span();
        let delivered = work.run(self.deliver_together(rows)).await;
        self.metrics.processed(&span, began);
        delivered
    }

    async fn deliver_together(&self, rows: &[OutboxRow]) -> Result<(), RelayError> {
        let mut events = Vec::with_capacity(rows.len());
        for row in rows {
            match row.decode() {
                Ok(event) => events.push(event),
                Err(error) => self.bury(row, &chain(&error)).await?,
            }
        }
        if events.is_empty() {
            return Ok(());
        }
        match self.append(events).await {
            Err(failure) if is_refusal(&failure) => self.deliver_one_by_one(rows).await,
            result => result.map_err(RelayError::Log),
        }
    }

    async fn deliver_one_by_one(&self, rows: &[OutboxRow]) -> Result<(), RelayError> {
        for row in rows {
            let Ok(event) = row.decode() else { continue };
            let mut tries = 0;
            while let Err(failure) = self.append(vec![event.clone()]).await {
                if !is_refusal(&failure) {
                    return Err(RelayError::Log(failure));
                }
                tries += 1;
                if tries == TRIES {
                    self.bury(row, &failure.chain()).await?;
                    break;
                }
            }
        }
        Ok(())
    }

    async fn append(&self, events: Vec<OutboxEvent>) -> Result<(), Failure> {
        let request = AppendRequest { source: self.outbox.schema.to_owned(), events };
        let mut log = self.log.clone();
        deadline::scope(Deadline::after(deadline::DEFAULT), log.append(request)).await?;
        Ok(())
    }

    async fn bury(&self, row: &OutboxRow, error: &str) -> Result<(), RelayError> {
        let OutboxPosition { incarnation, transaction, sequence } = row.position;
        let letter = DeadLetter {
            queue: dead_letters::OUTBOX,
            position: format!("{incarnation}/{transaction}/{sequence}"),
            kind: &row.kind,
            payload: &row.payload,
            traceparent: row.traceparent.as_deref(),
            occurred_at: row.created_at,
            error,
        };
        let mut connection = self.database.connection().await?;
        let transaction = connection.begin().await?;
        self.outbox.remove(transaction.session(), &row.position).await?;
        dead_letters::bury(transaction.session(), self.outbox.schema, &letter).await?;
        transaction.commit().await?;
        self.metrics.died();
        Ok(())
    }

    /// A log that takes nothing shows in what waits for it. Nothing is told before the log was ever reached: how far it
    /// is, only the log knows.
    async fn tell_what_waits(&self) {
        let Some(position) = &self.acknowledged else { return };
        if let Ok((depth, oldest)) = self.outbox.waiting(position).await {
            self.metrics.waiting(depth, oldest);
        }
    }

    async fn keep_house(&self, position: &OutboxPosition) -> Result<(), RelayError> {
        let (depth, oldest) = self.outbox.waiting(position).await?;
        self.metrics.waiting(depth, oldest);
        dead_letters::tell_again(&self.database, self.outbox.schema).await?;
        Ok(self.outbox.trim(position, self.retention).await?)
    }
}

/// The log understood the events and does not want them: sending them again changes nothing.
fn is_refusal(failure: &Failure) -> bool {
    matches!(failure.kind(), ErrorKind::Invalid | ErrorKind::Malformed | ErrorKind::PayloadTooLarge)
}

async fn pause(stop: &CancellationToken, pause: Duration) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(pause) => {}
    }
}
