//! The socket-gateway: sockets of players, rooms with their messages and presence, and the live feed of the platform.
//! The wire is described in `docs/socket-protocol.md`. Owns the schema `socket`.

mod app;
mod config;
mod domain;
mod grpc;
mod http;
mod hub;
mod metrics;
mod service;
mod socket;
mod store;
mod tasks;

pub use app::App;
pub use config::Config;

use battlearena_storage::partitions::DailyTable;

mod embedded {
    refinery::embed_migrations!("migrations");
}

const SCHEMA: &str = "socket";

const MESSAGES: DailyTable = DailyTable { schema: SCHEMA, table: "messages" };

/// The migrations of schema `socket`.
///
/// # Errors
/// See [`battlearena_storage::Migrator::new`].
pub fn migrator() -> Result<battlearena_storage::Migrator, battlearena_storage::MigrateError> {
    let migrator = battlearena_storage::Migrator::new(SCHEMA, &embedded::migrations::runner())?;
    Ok(migrator.with_daily_table(MESSAGES))
}
