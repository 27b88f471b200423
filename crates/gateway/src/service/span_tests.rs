//! The business spans: one in the whole trace of a use case, whichever service does its work, with the name and the
//! attributes that the catalogue promises. Everything runs on the thread of the test, whose spans are recorded.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use actix_web::App;
use actix_web::test::{TestRequest, call_service, init_service};
use battlearena_identity::credential::DeviceSecret;
use battlearena_proto::analytics::analytics_service_client::AnalyticsServiceClient;
use battlearena_proto::events::event_log_service_client::EventLogServiceClient;
use battlearena_proto::matches::ParticipantStats;
use battlearena_proto::matches::match_service_client::MatchServiceClient;
use battlearena_proto::{MatchId, MatchType, PlayerId, Severity, Tier};
use battlearena_runtime::{CancellationToken, Readiness, Tasks};
use battlearena_storage::events::RelaySettings;
use battlearena_storage::testing::TestDatabase;
use battlearena_storage::{Database, DatabaseSettings, Wake, database_check, schema_version};
use battlearena_telemetry::grpc::connect;
use battlearena_telemetry::http::{Instrument, Operations, operations};
use battlearena_telemetry::recording::{RecordedSpan, Recording};
use battlearena_telemetry::trace::current_traceparent;
use clap::Parser as _;
use tracing::Instrument as _;

use super::accounts::{Accounts, Attempt, Registration};
use super::limits::Client;
use super::matches::{Matches, NewMatch, Outcome};
use super::purchases::Purchases;
use super::statistics::Statistics;
use super::system_events::SystemEvents;
use crate::Config;
use crate::domain::page::Page;
use crate::domain::payment::DeclinePercent;
use crate::domain::player::NewPlayer;
use crate::domain::purchase::Purchase;
use crate::domain::system_event::SystemEvent;
use crate::doors::Doors;
use crate::metrics::Metrics;

/// The use cases, and the services behind them.
struct Platform {
    database: Database,
    accounts: Accounts,
    purchases: Purchases,
    matches: Matches,
    statistics: Statistics,
    system_events: SystemEvents,
    _tasks: Tasks,
    stop: CancellationToken,
}

