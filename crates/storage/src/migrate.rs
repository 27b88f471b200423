//! Migrations: only `arena migrate` changes schemas, one run at a time (refinery takes no lock of its own). Each schema
//! has its own history table. Versions below 100 are the mechanism's tables, the same in every schema.

use std::time::Duration;

use jiff::Timestamp;
use refinery::{Migration, Runner};
use tokio_postgres::{Config, NoTls};

use crate::error::{DatabaseError, told};
use crate::partitions::DailyTable;
use crate::{Database, DatabaseSettings, Statement, StorageError};

/// The migrations of one service's schema.
pub struct Migrator {
    schema: &'static str,
    migrations: Vec<Migration>,
    daily_tables: Vec<DailyTable>,
}

/// Why migrations did not run. What was applied before the failing one stays applied.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The database cannot be reached.
    #[error("cannot connect to the database")]
    Connect(#[source] DatabaseError),
    /// A statement around the migrations failed.
    #[error("cannot prepare schema {schema}")]
    Prepare {
        /// Which schema.
        schema: &'static str,
        /// What the database said.
        #[source]
        source: DatabaseError,
    },
    /// A migration failed, or an applied one differs from ours.
    #[error("cannot migrate schema {schema}")]
    Apply {
        /// Which schema.
        schema: &'static str,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The first partitions could not be made.
    #[error("cannot make partitions in schema {schema}")]
    Partitions {
        /// Which schema.
        schema: &'static str,
        /// What went wrong.
        #[source]
        source: StorageError,
    },
}

impl Migrator {
    /// The mechanism's migrations and the service's own (`refinery::embed_migrations!`, versions from 100).
    ///
    /// # Errors
    /// [`MigrateError::Apply`] when the mechanism's migration has a name that refinery does not take.
    pub fn new(schema: &'static str, own: &Runner) -> Result<Self, MigrateError> {
        let mut migrator = Self::mechanism_only(schema)?;
        migrator.migrations.extend(own.get_migrations().iter().cloned());
        Ok(migrator)
    }

    /// The mechanism's migrations alone.
    ///
    /// # Errors
    /// As [`Migrator::new`].
    pub fn mechanism_only(schema: &'static str) -> Result<Self, MigrateError> {
        let mechanism = Migration::unapplied("V1__mechanism", include_str!("mechanism.sql"))
            .map_err(|source| MigrateError::Apply { schema, source: without_values(source) })?;
        let migrations = vec![mechanism];
        let daily_tables = DailyTable::of_the_mechanism(schema).to_vec();
        Ok(Self { schema, migrations, daily_tables })
    }

    /// Names a table of the service's own that is partitioned by day, so that it has its first partitions.
    #[must_use]
    pub fn with_daily_table(mut self, table: DailyTable) -> Self {
        self.daily_tables.push(table);
        self
    }

    /// The newest version that this build knows.
    pub fn newest(&self) -> i32 {
        self.migrations.iter().map(|migration| migration.version()).max().unwrap_or(0)
    }
}

/// Brings every schema to its newest version, under an advisory lock. Schemas that are newer are left alone.
///
/// # Errors
/// See [`MigrateError`].
pub async fn migrate(database_url: &str, migrators: &[Migrator]) -> Result<(), MigrateError> {
    let mut config: Config =
        database_url.parse().map_err(|error: tokio_postgres::Error| MigrateError::Connect(error.into()))?;
    config.application_name("arena-migrate").connect_timeout(Duration::from_secs(5));
    let (mut client, connection) =
        config.connect(NoTls).await.map_err(|error| MigrateError::Connect(error.into()))?;
    let work = async move {
        let lock = "select pg_advisory_lock(hashtextextended('battlearena migrate', 0))";
        client.batch_execute(lock).await.map_err(|error| MigrateError::Connect(error.into()))?;
        for migrator in migrators {
            let schema = migrator.schema;
            let prepare = format!("create schema if not exists {schema}; set search_path to {schema}");
            client
                .batch_execute(&prepare)
                .await
                .map_err(|source| MigrateError::Prepare { schema, source: source.into() })?;
            let mut runner = Runner::new(&migrator.migrations).set_abort_missing(false).set_grouped(false);
            runner.set_migration_table_name("schema_history");
            let report = runner
                .run_async(&mut client)
                .await
                .map_err(|source| MigrateError::Apply { schema, source: without_values(source) })?;
            for applied in report.applied_migrations() {
                tracing::info!(
                    schema,
                    version = i64::from(applied.version()),
                    name = applied.name(),
                    "migrated"
                );
            }
        }
        // The client, and with it the lock, is held until all is done.
        let result = make_partitions(database_url, migrators).await;
        drop(client);
        result
    };
    // The connection ends when the work drops its client.
    let (result, _) = tokio::join!(work, connection);
    result
}

/// What refinery says, without the values of rows that PostgreSQL quotes.
fn without_values(error: refinery::Error) -> Box<dyn std::error::Error + Send + Sync> {
    let said = std::error::Error::source(&error).and_then(|cause| cause.downcast_ref());
    match said.map(|said| format!("{error}: {}", told(said))) {
        Some(text) => text.into(),
        None => Box::new(error),
    }
}

async fn make_partitions(database_url: &str, migrators: &[Migrator]) -> Result<(), MigrateError> {
    for migrator in migrators {
        let schema = migrator.schema;
        let failed = |source| MigrateError::Partitions { schema, source };
        let database =
            Database::new(&DatabaseSettings::for_url(database_url), "arena-migrate").map_err(failed)?;
        for table in &migrator.daily_tables {
            table.make_ahead(&database, Timestamp::now()).await.map_err(failed)?;
        }
        database.close();
    }
    Ok(())
}

/// The newest version applied to a schema; 0 when it was never migrated.
///
/// # Errors
/// See [`StorageError`].
pub async fn schema_version(database: &Database, schema: &str) -> Result<i32, StorageError> {
    static EXISTS: Statement = Statement::new(
        "schema_history_exists",
        "SELECT",
        "schema_history",
        "select to_regclass($1 || '.schema_history') is not null",
    );
    if !database.query_one(&EXISTS, &[&schema]).await?.get::<_, bool>(0) {
        return Ok(0);
    }
    // Every schema has its own history table, hence its own text; there are as many as services, and they are kept.
    let newest = Statement::in_schema(
        "schema_version",
        "SELECT",
        "schema_history",
        schema,
        "select coalesce(max(version), 0)::int from {schema}.schema_history",
    );
    Ok(database.query_one(newest, &[]).await?.get(0))
}
