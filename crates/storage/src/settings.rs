//! What can be set about the database.

use std::fmt;
use std::time::Duration;

use crate::DatabasePassword;

/// Connection settings, the same for every role.
#[derive(Clone, clap::Args)]
pub struct DatabaseSettings {
    /// PostgreSQL connection string or URL (libpq's form; secrets belong into the environment, not into argv).
    #[arg(long, env = "ARENA_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: String,

    #[expect(missing_docs, reason = "documented by its type")]
    #[command(flatten)]
    pub database_password: DatabasePassword,

    /// Connections that this process may hold open, 1 to 500.
    #[arg(long, env = "ARENA_DATABASE_POOL_SIZE", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=500), value_name = "COUNT")]
    pub database_pool_size: u16,

    /// Longest wait for a free or a new connection, in milliseconds. Past it a request is answered 503.
    #[arg(long, env = "ARENA_DATABASE_POOL_WAIT_MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=60_000), value_name = "MS")]
    pub database_pool_wait_ms: u64,

    /// Longest time for one statement, in milliseconds. Past it the statement is cancelled, the connection is given up
    /// and the request is answered 503.
    #[arg(long, env = "ARENA_DATABASE_STATEMENT_TIMEOUT_MS", default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..=600_000), value_name = "MS")]
    pub database_statement_timeout_ms: u64,
}

impl DatabaseSettings {
    /// The defaults with a connection string.
    pub fn for_url(database_url: impl Into<String>) -> Self {
        Self {
            database_url: database_url.into(),
            database_password: DatabasePassword::default(),
            database_pool_size: 16,
            database_pool_wait_ms: 1000,
            database_statement_timeout_ms: 2000,
        }
    }

    pub(crate) fn pool_wait(&self) -> Duration {
        Duration::from_millis(self.database_pool_wait_ms)
    }

    pub(crate) fn statement_timeout(&self) -> Duration {
        Duration::from_millis(self.database_statement_timeout_ms)
    }
}

impl fmt::Debug for DatabaseSettings {
    /// Without the connection string, which may have a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseSettings")
            .field("database_password", &self.database_password)
            .field("database_pool_size", &self.database_pool_size)
            .field("database_pool_wait_ms", &self.database_pool_wait_ms)
            .field("database_statement_timeout_ms", &self.database_statement_timeout_ms)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_the_connection_string_is_not_shown() {
        let settings = DatabaseSettings::for_url("postgresql://arena:hidden-word@postgres/battlearena");
        let shown = format!("{settings:?}");
        assert!(shown.contains("database_pool_size: 16") && !shown.contains("hidden-word"), "{shown}");
    }
}
