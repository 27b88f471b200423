//! The life of a match that nobody ends, what is told of it, and what is measured.

use battlearena_proto::events::event::Body;
use battlearena_proto::matches::{CompleteMatchRequest, GetMatchRequest, HeartbeatRequest, Match};

use crate::support::{Platform, eventually, stats};

async fn get(platform: &Platform, match_id: i64) -> Match {
    let answer = platform.client.clone().get_match(GetMatchRequest { match_id }).await.unwrap();
    answer.into_inner().r#match.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_match_that_falls_silent_is_taken_for_crashed() {
    let platform = Platform::start_with(2).await;
    let mut client = platform.client.clone();
    for _ in 0..4 {
        platform.start_match(&[1, 2]).await;
    }
    client.heartbeat(HeartbeatRequest { match_id: 3 }).await.unwrap();
    client.heartbeat(HeartbeatRequest { match_id: 4 }).await.unwrap();
    // 1 is young; 2 never had a heartbeat and is over-old; 3 falls silent; 4 is as old as 2 and goes on.
    let database = platform.database();
    let connection = database.connection().await.unwrap();
    let age = "update match.matches set start_time = now() - interval '2 hours 1 second' where id in (2, 4)";
    connection.session().define(age).await.unwrap();
    for lost in [2, 3] {
        eventually(async || {
            platform.client.clone().heartbeat(HeartbeatRequest { match_id: 4 }).await.unwrap();
            (get(&platform, lost).await.status == "crashed").then_some(())
        })
        .await;
    }
    assert_eq!(get(&platform, 1).await.status, "in_progress");
    assert_eq!(get(&platform, 4).await.status, "in_progress");

    let events = platform.events(6).await;
    let causes: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.body {
            Some(Body::MatchCrashed(crash)) => {
                Some((crash.match_id, crash.cause.as_str(), crash.player_ids.len()))
            }
            _ => None,
        })
        .collect();
    assert!(causes.contains(&(2, "expired", 2)) && causes.contains(&(3, "heartbeat_lost", 2)), "{causes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_could_not_be_heard_is_not_taken_for_silent() {
    // A match whose heartbeats stopped an hour ago, from the view of a service that starts now: it may have been the
    // service that was away. The match says something as soon as it can, and lives.
    let platform = Platform::start_with(3600).await;
    let database = platform.database();
    let connection = database.connection().await.unwrap();
    let away = "insert into match.matches (match_type, server_region, start_time, last_heartbeat)
                values ('solo', 'asia', now() - interval '65 minutes', now() - interval '61 minutes'),
                       ('solo', 'asia', now() - interval '3 hours', null)";
    connection.session().define(away).await.unwrap();
    // The reaper has looked once it has found the second, which never had a heartbeat.
    eventually(async || (get(&platform, 2).await.status == "crashed").then_some(())).await;
    assert_eq!(get(&platform, 1).await.status, "in_progress");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_step_is_told_in_full() {
    let platform = Platform::start().await;
    platform.start_match(&[8, 7]).await;
    let complete = CompleteMatchRequest {
        match_id: 1,
        winner_id: 7,
        duration_seconds: 12,
        participant_stats: vec![stats(7, 500), stats(8, 300)],
        idempotency_key: String::new(),
    };
    platform.client.clone().complete_match(complete).await.unwrap();
    let events = platform.events(2).await;
    let Some(Body::MatchStarted(started)) = &events[0].body else { panic!("{:?}", events[0]) };
    assert_eq!(
        (started.match_id, started.match_type.as_str(), &started.player_ids[..]),
        (1, "team", &[8, 7][..])
    );
    let Some(Body::MatchCompleted(completed)) = &events[1].body else { panic!("{:?}", events[1]) };
    assert_eq!(
        (completed.winner_id, completed.duration_seconds, completed.server_region.as_str()),
        (7, 12, "eu-west")
    );
    let points: Vec<_> = completed.participants.iter().map(|p| (p.player_id, p.points)).collect();
    assert_eq!(points, [(7, 55), (8, 3)]);
    assert!(events.iter().all(|event| event.source == "match"));
}

#[tokio::test(flavor = "multi_thread")]
async fn matches_in_progress_are_counted_from_their_rows() {
    let platform = Platform::start().await;
    platform.start_match(&[1]).await;
    // The gauge is the process's, which the tests share: rows that no other test has.
    let database = platform.database();
    let connection = database.connection().await.unwrap();
    let many = "insert into match.matches (match_type, server_region) select 'solo', 'asia' from generate_series(1, 7076)";
    connection.session().define(many).await.unwrap();
    eventually(async || {
        let metrics = reqwest::get(format!("{}/metrics", platform.http)).await.unwrap().text().await.unwrap();
        metrics.contains("matches_in_progress 7077").then_some(())
    })
    .await;
}
