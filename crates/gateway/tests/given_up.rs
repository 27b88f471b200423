//! A change whose client has gone is finished and counted all the same: what the numbers say is what the tables hold. A
//! process of its own: nothing else counts into its series.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what helps a test may fail as a test does; clippy.toml allows it in test functions only"
)]

#[path = "it/support.rs"]
#[expect(dead_code, reason = "what the other tests need is not all needed here")]
mod support;

use battlearena_storage::{Database, DatabaseSettings};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::{Platform, scraped, until};

const LOG_INS: &str = "player_logins_total";
const GIVEN_UP: &str = "http_requests_total{method=\"POST\",endpoint=\"/api/players/login\",status=\"499\"}";

#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_that_nobody_waits_for_is_finished_and_counted() {
    // Neither the deadline nor the database gives up first.
    let platform = Platform::gateway_with(|config| {
        config.database.database_statement_timeout_ms = 120_000;
    })
    .await;
    platform.register("impatient").await;

    // The log-in has sent its statement, which waits for a row that somebody else holds.
    let database = Database::new(&DatabaseSettings::for_url(platform.database_url()), "test").unwrap();
    let mut connection = database.connection().await.unwrap();
    let transaction = connection.begin().await.unwrap();
    transaction.session().define("update gateway.players set level = level").await.unwrap();
    let mut client = TcpStream::connect(platform.address()).await.unwrap();
    let body = r#"{"player_id": 1}"#;
    let request = format!(
        "POST /api/players/login HTTP/1.1\r\nhost: arena\r\ngrpc-timeout: 60S\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    client.write_all(request.as_bytes()).await.unwrap();
    platform.until_somebody_waits_for_a_lock().await;
    client.shutdown().await.unwrap();
    drop(client);
    until(async || scraped(&platform.scrape().await, GIVEN_UP) == 1.0).await;
    assert_eq!(scraped(&platform.scrape().await, LOG_INS), 0.0, "it still waits");

    transaction.rollback().await.unwrap();
    until(async || scraped(&platform.scrape().await, LOG_INS) == 1.0).await;
    let rows = "select count(*) from gateway.players where last_login is not null";
    assert_eq!(platform.row(rows, &[]).await.get::<_, i64>(0), 1);
    platform.stop().await;
}
