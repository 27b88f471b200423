//! Who may call, in required mode: over the wire, with tokens that the service verifies by the issuer's document; and
//! that a revocation, told by the log, holds here at once.

use battlearena_identity::testing::Issuer;
use battlearena_proto::analytics::analytics_service_client::AnalyticsServiceClient;
use battlearena_proto::analytics::{ExportPointsRequest, GetPlayerStatsRequest};
use battlearena_proto::events::event_log_service_client::EventLogServiceClient;
use battlearena_proto::events::{
    AppendRequest, GetSourcePositionRequest, KeyChanged, RecordRequest, SessionRevoked, SubscribeRequest,
    event::Body,
};
use battlearena_proto::{EventKind, timestamp_to_wire};
use http::HeaderValue;
use jiff::{Timestamp, ToSpan as _};
use tonic::{Code, Status};

use crate::support::{Analytics, eventually, told, told_at};

/// What each sort of RPC answers a caller: the statistics, the export, then the log's append, position, subscription
/// and record.
async fn doors(analytics: &Analytics, credential: Option<HeaderValue>) -> [Code; 6] {
    let channel = analytics.channel(credential);
    let (mut client, mut log) =
        (AnalyticsServiceClient::new(channel.clone()), EventLogServiceClient::new(channel));
    let code = |status: Option<Status>| status.map_or(Code::Ok, |status| status.code());
    [
        code(client.get_player_stats(GetPlayerStatsRequest {}).await.err()),
        code(client.export_points(ExportPointsRequest {}).await.err()),
        code(log.append(AppendRequest::default()).await.err()),
        code(log.get_source_position(GetSourcePositionRequest { source: "gateway".into() }).await.err()),
        code(log.subscribe(SubscribeRequest::default()).await.err()),
        code(log.record(RecordRequest::default()).await.err()),
    ]
}

async fn statistics(analytics: &Analytics, credential: &HeaderValue) -> Code {
    let mut client = AnalyticsServiceClient::new(analytics.channel(Some(credential.clone())));
    let answer = client.get_player_stats(GetPlayerStatsRequest {}).await;
    answer.map_or_else(|status| status.code(), |_| Code::Ok)
}

/// A running service that has learned the keys.
async fn start(issuer: &Issuer) -> Analytics {
    let analytics = Analytics::start_guarded(issuer).await;
    let operator = issuer.operator("first");
    eventually(async || (statistics(&analytics, &operator).await == Code::Ok).then_some(())).await;
    analytics
}

const IN: [Code; 6] = [Code::Ok, Code::Ok, Code::InvalidArgument, Code::Ok, Code::Ok, Code::InvalidArgument];
const NO: Code = Code::PermissionDenied;

