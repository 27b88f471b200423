//! Days are made ahead and dropped whole.

use std::time::Duration;

use battlearena_storage::partitions::DailyTable;
use battlearena_storage::{Database, Statement};
use jiff::{Timestamp, ToSpan};

use crate::{SCHEMA, fresh};

const TABLE: DailyTable = DailyTable { schema: SCHEMA, table: "idempotency" };
const DAY: Duration = Duration::from_secs(86_400);

static PARTITIONS: Statement = Statement::new(
    "partitions",
    "SELECT",
    "pg_inherits",
    "select count(*) from pg_inherits where inhparent = 'probe.idempotency'::regclass",
);

async fn partitions(database: &Database) -> i64 {
    database.query_one(&PARTITIONS, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_week_is_made_ahead_and_again_changes_nothing() {
    let (_, database) = fresh().await;
    assert_eq!(partitions(&database).await, 8);
    let now = Timestamp::now();
    TABLE.make_ahead(&database, now).await.unwrap();
    assert_eq!(partitions(&database).await, 8);
    TABLE.make_ahead(&database, now + 48.hours()).await.unwrap();
    assert_eq!(partitions(&database).await, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_days_that_are_wholly_over_expire() {
    let (_, database) = fresh().await;
    let now = Timestamp::now();
    TABLE.make_ahead(&database, now - 72.hours()).await.unwrap();
    let expired = TABLE.expired(&database, now, 2 * DAY).await.unwrap();
    assert_eq!(expired.len(), 1, "{expired:?}");
    let connection = database.connection().await.unwrap();
    let tell = format!(
        "insert into probe.idempotency (created_at, scope, key, fingerprint, answer)
         values ('{}', 's', 'x', 1, '1'), (now(), 's', 'y', 1, '1')",
        now - 72.hours()
    );
    connection.session().define(&tell).await.unwrap();
    TABLE.drop_partition(&database, &expired[0]).await.unwrap();
    let left = connection
        .session()
        .query_text("select string_agg(key, ',') from probe.idempotency", &[])
        .await
        .unwrap();
    assert_eq!(left.get::<_, String>(0), "y");
    assert!(TABLE.expired(&database, now, 2 * DAY).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_drop_is_finished_by_the_next() {
    let (url, database) = fresh().await;
    let now = Timestamp::now();
    TABLE.make_ahead(&database, now - 72.hours()).await.unwrap();
    let expired = TABLE.expired(&database, now, 2 * DAY).await.unwrap();
    // A reader of the table keeps the detach waiting; the one who waits goes away in the middle.
    let mut reader = crate::open(&url).connection().await.unwrap();
    let reading = reader.begin().await.unwrap();
    reading.session().query_text("select count(*) from probe.idempotency", &[]).await.unwrap();
    let interrupted =
        tokio::time::timeout(Duration::from_millis(500), TABLE.drop_partition(&database, &expired[0]));
    assert!(interrupted.await.is_err(), "nothing kept it waiting");
    reading.rollback().await.unwrap();
    TABLE.drop_partition(&database, &expired[0]).await.unwrap();
    assert!(TABLE.expired(&database, now, 2 * DAY).await.unwrap().is_empty());
}
