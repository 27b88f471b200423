//! Every request is one trace, from the player to the rows and on to the sockets: the whole tree of each is compared, as
//! a receiver that is not ours wrote it down.

mod expected;
mod play;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::exposition;
use crate::scrape::SERVICES;
use crate::span_tree::node;
use crate::witness::Protocol;
use expected::{TOTALS_AND_PLAYERS, applied, call, counted, leaf, published, relayed, statements};
use play::{Begun, PATIENCE, Play, Socket, assert_leads_to};

#[tokio::test(flavor = "multi_thread")]
async fn every_request_is_one_tree() {
    let mut play = Play::start(Protocol::Grpc, |command| {
        // The socket's player is told of as seen, later on: that event would travel with another.
        command.env("ARENA_SOCKET_GATEWAY_SEEN_SECONDS", "240");
    })
    .await;
    let (mut socket, begun) = Socket::connect(&mut play).await;
    let tree = leaf("socket-gateway server GET /ws http.response.status_code=101");
    play.becomes(&begun, &tree).await;
    let begun = socket.say(&mut play, json!({"type": "subscribe", "channel": "feed"})).await;
    socket.hear("subscribed").await;
    // A command belongs to its own trace, and leads to the handshake of its connection.
    let tree = leaf(
        "socket-gateway server socket_command messaging.operation.name=subscribe player.id=1 linked to GET /ws",
    );
    play.becomes(&begun, &tree).await;

    register(&mut play, 1, "ada").await;
    let shown = socket.hear("event").await;
    let (registered, _) = play.begun.last().unwrap().clone();
    assert_leads_to(&play, &shown, "publish_event", &registered);
    register(&mut play, 2, "bob").await;
    log_in(&mut play).await;
    play_a_match(&mut play).await;
    buy(&mut play).await;
    log_a_system_event(&mut play).await;
    read(&mut play).await;
    be_refused(&mut play).await;
    talk(&mut play, &mut socket).await;
    drop(socket);
    fail(&mut play).await;
    play.end().await;
}

/// Over the other protocol, with attributes from the environment; and whoever asks for nothing makes no trace.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_makes_a_trace_but_who_asks_for_something() {
    let mut play = Play::start(Protocol::HttpProtobuf, |command| {
        command.env("OTEL_RESOURCE_ATTRIBUTES", "team=games,service.name=somebody-else");
    })
    .await;
    // Three seconds of the platform's own time, watched by a probe and a scraper, who send contexts too.
    let uptime = async |play: &Play| {
        for service in SERVICES {
            for path in ["/livez", "/readyz", "/health", "/metrics"] {
                let request = play.stage.http.get(play.stage.url(service, path));
                request.header("traceparent", Begun::new().traceparent()).send().await.unwrap();
            }
        }
        exposition::value(&play.stage.metrics("gateway", "").await, "app_uptime_seconds").unwrap()
    };
    let began = uptime(&play).await;
    while uptime(&play).await < began + 3.0 {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    register(&mut play, 1, "ada").await;
    let services: BTreeSet<String> = play
        .witness
        .spans()
        .iter()
        .map(|span| {
            assert_eq!(span.resource["team"], "games", "{span:?}");
            span.service.clone()
        })
        .collect();
    assert_eq!(services, ["analytics", "gateway", "socket-gateway"].map(str::to_owned).into());
    play.end().await;
}

/// The sampled flag of a stranger asks for a trace; whether there is one is decided at the edge.
#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_does_not_decide_what_is_sampled() {
    let mut play = Play::start(Protocol::Grpc, |command| {
        command.env("OTEL_TRACES_SAMPLER", "parentbased_traceidratio").env("OTEL_TRACES_SAMPLER_ARG", "0");
    })
    .await;
    let (mut socket, _) = Socket::connect(&mut play).await;
    socket.say(&mut play, json!({"type": "subscribe", "channel": "feed"})).await;
    socket.hear("subscribed").await;
    for name in ["ada", "bob"] {
        let body = json!({"username": name, "email": "somebody@example.com"});
        assert_eq!(play.ask("POST", "/api/players/register", body).await.1, 200);
    }
    let body = json!({"match_type": "solo", "player_ids": [1, 2]});
    assert_eq!(play.ask("POST", "/api/matches/start", body).await.1, 200);
    // The last event has gone all its way, without a context.
    loop {
        let shown = socket.hear("event").await;
        assert_eq!(shown.get("traceparent"), None, "{shown}");
        if shown["kind"] == "match_started" {
            break;
        }
    }
    for service in SERVICES {
        let exemplars = play.stage.metrics(service, exposition::OPEN_METRICS).await;
        assert!(!exemplars.contains(" # {"), "{exemplars}");
    }
    let Play { stage, witness, .. } = play;
    assert!(stage.stop().await.status.success());
    assert!(witness.spans().is_empty(), "{:?}", witness.spans());
}

