//! Appending: one transaction stores a batch, moves the end of the log and the position of the source.

use battlearena_proto::events::{Event, OutboxEvent, OutboxPosition, SystemEventRecorded, event::Body};
use battlearena_proto::{Failure, timestamp_from_wire, timestamp_to_wire};
use battlearena_storage::idempotency::{Answers, IdempotencyKey, fingerprint};
use battlearena_storage::{Session, StorageError};
use battlearena_telemetry::note;
use battlearena_telemetry::trace::{current_traceparent, in_each_trace};
use jiff::Timestamp;
use tracing::field::Empty;
use tracing::{Span, instrument};

use super::EventLog;
use crate::SCHEMA;
use crate::domain::check_system_event;
use crate::store::events::{self, API, OWN};

/// Events in one call at most.
const BATCH: usize = 2000;

/// First answers of recorded events.
static RECORDED: Answers = Answers::new(SCHEMA, "record");

/// What became of a batch.
pub(crate) struct Appended {
    pub(crate) acknowledged: OutboxPosition,
    pub(crate) duplicates: usize,
}

impl EventLog {
    /// Stores those events of a batch that the log does not have yet.
    pub(crate) async fn append(&self, source: &str, batch: Vec<OutboxEvent>) -> Result<Appended, Failure> {
        let batch = check(source, batch)?;
        let Some((through, _)) = batch.last() else {
            return Err(Failure::invalid("events", "must not be empty"));
        };
        let through = *through;
        let length = batch.len();
        let _one_at_a_time = self.appending.lock().await;
        let mut connection = self.database.connection().await?;
        let transaction = connection.begin().await?;
        let session = transaction.session();
        let last = events::lock_head(session).await?;
        // Read after the lock is held, in a snapshot of its own: what another append wrote is seen.
        let known = events::source_position(session, source).await?;
        let fresh = batch.into_iter().filter(|(position, _)| order(position) > order(&known));
        let fresh: Vec<_> =
            fresh.zip(last + 1..).map(|((_, event), offset)| Event { offset, ..event }).collect();
        let duplicates = length - fresh.len();
        if let Some(newest) = fresh.last() {
            let spans = spans(source, &fresh);
            let stored = match store(session, source, &fresh, (newest.offset, &through)).await {
                Ok(()) => transaction.commit().await,
                failed => failed,
            };
            if let Err(error) = &stored {
                for span in &spans {
                    span.record("otel.status_code", "ERROR").record("error.type", error.class());
                }
            }
            drop(spans);
            stored?;
            self.count(&fresh);
            self.committed(fresh);
        } else {
            transaction.rollback().await?;
        }
        self.metrics.duplicates(duplicates as u64);
        let acknowledged = if order(&through) > order(&known) { through } else { known };
        Ok(Appended { acknowledged, duplicates })
    }

    /// Stores one event that somebody posted and returns its offset. A retry with the same key gets the first answer.
    #[instrument(
        name = "log_system_event",
        skip_all,
        fields(event.type = event.event_type, event.severity = event.severity, error.type = Empty,
               otel.status_code = Empty)
    )]
    pub(crate) async fn record(
        &self,
        event: SystemEventRecorded,
        key: Option<IdempotencyKey>,
    ) -> Result<i64, Failure> {
        self.record_once(event, key).await.inspect_err(note)
    }

    async fn record_once(
        &self,
        event: SystemEventRecorded,
        key: Option<IdempotencyKey>,
    ) -> Result<i64, Failure> {
        check_system_event(&event)?;
        let asked = fingerprint(&event);
        let _one_at_a_time = self.appending.lock().await;
        let mut connection = self.database.connection().await?;
        let transaction = connection.begin().await?;
        let session = transaction.session();
        if let Some(key) = &key
            && let Some(offset) = RECORDED.recall(session, key, asked).await?
        {
            transaction.rollback().await?;
            return Ok(offset);
        }
        let offset = events::lock_head(session).await? + 1;
        let event = store_own(session, API, offset, Body::SystemEventRecorded(event)).await?;
        if let Some(key) = &key {
            RECORDED.remember(session, key, asked, &offset).await?;
        }
        transaction.commit().await?;
        let events = vec![event];
        self.count(&events);
        self.committed(events);
        Ok(offset)
    }

    /// Stores an event of the log's own.
    pub(crate) async fn tell(&self, body: Body) -> Result<(), Failure> {
        let _one_at_a_time = self.appending.lock().await;
        let mut connection = self.database.connection().await?;
        let transaction = connection.begin().await?;
        let session = transaction.session();
        let offset = events::lock_head(session).await? + 1;
        let event = store_own(session, OWN, offset, body).await?;
        transaction.commit().await?;
        let events = vec![event];
        self.count(&events);
        self.committed(events);
        Ok(())
    }

    /// How far a source was taken over.
    pub(crate) async fn source_position(&self, source: &str) -> Result<OutboxPosition, StorageError> {
        let connection = self.database.connection().await?;
        events::source_position(connection.session(), source).await
    }

    fn count(&self, events: &[Event]) {
        let now = Timestamp::now();
        for event in events {
            let Some(body) = &event.body else { continue };
            let occurred = timestamp_from_wire(event.occurred_at).unwrap_or(now);
            self.metrics.stored(&event.source, body.kind(), now.duration_since(occurred));
        }
    }
}

