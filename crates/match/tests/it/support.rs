//! A running match service on a fresh database, and an analytics that takes its events.

use std::time::{Duration, Instant};

use battlearena_identity::Settings;
use battlearena_identity::testing::Issuer;
use battlearena_match::{App, Config};
use battlearena_proto::EventKind;
use battlearena_proto::events::event_log_service_client::EventLogServiceClient;
use battlearena_proto::events::{Event, SubscribeRequest};
use battlearena_proto::matches::match_service_client::MatchServiceClient;
use battlearena_proto::matches::{Match, ParticipantStats, StartMatchRequest};
use battlearena_runtime::{CancellationToken, Tasks};
use battlearena_storage::events::RelaySettings;
use battlearena_storage::testing::TestDatabase;
use battlearena_storage::{Database, DatabaseSettings};
use battlearena_telemetry::grpc::InstrumentedChannel;
use http::HeaderValue;

/// Running services. They stop when dropped.
pub(crate) struct Platform {
    pub(crate) url: String,
    pub(crate) http: String,
    pub(crate) grpc: String,
    pub(crate) client: MatchServiceClient<InstrumentedChannel>,
    log: EventLogServiceClient<InstrumentedChannel>,
    _tasks: Tasks,
    stop: CancellationToken,
}

impl Drop for Platform {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Platform {
    pub(crate) async fn start() -> Self {
        Self::start_with(30).await
    }

    /// Starts with another limit for the silence between heartbeats, in seconds.
    pub(crate) async fn start_with(heartbeat_timeout_seconds: u32) -> Self {
        Self::build(heartbeat_timeout_seconds, Settings::open(), None).await
    }

    /// Starts in required mode. The clients here call as a service does.
    pub(crate) async fn start_guarded(issuer: &Issuer) -> Self {
        Self::build(30, issuer.settings(), Some(issuer.service())).await
    }

    async fn build(
        heartbeat_timeout_seconds: u32,
        identity: Settings,
        credential: Option<HeaderValue>,
    ) -> Self {
        battlearena_telemetry::start_for_tests();
        let migrators = [battlearena_match::migrator().unwrap(), battlearena_analytics::migrator().unwrap()];
        let url = TestDatabase::create(&migrators).await.url;
        let any = "127.0.0.1:0".parse().unwrap();
        let (tasks, stop) = (Tasks::new(), CancellationToken::new());

        let database = DatabaseSettings::for_url(&url);
        let config = battlearena_analytics::Config {
            http: any,
            grpc: any,
            open_bind_any: false,
            tls: battlearena_tls::Settings::default(),
            identity: identity.clone(),
            event_retention_days: 90,
            database: database.clone(),
        };
        let analytics = battlearena_analytics::App::build(config).await.unwrap();
        let event_log_url = format!("http://{}", analytics.grpc_addr());
        let stopped = stop.clone();
        tasks.spawn("analytics", async move { analytics.run(stopped).await.unwrap() });

        let relay = RelaySettings { event_log_url: event_log_url.clone(), outbox_retention_days: 7 };
        let config = Config {
            http: any,
            grpc: any,
            open_bind_any: false,
            tls: battlearena_tls::Settings::default(),
            identity,
            match_ttl_seconds: 7200,
            heartbeat_timeout_seconds,
            database,
            relay,
        };
        let app = App::build(config).await.unwrap();
        let (http, grpc) = (format!("http://{}", app.http_addr()), format!("http://{}", app.grpc_addr()));
        let stopped = stop.clone();
        tasks.spawn("match", async move { app.run(stopped).await.unwrap() });
        let connect = |url: &str| {
            battlearena_telemetry::grpc::connect(url).unwrap().with_credential(credential.clone())
        };
        Self {
            client: MatchServiceClient::new(connect(&grpc)),
            log: EventLogServiceClient::new(connect(&event_log_url)),
            url,
            http,
            grpc,
            _tasks: tasks,
            stop,
        }
    }

    pub(crate) fn database(&self) -> Database {
        Database::new(&DatabaseSettings::for_url(&self.url), "test").unwrap()
    }

    /// A client that calls with a credential, or without one.
    pub(crate) fn client(&self, credential: Option<HeaderValue>) -> MatchServiceClient<InstrumentedChannel> {
        let channel = battlearena_telemetry::grpc::connect(&self.grpc).unwrap();
        MatchServiceClient::new(channel.with_credential(credential))
    }

    /// Starts a match.
    pub(crate) async fn start_match(&self, players: &[i64]) -> Match {
        self.client.clone().start_match(start(players, "")).await.unwrap().into_inner().r#match.unwrap()
    }

    /// The first event of a kind, once it is there.
    pub(crate) async fn event(&self, kind: EventKind) -> Event {
        let request =
            SubscribeRequest { kinds: vec![kind.as_str().to_owned()], ..SubscribeRequest::default() };
        let mut stream = self.log.clone().subscribe(request).await.unwrap().into_inner();
        loop {
            if let Some(event) = stream.message().await.unwrap().unwrap().events.into_iter().next() {
                return event;
            }
        }
    }

    /// The events from the beginning, as many as asked for.
    pub(crate) async fn events(&self, count: usize) -> Vec<Event> {
        let mut log = self.log.clone();
        let mut stream = log.subscribe(SubscribeRequest::default()).await.unwrap().into_inner();
        let mut events = Vec::new();
        while events.len() < count {
            events.extend(stream.message().await.unwrap().unwrap().events);
        }
        events
    }
}

pub(crate) fn start(players: &[i64], key: &str) -> StartMatchRequest {
    StartMatchRequest {
        match_type: "team".into(),
        player_ids: players.to_vec(),
        server_region: "eu-west".into(),
        idempotency_key: key.into(),
    }
}

pub(crate) fn stats(player_id: i64, score: i64) -> ParticipantStats {
    ParticipantStats { player_id, score, kills: 3, deaths: 1 }
}

/// Asks until there is an answer; gives up after half a minute.
pub(crate) async fn eventually<T>(ask: impl AsyncFn() -> Option<T>) -> T {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < until, "it did not happen within 30 s");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
