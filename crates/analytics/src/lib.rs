//! The analytics service: the event log of the platform, and the read models that follow it. Owns the schema `analytics`.

mod app;
mod config;
mod domain;
mod grpc;
mod log;
mod metrics;
mod service;
mod store;
mod tasks;

pub use app::App;
pub use config::Config;
/// The ranking, for its benchmark.
#[doc(hidden)]
pub use domain::{Board, PlayerChange};
/// Name of the consumer that keeps the read models, for `arena events rebuild`.
pub use tasks::READ_MODELS;

use battlearena_storage::partitions::DailyTable;

mod embedded {
    refinery::embed_migrations!("migrations");
}

const SCHEMA: &str = "analytics";

const SYSTEM_EVENTS: DailyTable = DailyTable { schema: SCHEMA, table: "system_events" };

/// The migrations of schema `analytics`.
///
/// # Errors
/// See [`battlearena_storage::Migrator::new`].
pub fn migrator() -> Result<battlearena_storage::Migrator, battlearena_storage::MigrateError> {
    let migrator = battlearena_storage::Migrator::new(SCHEMA, &embedded::migrations::runner())?;
    Ok(migrator.with_daily_table(SYSTEM_EVENTS))
}
