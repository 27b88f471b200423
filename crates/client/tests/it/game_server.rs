//! The game server's side against the real match service.

use std::time::Duration;

use battlearena_client::grpc::{self, Outcome};
use battlearena_client::{Error, Fault, Retry, Tls, calls};
use battlearena_proto::analytics::GetTotalsRequest;
use battlearena_proto::matches::ParticipantStats;
use battlearena_proto::{ErrorKind, MatchId, MatchStatus, MatchType, PlayerId};

use crate::platform::{Platform, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_match_is_started_kept_alive_and_ended_once() {
    let platform = Platform::start().await;
    let server = &platform.game_server;
    let players = [PlayerId(1), PlayerId(2)];
    let started = server.start(MatchType::Team, &players, "eu-west").await.unwrap();
    let stats = ParticipantStats { player_id: 1, score: 10, kills: 1, deaths: 0 };
    let play = async {
        server.heartbeat(started.match_id).await.unwrap();
        let duration = Duration::from_secs(90);
        let outcome = Outcome { winner_id: players[0], duration, participant_stats: vec![stats] };
        server.complete(started.match_id, outcome).await.unwrap();
        server.crash(started.match_id, "too late").await.unwrap_err()
    };
    let error = tokio::select! {
        error = play => error,
        over = server.keep_alive(started.match_id) => panic!("{over}"),
    };
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(!error.may_have_been_applied());
    assert_eq!(server.keep_alive(started.match_id).await.kind, ErrorKind::Conflict, "it is over");
    let details = platform.gateway.send(calls::match_details(started.match_id)).await.unwrap();
    assert_eq!((details.status, details.duration_seconds), (MatchStatus::Completed, Some(90)));

    let other = server.start(MatchType::Solo, &players, "asia").await.unwrap();
    server.crash(other.match_id, "the power went").await.unwrap();
    let analytics = grpc::analytics(&platform.analytics, &Tls::default());
    let ended = eventually(async || {
        let totals = analytics.clone().get_totals(GetTotalsRequest {}).await.unwrap().into_inner();
        let of = |status| totals.matches.iter().filter(|row| row.status == status).map(|row| row.count).sum();
        let counts: (i64, i64, i64) = (of("started"), of("completed"), of("crashed"));
        (counts.1 + counts.2 == 2).then_some(counts)
    });
    assert_eq!(ended.await, (2, 1, 1));
    platform.was_counted_alike();
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_name_the_field() {
    let platform = Platform::start().await;
    let twice = [PlayerId(1), PlayerId(1)];
    let error = platform.game_server.start(MatchType::Team, &twice, "eu-west").await.unwrap_err();
    let Error::Refused(refusal) = error else { panic!("{error}") };
    assert_eq!((refusal.kind, refusal.field.as_deref()), (ErrorKind::Invalid, Some("player_ids")));
    let unknown = platform.game_server.heartbeat(MatchId(9)).await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn nobody_there_is_no_answer() {
    let retry = Retry { attempt: Duration::from_secs(1), give_up: Duration::from_millis(200) };
    let nobody = grpc::GameServer::new(&"http://127.0.0.1:9".parse().unwrap(), retry);
    let error = nobody.crash(MatchId(1), "why").await.unwrap_err();
    assert!(
        matches!(error, Error::Unanswered { fault: Fault::NotNow(ErrorKind::Unavailable), .. }),
        "{error}"
    );
}
