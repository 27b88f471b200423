//! Stopping: what was accepted is answered, and nothing new is accepted.

use std::time::Duration;

use battlearena_runtime::{CancellationToken, Tasks};
use battlearena_storage::testing::TestDatabase;
use battlearena_storage::{Database, DatabaseSettings};
use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, Platform, config};

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_request_is_answered_while_the_gateway_stops() {
    let url = TestDatabase::create(&[battlearena_gateway::migrator().unwrap()]).await.url;
    let mut config = config(&url);
    config.database.database_statement_timeout_ms = 60_000;
    let (stop, tasks) = (CancellationToken::new(), Tasks::new());
    let platform = Platform::with_config(config, stop.clone(), tasks).await;
    platform.register("patient").await;

    // The log-in waits for a row that somebody else holds.
    let database = Database::new(&DatabaseSettings::for_url(&url), "test").unwrap();
    let mut connection = database.connection().await.unwrap();
    let transaction = connection.begin().await.unwrap();
    transaction.session().define("update gateway.players set level = level").await.unwrap();
    let login = platform.request(Method::POST, "/api/players/login").header("grpc-timeout", "60S");
    let login = login.json(&json!({"player_id": 1}));
    let ((), answer) = tokio::join!(
        async {
            until(async || {
                let waiting = "select count(*) from pg_stat_activity
                               where datname = current_database() and wait_event_type = 'Lock'";
                platform.row(waiting, &[]).await.get::<_, i64>(0) == 1
            })
            .await;
            stop.cancel();
            until(async || platform.request(Method::GET, "/livez").send().await.is_err()).await;
            transaction.rollback().await.unwrap();
        },
        Answer::to(login)
    );
    assert_eq!(answer.headers["connection"], "close");
    assert_eq!(answer.ok()["username"], "patient");
    platform.stop().await;
}

async fn until(reached: impl AsyncFn() -> bool) {
    let asking = async {
        while !reached().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), asking).await.unwrap();
}