impl Drop for Platform {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Platform {
    async fn start() -> Self {
        let migrators = [
            crate::migrator().unwrap(),
            battlearena_match::migrator().unwrap(),
            battlearena_analytics::migrator().unwrap(),
        ];
        let url = TestDatabase::create(&migrators).await.url;
        let settings = DatabaseSettings::for_url(url);
        let (tasks, stop) = (Tasks::new(), CancellationToken::new());
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let analytics = battlearena_analytics::App::build(battlearena_analytics::Config {
            http: any,
            grpc: any,
            open_bind_any: false,
            tls: battlearena_tls::Settings::default(),
            identity: battlearena_identity::Settings::open(),
            event_retention_days: 90,
            database: settings.clone(),
        });
        let analytics = analytics.await.unwrap();
        let event_log_url = format!("http://{}", analytics.grpc_addr());
        let log = connect(&event_log_url).unwrap();
        let service = battlearena_match::App::build(battlearena_match::Config {
            http: any,
            grpc: any,
            open_bind_any: false,
            tls: battlearena_tls::Settings::default(),
            identity: battlearena_identity::Settings::open(),
            match_ttl_seconds: 7200,
            heartbeat_timeout_seconds: 30,
            database: settings.clone(),
            relay: RelaySettings { event_log_url, outbox_retention_days: 7 },
        });
        let service = service.await.unwrap();
        let peer = connect(&format!("http://{}", service.grpc_addr())).unwrap();
        let stopped = stop.clone();
        tasks.spawn("analytics", async move { analytics.run(stopped).await.unwrap() });
        let stopped = stop.clone();
        tasks.spawn("match", async move { service.run(stopped).await.unwrap() });

        let database = Database::new(&settings, "test").unwrap();
        let (wake, metrics) = (Wake::new("test"), Metrics::new());
        let address = settings.database_url.clone();
        let config = CommandLine::parse_from(["gateway", "--auth=open", "--database-url", &address]).config;
        let doors = Doors::build(&config, &database, &wake).unwrap();
        Self {
            accounts: doors.accounts(&config, &database, &wake, &metrics),
            purchases: Purchases {
                database: database.clone(),
                wake,
                metrics: metrics.clone(),
                decline: DeclinePercent(100.0),
                has_fixed_prices: false,
            },
            matches: Matches {
                database: database.clone(),
                client: MatchServiceClient::new(peer),
                metrics: metrics.clone(),
            },
            statistics: Statistics {
                database: database.clone(),
                client: AnalyticsServiceClient::new(log.clone()),
                metrics,
            },
            system_events: SystemEvents { log: EventLogServiceClient::new(log) },
            database,
            _tasks: tasks,
            stop,
        }
    }
}

/// What work in a trace of its own returns, and the only business span in that trace: its name, its attributes, and the
/// number of statements right below it. None of these use cases fails by a fault of ours.
async fn traced<T>(spans: &Recording, work: impl Future<Output = T>) -> (T, Business) {
    let request = tracing::info_span!("request");
    let traceparent = request.in_scope(current_traceparent).unwrap();
    let result = work.instrument(request).await;
    let trace = spans.trace(&traceparent);
    let is_business = |span: &&RecordedSpan| span.kind == "internal" && span.name != "request";
    let business: Vec<_> = trace.iter().filter(is_business).collect();
    let [span] = business[..] else { panic!("{trace:#?}") };
    assert!(!span.is_error, "{span:#?}");
    let is_below = |other: &&RecordedSpan| other.parent == span.traceparent && other.kind == "client";
    let statements = trace.iter().filter(is_below).count();
    (result, Business { name: span.name.clone(), attributes: span.attributes.clone(), statements })
}

#[derive(Debug, PartialEq)]
struct Business {
    name: String,
    attributes: BTreeMap<String, String>,
    statements: usize,
}

fn business<const N: usize>(name: &str, attributes: [(&str, &str); N], statements: usize) -> Business {
    let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    Business { name: name.to_owned(), attributes, statements }
}

fn zoe() -> Registration {
    let (username, email, region) = ("Zoë".to_owned(), "a@b".to_owned(), String::new());
    let new = NewPlayer { username, email, level: 3, tier: Tier::Free, region };
    Registration { new, password: None, device: None }
}

/// Loopback in development has no limits.
const HERE: Client = Client { address: IpAddr::V4(Ipv4Addr::LOCALHOST), key: None };

#[derive(clap::Parser)]
struct CommandLine {
    #[command(flatten)]
    config: Config,
}

#[tokio::test]
async fn players_and_purchases_have_one_span_each_use() {
    let spans = Recording::start();
    let Platform { ref accounts, ref purchases, .. } = Platform::start().await;
    let zoe_is = [("player.id", "1"), ("player.username", "Zoë"), ("player.level", "3")];

    let (registered, span) = traced(&spans, Box::pin(accounts.register(zoe(), None, &HERE))).await;
    assert_eq!((registered.unwrap().id, span), (PlayerId(1), business("register_player", zoe_is, 1)));
    let (_, span) = traced(&spans, Box::pin(accounts.register(zoe(), None, &HERE))).await;
    let taken = [("player.username", "Zoë"), ("player.level", "3"), ("error.type", "conflict")];
    assert_eq!(span, business("register_player", taken, 1));

    let (login, span) = traced(&spans, accounts.log_in(Attempt::Number(PlayerId(1)), &HERE)).await;
    let now = login.unwrap().player.last_login.to_string();
    let [id, username, level] = zoe_is;
    assert_eq!(span, business("player_login", [id, username, level, ("login.timestamp", &now)], 1));
    let (_, span) = traced(&spans, accounts.log_in(Attempt::Number(PlayerId(9)), &HERE)).await;
    assert_eq!(span, business("player_login", [("player.id", "9"), ("error.type", "not_found")], 2));

    let (_, span) = traced(&spans, accounts.profile(PlayerId(1))).await;
    assert_eq!(span, business("get_player", zoe_is, 1));

    let purchase = Purchase::new(PlayerId(1), "skin".to_owned(), "Ice Crown".to_owned(), 24.99).unwrap();
    let (_, span) = traced(&spans, purchases.buy(&purchase, None)).await;
    let bought = [
        ("player.id", "1"),
        ("transaction.id", "1"),
        ("transaction.amount", "24.99"),
        ("transaction.item_type", "skin"),
        ("transaction.status", "failed"),
    ];
    assert_eq!(span, business("create_transaction", bought, 1));
}

#[tokio::test]
async fn matches_have_one_span_each_use_where_the_work_is_done() {
    let spans = Recording::start();
    let Platform { ref accounts, ref matches, .. } = Platform::start().await;
    accounts.register(zoe(), None, &HERE).await.unwrap();
    let new = |player_id: i64| {
        let server_region = "eu-west".to_owned();
        NewMatch { match_type: MatchType::Solo, player_ids: vec![player_id], server_region }
    };
    let solo = [("match.type", "solo"), ("match.player_count", "1"), ("match.server_region", "eu-west")];
    let [kind, count, region] = solo;
    let (started, span) = traced(&spans, matches.start(new(1), None)).await;
    assert_eq!(started.unwrap().match_id, 1);
    assert_eq!(span, business("start_match", [("match.id", "1"), kind, count, region], 1));
    // Refused before the match service was asked.
    let (_, span) = traced(&spans, matches.start(new(9), None)).await;
    assert_eq!(span, business("start_match", [kind, count, region, ("error.type", "invalid")], 0));

    let complete = |winner_id| Outcome {
        match_id: MatchId(1),
        winner_id: PlayerId(winner_id),
        duration_seconds: 42,
        participant_stats: vec![ParticipantStats { player_id: 1, score: 7, ..Default::default() }],
    };
    let (_, span) = traced(&spans, matches.complete(complete(1), None)).await;
    let (winner, took) = (("match.winner_id", "1"), ("match.duration", "42"));
    let completed = [("match.id", "1"), kind, count, region, winner, took];
    assert_eq!(span, business("complete_match", completed, 2));
    let (_, span) = traced(&spans, matches.complete(complete(1), None)).await;
    let again = [("match.id", "1"), kind, count, region, winner, took, ("error.type", "conflict")];
    assert_eq!(span, business("complete_match", again, 1));

    matches.start(new(1), None).await.unwrap();
    let crash = || matches.crash(MatchId(2), "out of memory".to_owned(), None);
    let (_, span) = traced(&spans, crash()).await;
    assert_eq!(span, business("crash_match", [("match.id", "2"), kind, count, region], 3));
    let (_, span) = traced(&spans, crash()).await;
    assert_eq!(span, business("crash_match", [("match.id", "2"), ("error.type", "conflict")], 2));

    let unknown = [("match.id", "9"), ("error.type", "not_found")];
    let (_, span) = traced(&spans, matches.get(MatchId(9))).await;
    assert_eq!(span, business("get_match", unknown, 1));
    let (_, span) = traced(&spans, matches.heartbeat(MatchId(9))).await;
    assert_eq!(span, business("match_heartbeat", unknown, 2));
    let page = || Page { limit: 10, before: None };
    let (_, span) = traced(&spans, matches.of_player(PlayerId(1), page())).await;
    assert_eq!(span, business("list_player_matches", [("player.id", "1")], 2));
    let (_, span) = traced(&spans, matches.of_player(PlayerId(9), page())).await;
    let nobody = [("player.id", "9"), ("error.type", "not_found")];
    assert_eq!(span, business("list_player_matches", nobody, 0));
}

#[tokio::test]
async fn what_analytics_does_has_its_span_there() {
    let spans = Recording::start();
    let platform = Platform::start().await;
    let Platform { statistics, system_events, .. } = &platform;
    // It answers once it has loaded what it holds in memory.
    let loaded = async {
        while statistics.of_players().await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), loaded).await.expect("it is never loaded");
    let (_, span) = traced(&spans, statistics.of_players()).await;
    assert_eq!(span, business("get_player_stats", [], 1));
    let (_, span) = traced(&spans, statistics.of_matches()).await;
    assert_eq!(span, business("get_match_stats", [], 1));
    let (_, span) = traced(&spans, statistics.of_revenue()).await;
    assert_eq!(span, business("get_revenue_stats", [], 1));
    let (_, span) = traced(&spans, statistics.leaderboard(Page { limit: 10, before: None })).await;
    assert_eq!(span, business("get_leaderboard", [], 0));
    let (_, span) = traced(&spans, statistics.rank(PlayerId(9))).await;
    let nobody = [("player.id", "9"), ("error.type", "not_found")];
    assert_eq!(span, business("get_player_rank", nobody, 0));

