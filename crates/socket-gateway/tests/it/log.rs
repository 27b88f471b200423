//! The event log: a real analytics on a database that the socket-gateway shares.

use battlearena_identity::Settings;
use battlearena_identity::testing::Issuer;
use battlearena_proto::events::event::Body;
use battlearena_proto::events::event_log_service_client::EventLogServiceClient;
use battlearena_proto::events::{
    AppendRequest, Event, MatchStarted, OutboxEvent, OutboxPosition, SubscribeRequest,
};
use battlearena_proto::{EventKind, timestamp_to_wire};
use battlearena_runtime::{CancellationToken, Tasks};
use battlearena_socket_gateway::{Config, migrator};
use battlearena_storage::DatabaseSettings;
use battlearena_storage::testing::TestDatabase;
use battlearena_telemetry::grpc::{InstrumentedChannel, connect};
use jiff::Timestamp;

use crate::support::{Gateway, config};

/// A running log.
pub(crate) struct Log {
    url: String,
    grpc: String,
    identity: Settings,
    pub(crate) channel: InstrumentedChannel,
    told: i64,
    _tasks: Tasks,
    stop: CancellationToken,
}

impl Drop for Log {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Log {
    /// In open mode.
    pub(crate) async fn start() -> Self {
        Self::build(Settings::open(), None).await
    }

    /// In required mode, where tests call as a service does.
    pub(crate) async fn start_guarded(issuer: &Issuer) -> Self {
        Self::build(issuer.settings(), Some(issuer.service())).await
    }

    async fn build(identity: Settings, credential: Option<http::HeaderValue>) -> Self {
        battlearena_telemetry::start_for_tests();
        let migrators = [migrator().unwrap(), battlearena_analytics::migrator().unwrap()];
        let url = TestDatabase::create(&migrators).await.url;
        let any = "127.0.0.1:0".parse().unwrap();
        let app = battlearena_analytics::App::build(battlearena_analytics::Config {
            http: any,
            grpc: any,
            open_bind_any: false,
            tls: battlearena_tls::Settings::default(),
            identity: identity.clone(),
            event_retention_days: 90,
            database: DatabaseSettings::for_url(&url),
        });
        let app = app.await.unwrap();
        let grpc = format!("http://{}", app.grpc_addr());
        let (tasks, stop) = (Tasks::new(), CancellationToken::new());
        let stopped = stop.clone();
        tasks.spawn("analytics", async move { app.run(stopped).await.unwrap() });
        let channel = connect(&grpc).unwrap().with_credential(credential);
        Self { url, grpc, identity, channel, told: 0, _tasks: tasks, stop }
    }

    /// A socket-gateway in the mode of the log.
    pub(crate) async fn gateway(&self) -> Gateway {
        self.gateway_with(|_| {}).await
    }

    pub(crate) async fn gateway_with(&self, change: impl FnOnce(&mut Config)) -> Gateway {
        let mut config = config(&self.url);
        config.relay.event_log_url.clone_from(&self.grpc);
        config.identity = self.identity.clone();
        change(&mut config);
        Gateway::start_on(config).await
    }

    /// The first event of a kind, once it is there.
    pub(crate) async fn event(&self, kind: EventKind) -> Event {
        let kinds = vec![kind.as_str().to_owned()];
        let request = SubscribeRequest { kinds, ..SubscribeRequest::default() };
        let mut log = EventLogServiceClient::new(self.channel.clone());
        let mut stream = log.subscribe(request).await.unwrap().into_inner();
        loop {
            if let Some(event) = stream.message().await.unwrap().unwrap().events.into_iter().next() {
                return event;
            }
        }
    }

    pub(crate) async fn tell(&mut self, body: Body) {
        self.tell_in("", body).await;
    }

    /// Tells an event that was caused in a trace.
    pub(crate) async fn tell_in(&mut self, traceparent: &str, body: Body) {
        self.told += 1;
        let position = OutboxPosition { incarnation: 1, transaction: 1, sequence: self.told };
        let occurred_at = Some(timestamp_to_wire(Timestamp::now()));
        let traceparent = traceparent.to_owned();
        let event = Event { occurred_at, traceparent, body: Some(body), ..Event::default() };
        let events = vec![OutboxEvent { position: Some(position), event: Some(event) }];
        let request = AppendRequest { source: "match".into(), events };
        EventLogServiceClient::new(self.channel.clone()).append(request).await.unwrap();
    }

    pub(crate) async fn match_started(&mut self, match_id: i64) {
        let (match_type, server_region) = ("solo".to_owned(), "eu-west".to_owned());
        self.tell(Body::MatchStarted(MatchStarted {
            match_id,
            match_type,
            server_region,
            player_ids: vec![1, 2],
        }))
        .await;
    }
}
