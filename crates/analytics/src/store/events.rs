//! Tables `log_head`, `sources` and `system_events`: the log itself.

use std::ops::Range;

use battlearena_proto::events::{Event, OutboxPosition, SystemEventRecorded, event::Body};
use battlearena_proto::{timestamp_from_wire, timestamp_to_wire};
use battlearena_storage::{Database, Row, Session, Statement, StorageError};
use jiff::Timestamp;

use crate::domain::severity;

/// Source of events that were posted, and whose event types are free.
pub(crate) const API: &str = "api";

/// Source of what the log itself has to tell.
pub(crate) const OWN: &str = "analytics";

pub(crate) static ALL: &[&Statement] = &[
    &LOCK_HEAD,
    &HEAD,
    &SOURCE,
    &INSERT,
    &MOVE_HEAD,
    &MOVE_SOURCE,
    &AFTER,
    &STORED_AT,
    &TRIM,
    &FORGET,
    &FORGET_DEAD,
];

/// Where the log begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Offset of the last event; 0 when there is none.
    pub(crate) last: i64,
    /// Events up to here are gone.
    pub(crate) trimmed_through: i64,
}

static LOCK_HEAD: Statement = Statement::new(
    "lock_log_head",
    "SELECT",
    "log_head",
    "select last_offset from analytics.log_head for update",
);

/// Waits for other appends and returns the last offset. Nobody else appends until the transaction ends.
pub(crate) async fn lock_head(session: Session<'_>) -> Result<i64, StorageError> {
    Ok(session.query_one(&LOCK_HEAD, &[]).await?.get(0))
}

static HEAD: Statement = Statement::new(
    "log_bounds",
    "SELECT",
    "log_head",
    "select last_offset, trimmed_through from analytics.log_head",
);

/// Where the log begins and ends.
pub(crate) async fn bounds(database: &Database) -> Result<Bounds, StorageError> {
    let row = database.query_one(&HEAD, &[]).await?;
    Ok(Bounds { last: row.get(0), trimmed_through: row.get(1) })
}

static SOURCE: Statement = Statement::new(
    "source_position",
    "SELECT",
    "sources",
    "select incarnation, xid, seq from analytics.sources where name = $1",
);

/// How far a source was taken over; all zero when it never was.
pub(crate) async fn source_position(
    session: Session<'_>,
    source: &str,
) -> Result<OutboxPosition, StorageError> {
    let row = session.query_opt(&SOURCE, &[&source]).await?;
    Ok(row.map_or_else(OutboxPosition::default, |row| OutboxPosition {
        incarnation: row.get(0),
        transaction: row.get(1),
        sequence: row.get(2),
    }))
}

static INSERT: Statement = Statement::new(
    "insert_events",
    "INSERT",
    "system_events",
    "insert into analytics.system_events
       (log_offset, source, event_type, severity, message, metadata, occurred_at, traceparent)
     select e.log_offset, $1, e.event_type, e.severity, e.message, e.metadata::json, e.occurred_at,
            nullif(e.traceparent, '')
     from unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::text[])
          as e(log_offset, event_type, severity, message, metadata, occurred_at, traceparent)",
);

/// Stores events of one source whose offsets are set.
pub(crate) async fn insert(session: Session<'_>, source: &str, events: &[Event]) -> Result<(), StorageError> {
    let mut offsets = Vec::with_capacity(events.len());
    let mut event_types = Vec::with_capacity(events.len());
    let mut severities = Vec::with_capacity(events.len());
    let mut messages = Vec::with_capacity(events.len());
    let mut metadata = Vec::with_capacity(events.len());
    let mut times = Vec::with_capacity(events.len());
    let mut traceparents = Vec::with_capacity(events.len());
    for event in events {
        let Some(body) = &event.body else { continue };
        offsets.push(event.offset);
        severities.push(severity(body).as_str());
        match body {
            Body::SystemEventRecorded(posted) => {
                event_types.push(posted.event_type.as_str());
                messages.push(posted.message.as_str());
                metadata.push(posted.metadata_json.clone());
            }
            other => {
                event_types.push(other.kind().as_str());
                messages.push("");
                metadata.push(other.to_payload());
            }
        }
        times.push(timestamp_from_wire(event.occurred_at).unwrap_or_default());
        traceparents.push(event.traceparent.as_str());
    }
    session
        .execute(
            &INSERT,
            &[&source, &offsets, &event_types, &severities, &messages, &metadata, &times, &traceparents],
        )
        .await?;
    Ok(())
}

static MOVE_HEAD: Statement =
    Statement::new("move_log_head", "UPDATE", "log_head", "update analytics.log_head set last_offset = $1");

/// Moves the end of the log. The transaction holds its lock.
pub(crate) async fn move_head(session: Session<'_>, last: i64) -> Result<(), StorageError> {
    session.execute(&MOVE_HEAD, &[&last]).await?;
    Ok(())
}

