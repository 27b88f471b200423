//! Keeps the read models: applies the log to the tables, each event once. One replica at a time does it, and that one
//! reports what is a fact of the whole platform.

use std::sync::Arc;
use std::time::{Duration, Instant};

use battlearena_proto::chain;
use battlearena_proto::events::Event;
use battlearena_proto::timestamp_from_wire;
use battlearena_runtime::CancellationToken;
use battlearena_storage::events::{ApplyError, Backoff, Consumer, Projection};
use battlearena_storage::{Database, Ownership, Session, Statement, StorageError};
use jiff::Timestamp;

use super::READ_MODELS;
use crate::SCHEMA;
use crate::domain::Changes;
use crate::log::{EventLog, ReadError, Reader};
use crate::metrics::{Metrics, Vitals};
use crate::service::Live;
use crate::store::{events, players, snapshot, totals};

/// How often requests of operators, and the vitals, are looked at.
const ATTEND: Duration = Duration::from_secs(1);

/// What events do to the tables.
pub(crate) struct ReadModels {
    database: Database,
    log: Arc<EventLog>,
}

impl Projection for ReadModels {
    async fn apply(&self, session: Session<'_>, events: &[Event]) -> Result<(), ApplyError> {
        write(session, &Changes::of(events)).await?;
        Ok(())
    }

    type Gathered = (Changes, i64);

    /// Adds the snapshot and the log up to its end together in memory, so that the tables, and with them all numbers that
    /// are shown, change at once when they are replaced.
    async fn gather(&self) -> Result<(Changes, i64), ApplyError> {
        let (mut changes, offset) = self.snapshot().await?;
        let mut reader = Reader::new(self.log.clone(), offset);
        loop {
            let batch = reader.next().await.map_err(not_now)?;
            if batch.events.is_empty() {
                break;
            }
            changes.merge(Changes::of(&batch.events));
        }
        Ok((changes, reader.offset()))
    }

    async fn replace(
        &self,
        session: Session<'_>,
        (changes, offset): (Changes, i64),
    ) -> Result<i64, ApplyError> {
        totals::clear(session).await?;
        players::clear(session).await?;
        write(session, &changes).await?;
        Ok(offset)
    }
}

impl ReadModels {
    /// The snapshot as of one moment.
    async fn snapshot(&self) -> Result<(Changes, i64), StorageError> {
        let mut connection = self.database.connection().await?;
        let transaction = connection.begin().await?;
        transaction.session().define("set local statement_timeout = '10min'").await?;
        transaction.session().define("set transaction isolation level repeatable read, read only").await?;
        let loaded =
            snapshot::load(transaction.session().with_statement_timeout(Duration::from_secs(600))).await?;
        transaction.commit().await?;
        Ok(loaded)
    }
}

async fn write(session: Session<'_>, changes: &Changes) -> Result<(), StorageError> {
    totals::add(session, changes).await?;
    if !changes.players.is_empty() {
        players::add(session, &changes.players).await?;
        players::rename(session, &changes.players).await?;
    }
    if !changes.deleted.is_empty() {
        let deleted: Vec<i64> = changes.deleted.iter().copied().collect();
        players::forget(session, &deleted).await?;
        snapshot::forget(session, &deleted).await?;
        events::forget(session, &deleted).await?;
    }
    Ok(())
}

/// The task.
pub(crate) struct Task {
    pub(crate) database: Database,
    pub(crate) log: Arc<EventLog>,
    pub(crate) live: Arc<Live>,
    pub(crate) metrics: &'static Metrics,
}

impl Task {
    /// Runs until told to stop. Nothing ends it but that: what fails is tried again.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let ownership = Ownership::new(self.database.clone(), "analytics read models");
        let mut backoff = Backoff::default();
        while let Some(owned) = ownership.acquire(&stop).await {
            let consuming = async {
                while owned.is_held() {
                    if let Err(error) = self.consume(|| owned.is_held(), &mut backoff).await {
                        tracing::warn!(error = chain(&error), "the read models pause");
                        tokio::time::sleep(backoff.next_pause()).await;
                    }
                }
            };
            // Effects and offset commit together: it may be dropped at any point.
            tokio::select! {
                () = stop.cancelled() => return,
                () = consuming => self.metrics.vitals_unknown(),
            }
        }
    }

    async fn consume(&self, is_owner: impl Fn() -> bool, backoff: &mut Backoff) -> Result<(), ApplyError> {
        let projection = ReadModels { database: self.database.clone(), log: self.log.clone() };
        let mut consumer = Consumer::open(self.database.clone(), SCHEMA, READ_MODELS, projection).await?;
        let mut reader = Reader::new(self.log.clone(), consumer.offset());
        let mut attended: Option<Instant> = None;
        let mut oldest = None;
        while is_owner() {
            if attended.is_none_or(|at| at.elapsed() > ATTEND) {
                if consumer.attend().await? {
                    self.live.request_reload();
                    reader = Reader::new(self.log.clone(), consumer.offset());
                }
                consumer.observe(self.log.head(), age(oldest));
                if let Err(error) = self.report().await {
                    tracing::debug!(%error, "the vitals are not reported");
                }
                attended = Some(Instant::now());
            }
            let batch = reader.next().await.map_err(not_now)?;
            oldest = batch.events.first().and_then(|event| timestamp_from_wire(event.occurred_at));
            if batch.events.is_empty() {
                self.log.wait_beyond(reader.offset(), ATTEND).await;
                continue;
            }
            consumer.apply(&batch.events, batch.through).await?;
            backoff.reset();
        }
        Ok(())
    }

    async fn report(&self) -> Result<(), StorageError> {
        static SIZE: Statement =
            Statement::new("database_size", "SELECT", "", "select pg_database_size(current_database())");
        let Some((active_by_tier, transaction_failure_rate)) = self.live.pulse(Timestamp::now()) else {
            return Ok(());
        };
        let database_bytes = self.database.query_one(&SIZE, &[]).await?.get(0);
        self.metrics.vitals(&Vitals { active_by_tier, transaction_failure_rate, database_bytes });
        Ok(())
    }
}

fn age(occurred: Option<Timestamp>) -> Duration {
    occurred.and_then(|at| Duration::try_from(Timestamp::now().duration_since(at)).ok()).unwrap_or_default()
}

fn not_now(error: ReadError) -> ApplyError {
    match error {
        ReadError::Storage(error) => error.into(),
        error @ (ReadError::Trimmed(_) | ReadError::Gap(_)) => ApplyError::NotNow(error.to_string()),
    }
}
