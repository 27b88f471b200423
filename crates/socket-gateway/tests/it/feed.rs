//! The feed of platform events, and what the platform is told of sockets: with a real analytics.

use battlearena_proto::analytics::GetPlayerStatsRequest;
use battlearena_proto::analytics::analytics_service_client::AnalyticsServiceClient;
use battlearena_proto::events::event::Body;
use battlearena_proto::events::{MatchCrashed, PlayerLoggedIn, PlayerRegistered};
use battlearena_telemetry::recording::Recording;
use serde_json::{Value, json};

use crate::log::Log;
use crate::support::{Client, Gateway, eventually};

/// Subscribes to the feed as soon as there is one.
async fn subscribe(gateway: &Gateway, command: Value) -> (Client, Value) {
    eventually(async || {
        let mut client = gateway.player(1).await;
        client.say(command.clone()).await;
        let answer = client.next().await.unwrap();
        (answer["type"] == "subscribed").then_some((client, answer))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_feed_shows_events_and_is_recovered_over_a_restart() {
    let mut log = Log::start().await;
    let gateway = log.gateway().await;
    log.match_started(1).await;
    let (mut client, subscribed) = subscribe(&gateway, json!({"type": "subscribe", "channel": "feed"})).await;
    log.tell(Body::PlayerLoggedIn(PlayerLoggedIn { player_id: 1 })).await;
    log.match_started(2).await;
    let event = loop {
        let event = client.hear("event").await;
        if event["data"]["match_id"] == 2 {
            break event;
        }
    };
    assert_eq!(event["kind"], "match_started");
    assert_eq!(event["data"]["player_ids"], json!([1, 2]));
    client.vanish();
    gateway.stop().await;

    log.match_started(3).await;
    let registered =
        PlayerRegistered { player_id: 9, username: "ada".into(), level: 2, ..Default::default() };
    log.tell(Body::PlayerRegistered(registered)).await;
    let gateway = log.gateway().await;
    let position = json!({"type": "subscribe", "channel": "feed", "epoch": subscribed["epoch"], "offset": event["offset"]});
    let (mut client, subscribed) = subscribe(&gateway, position).await;
    assert_eq!(subscribed["recovered"], true);
    assert_eq!(client.hear("event").await["data"]["match_id"], 3);
    let event = client.hear("event").await;
    assert_eq!(event["data"], json!({"player_id": 9, "username": "ada", "level": 2}));
    // Live again.
    log.match_started(4).await;
    assert_eq!(client.hear("event").await["data"]["match_id"], 4);
    client.ask(json!({"type": "unsubscribe", "channel": "feed"}), "unsubscribed").await;
}

/// Runs on the thread of the test, whose spans are recorded.
#[tokio::test]
async fn an_event_is_published_in_the_trace_that_caused_it() {
    const CAUSE: &str = "00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-1111111111111111-01";
    let spans = Recording::start();
    let mut log = Log::start().await;
    let gateway = log.gateway().await;
    let feed = json!({"type": "subscribe", "channel": "feed"});
    let (mut client, subscribed) = subscribe(&gateway, feed).await;
    let crashed = |match_id| Body::MatchCrashed(MatchCrashed { match_id, ..Default::default() });
    log.tell_in(CAUSE, Body::PlayerLoggedIn(PlayerLoggedIn { player_id: 1 })).await;
    log.tell_in(CAUSE, crashed(1)).await;
    log.tell(crashed(2)).await;
    let (traced, untraced) = (client.hear("event").await, client.hear("event").await);

    // What is not shown is not published, and what nobody traces is no trace.
    let published = async |count: usize| {
        eventually(async || {
            let spans = spans.spans().into_iter().filter(|span| span.name == "publish_event");
            let published: Vec<_> = spans.collect();
            (published.len() == count).then_some(published)
        })
        .await
    };
    let [span] = published(1).await.try_into().unwrap();
    assert_eq!((span.parent.as_str(), span.kind.as_str()), (CAUSE, "consumer"));
    assert_eq!(span.attribute("event.type"), "match_crashed");
    assert_eq!(span.attribute("messaging.destination.name"), "feed");
    assert_eq!(traced["traceparent"], span.traceparent.as_str());
    assert_eq!((&untraced["data"]["match_id"], &untraced["traceparent"]), (&json!(2), &Value::Null));
    // A restart reads back what was published; it does not publish it again.
    client.vanish();
    gateway.stop().await;
    let gateway = log.gateway().await;
    let position = json!({"type": "subscribe", "channel": "feed", "epoch": subscribed["epoch"], "offset": 0});
    let (mut client, _) = subscribe(&gateway, position).await;
    assert_eq!(client.hear("event").await["traceparent"], Value::Null);
    published(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connected_players_are_active() {
    let log = Log::start().await;
    let gateway = log.gateway_with(|config| config.seen_seconds = 1).await;
    let _clients = [gateway.player(101).await, gateway.player(102).await, gateway.player(102).await];
    let analytics = AnalyticsServiceClient::new(log.channel.clone());
    eventually(async || {
        let stats = analytics.clone().get_player_stats(GetPlayerStatsRequest {}).await.ok()?.into_inner();
        (stats.active_now == 2).then_some(())
    })
    .await;
}