async fn register(play: &mut Play, player_id: i64, name: &str) {
    let body = json!({"username": name, "email": format!("{name}@example.com"), "level": 7});
    let tree = node(
        "gateway server POST /api/players/register http.response.status_code=200",
        [node(
            format!("gateway register_player player.id={player_id} player.level=7 player.username={name}"),
            [
                leaf("gateway client INSERT players"),
                relayed("gateway"),
                counted(TOTALS_AND_PLAYERS),
                published("player_registered"),
            ],
        )],
    );
    play.play("POST", "/api/players/register", body, tree).await;
}

async fn log_in(play: &mut Play) {
    let tree = node(
        "gateway server POST /api/players/login http.response.status_code=200",
        [node(
            "gateway player_login login.timestamp=* player.id=1 player.level=7 player.username=ada",
            [leaf("gateway client UPDATE players"), relayed("gateway"), counted(TOTALS_AND_PLAYERS)],
        )],
    );
    play.play("POST", "/api/players/login", json!({"player_id": 1}), tree).await;
}

async fn play_a_match(play: &mut Play) {
    let body = json!({"match_type": "solo", "player_ids": [1, 2], "server_region": "eu-west"});
    let started = node(
        "match start_match match.id=1 match.player_count=2 match.server_region=eu-west match.type=solo",
        [
            leaf("match client INSERT matches"),
            relayed("match"),
            counted(TOTALS_AND_PLAYERS),
            published("match_started"),
        ],
    );
    let tree = node(
        "gateway server POST /api/matches/start http.response.status_code=200",
        [
            leaf("gateway client SELECT players"),
            call("gateway", "match", "battlearena.match.v1.MatchService/StartMatch", [started]),
        ],
    );
    play.play("POST", "/api/matches/start", body, tree).await;

    let body = json!({"match_id": 1, "winner_id": 2, "duration_seconds": 300, "participant_stats": [
        {"player_id": 1, "score": 700, "kills": 3, "deaths": 5},
        {"player_id": 2, "score": 1500, "kills": 7, "deaths": 2},
    ]});
    let completed = node(
        "match complete_match match.duration=300 match.id=1 match.player_count=2 match.server_region=eu-west match.type=solo \
         match.winner_id=2",
        [
            leaf("match client SELECT matches"),
            leaf("match client UPDATE matches"),
            relayed("match"),
            counted(TOTALS_AND_PLAYERS),
            applied("gateway", "gateway_points", ["UPDATE players"]),
            published("match_completed"),
        ],
    );
    let tree = node(
        "gateway server POST /api/matches/complete http.response.status_code=200",
        [call("gateway", "match", "battlearena.match.v1.MatchService/CompleteMatch", [completed])],
    );
    play.play("POST", "/api/matches/complete", body, tree).await;
}

async fn buy(play: &mut Play) {
    let body =
        json!({"player_id": 1, "item_type": "weapon", "item_name": "Legendary Sword", "amount": 14.99});
    let tree = node(
        "gateway server POST /api/transactions/create http.response.status_code=200",
        [node(
            "gateway create_transaction player.id=1 transaction.amount=14.99 transaction.id=1 \
         transaction.item_type=weapon transaction.status=completed",
            [
                leaf("gateway client INSERT transactions"),
                relayed("gateway"),
                counted(TOTALS_AND_PLAYERS),
                published("purchase"),
            ],
        )],
    );
    play.play("POST", "/api/transactions/create", body, tree).await;
}

/// A system event is a plain call, without an outbox.
async fn log_a_system_event(play: &mut Play) {
    let body = json!({"event_type": "deploy", "severity": "info", "message": "version 2"});
    let recorded = node(
        "analytics log_system_event event.severity=info event.type=deploy",
        statements(
            "analytics",
            ["BEGIN", "SELECT log_head", "INSERT system_events", "UPDATE log_head", "COMMIT"],
        )
        .into_iter()
        .chain([counted(["INSERT totals", "INSERT daily_totals"])]),
    );
    let tree = node(
        "gateway server POST /api/system/event http.response.status_code=200",
        [call("gateway", "analytics", "battlearena.events.v1.EventLogService/Record", [recorded])],
    );
    play.play("POST", "/api/system/event", body, tree).await;
}

