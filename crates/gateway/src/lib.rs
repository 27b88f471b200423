//! The gateway: the public HTTP API. Owns players, what they log in with, and the ledger
//! (schema `gateway`); matches, statistics and the event
//! log are their owners', asked over gRPC. Never touches another service's tables.

mod app;
mod config;
mod domain;
mod doors;
mod http;
pub mod keys;
mod metrics;
mod service;
mod store;
mod tasks;

pub use app::App;
pub use battlearena_identity::AuthMode;
pub use config::{Config, LogInLimitSettings};
pub use tasks::POINTS;

mod embedded {
    refinery::embed_migrations!("migrations");
}

const SCHEMA: &str = "gateway";

/// Where the relay of this schema's outbox is woken.
const OUTBOX_CHANNEL: &str = "gateway_outbox";

/// The migrations of schema `gateway`.
///
/// # Errors
/// [`battlearena_storage::MigrateError::Apply`] for a migration whose name refinery does not take.
pub fn migrator() -> Result<battlearena_storage::Migrator, battlearena_storage::MigrateError> {
    battlearena_storage::Migrator::new(SCHEMA, &embedded::migrations::runner())
}
