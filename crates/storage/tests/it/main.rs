//! The mechanism on a real PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod answers;
mod bounds;
mod consumer;
mod migrations;
mod ownership;
mod partitions;
mod sessions;

use battlearena_storage::testing::TestDatabase;
use battlearena_storage::{Database, DatabaseSettings, Migrator};

/// A schema with nothing but the mechanism's tables.
const SCHEMA: &str = "probe";

fn migrator() -> Migrator {
    Migrator::mechanism_only(SCHEMA).unwrap()
}

async fn fresh() -> (String, Database) {
    battlearena_telemetry::start_for_tests();
    let url = TestDatabase::create(&[migrator()]).await.url;
    let database = open(&url);
    (url, database)
}

fn open(url: &str) -> Database {
    Database::new(&DatabaseSettings::for_url(url), "test").unwrap()
}
