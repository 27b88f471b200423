//! Tables partitioned by day: partitions are made days ahead and dropped whole when their retention is over. Attaching
//! and detaching take no lock that would stop readers or writers.

use std::time::Duration;

use battlearena_proto::chain;
use battlearena_telemetry::Measured;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use tokio_util::sync::CancellationToken;

use crate::{Database, Session, Statement, StorageError};

/// How many days ahead partitions are made, so that a service may be away for as long.
const DAYS_AHEAD: i64 = 7;

/// How long first answers are kept at least; a day goes when all of it is over.
const IDEMPOTENCY_RETENTION: Duration = Duration::from_secs(24 * 3600);
const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

/// A table that is partitioned by day (UTC) over a `timestamptz` column.
#[derive(Debug, Clone, Copy)]
pub struct DailyTable {
    /// Schema of the table.
    pub schema: &'static str,
    /// Name of the table; partitions are called `<table>_pYYYYMMDD`.
    pub table: &'static str,
}

/// One day of a table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Partition {
    /// The day (UTC).
    pub day: Date,
    /// Qualified name of the partition.
    pub name: String,
}

impl DailyTable {
    /// The tables of the mechanism that every schema has: the outbox and the idempotency records.
    pub const fn of_the_mechanism(schema: &'static str) -> [Self; 2] {
        [Self { schema, table: "outbox" }, Self { schema, table: "idempotency" }]
    }

    /// Makes the partitions of today and the next seven days. Those that exist are left alone.
    ///
    /// # Errors
    /// See [`StorageError`]. Partitions made before the error remain.
    pub async fn make_ahead(self, database: &Database, now: Timestamp) -> Result<(), StorageError> {
        let existing = self.existing(database).await?;
        let connection = database.connection().await?;
        let today = day_of(now);
        for ahead in 0..=DAYS_AHEAD {
            let day = today.saturating_add(ahead.days());
            if !existing.iter().any(|partition| partition.day == day) {
                self.make(connection.session(), day).await?;
            }
        }
        Ok(())
    }

    /// The partitions whose day lies wholly before `now - retention`, oldest first.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub async fn expired(
        self,
        database: &Database,
        now: Timestamp,
        retention: Duration,
    ) -> Result<Vec<Partition>, StorageError> {
        let oldest_kept = day_of(now.checked_sub(retention).unwrap_or(Timestamp::MIN));
        Ok(self
            .existing(database)
            .await?
            .into_iter()
            .filter(|partition| partition.day < oldest_kept)
            .collect())
    }

    /// Drops a partition with its rows. Waits for readers that still look at it, for ten minutes at most, on a connection
    /// of its own.
    ///
    /// # Errors
    /// See [`StorageError`]. What was interrupted is taken up again by the next call.
    pub async fn drop_partition(
        self,
        database: &Database,
        partition: &Partition,
    ) -> Result<(), StorageError> {
        let Self { schema, table } = self;
        let name = &partition.name;
        let client = database.dedicated(|_| {}).await?;
        client.batch_execute("set statement_timeout = '10min'").await?;
        let state = client
            .query_opt("select inhdetachpending from pg_inherits where inhrelid = to_regclass($1)", &[name])
            .await?;
        match state.map(|row| row.get::<_, bool>(0)) {
            // Detached already.
            None => {}
            Some(false) => {
                let detach = format!("alter table {schema}.{table} detach partition {name} concurrently");
                client.batch_execute(&detach).await?;
            }
            Some(true) => {
                let finalize = format!("alter table {schema}.{table} detach partition {name} finalize");
                client.batch_execute(&finalize).await?;
            }
        }
        Ok(client.batch_execute(&format!("drop table {name}")).await?)
    }

    async fn make(self, session: Session<'_>, day: Date) -> Result<(), StorageError> {
        let Self { schema, table } = self;
        let name = format!("{schema}.{table}_p{}", day.strftime("%Y%m%d"));
        let next = day.saturating_add(1.day());
        session
            .define(&format!(
                "create table if not exists {name} (like {schema}.{table} including defaults including constraints \
                 including indexes);
                 alter table {schema}.{table} attach partition {name} for values from ('{day} 00:00+00') to \
                 ('{next} 00:00+00')"
            ))
            .await
    }

    async fn existing(self, database: &Database) -> Result<Vec<Partition>, StorageError> {
        static EXISTING: Statement = Statement::new(
            "existing_partitions",
            "SELECT",
            "pg_class",
            "select c.relname
             from pg_class c join pg_namespace n on n.oid = c.relnamespace
             where n.nspname = $1 and c.relkind = 'r' and c.relname ~ ('^' || $2 || '_p[0-9]{8}$')
             order by c.relname",
        );
        let rows = database.query(&EXISTING, &[&self.schema, &self.table]).await?;
        Ok(rows
            .iter()
            .filter_map(|row| {
                let relation: String = row.get(0);
                let day = Date::strptime("%Y%m%d", &relation[relation.len() - 8..]).ok()?;
                Some(Partition { day, name: format!("{}.{relation}", self.schema) })
            })
            .collect())
    }
}

/// Keeps the mechanism's tables of a schema, and the service's own daily tables, supplied with partitions, and drops
/// idempotency records that are over. (Days of the outbox are dropped by the relay, which knows what is delivered.) Runs
/// hourly until told to stop; a failure is tried again within a minute. It is measured from the call on.
pub fn keep(
    database: Database,
    schema: &'static str,
    own: &[DailyTable],
    stop: CancellationToken,
) -> impl Future<Output = ()> {
    let keeping = Measured::new("keep_partitions");
    async move {
        // Whatever it is doing when it is told to stop is taken up again by the next run.
        tokio::select! {
            () = stop.cancelled() => {}
            () = keep_forever(&database, schema, own, &keeping) => {}
        }
    }
}

async fn keep_forever(database: &Database, schema: &'static str, own: &[DailyTable], keeping: &Measured) {
    loop {
        let next = match keeping.run(keep_once(database, schema, own, Timestamp::now())).await {
            Ok(()) => HOUR,
            Err(error) => {
                tracing::warn!(schema, error = chain(&error), "partitions are not kept");
                MINUTE
            }
        };
        tokio::time::sleep(next).await;
    }
}

async fn keep_once(
    database: &Database,
    schema: &'static str,
    own: &[DailyTable],
    now: Timestamp,
) -> Result<(), StorageError> {
    let mechanism = DailyTable::of_the_mechanism(schema);
    for table in own.iter().chain(&mechanism) {
        table.make_ahead(database, now).await?;
    }
    let [_, idempotency] = mechanism;
    for partition in idempotency.expired(database, now, IDEMPOTENCY_RETENTION).await? {
        idempotency.drop_partition(database, &partition).await?;
    }
    Ok(())
}

fn day_of(time: Timestamp) -> Date {
    time.to_zoned(TimeZone::UTC).date()
}
