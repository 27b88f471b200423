//! The log: dense offsets, no duplicates, subscriptions, recorded events.

use battlearena_proto::events::{
    AppendRequest, Event, GetSourcePositionRequest, OutboxPosition, PlayerLoggedIn, RecordRequest,
    SubscribeRequest, SystemEventRecorded, event::Body,
};
use battlearena_proto::{ErrorKind, Failure, timestamp_to_wire};
use jiff::{Timestamp, ToSpan as _};

use crate::support::{Analytics, eventually, told};

fn login(player_id: i64) -> Body {
    Body::PlayerLoggedIn(PlayerLoggedIn { player_id })
}

fn posted(event_type: &str, metadata_json: &str) -> SystemEventRecorded {
    SystemEventRecorded {
        event_type: event_type.into(),
        severity: "warning".into(),
        message: "a message".into(),
        metadata_json: metadata_json.into(),
    }
}

fn offsets(events: &[Event]) -> Vec<i64> {
    events.iter().map(|event| event.offset).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_comes_twice_is_stored_once() {
    let mut analytics = Analytics::start().await;
    let batch = || vec![told(1, login(1)), told(2, login(2))];
    assert_eq!(analytics.append("gateway", batch()).await.duplicates, 0);
    let again = analytics.append("gateway", batch()).await;
    assert_eq!(again.duplicates, 2);
    assert_eq!(again.acknowledged, Some(OutboxPosition { incarnation: 1, transaction: 1, sequence: 2 }));
    let overlapping = analytics.append("gateway", vec![told(2, login(2)), told(3, login(3))]).await;
    assert_eq!(overlapping.duplicates, 1);
    // The same positions of another source are other events.
    assert_eq!(analytics.append("match", batch()).await.duplicates, 0);

    let events = analytics.events(5).await;
    assert_eq!(offsets(&events), [1, 2, 3, 4, 5]);
    assert_eq!(events[2].body, Some(login(3)));
    assert_eq!(events[3].source, "match");
    assert_eq!(analytics.totals_at(5).await.logins, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_appends_leave_no_gap_and_no_double() {
    let analytics = Analytics::start().await;
    let mut appends = tokio::task::JoinSet::new();
    for source in ["gateway", "match", "socket-gateway", "other"] {
        let mut log = analytics.log.clone();
        appends.spawn(async move {
            for sequence in 1..=25 {
                let events = vec![told(sequence, login(sequence))];
                log.append(AppendRequest { source: source.into(), events }).await.unwrap();
            }
        });
    }
    appends.join_all().await;
    let events = analytics.events(100).await;
    assert_eq!(offsets(&events), (1..=100).collect::<Vec<_>>());
    assert_eq!(analytics.totals_at(100).await.logins, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_reads_on_where_it_was_and_only_what_it_asked_for() {
    let mut analytics = Analytics::start().await;
    analytics.append("gateway", (1..=10).map(|sequence| told(sequence, login(sequence))).collect()).await;
    let recorded = RecordRequest { event: Some(posted("deploy", "{}")), ..RecordRequest::default() };
    assert_eq!(analytics.log.record(recorded).await.unwrap().into_inner().event_id, 11);

    let request = SubscribeRequest { after_offset: 7, ..SubscribeRequest::default() };
    let mut stream = analytics.log.subscribe(request).await.unwrap().into_inner();
    let batch = stream.message().await.unwrap().unwrap();
    assert_eq!(offsets(&batch.events), [8, 9, 10, 11]);
    assert_eq!(batch.offset, 11);
    analytics.append("gateway", vec![told(11, login(1))]).await;
    assert_eq!(offsets(&stream.message().await.unwrap().unwrap().events), [12]);

    let request =
        SubscribeRequest { kinds: vec!["system_event_recorded".into()], ..SubscribeRequest::default() };
    let mut stream = analytics.log.subscribe(request).await.unwrap().into_inner();
    assert_eq!(offsets(&stream.message().await.unwrap().unwrap().events), [11]);
    let idle = stream.message().await.unwrap().unwrap();
    assert_eq!((idle.events.len(), idle.offset), (0, 12));

    let unknown = SubscribeRequest { kinds: vec!["player_teleported".into()], ..SubscribeRequest::default() };
    assert_eq!(Failure::from(analytics.log.subscribe(unknown).await.unwrap_err()).field(), Some("kinds"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_may_begin_at_a_time() {
    let mut analytics = Analytics::start().await;
    let mut stored = Vec::new();
    for sequence in 1..=20 {
        analytics.append("gateway", vec![told(sequence, login(sequence))]).await;
        let database = analytics.database();
        let connection = database.connection().await.unwrap();
        let newest = "select recorded_at from analytics.system_events order by log_offset desc limit 1";
        stored.push(connection.session().query_text(newest, &[]).await.unwrap().get::<_, Timestamp>(0));
    }
    for (first, since) in [(1, stored[0]), (2, stored[1]), (11, stored[10]), (20, stored[19])] {
        let request =
            SubscribeRequest { since: Some(timestamp_to_wire(since)), ..SubscribeRequest::default() };
        let mut stream = analytics.log.subscribe(request).await.unwrap().into_inner();
        let events = stream.message().await.unwrap().unwrap().events;
        assert_eq!(offsets(&events), (first..=20).collect::<Vec<_>>());
    }
    // From a time to come, and at the beginning of all times.
    let later = stored[19].checked_add(1.hour()).unwrap();
    let request = SubscribeRequest { since: Some(timestamp_to_wire(later)), ..SubscribeRequest::default() };
    let mut stream = analytics.log.subscribe(request).await.unwrap().into_inner();
    let idle = stream.message().await.unwrap().unwrap();
    assert_eq!((idle.events.len(), idle.offset), (0, 20));
    analytics.append("gateway", vec![told(21, login(21))]).await;
    assert_eq!(offsets(&stream.message().await.unwrap().unwrap().events), [21]);
    let request = SubscribeRequest {
        since: Some(timestamp_to_wire(Timestamp::UNIX_EPOCH)),
        ..SubscribeRequest::default()
    };
    let mut stream = analytics.log.subscribe(request).await.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap().unwrap().events.len(), 21);

    let both = SubscribeRequest {
        after_offset: 3,
        since: Some(timestamp_to_wire(later)),
        ..SubscribeRequest::default()
    };
    assert_eq!(Failure::from(analytics.log.subscribe(both).await.unwrap_err()).field(), Some("since"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_event_keeps_its_metadata_and_a_retry_gets_the_first_answer() {
    let mut analytics = Analytics::start().await;
    let metadata = r#"{"region": "eu-west", "nested": {"a": [1, 2.50]}, "ü": "\u0000"}"#;
    let request = |event: SystemEventRecorded, key: &str| RecordRequest {
        event: Some(event),
        idempotency_key: key.into(),
    };
    let first = analytics.log.record(request(posted("deploy", metadata), "k1")).await.unwrap().into_inner();
    let again = analytics.log.record(request(posted("deploy", metadata), "k1")).await.unwrap().into_inner();
    assert_eq!((first.event_id, again.event_id), (1, 1));
    let other = analytics.log.record(request(posted("rollback", "{}"), "k1")).await.unwrap_err();
    assert_eq!(Failure::from(other).kind(), ErrorKind::Conflict);

    let events = analytics.events(1).await;
    assert_eq!(events[0].body, Some(Body::SystemEventRecorded(posted("deploy", metadata))));
    let totals = analytics.totals_at(1).await;
    assert_eq!((totals.system_events, totals.head_offset), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_stored_is_refused_with_its_field() {
    let mut analytics = Analytics::start().await;
    let mut refused = async |source: &str, events: Vec<_>| {
        let request = AppendRequest { source: source.into(), events };
        Failure::from(analytics.log.append(request).await.unwrap_err()).field().unwrap().to_owned()
    };
    assert_eq!(refused("api", vec![told(1, login(1))]).await, "source");
    assert_eq!(refused("Gate way", vec![told(1, login(1))]).await, "source");
    assert_eq!(refused("gateway", vec![]).await, "events");
    assert_eq!(refused("gateway", vec![told(2, login(1)), told(1, login(1))]).await, "events[1].position");
    let mut without_body = told(1, login(1));
    without_body.event.as_mut().unwrap().body = None;
    assert_eq!(refused("gateway", vec![without_body]).await, "events[0].event.body");
    let bad = RecordRequest { event: Some(posted("x", "[]")), ..RecordRequest::default() };
    assert_eq!(Failure::from(analytics.log.record(bad).await.unwrap_err()).field(), Some("metadata"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_forgets_nothing() {
    let mut analytics = Analytics::start().await;
    analytics.append("gateway", (1..=3).map(|sequence| told(sequence, login(sequence))).collect()).await;
    analytics.totals_at(3).await;
    let url = analytics.stop().await;

    let mut analytics = Analytics::start_on(url).await;
    let asked = GetSourcePositionRequest { source: "gateway".into() };
    let position = analytics.log.get_source_position(asked).await.unwrap().into_inner().acknowledged.unwrap();
    assert_eq!(position.sequence, 3);
    assert_eq!(analytics.append("gateway", vec![told(3, login(3)), told(4, login(4))]).await.duplicates, 1);
    assert_eq!(analytics.totals_at(4).await.logins, 4);
    assert_eq!(offsets(&analytics.events(4).await), [1, 2, 3, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_share_one_log() {
    let mut one = Analytics::start().await;
    let mut two = Analytics::start_on(one.url.clone()).await;
    one.append("gateway", vec![told(1, login(1))]).await;
    two.append("match", vec![told(1, login(2))]).await;
    assert_eq!(one.append("match", vec![told(1, login(2)), told(2, login(3))]).await.duplicates, 1);
    for replica in [&one, &two] {
        assert_eq!(offsets(&replica.events(3).await), [1, 2, 3]);
        assert_eq!(replica.totals_at(3).await.logins, 3);
        // Each keeps its own ranking.
        eventually(async || {
            let request = battlearena_proto::analytics::GetPlayerRankRequest { player_id: 3 };
            replica.client.clone().get_player_rank(request).await.ok()
        })
        .await;
    }
}
