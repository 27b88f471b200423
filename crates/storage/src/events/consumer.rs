//! From the event log into effects, each event once: the consumer's offset moves in the transaction of the effect. An
//! event that cannot be applied is tried alone, then becomes a dead letter; the others go on.

use std::time::{Duration, Instant};

use battlearena_proto::events::Event;
use battlearena_proto::timestamp_from_wire;
use tracing::Span;

use super::dead_letters::{self, DeadLetter};
use super::queue::QueueMetrics;
use super::spans::{self, ErrorType, Work};
use crate::{Database, Session, Statement, StorageError};
use battlearena_proto::chain;

/// How often an event is tried alone before it becomes a dead letter.
const TRIES: u32 = 3;
/// Offsets that moved without an effect are stored at most this often.
const STORE_IDLE_OFFSET: Duration = Duration::from_secs(1);

/// What events do to a service's tables.
pub trait Projection: Send + Sync {
    /// Applies events, in order, in the transaction of the session. May be called with one event or with many; both must
    /// have the same effect in the end.
    ///
    /// # Errors
    /// [`ApplyError::Storage`] when transient: the same call is repeated later. Anything else: the event is at fault.
    fn apply(
        &self,
        session: Session<'_>,
        events: &[Event],
    ) -> impl Future<Output = Result<(), ApplyError>> + Send;

    /// What a rebuild puts into the tables.
    type Gathered: Send;

    /// Gathers what the tables should contain, outside of any transaction: it may take long.
    ///
    /// # Errors
    /// As [`Projection::apply`].
    fn gather(&self) -> impl Future<Output = Result<Self::Gathered, ApplyError>> + Send;

    /// Replaces the effects of all events by what was gathered, in the transaction of the session. Returns the offset up
    /// to which the tables now contain the log.
    ///
    /// # Errors
    /// As [`Projection::apply`].
    fn replace(
        &self,
        session: Session<'_>,
        gathered: Self::Gathered,
    ) -> impl Future<Output = Result<i64, ApplyError>> + Send;
}

/// Why events were not applied. Nothing of the transaction remains.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The database.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Something else that the projection needs is not there now.
    #[error("{0}")]
    NotNow(String),
    /// The event makes no sense to the projection.
    #[error("{0}")]
    Event(String),
    /// Another process has moved this consumer's offset: start again from where it is.
    #[error("the consumer's offset was moved by another process")]
    Overtaken,
}

impl ApplyError {
    fn is_the_events_fault(&self) -> bool {
        match self {
            Self::Storage(StorageError::Constraint { .. } | StorageError::Data(_)) | Self::Event(_) => true,
            // A statement or a schema that is not as it should be is no event's fault: better stand still.
            Self::Storage(_) => false,
            Self::NotNow(_) | Self::Overtaken => false,
        }
    }
}

impl ErrorType for ApplyError {
    fn error_type(&self) -> &'static str {
        match self {
            Self::Storage(error) => error.class(),
            Self::NotNow(_) => "not_now",
            Self::Event(_) => "event",
            Self::Overtaken => "overtaken",
        }
    }
}

/// One consumer of the log: a projection and its offset.
pub struct Consumer<P> {
    database: Database,
    schema: &'static str,
    name: &'static str,
    projection: P,
    offset: i64,
    stored: i64,
    stored_at: Instant,
    metrics: QueueMetrics,
}