static MOVE_SOURCE: Statement = Statement::new(
    "move_source",
    "INSERT",
    "sources",
    "insert into analytics.sources (name, incarnation, xid, seq) values ($1, $2, $3, $4)
     on conflict on constraint sources_pkey
     do update set incarnation = excluded.incarnation, xid = excluded.xid, seq = excluded.seq",
);

/// Notes how far a source was taken over. The transaction holds the lock of the head.
pub(crate) async fn move_source(
    session: Session<'_>,
    source: &str,
    position: &OutboxPosition,
) -> Result<(), StorageError> {
    let OutboxPosition { incarnation, transaction, sequence } = position;
    session.execute(&MOVE_SOURCE, &[&source, incarnation, transaction, sequence]).await?;
    Ok(())
}

static AFTER: Statement = Statement::new(
    "events_after",
    "SELECT",
    "system_events",
    "select log_offset, source, event_type, severity, message, metadata::text, occurred_at, recorded_at, traceparent
     from analytics.system_events
     where log_offset > $1 and recorded_at >= $2 and recorded_at < $3
     order by log_offset limit $4",
);

/// The next events after an offset, and when the last of them was stored. `stored` is the time in which all of them were,
/// by which whole days are left out.
pub(crate) async fn after(
    database: &Database,
    offset: i64,
    stored: Range<Timestamp>,
    limit: i64,
) -> Result<(Vec<Event>, Option<Timestamp>), StorageError> {
    let rows = database.query(&AFTER, &[&offset, &stored.start, &stored.end, &limit]).await?;
    Ok((rows.iter().map(event).collect(), rows.last().map(|row| row.get(7))))
}

static STORED_AT: Statement = Statement::new(
    "event_stored_at",
    "SELECT",
    "system_events",
    "select recorded_at from analytics.system_events where log_offset = $1",
);

/// When an event was stored; `None` when it is gone.
pub(crate) async fn stored_at(database: &Database, offset: i64) -> Result<Option<Timestamp>, StorageError> {
    Ok(database.query_opt(&STORED_AT, &[&offset]).await?.map(|row| row.get(0)))
}

static FORGET: Statement = Statement::new(
    "forget_names_in_log",
    "UPDATE",
    "system_events",
    "update analytics.system_events
     set metadata = (metadata::jsonb || jsonb_build_object('username', 'deleted-' || (metadata ->> 'player_id'))
                     || case event_type when 'player_registered' then '{\"region\": \"\"}'::jsonb else '{}' end)::json
     where event_type in ('player_registered', 'player_renamed') and source <> 'api' and metadata ->> 'player_id' = any($1)",
);

static FORGET_DEAD: Statement = Statement::new(
    "forget_dead_names",
    "UPDATE",
    "dead_letters",
    "update analytics.dead_letters
     set payload = (payload::jsonb || jsonb_build_object('username', 'deleted-' || (payload::json ->> 'player_id'))
                    || case kind when 'player_registered' then '{\"region\": \"\"}'::jsonb else '{}' end)::text,
         error = 'withheld: the account was deleted'
     where kind in ('player_registered', 'player_renamed') and payload::json ->> 'player_id' = any($1)",
);

/// Takes out of the log, and of what it could not apply, what only the players themselves had told it.
pub(crate) async fn forget(session: Session<'_>, player_ids: &[i64]) -> Result<(), StorageError> {
    let ids: Vec<String> = player_ids.iter().map(ToString::to_string).collect();
    session.execute(&FORGET, &[&ids]).await?;
    session.execute(&FORGET_DEAD, &[&ids]).await?;
    Ok(())
}

static TRIM: Statement = Statement::new(
    "trim_log",
    "UPDATE",
    "log_head",
    "update analytics.log_head set trimmed_through = greatest(trimmed_through, $1)",
);

/// Notes that events up to an offset are gone.
pub(crate) async fn trim(session: Session<'_>, through: i64) -> Result<(), StorageError> {
    session.execute(&TRIM, &[&through]).await?;
    Ok(())
}

fn event(row: &Row) -> Event {
    let (offset, source, event_type): (i64, String, String) = (row.get(0), row.get(1), row.get(2));
    let metadata: String = row.get(5);
    let body = if source == API {
        let (severity, message) = (row.get(3), row.get(4));
        Some(Body::SystemEventRecorded(SystemEventRecorded {
            event_type,
            severity,
            message,
            metadata_json: metadata,
        }))
    } else {
        let decoded = Body::decode(&event_type, &metadata);
        decoded.inspect_err(|error| tracing::warn!(offset, %error, "an event of the log cannot be read")).ok()
    };
    Event {
        offset,
        source,
        occurred_at: Some(timestamp_to_wire(row.get(6))),
        traceparent: row.get::<_, Option<String>>(8).unwrap_or_default(),
        body,
    }
}
