//! What traces say of events on their way: from an outbox through the log into the read models, each in the trace that
//! caused it. Everything runs on the thread of the test, whose spans are recorded.

use battlearena_analytics::{READ_MODELS, migrator};
use battlearena_proto::ErrorKind;
use battlearena_proto::Failure;
use battlearena_proto::events::{
    PlayerLoggedIn, PlayerRegistered, RecordRequest, SystemEventRecorded, event::Body,
};
use battlearena_runtime::CancellationToken;
use battlearena_storage::events::{Relay, RelaySettings, dead_letters};
use battlearena_storage::testing::TestDatabase;
use battlearena_storage::{Migrator, Wake};
use battlearena_telemetry::recording::{RecordedSpan, Recording};

use crate::support::{Analytics, eventually, told};

const A: &str = "00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-1111111111111111-01";
const B: &str = "00-bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb-2222222222222222-01";
const UNSAMPLED: &str = "00-cccccccccccccccccccccccccccccccc-3333333333333333-00";

const APPEND: &str = "battlearena.events.v1.EventLogService/Append";

/// All in one transaction, so that the relay finds all of them or none.
async fn tell(analytics: &Analytics, traceparents: &[Option<&str>]) {
    let row = |traceparent: &Option<&str>| {
        let traceparent = traceparent.map_or("null".to_owned(), |text| format!("'{text}'"));
        format!("('player_logged_in', '{{\"player_id\": 7}}', {traceparent})")
    };
    let rows = traceparents.iter().map(row).collect::<Vec<_>>().join(", ");
    let tell = format!("insert into producer.outbox (kind, payload, traceparent) values {rows}");
    analytics.database().connection().await.unwrap().session().define(&tell).await.unwrap();
}

fn relay(analytics: &Analytics) -> CancellationToken {
    let settings = RelaySettings { event_log_url: analytics.grpc.clone(), outbox_retention_days: 7 };
    let channel = battlearena_telemetry::grpc::connect(&settings.event_log_url).unwrap();
    let wake = Wake::new("producer_outbox");
    let relay = Relay::new(analytics.database(), "producer", "producer_outbox", wake, channel, &settings);
    let stop = CancellationToken::new();
    analytics.tasks.spawn("relay", relay.run(stop.clone()));
    stop
}

/// The only span of that name.
fn only<'a>(trace: &'a [RecordedSpan], name: &str, kind: &str) -> &'a RecordedSpan {
    let mut found = trace.iter().filter(|span| span.name == name && span.kind == kind);
    let span = found.next().unwrap_or_else(|| panic!("no {kind} {name} in {trace:#?}"));
    assert!(found.next().is_none(), "{kind} {name} more than once in {trace:#?}");
    span
}

/// The names of the spans right below one.
fn below<'a>(trace: &'a [RecordedSpan], parent: &RecordedSpan) -> Vec<&'a str> {
    let children = trace.iter().filter(|span| span.parent == parent.traceparent);
    children.map(|span| span.name.as_str()).collect()
}

/// A trace, once a span of that name in it has ended.
async fn trace(spans: &Recording, traceparent: &str, name: &str) -> Vec<RecordedSpan> {
    eventually(async || {
        let trace = spans.trace(traceparent);
        trace.iter().any(|span| span.name == name).then_some(trace)
    })
    .await
}

#[tokio::test]
async fn an_event_is_followed_in_the_trace_that_caused_it() {
    let spans = Recording::start();
    let producer = Migrator::mechanism_only("producer").unwrap();
    let url = TestDatabase::create(&[migrator().unwrap(), producer]).await.url;
    let analytics = Analytics::start_on(url).await;
    tell(&analytics, &[None, Some(A), Some(UNSAMPLED), Some(B)]).await;
    let stop = relay(&analytics);

    // The first trace sees the batch itself.
    let first = trace(&spans, A, "apply_events").await;
    let relayed = only(&first, "relay_events", "producer");
    assert_eq!(relayed.parent, A);
    assert_eq!(relayed.links, [B]);
    assert_eq!(relayed.attribute("messaging.destination.name"), "producer_outbox");
    assert_eq!(relayed.attribute("messaging.batch.message_count"), "4");
    let called = only(&first, APPEND, "client");
    let served = only(&first, APPEND, "server");
    assert_eq!((&called.parent, &served.parent), (&relayed.traceparent, &called.traceparent));
    let appended = below(&first, served);
    for statement in ["SELECT log_head", "INSERT system_events", "UPDATE log_head", "INSERT sources"] {
        assert!(appended.contains(&statement), "{statement} in {appended:?}");
    }
    let applied = only(&first, "apply_events", "consumer");
    assert_eq!((applied.parent.as_str(), applied.attribute("messaging.destination.name")), (A, READ_MODELS));
    assert!(below(&first, applied).contains(&"UPDATE consumers"));

    // The other one sees its own event's part in it.
    let second = trace(&spans, B, "apply_events").await;
    let appended = only(&second, "append_events", "consumer");
    assert_eq!((appended.parent.as_str(), &appended.links), (B, &vec![served.traceparent.clone()]));
    assert_eq!(appended.attribute("event.type"), "player_logged_in");
    let also_applied = only(&second, "apply_events", "consumer");
    assert_eq!((also_applied.parent.as_str(), &also_applied.links), (B, &vec![applied.traceparent.clone()]));
    assert_eq!(second.len(), 2, "{second:#?}");
    let all = spans.spans();
    assert_eq!(all.len(), first.len() + second.len(), "{all:#?}");
    assert!(all.iter().all(|span| !span.is_error), "{all:#?}");
    stop.cancel();
}

