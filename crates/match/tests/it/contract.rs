//! What each call answers: the good case, each refusal, and retries with a key.

use battlearena_proto::matches::{
    CompleteMatchRequest, CrashMatchRequest, GetMatchRequest, HeartbeatRequest, ListPlayerMatchesRequest,
    StartMatchRequest,
};
use battlearena_proto::{ErrorKind, Failure};
use futures::StreamExt as _;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::support::{Platform, start, stats};

fn complete(match_id: i64, winner_id: i64, key: &str) -> CompleteMatchRequest {
    CompleteMatchRequest {
        match_id,
        winner_id,
        duration_seconds: 25,
        participant_stats: vec![stats(winner_id, 1200)],
        idempotency_key: key.into(),
    }
}

fn crash(match_id: i64, key: &str) -> CrashMatchRequest {
    CrashMatchRequest { match_id, error_message: "out of memory".into(), idempotency_key: key.into() }
}

fn refusal<T: std::fmt::Debug>(result: Result<T, tonic::Status>) -> (ErrorKind, Option<String>, String) {
    let failure = Failure::from(result.unwrap_err());
    (failure.kind(), failure.field().map(str::to_owned), failure.message().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_match_is_played_to_its_end() {
    let platform = Platform::start().await;
    let mut client = platform.client.clone();
    let begun = platform.start_match(&[9, 4]).await;
    assert_eq!((begun.match_id, begun.status.as_str(), begun.end_time), (1, "in_progress", None));
    assert_eq!(begun.participants.iter().map(|p| p.player_id).collect::<Vec<_>>(), [4, 9]);
    client.heartbeat(HeartbeatRequest { match_id: 1 }).await.unwrap();

    let ended = client.complete_match(complete(1, 9, "")).await.unwrap().into_inner().r#match.unwrap();
    assert_eq!(
        (ended.status.as_str(), ended.winner_id, ended.duration_seconds),
        ("completed", Some(9), Some(25))
    );
    let results: Vec<_> =
        ended.participants.iter().map(|p| (p.player_id, p.score, p.kills, p.points)).collect();
    assert_eq!(results, [(4, 0, 0, 0), (9, 1200, 3, 62)]);
    assert!(ended.participants.iter().all(|p| p.left_at == ended.end_time && p.left_at.is_some()));
    // The answer is made from the write, the next one from a read: they are the same.
    let read = client.get_match(GetMatchRequest { match_id: 1 }).await.unwrap().into_inner().r#match.unwrap();
    assert_eq!(read, ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_match_ends_once() {
    let platform = Platform::start().await;
    let mut client = platform.client.clone();
    platform.start_match(&[1]).await;
    platform.start_match(&[1]).await;
    client.complete_match(complete(1, 1, "")).await.unwrap();
    let crashed = client.crash_match(crash(2, "")).await.unwrap().into_inner().r#match.unwrap();
    assert_eq!((crashed.status.as_str(), crashed.error_message.as_str()), ("crashed", "out of memory"));

    for (match_id, status) in [(1, "completed"), (2, "crashed")] {
        let conflict = (ErrorKind::Conflict, None, format!("match {match_id} is {status}, not in progress"));
        assert_eq!(refusal(client.complete_match(complete(match_id, 1, "")).await), conflict);
        assert_eq!(refusal(client.crash_match(crash(match_id, "")).await), conflict);
        assert_eq!(refusal(client.heartbeat(HeartbeatRequest { match_id }).await), conflict);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_end_a_match_at_once_one_succeeds() {
    let platform = Platform::start().await;
    platform.start_match(&[1, 2]).await;
    let mut ends = tokio::task::JoinSet::new();
    for number in 0..10 {
        let mut client = platform.client.clone();
        ends.spawn(async move {
            if number % 2 == 0 {
                client.complete_match(complete(1, 1, "")).await.map(|_| ())
            } else {
                client.crash_match(crash(1, "")).await.map(|_| ())
            }
        });
    }
    let results = ends.join_all().await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    for result in results.into_iter().filter(Result::is_err) {
        assert_eq!(refusal(result).0, ErrorKind::Conflict);
    }
    assert_eq!(platform.events(2).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_with_the_key_gets_the_first_answer() {
    let platform = Platform::start().await;
    let mut client = platform.client.clone();
    let first = client.start_match(start(&[1, 2], "start-1")).await.unwrap().into_inner();
    client.complete_match(complete(1, 2, "end-1")).await.unwrap();
    // Also when the match has gone on since.
    let again = client.start_match(start(&[1, 2], "start-1")).await.unwrap().into_inner();
    assert_eq!((&again.r#match, again.duplicate), (&first.r#match, true));
    let ended = client.complete_match(complete(1, 2, "end-1")).await.unwrap().into_inner();
    assert_eq!(ended.r#match.unwrap().winner_id, Some(2));

    let reused = (ErrorKind::Conflict, Some("idempotency_key".to_owned()));
    let (kind, field, _) = refusal(client.start_match(start(&[1, 3], "start-1")).await);
    assert_eq!((kind, field), reused);
    let (kind, field, _) = refusal(client.complete_match(complete(1, 1, "end-1")).await);
    assert_eq!((kind, field), reused);
    let (kind, field, _) = refusal(client.crash_match(crash(1, "end-1")).await);
    assert_eq!((kind, field), reused);

    platform.start_match(&[1]).await;
    let crashed = client.crash_match(crash(2, "end-2")).await.unwrap().into_inner();
    assert_eq!(client.crash_match(crash(2, "end-2")).await.unwrap().into_inner(), crashed);
    // Two starts, one completion and one crash, whatever was repeated.
    assert_eq!(platform.events(4).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_starts_with_one_key_start_one_match() {
    let platform = Platform::start().await;
    let mut starts = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let mut client = platform.client.clone();
        starts.spawn(async move { client.start_match(start(&[5, 6], "same")).await.unwrap().into_inner() });
    }
    let answers = starts.join_all().await;
    assert!(answers.iter().all(|answer| answer.r#match == answers[0].r#match));
    assert_eq!(answers.iter().filter(|answer| !answer.duplicate).count(), 1);
    assert_eq!(platform.events(1).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused_with_its_field() {
    let platform = Platform::start().await;
    let mut client = platform.client.clone();
    platform.start_match(&[1, 2]).await;
    let field_of = |refusal: (ErrorKind, Option<String>, String)| (refusal.0, refusal.1.unwrap_or_default());

    let starts = [
        (StartMatchRequest { match_type: "duel".into(), ..start(&[1], "") }, "match_type"),
        (start(&[], ""), "player_ids"),
        (start(&[1, 1], ""), "player_ids"),
        (start(&[-1], ""), "player_ids"),
        (StartMatchRequest { server_region: String::new(), ..start(&[1], "") }, "server_region"),
        (start(&[1], "two words"), "idempotency_key"),
    ];
    for (request, field) in starts {
        let refused = field_of(refusal(client.start_match(request).await));
        assert_eq!(refused, (ErrorKind::Invalid, field.to_owned()));
    }
    let completions = [
        (complete(1, 3, ""), ErrorKind::Invalid, "winner_id"),
        (
            CompleteMatchRequest { participant_stats: vec![stats(7, 1)], ..complete(1, 1, "") },
            ErrorKind::Invalid,
            "participant_stats",
        ),
        (
            CompleteMatchRequest { duration_seconds: -1, ..complete(1, 1, "") },
            ErrorKind::Invalid,
            "duration_seconds",
        ),
        (complete(99, 1, ""), ErrorKind::NotFound, "match_id"),
        (complete(0, 1, ""), ErrorKind::Invalid, "match_id"),
    ];
    for (request, kind, field) in completions {
        assert_eq!(field_of(refusal(client.complete_match(request).await)), (kind, field.to_owned()));
    }
    let not_found = (ErrorKind::NotFound, "match_id".to_owned());
    assert_eq!(field_of(refusal(client.crash_match(crash(99, "")).await)), not_found);
    assert_eq!(field_of(refusal(client.heartbeat(HeartbeatRequest { match_id: 99 }).await)), not_found);
    assert_eq!(field_of(refusal(client.get_match(GetMatchRequest { match_id: 99 }).await)), not_found);
    let silent = CrashMatchRequest { error_message: String::new(), ..crash(1, "") };
    assert_eq!(
        field_of(refusal(client.crash_match(silent).await)),
        (ErrorKind::Invalid, "error_message".to_owned())
    );
    // Nothing of it left a trace.
    let untouched =
        client.get_match(GetMatchRequest { match_id: 1 }).await.unwrap().into_inner().r#match.unwrap();
    assert_eq!(untouched.status, "in_progress");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_players_matches_come_in_pages() {
    let platform = Platform::start().await;
    let mut client = platform.client.clone();
    for players in [[1, 2], [2, 3], [1, 3], [1, 4]] {
        platform.start_match(&players).await;
    }
    let mut page = async |before_match_id, limit| {
        let request = ListPlayerMatchesRequest { player_id: 1, limit, before_match_id };
        let matches = client.list_player_matches(request).await.unwrap().into_inner().matches;
        matches.iter().map(|m| (m.match_id, m.participants.len())).collect::<Vec<_>>()
    };
    assert_eq!(page(0, 2).await, [(4, 2), (3, 2)]);
    assert_eq!(page(3, 2).await, [(1, 2)]);
    assert_eq!(page(1, 2).await, []);
    let request = ListPlayerMatchesRequest { player_id: 1, limit: 101, before_match_id: 0 };
    assert_eq!(refusal(client.list_player_matches(request).await).1.as_deref(), Some("limit"));
}

#[tokio::test(flavor = "multi_thread")]
async fn any_client_can_list_the_services() {
    let platform = Platform::start().await;
    let endpoint = tonic::transport::Endpoint::from_shared(platform.grpc.clone()).unwrap();
    let mut client = ServerReflectionClient::new(endpoint.connect().await.unwrap());
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers =
        client.server_reflection_info(futures::stream::iter([request])).await.unwrap().into_inner();
    let answer = answers.next().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = answer else { panic!("unexpected {answer:?}") };
    let names: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names, ["grpc.health.v1.Health", "battlearena.match.v1.MatchService"]);
}
