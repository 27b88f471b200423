//! Reading a schema's outbox. Writing it is part of the use cases' own statements: columns `kind`, `payload` and
//! `traceparent`, the others have defaults.

use std::time::Duration;

use battlearena_proto::chain;
use battlearena_proto::events::{Event, OutboxEvent, OutboxPosition, event::Body};
use battlearena_proto::{UndecodableEvent, timestamp_to_wire};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::partitions::DailyTable;
use crate::{Database, Session, Statement, StorageError, ToSql, Wake};

/// The depth of the queue is counted up to here, so that counting stays cheap however far the log is behind.
const DEEPEST: i64 = 100_000;

/// The outbox of one schema.
#[derive(Clone)]
pub struct Outbox {
    pub(crate) schema: &'static str,
    database: Database,
}

/// An event as the outbox has it.
#[derive(Debug, Clone)]
pub struct OutboxRow {
    /// Its place in the order.
    pub position: OutboxPosition,
    /// When its transaction began.
    pub created_at: Timestamp,
    /// Which message `payload` holds.
    pub kind: String,
    /// JSON.
    pub payload: String,
    /// W3C trace context of the request.
    pub traceparent: Option<String>,
}

impl OutboxRow {
    /// The row as the log takes it.
    pub(crate) fn decode(&self) -> Result<OutboxEvent, UndecodableEvent> {
        Ok(OutboxEvent {
            position: Some(self.position),
            event: Some(Event {
                offset: 0,
                source: String::new(),
                occurred_at: Some(timestamp_to_wire(self.created_at)),
                traceparent: self.traceparent.clone().unwrap_or_default(),
                body: Some(Body::decode(&self.kind, &self.payload)?),
            }),
        })
    }
}

impl Outbox {
    /// The outbox of a schema that was migrated.
    pub fn new(database: Database, schema: &'static str) -> Self {
        Self { schema, database }
    }

