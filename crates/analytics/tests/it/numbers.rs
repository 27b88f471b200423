//! What the log adds up to: totals, statistics, the leaderboard, and their rebuild.

use battlearena_analytics::READ_MODELS;
use battlearena_proto::analytics::{
    ExportPointsRequest, GetLeaderboardRequest, GetMatchStatsRequest, GetPlayerRankRequest,
    GetPlayerStatsRequest, GetRevenueStatsRequest, GetTotalsResponse,
};
use battlearena_proto::events::{
    MatchCompleted, MatchCrashed, MatchStarted, OutboxEvent, ParticipantResult, PlayerLoggedIn,
    PlayerRegistered, TransactionRecorded, event::Body,
};
use battlearena_proto::{ErrorKind, Failure};
use battlearena_storage::events::{dead_letters, request_rebuild};
use jiff::{Timestamp, ToSpan};

use crate::support::{Analytics, eventually, told, told_at};

fn registered(player_id: i64, username: &str) -> Body {
    Body::PlayerRegistered(PlayerRegistered {
        player_id,
        username: username.into(),
        level: 3,
        tier: "premium".into(),
        region: "asia".into(),
    })
}

fn started(match_id: i64) -> Body {
    Body::MatchStarted(MatchStarted {
        match_id,
        match_type: "team".into(),
        server_region: "asia".into(),
        player_ids: vec![1, 2],
    })
}

fn completed(match_id: i64, points: &[(i64, i64)]) -> Body {
    let participant = |(player_id, points): &(i64, i64)| ParticipantResult {
        player_id: *player_id,
        points: *points,
        ..ParticipantResult::default()
    };
    Body::MatchCompleted(MatchCompleted {
        match_id,
        match_type: "team".into(),
        server_region: "asia".into(),
        winner_id: points[0].0,
        duration_seconds: 30,
        participants: points.iter().map(participant).collect(),
    })
}

fn crashed(match_id: i64) -> Body {
    Body::MatchCrashed(MatchCrashed { match_id, match_type: "team".into(), ..MatchCrashed::default() })
}

fn bought(transaction_id: i64, status: &str, amount_minor: i64) -> Body {
    Body::TransactionRecorded(TransactionRecorded {
        transaction_id,
        player_id: 1,
        item_type: "skin".into(),
        item_name: "Dragon Armor".into(),
        amount_minor,
        currency: "USD".into(),
        status: status.into(),
        region: "asia".into(),
    })
}

fn story() -> Vec<OutboxEvent> {
    let bodies = [
        registered(1, "ada"),
        registered(2, "bob"),
        registered(3, "cyd"),
        Body::PlayerLoggedIn(PlayerLoggedIn { player_id: 1 }),
        started(1),
        started(2),
        started(3),
        completed(1, &[(2, 60), (1, 7)]),
        crashed(2),
        bought(1, "completed", 999),
        bought(2, "failed", 1499),
        bought(3, "completed", 299),
    ];
    bodies.into_iter().zip(1..).map(|(body, sequence)| told(sequence, body)).collect()
}

