//! Events that could not go on their way. They wait in the schema's `dead_letters`, out of the way of the others, until
//! an operator lists, replays or drops them (`arena events dead`). A replay is a mark on the row: the service that owns
//! the queue sees it and acts, in one transaction with the removal of the letter.

use battlearena_proto::events::{Event, event::Body};
use battlearena_proto::{UndecodableEvent, timestamp_to_wire};
use jiff::Timestamp;

use crate::{Database, Session, Statement, StorageError};

/// The queue of letters that the relay could not deliver. Other queues are named after their consumers.
pub const OUTBOX: &str = "outbox";

/// A letter on its way to the dead.
#[derive(Debug)]
pub(crate) struct DeadLetter<'a> {
    pub(crate) queue: &'a str,
    /// Where it stood in its queue; a second burial of the same position changes nothing.
    pub(crate) position: String,
    pub(crate) kind: &'a str,
    pub(crate) payload: &'a str,
    pub(crate) traceparent: Option<&'a str>,
    pub(crate) occurred_at: Timestamp,
    pub(crate) error: &'a str,
}

/// A dead letter as `arena events dead list` shows it.
#[derive(Debug, serde::Serialize)]
pub struct Listed {
    /// Names it in `replay` and `drop`.
    pub id: i64,
    /// `outbox`, or the name of the consumer that could not apply it.
    pub queue: String,
    /// Where it stood in its queue.
    pub position: String,
    /// Kind of the event.
    pub kind: String,
    /// The event, JSON.
    pub payload: String,
    /// When the event happened.
    pub occurred_at: Timestamp,
    /// Why it died.
    pub error: String,
    /// Since when it lies here.
    pub dead_since: Timestamp,
    /// Whether a replay was asked for and has not happened yet.
    pub replay_requested: bool,
}

/// Lists the dead letters of a schema, oldest first.
///
/// # Errors
/// See [`StorageError`].
pub async fn list(database: &Database, schema: &str, limit: i64) -> Result<Vec<Listed>, StorageError> {
    let list = Statement::in_schema(
        "list_dead_letters",
        "SELECT",
        "dead_letters",
        schema,
        "select id, queue, position, kind, payload, occurred_at, error, dead_since, replay_requested
         from {schema}.dead_letters order by id limit $1",
    );
    let rows = database.query(list, &[&limit]).await?;
    Ok(rows
        .iter()
        .map(|row| Listed {
            id: row.get(0),
            queue: row.get(1),
            position: row.get(2),
            kind: row.get(3),
            payload: row.get(4),
            occurred_at: row.get(5),
            error: row.get(6),
            dead_since: row.get(7),
            replay_requested: row.get(8),
        })
        .collect())
}

/// Asks for another try of some letters, or of all (`None`). Returns how many there are.
///
/// # Errors
/// See [`StorageError`].
pub async fn request_replay(
    database: &Database,
    schema: &str,
    ids: Option<&[i64]>,
) -> Result<u64, StorageError> {
    let request = Statement::in_schema(
        "request_replay",
        "UPDATE",
        "dead_letters",
        schema,
        "update {schema}.dead_letters set replay_requested = true where $1::bigint[] is null or id = any($1)",
    );
    database.execute(request, &[&ids]).await
}

/// Gives some letters up for good, or all (`None`). Returns how many there were.
///
/// # Errors
/// See [`StorageError`].
pub async fn drop(database: &Database, schema: &str, ids: Option<&[i64]>) -> Result<u64, StorageError> {
    let drop = Statement::in_schema(
        "drop_dead_letters",
        "DELETE",
        "dead_letters",
        schema,
        "delete from {schema}.dead_letters where $1::bigint[] is null or id = any($1)",
    );
    database.execute(drop, &[&ids]).await
}

/// Lays an event among the dead.
pub(crate) async fn bury(
    session: Session<'_>,
    schema: &str,
    letter: &DeadLetter<'_>,
) -> Result<(), StorageError> {
    let bury = Statement::in_schema(
        "bury",
        "INSERT",
        "dead_letters",
        schema,
        "insert into {schema}.dead_letters (queue, position, kind, payload, traceparent, occurred_at, error)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict on constraint dead_letters_position_key
         do update set error = excluded.error, replay_requested = false",
    );
    let DeadLetter { queue, position, kind, payload, traceparent, occurred_at, error } = letter;
    session.execute(bury, &[queue, position, kind, payload, traceparent, occurred_at, error]).await?;
    tracing::error!(schema, queue, position, kind, error, "an event became a dead letter");
    Ok(())
}

/// Puts the outbox's letters for which a replay was asked back at the end of the outbox.
pub(crate) async fn tell_again(database: &Database, schema: &str) -> Result<(), StorageError> {
    let tell_again = Statement::in_schema(
        "tell_again",
        "INSERT",
        "outbox",
        schema,
        "with revived as (
           delete from {schema}.dead_letters where queue = 'outbox' and replay_requested
           returning id, kind, payload, traceparent)
         insert into {schema}.outbox (kind, payload, traceparent)
         select kind, payload::json, traceparent from revived order by id",
    );
    database.execute(tell_again, &[]).await?;
    Ok(())
}

/// The oldest letter of a consumer for which a replay was asked, locked for this transaction.
pub(crate) async fn next_replay(
    session: Session<'_>,
    schema: &str,
    queue: &str,
) -> Result<Option<Revived>, StorageError> {
    let next = Statement::in_schema(
        "next_replay",
        "SELECT",
        "dead_letters",
        schema,
        "select id, position, kind, payload, traceparent, occurred_at from {schema}.dead_letters
         where queue = $1 and replay_requested order by id limit 1 for update skip locked",
    );
    let row = session.query_opt(next, &[&queue]).await?;
    Ok(row.map(|row| Revived {
        id: row.get(0),
        position: row.get(1),
        kind: row.get(2),
        payload: row.get(3),
        traceparent: row.get(4),
        occurred_at: row.get(5),
    }))
}

/// A letter that is tried again.
pub(crate) struct Revived {
    pub(crate) id: i64,
    pub(crate) position: String,
    pub(crate) kind: String,
    pub(crate) payload: String,
    pub(crate) traceparent: Option<String>,
    pub(crate) occurred_at: Timestamp,
}

impl Revived {
    /// The event as the log told it.
    pub(crate) fn to_event(&self) -> Result<Event, UndecodableEvent> {
        Ok(Event {
            offset: self.position.parse().unwrap_or_default(),
            source: String::new(),
            occurred_at: Some(timestamp_to_wire(self.occurred_at)),
            traceparent: self.traceparent.clone().unwrap_or_default(),
            body: Some(Body::decode(&self.kind, &self.payload)?),
        })
    }
}

/// Takes a letter out that has found its way.
pub(crate) async fn remove(session: Session<'_>, schema: &str, id: i64) -> Result<(), StorageError> {
    let remove = Statement::in_schema(
        "remove_dead_letter",
        "DELETE",
        "dead_letters",
        schema,
        "delete from {schema}.dead_letters where id = $1",
    );
    session.execute(remove, &[&id]).await?;
    Ok(())
}

/// Leaves a letter where it is, with the reason why its replay failed.
pub(crate) async fn keep(
    session: Session<'_>,
    schema: &str,
    id: i64,
    error: &str,
) -> Result<(), StorageError> {
    let keep = Statement::in_schema(
        "keep_dead_letter",
        "UPDATE",
        "dead_letters",
        schema,
        "update {schema}.dead_letters set replay_requested = false, error = $2 where id = $1",
    );
    session.execute(keep, &[&id, &error]).await?;
    Ok(())
}