    /// Tells an event that no change of the schema causes.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub async fn tell(&self, body: &Body) -> Result<(), StorageError> {
        let tell = Statement::in_schema(
            "tell_event",
            "INSERT",
            "outbox",
            self.schema,
            "insert into {schema}.outbox (kind, payload) values ($1, $2::text::json)",
        );
        self.database.execute(tell, &[&body.kind().as_str(), &body.to_payload()]).await.map(drop)
    }

    /// Tells each event that comes, until told to stop. One that cannot be stored is lost: for samples.
    pub async fn tell_each(self, wake: Wake, next: impl AsyncFn() -> Body, stop: CancellationToken) {
        let telling = async {
            loop {
                let body = next().await;
                match self.tell(&body).await {
                    Ok(()) => wake.wake(),
                    Err(error) => {
                        tracing::warn!(
                            schema = self.schema,
                            error = chain(&error),
                            kind = body.kind().as_str(),
                            "an event is lost"
                        );
                    }
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = telling => {}
        }
    }

    /// The next rows after a position, in order. Rows of transactions that could still be overtaken are left out:
    /// all that are returned are older than every running transaction, so that none can appear before them later.
    pub(crate) async fn after(
        &self,
        position: &OutboxPosition,
        limit: i64,
    ) -> Result<Vec<OutboxRow>, StorageError> {
        let after = Statement::in_schema(
            "read_outbox",
            "SELECT",
            "outbox",
            self.schema,
            "select xid, seq, created_at, kind, payload::text, traceparent
             from {schema}.outbox
             where (xid, seq) > ($1, $2) and xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
             order by xid, seq
             limit $3",
        );
        let rows = self.database.query(after, &[&position.transaction, &position.sequence, &limit]).await?;
        let row_of = |row: &crate::Row| OutboxRow {
            position: OutboxPosition {
                incarnation: position.incarnation,
                transaction: row.get(0),
                sequence: row.get(1),
            },
            created_at: row.get(2),
            kind: row.get(3),
            payload: row.get(4),
            traceparent: row.get(5),
        };
        Ok(rows.iter().map(row_of).collect())
    }

    /// How many rows wait after a position, counted up to [`DEEPEST`], and for how long the oldest of them has.
    pub(crate) async fn waiting(&self, position: &OutboxPosition) -> Result<(i64, Duration), StorageError> {
        let waiting = Statement::in_schema(
            "outbox_depth",
            "SELECT",
            "outbox",
            self.schema,
            "select count(*), coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0)::float8
             from (select created_at from {schema}.outbox where (xid, seq) > ($1, $2) order by xid, seq limit $3) o",
        );
        let parameters: [&(dyn ToSql + Sync); 3] = [&position.transaction, &position.sequence, &DEEPEST];
        let row = self.database.query_one(waiting, &parameters).await?;
        Ok((row.get(0), Duration::try_from_secs_f64(row.get(1)).unwrap_or_default()))
    }

    /// Which life of the outbox this is. When the database was restored into another cluster, or from a time before the
    /// last life, a new life begins: what the log has already is deleted, and what it has not is stamped anew, so that
    /// the order holds again. A restored row is known by its `xmin`, which is that of the restore; rows that were told
    /// since are left as they are.
    pub(crate) async fn incarnation(&self, acknowledged: &OutboxPosition) -> Result<i64, StorageError> {
        let schema = self.schema;
        let current = Statement::in_schema(
            "outbox_incarnation",
            "SELECT",
            "outbox_incarnation",
            schema,
            "select i.incarnation, i.system_identifier <> c.system_identifier
                    or $1 >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint
             from {schema}.outbox_incarnation i, pg_control_system() c",
        );
        let row = self.database.query_one(current, &[&acknowledged.transaction]).await?;
        let (incarnation, was_restored) = (row.get::<_, i64>(0), row.get::<_, bool>(1));
        if !was_restored && acknowledged.incarnation <= incarnation {
            return Ok(incarnation);
        }
        self.begin_new_life(acknowledged, incarnation).await
    }

    async fn begin_new_life(&self, acknowledged: &OutboxPosition, current: i64) -> Result<i64, StorageError> {
        let schema = self.schema;
        let delete_delivered = Statement::in_schema(
            "delete_delivered",
            "DELETE",
            "outbox",
            schema,
            "delete from {schema}.outbox where (xid, seq) <= ($1, $2) and xmin::text::bigint <> (xid & 4294967295)",
        );
        let stamp_anew = Statement::in_schema(
            "stamp_outbox_anew",
            "UPDATE",
            "outbox",
            schema,
            "update {schema}.outbox set xid = pg_current_xact_id()::text::bigint
             where xmin::text::bigint <> (xid & 4294967295)",
        );
        let next_life = Statement::in_schema(
            "next_incarnation",
            "UPDATE",
            "outbox_incarnation",
            schema,
            "update {schema}.outbox_incarnation i
             set incarnation = greatest(i.incarnation, $1) + 1, system_identifier = c.system_identifier
             from pg_control_system() c returning i.incarnation",
        );
        let mut connection = self.database.connection().await?;
        let transaction = connection.begin().await?;
        // The whole outbox is read: more than a request's statement may take.
        transaction.session().define("set local statement_timeout = '10min'").await?;
        let session = transaction.session().with_statement_timeout(Duration::from_secs(600));
        if acknowledged.incarnation == current {
            session.execute(delete_delivered, &[&acknowledged.transaction, &acknowledged.sequence]).await?;
        }
        session.execute(stamp_anew, &[]).await?;
        let incarnation = session.query_one(next_life, &[&acknowledged.incarnation]).await?.get(0);
        transaction.commit().await?;
        tracing::warn!(schema, incarnation, "the outbox begins a new life: its database was restored");
        Ok(incarnation)
    }

    /// Takes a row out that becomes a dead letter.
    pub(crate) async fn remove(
        &self,
        session: Session<'_>,
        position: &OutboxPosition,
    ) -> Result<(), StorageError> {
        let remove = Statement::in_schema(
            "remove_from_outbox",
            "DELETE",
            "outbox",
            self.schema,
            "delete from {schema}.outbox where xid = $1 and seq = $2",
        );
        session.execute(remove, &[&position.transaction, &position.sequence]).await?;
        Ok(())
    }

    /// Drops the days that are over their retention and wholly delivered.
    pub(crate) async fn trim(
        &self,
        acknowledged: &OutboxPosition,
        retention: Duration,
    ) -> Result<(), StorageError> {
        let table = DailyTable { schema: self.schema, table: "outbox" };
        for partition in table.expired(&self.database, Timestamp::now(), retention).await? {
            let undelivered =
                format!("select exists (select from {} where (xid, seq) > ($1, $2))", partition.name);
            let parameters: [&(dyn ToSql + Sync); 2] = [&acknowledged.transaction, &acknowledged.sequence];
            let connection = self.database.connection().await?;
            let is_undelivered = connection.session().query_text(&undelivered, &parameters).await?.get(0);
            drop(connection);
            if is_undelivered {
                tracing::warn!(
                    partition = partition.name,
                    "kept past its retention: it holds undelivered events"
                );
            } else {
                table.drop_partition(&self.database, &partition).await?;
            }
        }
        Ok(())
    }
}