async fn leaderboard(analytics: &Analytics, limit: i32) -> Vec<(i64, String, i64)> {
    let answer = analytics.client.clone().get_leaderboard(GetLeaderboardRequest { limit }).await.unwrap();
    answer.into_inner().entries.into_iter().map(|entry| (entry.rank, entry.username, entry.points)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_numbers_follow_the_events() {
    let mut analytics = Analytics::start().await;
    analytics.append("gateway", story()).await;
    let totals = analytics.totals_at(12).await;
    assert_eq!((totals.registrations, totals.logins), (3, 1));
    let matches: Vec<_> = totals.matches.iter().map(|m| (m.status.as_str(), m.count)).collect();
    assert_eq!(matches, [("completed", 1), ("crashed", 1), ("started", 3)]);
    let transactions: Vec<_> = totals
        .transactions
        .iter()
        .map(|t| (t.item_type.as_str(), t.status.as_str(), t.count, t.amount_minor))
        .collect();
    assert_eq!(transactions, [("skin", "completed", 2, 1298), ("skin", "failed", 1, 1499)]);

    let matches = analytics.client.get_match_stats(GetMatchStatsRequest {}).await.unwrap().into_inner();
    assert_eq!((matches.total_matches, matches.in_progress), (3, 1));
    assert_eq!((matches.completed_today, matches.crashed_today), (1, 1));
    assert_eq!((matches.crash_rate_percent, matches.avg_duration_seconds), (50.0, 30.0));

    let revenue = analytics.client.get_revenue_stats(GetRevenueStatsRequest {}).await.unwrap().into_inner();
    assert_eq!((revenue.revenue_today_minor, revenue.revenue_month_minor), (1298, 1298));
    assert_eq!((revenue.transactions_today, revenue.failed_today), (2, 1));

    eventually(async || (leaderboard(&analytics, 1).await.len() == 1).then_some(())).await;
    let players = analytics.client.get_player_stats(GetPlayerStatsRequest {}).await.unwrap().into_inner();
    assert_eq!((players.total_players, players.new_today), (3, 3));
    eventually(async || {
        let players =
            analytics.client.clone().get_player_stats(GetPlayerStatsRequest {}).await.unwrap().into_inner();
        (players.active_now == 3 && players.active_today == 3).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn yesterday_is_not_today() {
    let mut analytics = Analytics::start().await;
    let yesterday = Timestamp::now() - 30.hours();
    let bodies = [registered(1, "ada"), started(1), completed(1, &[(1, 50)]), bought(1, "completed", 999)];
    let events =
        bodies.into_iter().zip(1..).map(|(body, sequence)| told_at(sequence, yesterday, body)).collect();
    analytics.append("gateway", events).await;
    analytics.totals_at(4).await;
    let players = analytics.client.get_player_stats(GetPlayerStatsRequest {}).await.unwrap().into_inner();
    let counted = (players.total_players, players.new_today, players.active_today, players.active_now);
    assert_eq!(counted, (1, 0, 0, 0));
    let matches = analytics.client.get_match_stats(GetMatchStatsRequest {}).await.unwrap().into_inner();
    assert_eq!((matches.total_matches, matches.completed_today), (1, 0));
    let revenue = analytics.client.get_revenue_stats(GetRevenueStatsRequest {}).await.unwrap().into_inner();
    assert_eq!(revenue.revenue_today_minor, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leaderboard_ranks_and_survives_a_restart() {
    let mut analytics = Analytics::start().await;
    analytics.append("gateway", story()).await;
    analytics.totals_at(12).await;
    let expected = [(1, "bob".to_owned(), 60), (2, "ada".to_owned(), 7), (3, "cyd".to_owned(), 0)];
    eventually(async || (leaderboard(&analytics, 100).await == expected).then_some(())).await;

    let url = analytics.stop().await;
    let mut analytics = Analytics::start_on(url).await;
    assert_eq!(leaderboard(&analytics, 100).await, expected);
    assert_eq!(leaderboard(&analytics, 2).await, expected[..2]);
    let rank =
        analytics.client.get_player_rank(GetPlayerRankRequest { player_id: 1 }).await.unwrap().into_inner();
    assert_eq!(rank.entry.unwrap().rank, 2);
    let unknown = analytics.client.get_player_rank(GetPlayerRankRequest { player_id: 9 }).await.unwrap_err();
    assert_eq!(Failure::from(unknown).kind(), ErrorKind::NotFound);
    let absurd = analytics.client.get_leaderboard(GetLeaderboardRequest { limit: 101 }).await.unwrap_err();
    assert_eq!(Failure::from(absurd).field(), Some("limit"));
}

#[tokio::test(flavor = "multi_thread")]
async fn points_are_exported_as_of_an_offset() {
    let mut analytics = Analytics::start().await;
    analytics.append("gateway", story()).await;
    analytics.totals_at(12).await;
    let mut stream = analytics.client.export_points(ExportPointsRequest {}).await.unwrap().into_inner();
    let mut points = Vec::new();
    while let Some(part) = stream.message().await.unwrap() {
        assert_eq!(part.offset, 12);
        points.extend(part.players.into_iter().map(|player| (player.player_id, player.points)));
    }
    assert_eq!(points, [(1, 7), (2, 60)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_mends_what_was_broken_by_hand() {
    let mut analytics = Analytics::start().await;
    analytics.append("gateway", story()).await;
    let before = analytics.totals_at(12).await;
    let database = analytics.database();
    let connection = database.connection().await.unwrap();
    connection
        .session()
        .define("delete from analytics.totals; update analytics.players set points = 1")
        .await
        .unwrap();
    assert_eq!(analytics.totals().await.registrations, 0);

    assert!(request_rebuild(&database, "analytics", READ_MODELS).await.unwrap());
    let same = |totals: &GetTotalsResponse| *totals == before;
    eventually(async || Some(analytics.totals().await).filter(same)).await;
    eventually(async || (leaderboard(&analytics, 1).await == [(1, "bob".to_owned(), 60)]).then_some(()))
        .await;
    assert!(!request_rebuild(&database, "analytics", "nobody").await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_cannot_be_applied_dies_alone_and_can_be_replayed() {
    let mut analytics = Analytics::start().await;
    let database = analytics.database();
    let connection = database.connection().await.unwrap();
    let session = connection.session();
    session
        .define("alter table analytics.players add constraint no_thirteen check (player_id <> 13)")
        .await
        .unwrap();
    let events = vec![
        told(1, registered(1, "ada")),
        told(2, registered(13, "mallory")),
        told(3, registered(2, "bob")),
    ];
    analytics.append("gateway", events).await;
    assert_eq!(analytics.totals_at(3).await.registrations, 2);

    let dead = dead_letters::list(&database, "analytics", 10).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!((dead[0].queue.as_str(), dead[0].position.as_str()), (READ_MODELS, "2"));
    assert!(dead[0].payload.contains("mallory") && dead[0].error.contains("no_thirteen"), "{:?}", dead[0]);

    // Replayed while the cause is there, it stays dead; afterwards it takes effect, once.
    dead_letters::request_replay(&database, "analytics", None).await.unwrap();
    eventually(async || {
        let dead = dead_letters::list(&database, "analytics", 10).await.unwrap();
        (!dead[0].replay_requested).then_some(())
    })
    .await;
    session.define("alter table analytics.players drop constraint no_thirteen").await.unwrap();
    dead_letters::request_replay(&database, "analytics", Some(&[dead[0].id])).await.unwrap();
    eventually(async || {
        dead_letters::list(&database, "analytics", 10).await.unwrap().is_empty().then_some(())
    })
    .await;
    assert_eq!(analytics.totals().await.registrations, 3);
}
