//! The process around it: health, metrics, reflection, partitions and retention.

use battlearena_analytics::READ_MODELS;
use battlearena_proto::events::{PlayerLoggedIn, SubscribeRequest, event::Body};
use battlearena_storage::events::request_rebuild;
use tonic::Code;

use crate::support::{Analytics, eventually, told};

fn login(player_id: i64) -> Body {
    Body::PlayerLoggedIn(PlayerLoggedIn { player_id })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operations_port_tells_how_it_goes() {
    let mut analytics = Analytics::start().await;
    analytics.append("gateway", vec![told(1, login(1))]).await;
    analytics.totals_at(1).await;
    let get = async |path: &str| {
        let answer = reqwest::get(format!("{}{path}", analytics.http)).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(get("/livez").await.0, 200);
    let (status, health) = get("/health").await;
    assert_eq!(status, 200);
    assert!(health.contains("\"database\":\"connected\""), "{health}");
    let (_, metrics) = get("/metrics").await;
    assert!(
        metrics.contains("analytics_events_total{source=\"gateway\",event=\"player_logged_in\"} "),
        "{metrics}"
    );
    for histogram in
        ["analytics_ingest_lag_seconds", "database_query_duration_seconds", "database_pool_wait_seconds"]
    {
        assert!(metrics.contains(&format!("# TYPE {histogram} histogram")), "{histogram}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn old_days_go_and_a_rebuild_starts_from_the_snapshot() {
    let mut analytics = Analytics::start().await;
    analytics.append("gateway", vec![told(1, login(1)), told(2, login(2))]).await;
    analytics.totals_at(2).await;
    let database = analytics.database();
    let connection = database.connection().await.unwrap();
    let session = connection.session();
    // The two events become a hundred days old.
    let age = "
        create table analytics.system_events_p20200101 (like analytics.system_events including all);
        alter table analytics.system_events attach partition analytics.system_events_p20200101
          for values from ('2020-01-01 00:00+00') to ('2020-01-02 00:00+00');
        update analytics.system_events set recorded_at = '2020-01-01 12:00+00'";
    session.define(age).await.unwrap();
    analytics.append("gateway", vec![told(3, login(3))]).await;
    let before = analytics.totals_at(3).await;
    // A fresh process looks at retention when it starts.
    let url = analytics.stop().await;
    let analytics = Analytics::start_on(url).await;
    eventually(async || {
        let gone = "select to_regclass('analytics.system_events_p20200101') is null";
        session.query_text(gone, &[]).await.unwrap().get::<_, bool>(0).then_some(())
    })
    .await;

    let from_the_beginning = analytics.log.clone().subscribe(SubscribeRequest::default()).await.unwrap();
    let status = from_the_beginning.into_inner().message().await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange);
    let after = SubscribeRequest { after_offset: 2, ..SubscribeRequest::default() };
    let mut stream = analytics.log.clone().subscribe(after).await.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap().unwrap().events[0].offset, 3);

    session.define("delete from analytics.totals").await.unwrap();
    assert!(request_rebuild(&database, "analytics", READ_MODELS).await.unwrap());
    eventually(async || (analytics.totals().await == before).then_some(())).await;
}
