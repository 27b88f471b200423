//! A running analytics on a fresh database.

use std::time::{Duration, Instant};

use battlearena_analytics::{App, Config, migrator};
use battlearena_identity::Settings;
use battlearena_identity::testing::Issuer;
use battlearena_proto::analytics::analytics_service_client::AnalyticsServiceClient;
use battlearena_proto::analytics::{GetTotalsRequest, GetTotalsResponse};
use battlearena_proto::events::event_log_service_client::EventLogServiceClient;
use battlearena_proto::events::{
    AppendRequest, AppendResponse, Event, OutboxEvent, OutboxPosition, SubscribeRequest, event::Body,
};
use battlearena_proto::timestamp_to_wire;
use battlearena_runtime::{CancellationToken, Tasks};
use battlearena_storage::{Database, DatabaseSettings, testing::TestDatabase};
use battlearena_telemetry::grpc::InstrumentedChannel;
use http::HeaderValue;
use jiff::Timestamp;

/// A running service. Stops when dropped.
pub(crate) struct Analytics {
    pub(crate) url: String,
    pub(crate) http: String,
    pub(crate) grpc: String,
    pub(crate) log: EventLogServiceClient<InstrumentedChannel>,
    pub(crate) client: AnalyticsServiceClient<InstrumentedChannel>,
    pub(crate) tasks: Tasks,
    stop: CancellationToken,
}

impl Drop for Analytics {
    fn drop(&mut self) {
        self.stop.cancel();
        self.tasks.token().cancel();
    }
}

impl Analytics {
    pub(crate) async fn start() -> Self {
        let database = TestDatabase::create(&[migrator().unwrap()]).await;
        Self::start_on(database.url).await
    }

    pub(crate) async fn start_on(url: String) -> Self {
        Self::build(url, Settings::open(), None).await
    }

    /// Starts in required mode. The clients here call as a service does.
    pub(crate) async fn start_guarded(issuer: &Issuer) -> Self {
        let database = TestDatabase::create(&[migrator().unwrap()]).await;
        Self::build(database.url, issuer.settings(), Some(issuer.service())).await
    }

    async fn build(url: String, identity: Settings, credential: Option<HeaderValue>) -> Self {
        battlearena_telemetry::start_for_tests();
        let any = "127.0.0.1:0".parse().unwrap();
        let database = DatabaseSettings::for_url(&url);
        let app = App::build(Config {
            http: any,
            grpc: any,
            open_bind_any: false,
            tls: battlearena_tls::Settings::default(),
            identity,
            event_retention_days: 90,
            database,
        })
        .await
        .unwrap();
        let (http, grpc) = (format!("http://{}", app.http_addr()), format!("http://{}", app.grpc_addr()));
        let (tasks, stop) = (Tasks::new(), CancellationToken::new());
        let stopped = stop.clone();
        tasks.spawn("analytics", async move { app.run(stopped).await.unwrap() });
        let channel = battlearena_telemetry::grpc::connect(&grpc).unwrap().with_credential(credential);
        let this = Self {
            url,
            http,
            grpc,
            log: EventLogServiceClient::new(channel.clone()),
            client: AnalyticsServiceClient::new(channel),
            tasks,
            stop,
        };
        this.ready().await;
        this
    }

    /// A channel that calls with a credential, or without one.
    pub(crate) fn channel(&self, credential: Option<HeaderValue>) -> InstrumentedChannel {
        battlearena_telemetry::grpc::connect(&self.grpc).unwrap().with_credential(credential)
    }

    /// Stops the service and waits for its end.
    pub(crate) async fn stop(self) -> String {
        self.stop.cancel();
        self.tasks.stop(Duration::from_secs(20)).await.unwrap();
        self.url.clone()
    }

    pub(crate) fn database(&self) -> Database {
        Database::new(&DatabaseSettings::for_url(&self.url), "test").unwrap()
    }

    pub(crate) async fn append(&mut self, source: &str, events: Vec<OutboxEvent>) -> AppendResponse {
        self.log.append(AppendRequest { source: source.into(), events }).await.unwrap().into_inner()
    }

    pub(crate) async fn totals(&self) -> GetTotalsResponse {
        self.client.clone().get_totals(GetTotalsRequest {}).await.unwrap().into_inner()
    }

    /// The totals once they contain the log up to an offset.
    pub(crate) async fn totals_at(&self, offset: i64) -> GetTotalsResponse {
        eventually(async || Some(self.totals().await).filter(|totals| totals.offset >= offset)).await
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

    async fn ready(&self) {
        let client = reqwest::Client::new();
        eventually(async || {
            let answer = client.get(format!("{}/readyz", self.http)).send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
    }
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

/// An outbox event at a sequence number of transaction 1.
pub(crate) fn told(sequence: i64, body: Body) -> OutboxEvent {
    told_at(sequence, Timestamp::now(), body)
}

pub(crate) fn told_at(sequence: i64, at: Timestamp, body: Body) -> OutboxEvent {
    OutboxEvent {
        position: Some(OutboxPosition { incarnation: 1, transaction: 1, sequence }),
        event: Some(Event { occurred_at: Some(timestamp_to_wire(at)), body: Some(body), ..Event::default() }),
    }
}
