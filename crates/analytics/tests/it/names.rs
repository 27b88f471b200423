//! What is left of a player whose account was deleted: numbers, and no name.

use battlearena_analytics::READ_MODELS;
use battlearena_proto::analytics::{GetLeaderboardRequest, GetTotalsResponse};
use battlearena_proto::events::{
    MatchCompleted, ParticipantResult, PlayerDeleted, PlayerRegistered, PlayerRenamed, event::Body,
};
use battlearena_storage::events::{dead_letters, request_rebuild};

use crate::support::{Analytics, eventually, told};

/// A name and a region that occur nowhere else.
const NAME: &str = "Zebulon_the_Unmistakable";
const REGION: &str = "atlantis";

fn registered(player_id: i64, username: &str) -> Body {
    Body::PlayerRegistered(PlayerRegistered {
        player_id,
        username: username.into(),
        level: 3,
        tier: "premium".into(),
        region: REGION.into(),
    })
}

fn played(points: &[(i64, i64)]) -> Body {
    let participant = |(player_id, points): &(i64, i64)| ParticipantResult {
        player_id: *player_id,
        points: *points,
        ..ParticipantResult::default()
    };
    Body::MatchCompleted(MatchCompleted {
        match_id: 1,
        match_type: "team".into(),
        participants: points.iter().map(participant).collect(),
        ..MatchCompleted::default()
    })
}

fn renamed(name_version: i32, username: &str) -> Body {
    Body::PlayerRenamed(PlayerRenamed { player_id: 1, username: username.into(), name_version })
}

fn deleted(player_id: i64) -> Body {
    Body::PlayerDeleted(PlayerDeleted { player_id })
}

async fn leaderboard(analytics: &Analytics) -> Vec<(i64, String, i64)> {
    let answer = analytics.client.clone().get_leaderboard(GetLeaderboardRequest { limit: 10 }).await.unwrap();
    answer
        .into_inner()
        .entries
        .into_iter()
        .map(|entry| (entry.player_id, entry.username, entry.points))
        .collect()
}

