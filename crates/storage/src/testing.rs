//! Databases for tests: real ones, on a private cluster that is started once a test process and goes with it.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::cluster;
use crate::{Migrator, migrate};

/// A fresh database. It stays until the test process ends, for a look at it in a debugger.
pub struct TestDatabase {
    /// Connection string for [`crate::DatabaseSettings`].
    pub url: String,
}

impl TestDatabase {
    /// Creates a database and migrates it.
    ///
    /// # Panics
    /// When PostgreSQL cannot be started: a test without its database has nothing to say.
    #[expect(clippy::expect_used, reason = "only tests call it")]
    pub async fn create(migrators: &[Migrator]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let cluster = cluster::ephemeral().await.expect("PostgreSQL for tests");
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let url = cluster.create_database(&name).await.expect("creating a database");
        migrate(&url, migrators).await.expect("migrating");
        Self { url }
    }
}