async fn read(play: &mut Play) {
    let tree = node(
        "gateway server GET /api/stats/players http.response.status_code=200",
        [call(
            "gateway",
            "analytics",
            "battlearena.analytics.v1.AnalyticsService/GetPlayerStats",
            [node("analytics get_player_stats", [leaf("analytics client SELECT totals")])],
        )],
    );
    play.play("GET", "/api/stats/players", Value::Null, tree).await;
}

/// A refusal is no error of ours.
async fn be_refused(play: &mut Play) {
    let (begun, status) = play.ask("POST", "/api/players/login", json!({"player_id": 77})).await;
    assert_eq!(status, 404);
    let tree = node(
        "gateway server POST /api/players/login http.response.status_code=404",
        [node(
            "gateway player_login error.type=not_found player.id=77",
            statements("gateway", ["UPDATE players", "SELECT players"]),
        )],
    );
    play.becomes(&begun, &tree).await;

    // Neither is one that comes from another service.
    let body = json!({"match_id": 1, "winner_id": 1, "duration_seconds": 300, "participant_stats": [
        {"player_id": 1, "score": 1500, "kills": 7, "deaths": 2},
        {"player_id": 2, "score": 700, "kills": 3, "deaths": 5},
    ]});
    let (begun, status) = play.ask("POST", "/api/matches/complete", body).await;
    assert_eq!(status, 409);
    let completed = node(
        "match complete_match error.type=conflict match.duration=300 match.id=1 match.player_count=2 \
         match.server_region=eu-west match.type=solo match.winner_id=1",
        [leaf("match client SELECT matches")],
    );
    let served = "match server battlearena.match.v1.MatchService/CompleteMatch \
                  rpc.response.status_code=FAILED_PRECONDITION";
    let called = "gateway client battlearena.match.v1.MatchService/CompleteMatch \
                  rpc.response.status_code=FAILED_PRECONDITION";
    let tree = node(
        "gateway server POST /api/matches/complete http.response.status_code=409",
        [node(called, [node(served, [completed])])],
    );
    play.becomes(&begun, &tree).await;

    let (begun, status) = play.ask("GET", "/no/such/page", Value::Null).await;
    assert_eq!(status, 404);
    play.becomes(&begun, &leaf("gateway server GET http.response.status_code=404")).await;
}

/// Without its database the platform is at fault, and says so on each span above the cause.
async fn fail(play: &mut Play) {
    play.stage.stop_database().await;
    let tree = node(
        "gateway server POST /api/players/login ERROR http.response.status_code=503 event request failed",
        [leaf("gateway player_login ERROR error.type=unavailable player.id=1")],
    );
    let began = Instant::now();
    loop {
        let (begun, status) = play.ask("POST", "/api/players/login", json!({"player_id": 1})).await;
        assert_eq!(status, 503);
        while !play.text(&begun).starts_with("gateway server") {
            assert!(began.elapsed() < PATIENCE, "no server span");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        // The first ones may find a connection that nobody knows to be dead yet.
        if play.text(&begun) == tree.text() || began.elapsed() > PATIENCE {
            play.becomes(&begun, &tree).await;
            break;
        }
    }
    play.stage.start_database().await;
}

/// What is said on a socket belongs to the trace that the command names, and goes on in the frames that others get.
async fn talk(play: &mut Play, socket: &mut Socket) {
    let begun = socket.say(play, json!({"type": "join", "room": "general"})).await;
    socket.hear("joined").await;
    let tree = node(
        "socket-gateway server socket_command messaging.operation.name=join player.id=1 linked to GET /ws",
        statements("socket-gateway", ["SELECT rooms", "INSERT rooms", "SELECT messages"]),
    );
    play.becomes(&begun, &tree).await;

    let message = json!({"type": "message", "room": "general", "client_id": "1", "text": "hi"});
    let begun = socket.say(play, message).await;
    let heard = socket.hear("message").await;
    let stored = node(
        "socket-gateway store_messages messaging.batch.message_count=1",
        [leaf("socket-gateway client INSERT messages")],
    );
    let tree = node(
        "socket-gateway server send_message messaging.destination.name=general messaging.operation.name=message \
         player.id=1 linked to GET /ws",
        [stored],
    );
    play.becomes(&begun, &tree).await;
    assert_leads_to(play, &heard, "send_message", &begun);
}