impl<P: Projection> Consumer<P> {
    /// Opens a consumer at its stored offset (0 when it is new). `name` is also the label of its metrics and the queue
    /// of its dead letters.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub async fn open(
        database: Database,
        schema: &'static str,
        name: &'static str,
        projection: P,
    ) -> Result<Self, StorageError> {
        let open = Statement::in_schema(
            "open_consumer",
            "INSERT",
            "consumers",
            schema,
            "insert into {schema}.consumers (name, log_offset) values ($1, 0)
             on conflict on constraint consumers_pkey do update set name = excluded.name returning log_offset",
        );
        let offset = database.query_one(open, &[&name]).await?.get(0);
        let metrics = QueueMetrics::new(name);
        Ok(Self {
            database,
            schema,
            name,
            projection,
            offset,
            stored: offset,
            stored_at: Instant::now(),
            metrics,
        })
    }

    /// Everything up to here was applied.
    pub fn offset(&self) -> i64 {
        self.offset
    }

    /// The projection.
    pub fn projection(&self) -> &P {
        &self.projection
    }

    /// Applies a batch: events after [`Self::offset`], in order, and the offset up to which they are complete. Events at
    /// or before the own offset are left out.
    ///
    /// # Errors
    /// Only what is worth another try of the same batch later; [`ApplyError::Overtaken`] asks for [`Self::open`].
    pub async fn apply(&mut self, events: &[Event], through: i64) -> Result<(), ApplyError> {
        let fresh = &events[events.partition_point(|event| event.offset <= self.offset)..];
        if fresh.is_empty() || through <= self.offset {
            return self.move_on(through).await;
        }
        let began = Instant::now();
        let work = Work::apply(self.name, fresh);
        let span = work.span();
        let together = work.run(self.apply_together(fresh, through)).await;
        let (span, applied) = match together {
            // The attempt has ended, and each of those that follow is a span of its own.
            Err(error) if error.is_the_events_fault() => {
                drop(span);
                (Span::none(), self.apply_one_by_one(fresh, through).await)
            }
            together => (span, together),
        };
        self.metrics.processed(&span, began);
        applied
    }

    /// Says how far behind the log the consumer is, for its metrics.
    pub fn observe(&self, head: i64, oldest: Duration) {
        let depth = (head - self.offset).max(0);
        self.metrics.waiting(depth, if depth == 0 { Duration::ZERO } else { oldest });
    }

    /// Does what an operator asked for: a rebuild, replays of dead letters. Returns whether the offset went back.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub async fn attend(&mut self) -> Result<bool, ApplyError> {
        let rebuilt = self.rebuild_if_requested().await?;
        while self.replay_one().await? {}
        Ok(rebuilt)
    }

    async fn apply_together(&mut self, events: &[Event], through: i64) -> Result<(), ApplyError> {
        let mut connection = self.database.connection().await?;
        let transaction = connection.begin().await?;
        self.projection.apply(transaction.session(), events).await?;
        self.store(transaction.session(), through).await?;
        transaction.commit().await?;
        self.moved_to(through);
        Ok(())
    }

    async fn apply_one_by_one(&mut self, events: &[Event], through: i64) -> Result<(), ApplyError> {
        for event in events {
            Work::apply(self.name, std::slice::from_ref(event)).run(self.apply_or_bury(event)).await?;
        }
        self.move_on(through).await
    }

    async fn apply_or_bury(&mut self, event: &Event) -> Result<(), ApplyError> {
        let mut tries = 0;
        while let Err(error) = self.apply_together(std::slice::from_ref(event), event.offset).await {
            if !error.is_the_events_fault() {
                return Err(error);
            }
            tries += 1;
            if tries == TRIES {
                // To the consumer the matter is settled, to the event's trace it has failed.
                spans::failed(&Span::current(), error.error_type());
                return self.bury(event, &error).await;
            }
        }
        Ok(())
    }

    async fn bury(&mut self, event: &Event, error: &ApplyError) -> Result<(), ApplyError> {
        let Some(body) = &event.body else { return Ok(()) };
        let mut connection = self.database.connection().await?;
        let transaction = connection.begin().await?;
        let session = transaction.session();
        let letter = DeadLetter {
            queue: self.name,
            position: event.offset.to_string(),
            kind: body.kind().as_str(),
            payload: &body.to_payload(),
            traceparent: Some(event.traceparent.as_str()).filter(|text| !text.is_empty()),
            occurred_at: timestamp_from_wire(event.occurred_at).unwrap_or_default(),
            error: &chain(error),
        };
        dead_letters::bury(session, self.schema, &letter).await?;
        self.store(session, event.offset).await?;
        transaction.commit().await?;
        self.moved_to(event.offset);
        self.metrics.died();
        Ok(())
    }

    async fn move_on(&mut self, through: i64) -> Result<(), ApplyError> {
        let through = self.offset.max(through);
        // Skipped events have no effect: it does no harm to see them again after a crash. What was not stored now is stored
        // when the log says again where it ends.
        if self.stored < through && self.stored_at.elapsed() >= STORE_IDLE_OFFSET {
            let connection = self.database.connection().await?;
            self.store(connection.session(), through).await?;
            self.moved_to(through);
        }
        self.offset = through;
        Ok(())
    }

    async fn store(&self, session: Session<'_>, through: i64) -> Result<(), ApplyError> {
        let store = Statement::in_schema(
            "store_offset",
            "UPDATE",
            "consumers",
            self.schema,
            "update {schema}.consumers set log_offset = $2 where name = $1 and log_offset = $3",
        );
        match session.execute(store, &[&self.name, &through, &self.stored]).await? {
            1 => Ok(()),
            _ => Err(ApplyError::Overtaken),
        }
    }

    fn moved_to(&mut self, offset: i64) {
        self.offset = offset;
        self.stored = offset;
        self.stored_at = Instant::now();
    }

    async fn rebuild_if_requested(&mut self) -> Result<bool, ApplyError> {
        let requested = Statement::in_schema(
            "rebuild_requested",
            "SELECT",
            "consumers",
            self.schema,
            "select rebuild_requested from {schema}.consumers where name = $1",
        );
        if !self.database.query_one(requested, &[&self.name]).await?.get::<_, bool>(0) {
            return Ok(false);
        }
        match self.rebuild().await {
            Ok(()) => Ok(true),
            Err(error) if error.is_the_events_fault() => {
                tracing::error!(
                    consumer = self.name,
                    error = chain(&error),
                    "the rebuild failed and is given up"
                );
                let give_up = Statement::in_schema(
                    "give_up_rebuild",
                    "UPDATE",
                    "consumers",
                    self.schema,
                    "update {schema}.consumers set rebuild_requested = false where name = $1",
                );
                self.database.execute(give_up, &[&self.name]).await?;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    async fn rebuild(&mut self) -> Result<(), ApplyError> {
        let gathered = self.projection.gather().await?;
        let mut connection = self.database.connection().await?;
        let transaction = connection.begin().await?;
        // Bulk work, for which the bound of a request's statement is too short.
        transaction.session().define("set local statement_timeout = '10min'").await?;
        let session = transaction.session().with_statement_timeout(Duration::from_secs(600));
        let offset = self.projection.replace(session, gathered).await?;
        let restart = Statement::in_schema(
            "restart_consumer",
            "UPDATE",
            "consumers",
            self.schema,
            "update {schema}.consumers set log_offset = $2, rebuild_requested = false where name = $1",
        );
        session.execute(restart, &[&self.name, &offset]).await?;
        // What died before is contained now, or comes again.
        let forget = Statement::in_schema(
            "forget_dead_letters",
            "DELETE",
            "dead_letters",
            self.schema,
            "delete from {schema}.dead_letters where queue = $1",
        );
        session.execute(forget, &[&self.name]).await?;
        transaction.commit().await?;
        self.moved_to(offset);
        tracing::info!(consumer = self.name, offset, "rebuilt from the log");
        Ok(())
    }

    /// Tries the next dead letter for which a replay was asked; whether there was one that worked.
    async fn replay_one(&mut self) -> Result<bool, ApplyError> {
        let mut connection = self.database.connection().await?;
        let transaction = connection.begin().await?;
        let session = transaction.session();
        let Some(letter) = dead_letters::next_replay(session, self.schema, self.name).await? else {
            transaction.rollback().await?;
            return Ok(false);
        };
        let replayed = match letter.to_event() {
            Ok(event) => {
                let events = std::slice::from_ref(&event);
                let replay = async {
                    self.projection.apply(session, events).await?;
                    Ok(dead_letters::remove(session, self.schema, letter.id).await?)
                };
                Work::apply(self.name, events).run(replay).await
            }
            Err(error) => Err(ApplyError::Event(error.to_string())),
        };
        match replayed {
            Ok(()) => transaction.commit().await?,
            Err(error) if error.is_the_events_fault() => {
                transaction.rollback().await?;
                dead_letters::keep(connection.session(), self.schema, letter.id, &chain(&error)).await?;
            }
            Err(error) => return Err(error),
        }
        Ok(true)
    }
}

/// Asks a running consumer to start over. It does so within seconds. Returns whether there is one of that name.
///
/// # Errors
/// See [`StorageError`].
pub async fn request_rebuild(database: &Database, schema: &str, name: &str) -> Result<bool, StorageError> {
    let request = Statement::in_schema(
        "request_rebuild",
        "UPDATE",
        "consumers",
        schema,
        "update {schema}.consumers set rebuild_requested = true where name = $1",
    );
    Ok(database.execute(request, &[&name]).await? == 1)
}

/// The offset that a consumer has stored; `None` when there is none of that name.
///
/// # Errors
/// See [`StorageError`].
pub async fn stored_offset(
    session: Session<'_>,
    schema: &str,
    name: &str,
) -> Result<Option<i64>, StorageError> {
    let stored = Statement::in_schema(
        "stored_offset",
        "SELECT",
        "consumers",
        schema,
        "select log_offset from {schema}.consumers where name = $1",
    );
    Ok(session.query_opt(stored, &[&name]).await?.map(|row| row.get(0)))
}
