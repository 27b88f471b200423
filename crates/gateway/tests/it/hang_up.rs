//! A client that goes away: what it wanted to read is not looked for any more, and that is told apart from answers and
//! from failures of ours. (A change is finished: see `tests/given_up.rs`.)

use battlearena_storage::{Database, DatabaseSettings};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::{Platform, scraped, until};

const GIVEN_UP: &str =
    "http_requests_total{method=\"GET\",endpoint=\"/api/players/{player_id}\",status=\"499\"}";
const CANCELLED: &str =
    "database_queries_total{query_type=\"SELECT\",query=\"player_by_id\",outcome=\"cancelled\"}";

#[tokio::test(flavor = "multi_thread")]
async fn who_hangs_up_is_counted_and_not_worked_for() {
    // Neither the deadline nor the database gives up first.
    let platform = Platform::gateway_with(|config| {
        config.database.database_statement_timeout_ms = 120_000;
    })
    .await;
    platform.register("impatient").await;
    let before = platform.scrape().await;

    // The profile waits for a table that somebody else holds, to the end of this test.
    let database = Database::new(&DatabaseSettings::for_url(platform.database_url()), "test").unwrap();
    let mut connection = database.connection().await.unwrap();
    let transaction = connection.begin().await.unwrap();
    transaction.session().define("lock table gateway.players in access exclusive mode").await.unwrap();
    let mut client = TcpStream::connect(platform.address()).await.unwrap();
    let request = "GET /api/players/1 HTTP/1.1\r\nhost: arena\r\ngrpc-timeout: 60S\r\n\r\n";
    client.write_all(request.as_bytes()).await.unwrap();
    platform.until_somebody_waits_for_a_lock().await;
    client.shutdown().await.unwrap();
    drop(client);

    until(async || {
        let now = platform.scrape().await;
        [GIVEN_UP, CANCELLED].iter().all(|series| now.contains(series) && grown(&before, &now, series) == 1.0)
    })
    .await;
    transaction.rollback().await.unwrap();
    platform.stop().await;
}

/// A series of a status that nobody met yet is not there.
fn grown(before: &str, now: &str, series: &str) -> f64 {
    let at_first = if before.contains(series) { scraped(before, series) } else { 0.0 };
    scraped(now, series) - at_first
}