#[tokio::test(flavor = "multi_thread")]
async fn each_comes_as_far_as_the_table_says() {
    let issuer = Issuer::start().await;
    let analytics = start(&issuer).await;
    assert_eq!(doors(&analytics, Some(issuer.service())).await, IN);
    let [statistics, _, _, _, subscribe, record] = IN;
    assert_eq!(doors(&analytics, Some(issuer.operator("op"))).await, [statistics, NO, NO, NO, subscribe, NO]);
    assert_eq!(doors(&analytics, Some(issuer.game_server("gs"))).await, [statistics, NO, NO, NO, NO, record]);
    assert_eq!(doors(&analytics, Some(issuer.player(7, 1))).await, [NO; 6]);
    let stranger = Issuer::start().await;
    for nobody in [None, Some(stranger.service()), Some(stranger.operator("op"))] {
        assert_eq!(doors(&analytics, nobody).await, [Code::Unauthenticated; 6]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_in_the_log_holds_here() {
    let issuer = Issuer::start().await;
    let mut analytics = start(&issuer).await;
    let (locked_out, other) = (issuer.operator("bad"), issuer.operator("good"));
    assert_eq!(statistics(&analytics, &locked_out).await, Code::Ok);
    let revoked = Body::KeyChanged(KeyChanged {
        key_id: "bad".into(),
        change: "revoked".into(),
        ..KeyChanged::default()
    });
    analytics.append("gateway", vec![told(1, revoked)]).await;
    eventually(async || (statistics(&analytics, &locked_out).await == Code::Unauthenticated).then_some(()))
        .await;
    assert_eq!(statistics(&analytics, &other).await, Code::Ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_the_key_that_opened_it() {
    let issuer = Issuer::start().await;
    let mut analytics = start(&issuer).await;
    let listen = async |credential| {
        let mut log = EventLogServiceClient::new(analytics.channel(Some(credential)));
        log.subscribe(SubscribeRequest::default()).await.unwrap().into_inner()
    };
    let (mut bad, mut good) = (listen(issuer.operator("bad")).await, listen(issuer.operator("good")).await);
    bad.message().await.unwrap().unwrap();
    let revoked = Body::KeyChanged(KeyChanged {
        key_id: "bad".into(),
        change: "revoked".into(),
        ..KeyChanged::default()
    });
    analytics.append("gateway", vec![told(1, revoked)]).await;
    let end = loop {
        if let Err(status) = bad.message().await {
            break status;
        }
    };
    assert_eq!(end.code(), Code::Unauthenticated);
    while good.message().await.unwrap().unwrap().offset < 1 {}
}

#[tokio::test(flavor = "multi_thread")]
async fn another_service_learns_of_revocations_also_of_those_before_its_start() {
    let issuer = Issuer::start().await;
    let mut analytics = start(&issuer).await;
    let session_revoked = |session_id: i64| {
        let tokens_expire_at = Some(timestamp_to_wire(Timestamp::now() + 5.minutes()));
        let revoked =
            SessionRevoked { player_id: 7, session_id, reason: "logged_out".into(), tokens_expire_at };
        Body::SessionRevoked(revoked)
    };
    let key = |change: &str| {
        Body::KeyChanged(KeyChanged { key_id: "k".into(), change: change.into(), ..KeyChanged::default() })
    };
    // What was told long ago has run out, as have the tokens.
    let long_ago = Timestamp::now() - 1.hour();
    analytics
        .append("gateway", vec![told_at(1, long_ago, key("revoked")), told(2, session_revoked(5))])
        .await;

    let gatekeeper = battlearena_identity::Gatekeeper::new(&issuer.settings()).unwrap();
    let tls = battlearena_tls::Tls::load(&battlearena_tls::Settings::default()).unwrap();
    gatekeeper.start(&analytics.tasks, analytics.channel(gatekeeper.credential()), &tls).unwrap();
    let header = |value: &HeaderValue| value.to_str().unwrap().trim_start_matches("Bearer ").to_owned();
    let verify = |value: &HeaderValue| gatekeeper.verifier().verify(&header(value), Timestamp::now());
    let (early, late) = (issuer.player(7, 5), issuer.player(7, 6));
    eventually(async || (verify(&late).is_ok() && verify(&early).is_err()).then_some(())).await;
    assert!(verify(&issuer.operator("k")).is_ok());
    analytics.append("gateway", vec![told(3, session_revoked(6))]).await;
    eventually(async || verify(&late).is_err().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_in_the_log() {
    let issuer = Issuer::start().await;
    let analytics = start(&issuer).await;
    assert_eq!(statistics(&analytics, &issuer.player(7, 1)).await, NO);
    let request = SubscribeRequest {
        kinds: vec![EventKind::AccessRefused.as_str().to_owned()],
        ..SubscribeRequest::default()
    };
    let mut stream = analytics.log.clone().subscribe(request).await.unwrap().into_inner();
    let refused = loop {
        let batch = stream.message().await.unwrap().unwrap();
        if let Some(event) = batch.events.into_iter().next() {
            break event;
        }
    };
    assert_eq!(refused.source, "analytics");
    let Some(Body::AccessRefused(refused)) = refused.body else { panic!("another event") };
    let door = "battlearena.analytics.v1.AnalyticsService/GetPlayerStats";
    assert_eq!(
        (refused.caller.as_str(), refused.door.as_str(), refused.reason.as_str()),
        ("player:7", door, "forbidden")
    );
}
