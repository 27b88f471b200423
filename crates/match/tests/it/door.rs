//! Who may call, in required mode: over the wire, with tokens that another process verifies by the issuer's document.

use std::time::Duration;

use battlearena_identity::testing::Issuer;
use battlearena_identity::{Scope, Scopes};
use battlearena_proto::events::{AccessRefused, event::Body};
use battlearena_proto::matches::match_service_client::MatchServiceClient;
use battlearena_proto::matches::{
    CompleteMatchRequest, CrashMatchRequest, GetMatchRequest, HeartbeatRequest, ListPlayerMatchesRequest,
};
use battlearena_proto::{ErrorKind, EventKind, Failure};
use battlearena_telemetry::grpc::{InstrumentedChannel, connect};
use http::HeaderValue;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::support::{Platform, eventually, start};

type Client = MatchServiceClient<InstrumentedChannel>;

/// What each RPC answers a caller: writes first, then reads.
async fn doors(client: &mut Client) -> [Code; 6] {
    let code = |status: Option<Status>| status.map_or(Code::Ok, |status| status.code());
    [
        code(client.start_match(start(&[1, 2], "")).await.err()),
        code(client.heartbeat(HeartbeatRequest { match_id: 99 }).await.err()),
        code(client.complete_match(CompleteMatchRequest::default()).await.err()),
        code(client.crash_match(CrashMatchRequest::default()).await.err()),
        code(client.get_match(GetMatchRequest { match_id: 99 }).await.err()),
        code(client.list_player_matches(ListPlayerMatchesRequest::default()).await.err()),
    ]
}

/// The codes of callers who come in: what they ask for is not there, or makes no sense.
const IN: [Code; 6] = [
    Code::Ok,
    Code::NotFound,
    Code::InvalidArgument,
    Code::InvalidArgument,
    Code::NotFound,
    Code::InvalidArgument,
];

/// Waits until the service has learned the keys, which takes a moment after its start.
async fn learned(platform: &Platform, token: HeaderValue) -> Client {
    let client = platform.client(Some(token));
    eventually(async || {
        let answer = client.clone().get_match(GetMatchRequest { match_id: 99 }).await;
        (answer.unwrap_err().code() != Code::Unavailable).then_some(())
    })
    .await;
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn services_and_game_servers_come_in_and_players_do_not() {
    let issuer = Issuer::start().await;
    let platform = Platform::start_guarded(&issuer).await;
    let mut game_server = learned(&platform, issuer.game_server("gs")).await;
    assert_eq!(doors(&mut game_server).await, IN);
    assert_eq!(doors(&mut platform.client(Some(issuer.service()))).await, IN);
    let denied = [Code::PermissionDenied; 6];
    assert_eq!(doors(&mut platform.client(Some(issuer.player(7, 1)))).await, denied);
    let [w, x, y, z, ..] = denied;
    let [.., get, list] = IN;
    assert_eq!(doors(&mut platform.client(Some(issuer.operator("op")))).await, [w, x, y, z, get, list]);
    let reader = issuer.game_server_with("gs", Scopes::NONE.with(Scope::MatchesRead));
    assert_eq!(doors(&mut platform.client(Some(reader))).await, [w, x, y, z, get, list]);
    // The service's own relay reached the log through its door.
    assert!(matches!(platform.event(EventKind::MatchStarted).await.body, Some(Body::MatchStarted(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_comes_in_and_the_log_hears_of_it() {
    let issuer = Issuer::start().await;
    let platform = Platform::start_guarded(&issuer).await;
    learned(&platform, issuer.game_server("gs")).await;
    let stranger = Issuer::start().await;
    let unknown = [Code::Unauthenticated; 6];
    assert_eq!(doors(&mut platform.client(None)).await, unknown);
    for bad in [
        stranger.service(),
        stranger.game_server("gs"),
        HeaderValue::from_static("Bearer nonsense"),
        HeaderValue::from_static("Bearer svc_"),
    ] {
        assert_eq!(doors(&mut platform.client(Some(bad))).await, unknown);
    }
    let refusal = platform.client(Some(stranger.service())).get_match(GetMatchRequest { match_id: 1 }).await;
    let failure = Failure::from(refusal.unwrap_err());
    assert_eq!(
        (failure.kind(), failure.message()),
        (ErrorKind::Unauthenticated, "a valid access token is needed")
    );

    let Some(Body::AccessRefused(told)) = platform.event(EventKind::AccessRefused).await.body else {
        panic!("another event");
    };
    let expected = AccessRefused {
        caller: "anonymous".into(),
        door: "battlearena.match.v1.MatchService/StartMatch".into(),
        reason: "wrong_key".into(),
    };
    assert_eq!(told, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_looks_after_the_service_needs_no_credential() {
    let issuer = Issuer::start().await;
    let platform = Platform::start_guarded(&issuer).await;
    let mut health = HealthClient::new(connect(&platform.grpc).unwrap());
    health.check(HealthCheckRequest::default()).await.unwrap();
    let http = reqwest::Client::new();
    for path in ["livez", "health", "metrics"] {
        let answer = http.get(format!("{}/{path}", platform.http)).timeout(Duration::from_secs(10)).send();
        assert!(answer.await.unwrap().status().is_success(), "{path}");
    }
}
