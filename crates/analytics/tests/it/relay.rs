//! From an outbox into the log: nothing is lost and nothing comes twice, whatever order transactions commit in.

use std::time::Duration;

use battlearena_analytics::migrator;
use battlearena_proto::events::{Event, event::Body};
use battlearena_runtime::{CancellationToken, Tasks};
use battlearena_storage::events::{Relay, RelaySettings, dead_letters};
use battlearena_storage::testing::TestDatabase;
use battlearena_storage::{Database, Migrator, Statement, Wake};

use crate::support::{Analytics, eventually};

/// A schema with nothing but the mechanism's tables.
const PRODUCER: &str = "producer";

async fn platform() -> Analytics {
    let none = refinery_without_migrations();
    let database = TestDatabase::create(&[migrator().unwrap(), none]).await;
    Analytics::start_on(database.url).await
}

fn refinery_without_migrations() -> Migrator {
    Migrator::mechanism_only(PRODUCER).unwrap()
}

fn relay(analytics: &Analytics, wake: &Wake) -> CancellationToken {
    let settings = RelaySettings { event_log_url: analytics.grpc.clone(), outbox_retention_days: 7 };
    let channel = battlearena_telemetry::grpc::connect(&settings.event_log_url).unwrap();
    let relay =
        Relay::new(analytics.database(), PRODUCER, "producer_outbox", wake.clone(), channel, &settings);
    let stop = CancellationToken::new();
    analytics.tasks.spawn("relay", relay.run(stop.clone()));
    stop
}

static TELL: Statement = Statement::new(
    "tell",
    "INSERT",
    "outbox",
    "insert into producer.outbox (kind, payload) values ('player_logged_in', json_build_object('player_id', $1::bigint))",
);

async fn tell(database: &Database, player_id: i64) {
    database.execute(&TELL, &[&player_id]).await.unwrap();
}

