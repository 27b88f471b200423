//! Stopping: what was accepted is answered, and nothing new is accepted.

use battlearena_runtime::{CancellationToken, Tasks};
use battlearena_storage::testing::TestDatabase;
use battlearena_storage::{Database, DatabaseSettings};
use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, Platform, config, until};

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
            platform.until_somebody_waits_for_a_lock().await;
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