#[tokio::test]
async fn without_a_trace_nothing_is_traced() {
    let spans = Recording::start();
    let producer = Migrator::mechanism_only("producer").unwrap();
    let url = TestDatabase::create(&[migrator().unwrap(), producer]).await.url;
    let analytics = Analytics::start_on(url).await;
    tell(&analytics, &[None, Some(UNSAMPLED)]).await;
    let stop = relay(&analytics);
    let database = analytics.database();
    let connection = database.connection().await.unwrap();
    eventually(async || {
        let applied = "select coalesce(max(log_offset), 0) from analytics.consumers";
        let offset: i64 = connection.session().query_text(applied, &[]).await.unwrap().get(0);
        (offset == 2).then_some(())
    })
    .await;
    assert!(spans.spans().is_empty(), "{:#?}", spans.spans());
    stop.cancel();
}

#[tokio::test]
async fn a_batch_that_comes_again_is_no_second_consumption() {
    let spans = Recording::start();
    let mut analytics = Analytics::start().await;
    let batch = |traceparent: &str| {
        let mut event = told(1, Body::PlayerLoggedIn(PlayerLoggedIn { player_id: 1 }));
        event.event.as_mut().unwrap().traceparent = traceparent.to_owned();
        vec![event]
    };
    analytics.append("gateway", batch(A)).await;
    assert_eq!(analytics.append("gateway", batch(A)).await.duplicates, 1);
    let trace = trace(&spans, A, "apply_events").await;
    // There is a span for the one call that stored it: the caller is in no trace, so that the call is not traced itself.
    let appended = only(&trace, "append_events", "consumer");
    assert_eq!((appended.parent.as_str(), appended.links.len()), (A, 0));
}

#[tokio::test]
async fn an_event_that_cannot_be_applied_says_so_in_its_trace() {
    let spans = Recording::start();
    let mut analytics = Analytics::start().await;
    let database = analytics.database();
    let connection = database.connection().await.unwrap();
    let forbid = "alter table analytics.players add constraint no_mallory check (username <> 'mallory')";
    connection.session().define(forbid).await.unwrap();
    let registered = |sequence, username: &str, traceparent: &str| {
        let username = username.to_owned();
        let mut event = told(
            sequence,
            Body::PlayerRegistered(PlayerRegistered {
                player_id: sequence,
                username,
                level: 1,
                ..Default::default()
            }),
        );
        event.event.as_mut().unwrap().traceparent = traceparent.to_owned();
        event
    };
    analytics.append("gateway", vec![registered(1, "ada", A), registered(2, "mallory", B)]).await;
    analytics.totals_at(2).await;
    let attempts = |traceparent| {
        let trace = spans.trace(traceparent);
        let applied = trace.iter().filter(|span| span.name == "apply_events");
        applied.map(|span| (span.is_error, span.attribute("error.type").to_owned())).collect::<Vec<_>>()
    };
    let failed = || (true, "constraint".to_owned());
    // Together they fail, alone the innocent one does not.
    eventually(async || (attempts(B).len() == 2).then_some(())).await;
    assert_eq!(attempts(A), [failed(), (false, String::new())]);
    assert_eq!(attempts(B), [failed(), failed()]);
    let trace = spans.trace(B);
    assert!(trace.iter().any(|span| span.name == "INSERT dead_letters" && !span.is_error), "{trace:#?}");

    // The letter has kept its trace.
    connection.session().define("alter table analytics.players drop constraint no_mallory").await.unwrap();
    assert_eq!(dead_letters::request_replay(&database, "analytics", None).await.unwrap(), 1);
    eventually(async || (attempts(B).len() == 3).then_some(())).await;
    assert_eq!(attempts(B)[2], (false, String::new()));
    assert!(spans.trace(B).iter().any(|span| span.name == "DELETE dead_letters"));
}

#[tokio::test]
async fn a_use_case_has_one_span_with_the_reason_of_its_refusal() {
    let spans = Recording::start();
    let analytics = Analytics::start().await;
    let record = |severity: &str| RecordRequest {
        event: Some(SystemEventRecorded {
            event_type: "deploy".into(),
            severity: severity.into(),
            message: "a message".into(),
            metadata_json: "{}".into(),
        }),
        ..RecordRequest::default()
    };
    analytics.log.clone().record(record("warning")).await.unwrap();
    let refused = analytics.log.clone().record(record("loud")).await.unwrap_err();
    assert_eq!(Failure::from(refused).kind(), ErrorKind::Invalid);
    let all = spans.spans();
    let recorded: Vec<_> = all.iter().filter(|span| span.name == "log_system_event").collect();
    let [stored, refused] = recorded[..] else { panic!("{all:#?}") };
    assert_eq!((stored.attribute("event.type"), stored.attribute("event.severity")), ("deploy", "warning"));
    assert_eq!((stored.attribute("error.type"), refused.attribute("error.type")), ("", "invalid"));
    assert!(!stored.is_error && !refused.is_error);
}