fn players(events: &[Event]) -> Vec<i64> {
    let player = |event: &Event| match &event.body {
        Some(Body::PlayerLoggedIn(login)) => login.player_id,
        other => panic!("unexpected {other:?}"),
    };
    events.iter().map(player).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_commit_out_of_order_are_all_delivered_once() {
    let analytics = platform().await;
    let wake = Wake::new("producer_outbox");
    let stop = relay(&analytics, &wake);
    let database = analytics.database();
    // The relay is at work once it has delivered something.
    tell(&database, 100).await;
    analytics.events(1).await;

    // Transaction A takes the smaller transaction id and the smaller sequence number, and commits last.
    let mut slow = database.connection().await.unwrap();
    let a = slow.begin().await.unwrap();
    a.session().execute(&TELL, &[&1_i64]).await.unwrap();
    // B writes after A and commits before it.
    tell(&database, 2).await;
    wake.wake();
    // The log must not go past A. That something does *not* happen can only be watched for a while.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(analytics.totals().await.head_offset, 1);
    a.commit().await.unwrap();
    wake.wake();
    assert_eq!(players(&analytics.events(3).await), [100, 1, 2]);

    // C takes its transaction id first, but its sequence number after D has committed.
    let c = slow.begin().await.unwrap();
    c.session().define("select pg_current_xact_id()").await.unwrap();
    tell(&database, 4).await;
    c.session().execute(&TELL, &[&3_i64]).await.unwrap();
    c.commit().await.unwrap();
    // What is rolled back was never told.
    let rolled_back = slow.begin().await.unwrap();
    rolled_back.session().execute(&TELL, &[&99_i64]).await.unwrap();
    rolled_back.rollback().await.unwrap();
    tell(&database, 5).await;
    wake.wake();
    let mut delivered = players(&analytics.events(6).await);
    delivered.sort_unstable();
    assert_eq!(delivered, [1, 2, 3, 4, 5, 100]);
    assert_eq!(analytics.totals_at(6).await.logins, 6);
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn many_writers_at_once_lose_nothing() {
    let analytics = platform().await;
    let wake = Wake::new("producer_outbox");
    let stop = relay(&analytics, &wake);
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let (database, wake) = (analytics.database(), wake.clone());
        writers.spawn(async move {
            let mut connection = database.connection().await.unwrap();
            for number in 0..50 {
                let transaction = connection.begin().await.unwrap();
                transaction.session().execute(&TELL, &[&i64::from(writer * 50 + number + 1)]).await.unwrap();
                if number % 3 == 0 {
                    tokio::task::yield_now().await;
                }
                transaction.commit().await.unwrap();
                wake.wake();
            }
        });
    }
    writers.join_all().await;
    let mut delivered = players(&analytics.events(400).await);
    delivered.sort_unstable();
    assert_eq!(delivered, (1..=400).collect::<Vec<_>>());
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_goes_on_where_the_log_is() {
    let analytics = platform().await;
    let database = analytics.database();
    let wake = Wake::new("producer_outbox");
    let stop = relay(&analytics, &wake);
    tell(&database, 1).await;
    analytics.events(1).await;
    stop.cancel();
    // Told while no relay runs, and without a wake-up.
    tell(&database, 2).await;
    let stop = relay(&analytics, &wake);
    assert_eq!(players(&analytics.events(2).await), [1, 2]);
    assert_eq!(analytics.totals_at(2).await.logins, 2);
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_log_that_takes_nothing_is_told() {
    let analytics = platform().await;
    let database = analytics.database();
    let settings = RelaySettings { event_log_url: analytics.grpc.clone(), outbox_retention_days: 7 };
    let channel = battlearena_telemetry::grpc::connect(&settings.event_log_url).unwrap();
    let (wake, tasks) = (Wake::new("producer_outbox"), Tasks::new());
    let relay = Relay::new(database.clone(), PRODUCER, "stalled_outbox", wake.clone(), channel, &settings);
    tasks.spawn("relay", relay.run(tasks.token()));
    tell(&database, 1).await;
    analytics.events(1).await;
    analytics.stop().await;
    tell(&database, 2).await;
    wake.wake();
    let scraped = |metric: &str| {
        let text = battlearena_telemetry::render(battlearena_telemetry::Format::Text);
        let series = format!("{metric}{{queue=\"stalled_outbox\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&series)?.parse::<f64>().ok()).unwrap()
    };
    eventually(async || (scraped("queue_depth") == 1.0).then_some(())).await;
    let waited = scraped("queue_oldest_seconds");
    eventually(async || (scraped("queue_oldest_seconds") > waited).then_some(())).await;
    tasks.stop(Duration::from_secs(20)).await.unwrap();
    assert_eq!(scraped("queue_depth"), 0.0, "it is another's to tell now");
}

#[tokio::test(flavor = "multi_thread")]
async fn delivered_days_go_when_they_are_old_and_undelivered_ones_stay() {
    let analytics = platform().await;
    let database = analytics.database();
    let connection = database.connection().await.unwrap();
    let session = connection.session();
    let wake = Wake::new("producer_outbox");
    let stop = relay(&analytics, &wake);
    tell(&database, 1).await;
    tell(&database, 2).await;
    analytics.events(2).await;
    stop.cancel();
    // The first, which is delivered, and a third, which nobody can deliver while its transaction is open, become old.
    let age = "
        create table producer.outbox_p20200101 (like producer.outbox including all);
        alter table producer.outbox attach partition producer.outbox_p20200101
          for values from ('2020-01-01 00:00+00') to ('2020-01-02 00:00+00');
        update producer.outbox set created_at = '2020-01-01 12:00+00' where payload->>'player_id' = '1'";
    session.define(age).await.unwrap();
    let mut holder = database.connection().await.unwrap();
    let held = holder.begin().await.unwrap();
    held.session().define("select pg_current_xact_id()").await.unwrap();
    let third = "insert into producer.outbox (created_at, kind, payload)
                 values ('2020-01-01 12:00+00', 'player_logged_in', '{\"player_id\": 3}')";
    session.define(third).await.unwrap();
    let stop = relay(&analytics, &wake);
    let days = "select count(*) from producer.outbox where created_at < '2020-01-02'";
    // It keeps house before it delivers, and delivers this one: what it looked at was kept.
    tell(&database, 4).await;
    held.rollback().await.unwrap();
    assert_eq!(players(&analytics.events(4).await), [1, 2, 3, 4]);
    // Once delivered, the day goes.
    eventually(async || {
        let gone = "select to_regclass('producer.outbox_p20200101') is null";
        session.query_text(gone, &[]).await.unwrap().get::<_, bool>(0).then_some(())
    })
    .await;
    assert_eq!(session.query_text(days, &[]).await.unwrap().get::<_, i64>(0), 0);
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_nobody_can_read_dies_alone_and_can_be_replayed() {
    let analytics = platform().await;
    let database = analytics.database();
    let connection = database.connection().await.unwrap();
    let strange =
        "insert into producer.outbox (kind, payload) values ('player_teleported', '{\"to\": \"moon\"}')";
    connection.session().define(strange).await.unwrap();
    tell(&database, 1).await;
    let wake = Wake::new("producer_outbox");
    let stop = relay(&analytics, &wake);
    assert_eq!(players(&analytics.events(1).await), [1]);
    let dead = dead_letters::list(&database, PRODUCER, 10).await.unwrap();
    assert_eq!((dead[0].queue.as_str(), dead[0].kind.as_str()), ("outbox", "player_teleported"));

    // A release that knows the kind would deliver it; here the letter itself is mended.
    let mend = "update producer.dead_letters set kind = 'player_logged_in', payload = '{\"player_id\": 7}'";
    connection.session().define(mend).await.unwrap();
    dead_letters::request_replay(&database, PRODUCER, None).await.unwrap();
    assert_eq!(players(&analytics.events(2).await), [1, 7]);
    assert!(dead_letters::list(&database, PRODUCER, 10).await.unwrap().is_empty());
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outbox_restored_into_another_cluster_goes_on() {
    let analytics = platform().await;
    let database = analytics.database();
    let wake = Wake::new("producer_outbox");
    let connection = database.connection().await.unwrap();
    // As after a restore: the log knows positions of transactions that this cluster has not reached, the outbox holds
    // one event that was delivered and one that was not, and the cluster is another one.
    let from_an_older_cluster = "
        insert into producer.outbox (xid, seq, kind, payload) values
          (900000000, 1, 'player_logged_in', '{\"player_id\": 1}'),
          (900000001, 2, 'player_logged_in', '{\"player_id\": 2}');
        insert into analytics.sources (name, incarnation, xid, seq) values ('producer', 1, 900000000, 1);
        update producer.outbox_incarnation set system_identifier = 1";
    connection.session().define(from_an_older_cluster).await.unwrap();
    // Told in the new cluster before the relay had a look.
    tell(&database, 3).await;
    let stop = relay(&analytics, &wake);
    let mut delivered = players(&analytics.events(2).await);
    delivered.sort_unstable();
    assert_eq!(delivered, [2, 3]);
    tell(&database, 4).await;
    assert_eq!(players(&analytics.events(3).await)[2], 4);
    stop.cancel();
    assert_eq!(analytics.totals_at(3).await.logins, 3);
}