/// Every table of the schema that holds a word anywhere.
async fn tables_with(analytics: &Analytics, word: &str) -> Vec<String> {
    let database = analytics.database();
    let connection = database.connection().await.unwrap();
    let session = connection.session();
    let names = "select string_agg(table_name, ',') from information_schema.tables
                 where table_schema = 'analytics' and table_type = 'BASE TABLE'";
    let names: String = session.query_text(names, &[]).await.unwrap().get(0);
    let mut found = Vec::new();
    for name in names.split(',') {
        let holds = format!("select exists (select from analytics.{name} t where t::text like '%{word}%')");
        if session.query_text(&holds, &[]).await.unwrap().get(0) {
            found.push(name.to_owned());
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_player_keeps_the_place_and_loses_the_name() {
    let mut analytics = Analytics::start().await;
    let events = [registered(1, NAME), registered(2, "bob"), played(&[(1, 60), (2, 7)])];
    analytics.append("gateway", events.into_iter().zip(1..).map(|(body, at)| told(at, body)).collect()).await;
    let before = analytics.totals_at(3).await;
    eventually(async || (leaderboard(&analytics).await[0].1 == NAME).then_some(())).await;
    // The log, the table of its day, and that of players.
    assert_eq!(tables_with(&analytics, NAME).await.len(), 3);

    analytics.append("gateway", vec![told(4, deleted(1))]).await;
    let after = [(1, "deleted-1".to_owned(), 60), (2, "bob".to_owned(), 7)];
    eventually(async || (leaderboard(&analytics).await == after).then_some(())).await;
    let totals = analytics.totals_at(4).await;
    assert_eq!(GetTotalsResponse { offset: 4, head_offset: 4, ..before }, totals);
    assert_eq!(tables_with(&analytics, NAME).await, Vec::<String>::new());
    assert_eq!(tables_with(&analytics, "bob").await.len(), 3);

    // Who reads the log from its beginning, be it from memory, learns no name.
    let events = eventually(async || {
        let events = analytics.events(4).await;
        (!format!("{events:?}").contains(NAME)).then_some(events)
    })
    .await;
    let Some(Body::PlayerRegistered(left)) = &events[0].body else { panic!("another event: {events:?}") };
    assert_eq!((left.username.as_str(), left.region.as_str(), left.level), ("deleted-1", "", 3));
    let Some(Body::PlayerRegistered(other)) = &events[1].body else { panic!("another event: {events:?}") };
    assert_eq!((other.username.as_str(), other.region.as_str()), ("bob", REGION));

    // A rebuild and a restart find the same.
    let database = analytics.database();
    assert!(request_rebuild(&database, "analytics", READ_MODELS).await.unwrap());
    let pending = "select rebuild_requested from analytics.consumers where name = $1";
    eventually(async || {
        let connection = database.connection().await.unwrap();
        let row = connection.session().query_text(pending, &[&READ_MODELS]).await.unwrap();
        (!row.get::<_, bool>(0)).then_some(())
    })
    .await;
    assert_eq!(analytics.totals().await, totals);
    let url = analytics.stop().await;
    let analytics = Analytics::start_on(url).await;
    assert_eq!(leaderboard(&analytics).await, after);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_is_called_by_the_last_name_and_a_deleted_one_by_none() {
    let mut analytics = Analytics::start().await;
    let events =
        [registered(1, "first_name"), played(&[(1, 60)]), renamed(2, NAME), renamed(1, "in_between")];
    analytics.append("gateway", events.into_iter().zip(1..).map(|(body, at)| told(at, body)).collect()).await;
    let now = [(1, NAME.to_owned(), 60)];
    eventually(async || (leaderboard(&analytics).await == now).then_some(())).await;
    analytics.totals_at(4).await;
    let url = analytics.stop().await;
    let mut analytics = Analytics::start_on(url).await;
    assert_eq!(leaderboard(&analytics).await, now);

    analytics.append("gateway", vec![told(5, deleted(1)), told(6, renamed(3, "too_late"))]).await;
    let after = [(1, "deleted-1".to_owned(), 60)];
    eventually(async || (leaderboard(&analytics).await == after).then_some(())).await;
    analytics.totals_at(6).await;
    for word in ["first_name", NAME, "in_between"] {
        assert_eq!(tables_with(&analytics, word).await, Vec::<String>::new(), "{word}");
    }
    let events = format!("{:?}", analytics.events(6).await);
    assert!(!events.contains(NAME) && events.matches("deleted-1").count() == 4, "{events}");
    let url = analytics.stop().await;
    assert_eq!(leaderboard(&Analytics::start_on(url).await).await, after);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_forgotten_in_the_snapshot_and_among_the_dead_letters_too() {
    let mut analytics = Analytics::start().await;
    let database = analytics.database();
    let connection = database.connection().await.unwrap();
    let session = connection.session();
    let spoil = "alter table analytics.players add constraint nobody check (username not like 'Zebulon%');
                 insert into analytics.snapshot_players
                 values (1, 'Zebulon_the_Unmistakable', 1, 'free', 0, now()), (2, 'bob', 1, 'free', 0, now())";
    session.define(spoil).await.unwrap();
    analytics.append("gateway", vec![told(1, registered(1, NAME)), told(2, registered(2, "bob"))]).await;
    analytics.totals_at(2).await;
    assert!(tables_with(&analytics, NAME).await.contains(&"dead_letters".to_owned()));
    assert!(tables_with(&analytics, NAME).await.contains(&"snapshot_players".to_owned()));

    // Told twice, as after a restore: the second changes nothing.
    analytics.append("gateway", vec![told(3, deleted(1))]).await;
    analytics.append("gateway", vec![told(3, deleted(1)), told(4, deleted(1))]).await;
    analytics.totals_at(4).await;
    assert_eq!(tables_with(&analytics, NAME).await, Vec::<String>::new());
    assert_eq!(tables_with(&analytics, "Zebulon").await, Vec::<String>::new());
    let dead = dead_letters::list(&database, "analytics", 10).await.unwrap();
    assert!(dead[0].payload.contains("deleted-1"), "{:?}", dead[0]);
    // Replayed, it takes effect without the name.
    dead_letters::request_replay(&database, "analytics", None).await.unwrap();
    eventually(async || {
        dead_letters::list(&database, "analytics", 10).await.unwrap().is_empty().then_some(())
    })
    .await;
    assert_eq!(analytics.totals().await.registrations, 2);
    eventually(async || leaderboard(&analytics).await.iter().any(|(_, name, _)| name == "bob").then_some(()))
        .await;
}