    let event = SystemEvent {
        event_type: "deploy".to_owned(),
        severity: Severity::Warning,
        message: "a message".to_owned(),
        metadata_json: "{}".to_owned(),
    };
    let (_, span) = traced(&spans, system_events.record(&event, None)).await;
    let deploy = [("event.type", "deploy"), ("event.severity", "warning")];
    // Lock the end of the log, insert, move the end: in a transaction, whose begin and commit are statements too.
    assert_eq!(span, business("log_system_event", deploy, 5));
}

#[tokio::test]
async fn a_log_in_by_device_is_one_statement() {
    let spans = Recording::start();
    let Platform { ref accounts, .. } = Platform::start().await;
    let device = || DeviceSecret::parse("k3J9xQ7mZ2vL5tR8wN1bC4dF6gH0sP-zoe".parse().unwrap()).unwrap();
    let registration = Registration { device: Some(device()), ..zoe() };
    let zoe_is = [("player.id", "1"), ("player.username", "Zoë"), ("player.level", "3")];
    let (registered, span) = traced(&spans, Box::pin(accounts.register(registration, None, &HERE))).await;
    assert_eq!(span, business("register_player", zoe_is, 1));
    assert!(registered.unwrap().tokens.is_some());

    let (login, span) = traced(&spans, accounts.log_in(Attempt::Device(device()), &HERE)).await;
    let login = login.unwrap();
    let now = login.player.last_login.to_string();
    let [id, name, level] = zoe_is;
    assert_eq!(span, business("player_login", [id, name, level, ("login.timestamp", now.as_str())], 1));

    // Lock, look, rotate, and the transaction around them.
    let refresh = login.tokens.unwrap().refresh;
    let (renewed, span) = traced(&spans, accounts.refresh(refresh.text().clone())).await;
    assert_eq!(span, business("refresh_session", [("player.id", "1")], 5));
    assert!(renewed.is_ok());
}

