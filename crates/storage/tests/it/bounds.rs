//! No wait without a bound: for connections, statements, deadlines and a database that is gone.

use std::time::Duration;

use battlearena_proto::{ErrorKind, Failure};
use battlearena_runtime::deadline::{self, Deadline};
use battlearena_storage::{Database, DatabaseSettings, Statement, StorageError};

use crate::fresh;

static ONE: Statement = Statement::new("one", "SELECT", "", "select 1");
static SLEEP: Statement = Statement::new("sleep", "SELECT", "", "select pg_sleep($1)");
static BACKENDS: Statement = Statement::new(
    "backends",
    "SELECT",
    "pg_stat_activity",
    "select count(*) from pg_stat_activity where datname = current_database() and query like '%pg_sleep($1)%'
     and state = 'active' and pid <> pg_backend_pid()",
);

fn limited(url: &str, pool_size: u16) -> Database {
    let settings = DatabaseSettings {
        database_pool_size: pool_size,
        database_pool_wait_ms: 100,
        database_statement_timeout_ms: 200,
        ..DatabaseSettings::for_url(url)
    };
    Database::new(&settings, "test").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exhausted_pool_says_so() {
    let (url, _) = fresh().await;
    let database = limited(&url, 1);
    let held = database.connection().await.unwrap();
    let error = database.query_one(&ONE, &[]).await.unwrap_err();
    assert!(matches!(error, StorageError::PoolTimeout(_)), "{error:?}");
    assert_eq!(Failure::from(error).kind(), ErrorKind::Unavailable);
    // That says nothing about the database.
    database.ping().await.unwrap();
    drop(held);
    database.query_one(&ONE, &[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_takes_too_long_is_given_up_with_its_connection() {
    let (url, observer) = fresh().await;
    let database = limited(&url, 1);
    let error = database.query_one(&SLEEP, &[&60_f64]).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    // The pool of one serves the next at once, on a fresh connection.
    database.query_one(&ONE, &[]).await.unwrap();
    // The server gives up as well.
    let until = std::time::Instant::now() + Duration::from_secs(30);
    while observer.query_one(&BACKENDS, &[]).await.unwrap().get::<_, i64>(0) > 0 {
        assert!(std::time::Instant::now() < until, "the abandoned statement goes on");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deadline_of_a_request_bounds_its_statements() {
    let (_, database) = fresh().await;
    let soon = Deadline::after(Duration::from_millis(50));
    let error = deadline::scope(soon, database.query_one(&SLEEP, &[&60_f64])).await.unwrap_err();
    assert!(matches!(error, StorageError::DeadlineExceeded), "{error:?}");
    assert_eq!(Failure::from(error).kind(), ErrorKind::DeadlineExceeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_leaves_no_connection_behind_a_running_statement() {
    let (url, _) = fresh().await;
    let database = limited(&url, 1);
    let abandoned =
        tokio::time::timeout(Duration::from_millis(20), database.query_one(&SLEEP, &[&60_f64])).await;
    assert!(abandoned.is_err());
    database.query_one(&ONE, &[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_there_is_unavailable() {
    let database = limited("host=127.0.0.1 port=1 user=nobody dbname=nothing", 2);
    assert!(matches!(database.ping().await, Err(StorageError::Unavailable(_))));
    let error = database.query_one(&ONE, &[]).await.unwrap_err();
    assert!(matches!(error, StorageError::Unavailable(_)), "{error:?}");
    let failure = Failure::from(error);
    assert_eq!(
        (failure.kind(), failure.message()),
        (ErrorKind::Unavailable, "the database is not available, try again")
    );
}
