//! Migrations: once, whoever runs them, and their version is seen.

use battlearena_storage::{database_check, migrate, schema_version};

use crate::{SCHEMA, fresh, migrator};

#[tokio::test(flavor = "multi_thread")]
async fn migrations_run_once_however_many_run_them() {
    let (url, database) = fresh().await;
    let mut runs = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let url = url.clone();
        runs.spawn(async move { migrate(&url, &[migrator()]).await });
    }
    for result in runs.join_all().await {
        result.unwrap();
    }
    assert_eq!(schema_version(&database, SCHEMA).await.unwrap(), 1);
    assert_eq!(schema_version(&database, "nowhere").await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_unready_on_an_older_schema_and_works_with_a_newer_one() {
    let (_, database) = fresh().await;
    let older = database_check(database.clone(), SCHEMA, 2)().await.unwrap_err();
    assert_eq!(older, "schema probe is at version 1, this build needs 2: run `arena migrate`");
    database_check(database.clone(), SCHEMA, 1)().await.unwrap();
    database_check(database, SCHEMA, 0)().await.unwrap();
}