#[tokio::test]
async fn a_fault_of_ours_is_an_error_in_every_span() {
    let spans = Recording::start();
    let platform = Platform::start().await;
    platform.database.close();
    platform.accounts.log_in(Attempt::Number(PlayerId(1)), &HERE).await.unwrap_err();
    let [login] = spans.spans().try_into().unwrap();
    assert_eq!((login.name.as_str(), login.attribute("error.type")), ("player_login", "unavailable"));
    assert!(login.is_error);
}

#[actix_web::test]
async fn a_probe_asks_the_database_and_is_no_trace() {
    let url = TestDatabase::create(&[crate::migrator().unwrap()]).await.url;
    let database = Database::new(&DatabaseSettings::for_url(url), "test").unwrap();
    let check = database_check(database.clone(), crate::SCHEMA, 1);
    let readiness = Readiness::new().with_check("database", check);
    let shown = Operations { readiness, service: "gateway" };
    let app = init_service(App::new().configure(|app| operations(app, shown)).wrap(Instrument::new())).await;
    let spans = Recording::start();
    for path in ["/readyz", "/readyz", "/health", "/metrics"] {
        let answer = call_service(&app, TestRequest::get().uri(path).to_request()).await;
        assert_eq!(answer.status().as_u16(), 200, "{path}");
    }
    assert!(spans.spans().is_empty());
    // Within a trace the statements of the same check are a part of it: is there a history, and what does it say.
    let (_, span) = traced(&spans, async {
        schema_version(&database, crate::SCHEMA).instrument(tracing::info_span!("use case")).await.unwrap()
    })
    .await;
    assert_eq!(span, business("use case", [], 2));
}