/// Stores events, and moves the end of the log and the position of their source behind them.
async fn store(
    session: Session<'_>,
    source: &str,
    fresh: &[Event],
    (newest, through): (i64, &OutboxPosition),
) -> Result<(), StorageError> {
    events::insert(session, source, fresh).await?;
    events::move_head(session, newest).await?;
    events::move_source(session, source, through).await
}

/// Stores an event that comes from no outbox, and moves the end of the log. The transaction holds its lock.
async fn store_own(
    session: Session<'_>,
    source: &str,
    offset: i64,
    body: Body,
) -> Result<Event, StorageError> {
    let event = Event {
        offset,
        source: source.to_owned(),
        occurred_at: Some(timestamp_to_wire(Timestamp::now())),
        traceparent: current_traceparent().unwrap_or_default(),
        body: Some(body),
    };
    events::insert(session, source, std::slice::from_ref(&event)).await?;
    events::move_head(session, offset).await?;
    Ok(event)
}

/// The appending as the traces of the events see it: that of the call, the relay's, sees it anyway.
fn spans(source: &str, fresh: &[Event]) -> Vec<Span> {
    let kind = |event: &Event| event.body.as_ref().map(|body| body.kind().as_str());
    let first = fresh.first().and_then(kind);
    let event_type = first.filter(|_| fresh.iter().all(|event| kind(event) == first));
    let traceparents = fresh.iter().map(|event| event.traceparent.as_str());
    in_each_trace(&Span::current(), traceparents, || {
        tracing::info_span!(
            "append_events",
            otel.kind = "consumer",
            otel.status_code = Empty,
            messaging.system = "event_log",
            messaging.operation.type = "receive",
            messaging.destination.name = source,
            messaging.batch.message_count = fresh.len(),
            event.type = event_type,
            "error.type" = Empty,
        )
    })
}

/// Positions compare by incarnation, transaction and sequence.
fn order(position: &OutboxPosition) -> (i64, i64, i64) {
    (position.incarnation, position.transaction, position.sequence)
}

fn check(source: &str, batch: Vec<OutboxEvent>) -> Result<Vec<(OutboxPosition, Event)>, Failure> {
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte == b'_' || byte == b'-';
    if source.is_empty() || source.len() > 32 || source == API || !source.bytes().all(is_name) {
        let message = "must be 1 to 32 lower-case letters, and not the name of the API";
        return Err(Failure::invalid("source", message));
    }
    if batch.len() > BATCH {
        return Err(Failure::invalid("events", format!("must be 1 to {BATCH}, not {}", batch.len())));
    }
    let mut before = (0, 0, 0);
    let mut checked = Vec::with_capacity(batch.len());
    for (index, OutboxEvent { position, event }) in batch.into_iter().enumerate() {
        let field = |name: &str| format!("events[{index}].{name}");
        let position = position.ok_or_else(|| Failure::invalid(field("position"), "is missing"))?;
        if order(&position) <= before {
            return Err(Failure::invalid(field("position"), "must be greater than the one before"));
        }
        before = order(&position);
        let event = event.ok_or_else(|| Failure::invalid(field("event"), "is missing"))?;
        if event.body.is_none() {
            return Err(Failure::invalid(field("event.body"), "is missing"));
        }
        if timestamp_from_wire(event.occurred_at).is_none() {
            return Err(Failure::invalid(field("event.occurred_at"), "is missing or not a time"));
        }
        checked.push((position, Event { source: source.to_owned(), ..event }));
    }
    Ok(checked)
}
