//! Days are made ahead and dropped whole.

use std::time::Duration;

use battlearena_storage::partitions::DailyTable;
use battlearena_storage::{Database, Statement};
use jiff::{Timestamp, ToSpan};

use crate::{SCHEMA, fresh};

const TABLE: DailyTable = DailyTable { schema: SCHEMA, table: "outbox" };
const DAY: Duration = Duration::from_secs(86_400);

static PARTITIONS: Statement = Statement::new(
    "partitions",
    "SELECT",
    "pg_inherits",
    "select count(*) from pg_inherits where inhparent = 'probe.outbox'::regclass",
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
        "insert into probe.outbox (created_at, kind, payload) values ('{}', 'x', '{{}}'), (now(), 'y', '{{}}')",
        now - 72.hours()
    );
    connection.session().define(&tell).await.unwrap();
    TABLE.drop_partition(&database, &expired[0]).await.unwrap();
    let left =
        connection.session().query_text("select string_agg(kind, ',') from probe.outbox", &[]).await.unwrap();
    assert_eq!(left.get::<_, String>(0), "y");
    assert!(TABLE.expired(&database, now, 2 * DAY).await.unwrap().is_empty());
}
