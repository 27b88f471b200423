//! The match service: the life of matches, from their start to their one end, and the points that they earn. Owns the
//! schema `match`.

mod app;
mod config;
mod domain;
mod grpc;
mod metrics;
mod service;
mod store;
mod tasks;

pub use app::App;
pub use config::Config;

mod embedded {
    refinery::embed_migrations!("migrations");
}

const SCHEMA: &str = "match";

/// The migrations of schema `match`.
///
/// # Errors
/// See [`battlearena_storage::Migrator::new`].
pub fn migrator() -> Result<battlearena_storage::Migrator, battlearena_storage::MigrateError> {
    battlearena_storage::Migrator::new(SCHEMA, &embedded::migrations::runner())
}
