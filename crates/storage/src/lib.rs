//! The PostgreSQL mechanism that the services share: connections, measured statements, transactions, migrations,
//! ownership locks, partitions, and events from outbox to consumer. Knows no tables but those that it creates itself in
//! each service's schema (`mechanism.sql`).

pub mod cluster;
pub mod events;
pub mod idempotency;
pub mod partitions;
#[cfg(feature = "testing")]
pub mod testing;

mod check;
mod database;
mod error;
mod migrate;
mod ownership;
mod password;
mod session;
mod settings;
mod statement;
mod wake;

pub use check::database_check;
pub use database::{Connection, Database, Transaction};
pub use error::{DatabaseError, StorageError};
pub use migrate::{MigrateError, Migrator, migrate, schema_version};
pub use ownership::{Owned, Ownership};
pub use password::DatabasePassword;
pub use session::Session;
pub use settings::DatabaseSettings;
pub use statement::Statement;
pub use wake::Wake;

pub use tokio_postgres::Row;
pub use tokio_postgres::types::{Json, ToSql};
