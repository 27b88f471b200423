//! A platform for one test: its own database, and services in this process on free ports.

use std::net::SocketAddr;
use std::time::Duration;

use battlearena_gateway::{App, AuthMode, Config};
use battlearena_runtime::{CancellationToken, Tasks};
use battlearena_storage::events::RelaySettings;
use battlearena_storage::testing::TestDatabase;
use battlearena_storage::{Database, DatabaseSettings, Row, ToSql};
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

/// An address at which nobody listens: the discard port.
pub(crate) const NOBODY: &str = "http://127.0.0.1:9";

/// The longest wait for what must happen in the end.
const IN_THE_END: Duration = Duration::from_secs(60);

/// A gateway, with or without the services behind it.
pub(crate) struct Platform {
    base: String,
    http: reqwest::Client,
    database_url: String,
    stop: CancellationToken,
    tasks: Tasks,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

/// The settings of a gateway on a free port, whose peers are not there.
pub(crate) fn config(database_url: &str) -> Config {
    Config {
        http: SocketAddr::from(([127, 0, 0, 1], 0)),
        workers: Some(2),
        auth: AuthMode::Open,
        open_bind_any: false,
        match_url: NOBODY.to_owned(),
        socket_gateway_url: NOBODY.to_owned(),
        payment_decline_percent: 0.0,
        database: DatabaseSettings::for_url(database_url),
        relay: RelaySettings { event_log_url: NOBODY.to_owned(), outbox_retention_days: 7 },
    }
}

async fn socket_gateway(url: &str, relay: RelaySettings) -> battlearena_socket_gateway::App {
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    battlearena_socket_gateway::App::build(battlearena_socket_gateway::Config {
        http: loopback,
        grpc: loopback,
        auth: battlearena_socket_gateway::AuthMode::Open,
        open_bind_any: false,
        commands_per_second: 50,
        commands_burst: 200,
        recovery_messages: 2000,
        queue_bytes: 1_048_576,
        heartbeat_seconds: 25,
        timeout_seconds: 60,
        seen_seconds: 60,
        message_retention_days: 30,
        database: DatabaseSettings::for_url(url),
        relay,
    })
    .await
    .unwrap()
}

impl Platform {
    /// All services.
    pub(crate) async fn start() -> Self {
        let migrators = [
            battlearena_gateway::migrator().unwrap(),
            battlearena_match::migrator().unwrap(),
            battlearena_socket_gateway::migrator().unwrap(),
            battlearena_analytics::migrator().unwrap(),
        ];
        Self::start_on(TestDatabase::create(&migrators).await.url).await
    }

    /// All services, on a database that others used before.
    pub(crate) async fn start_on(url: String) -> Self {
        let (stop, tasks) = (CancellationToken::new(), Tasks::new());
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));

        let analytics = battlearena_analytics::App::build(battlearena_analytics::Config {
            http: loopback,
            grpc: loopback,
            open_bind_any: false,
            event_retention_days: 90,
            database: DatabaseSettings::for_url(&url),
        });
        let analytics = analytics.await.unwrap();
        let relay = RelaySettings {
            event_log_url: format!("http://{}", analytics.grpc_addr()),
            outbox_retention_days: 7,
        };
        let matches = battlearena_match::App::build(battlearena_match::Config {
            http: loopback,
            grpc: loopback,
            open_bind_any: false,
            match_ttl_seconds: 7200,
            heartbeat_timeout_seconds: 30,
            database: DatabaseSettings::for_url(&url),
            relay: relay.clone(),
        });
        let matches = matches.await.unwrap();
        let sockets = socket_gateway(&url, relay.clone()).await;
        let config = Config {
            match_url: format!("http://{}", matches.grpc_addr()),
            socket_gateway_url: format!("http://{}", sockets.grpc_addr()),
            relay,
            ..config(&url)
        };
        let sockets_stop = stop.clone();
        tasks.spawn("socket-gateway", async move { sockets.run(sockets_stop).await.unwrap() });
        let (analytics_stop, match_stop) = (stop.clone(), stop.clone());
        tasks.spawn("analytics", async move { analytics.run(analytics_stop).await.unwrap() });
        tasks.spawn("match", async move { matches.run(match_stop).await.unwrap() });
        Self::with_config(config, stop, tasks).await
    }

    /// The gateway alone.
    pub(crate) async fn gateway_alone() -> Self {
        Self::gateway_with(|_| {}).await
    }

    /// The gateway alone, with other settings.
    pub(crate) async fn gateway_with(change: impl FnOnce(&mut Config)) -> Self {
        let url = TestDatabase::create(&[battlearena_gateway::migrator().unwrap()]).await.url;
        let mut config = config(&url);
        change(&mut config);
        Self::with_config(config, CancellationToken::new(), Tasks::new()).await
    }

    pub(crate) async fn with_config(config: Config, stop: CancellationToken, tasks: Tasks) -> Self {
        battlearena_telemetry::start_for_tests();
        let database_url = config.database.database_url.clone();
        let app = App::build(config).await.unwrap();
        let base = format!("http://{}", app.http_addr());
        let gateway_stop = stop.clone();
        tasks.spawn("gateway", async move { app.run(gateway_stop).await.unwrap() });
        let platform = Self { base, http: reqwest::Client::new(), database_url, stop, tasks };
        platform.get("/livez").await;
        platform
    }

    /// Stops everything, and fails when something does not end.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.tasks.stop(Duration::from_secs(30)).await.unwrap();
    }

    /// Host and port of the gateway.
    pub(crate) fn address(&self) -> &str {
        self.base.strip_prefix("http://").unwrap()
    }

    pub(crate) fn database_url(&self) -> &str {
        &self.database_url
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::to(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        Answer::to(self.request(Method::POST, path).json(&body)).await
    }

    pub(crate) async fn post_keyed(&self, path: &str, key: &str, body: Value) -> Answer {
        Answer::to(self.request(Method::POST, path).header("idempotency-key", key).json(&body)).await
    }

    pub(crate) async fn post_text(&self, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        let request = self.request(Method::POST, path).header("content-type", "application/json");
        Answer::to(request.body(body)).await
    }

    /// Registers a player and returns the id.
    pub(crate) async fn register(&self, username: &str) -> i64 {
        let body = json!({"username": username, "email": "somebody@example.com"});
        self.post("/api/players/register", body).await.ok()["player_id"].as_i64().unwrap()
    }

    /// Registers so many players and returns their ids.
    pub(crate) async fn register_many(&self, count: usize) -> Vec<i64> {
        let mut ids = Vec::new();
        for number in 0..count {
            ids.push(self.register(&format!("player {number}")).await);
        }
        ids
    }

    /// One row of the database itself.
    pub(crate) async fn row(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Row {
        let database = Database::new(&DatabaseSettings::for_url(&self.database_url), "test").unwrap();
        let connection = database.connection().await.unwrap();
        connection.session().query_text(sql, parameters).await.unwrap()
    }

    /// What a scrape says now.
    pub(crate) async fn scrape(&self) -> String {
        match self.get("/metrics").await.body {
            Value::String(text) => text,
            other => panic!("{other}"),
        }
    }

    /// Waits until a statement waits for a row that somebody else holds.
    pub(crate) async fn until_somebody_waits_for_a_lock(&self) {
        let waiting = "select count(*) from pg_stat_activity
                       where datname = current_database() and wait_event_type = 'Lock'";
        until(async || self.row(waiting, &[]).await.get::<_, i64>(0) == 1).await;
    }

    /// Asks until the answer is as expected.
    pub(crate) async fn get_until(&self, path: &str, expected: impl Fn(&Value) -> bool) -> Value {
        let asking = async {
            loop {
                let answer = self.get(path).await;
                if answer.status == 200 && expected(&answer.body) {
                    return answer.body;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        match tokio::time::timeout(IN_THE_END, asking).await {
            Ok(body) => body,
            Err(_) => panic!("{path} never came to be as expected: {:?}", self.get(path).await),
        }
    }

    /// Asks until the status is as expected.
    pub(crate) async fn get_until_status(&self, path: &str, status: u16) -> Answer {
        let asking = async {
            loop {
                let answer = self.get(path).await;
                if answer.status == status {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(IN_THE_END, asking).await.expect("the status never came")
    }
}

impl Answer {
    pub(crate) async fn to(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Self { status, headers, body }
    }

    /// The body of a good answer.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body
    }

    /// Holds an error against the one shape, and returns its message.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str, field: Option<&str>) -> String {
        assert_eq!(self.status, status, "{}", self.body);
        let error = self.body["error"].as_object().expect("an error");
        assert_eq!(self.body.as_object().map(serde_json::Map::len), Some(1), "{}", self.body);
        assert_eq!(error["code"], code);
        assert_eq!(error.get("field").and_then(Value::as_str), field, "{}", self.body);
        assert_eq!(error["request_id"].as_str(), self.headers["x-request-id"].to_str().ok());
        assert_eq!(error.len(), if field.is_some() { 4 } else { 3 }, "{}", self.body);
        let message = error["message"].as_str().expect("a message");
        assert!(!message.is_empty());
        message.to_owned()
    }

    /// A field that is invalid.
    #[track_caller]
    pub(crate) fn invalid(&self, field: &str) -> String {
        self.refused(422, "invalid", Some(field))
    }
}

/// The number of a series in a scrape; other tests of this process count into the same series.
pub(crate) fn scraped(scrape: &str, series: &str) -> f64 {
    let line = scrape.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{series} is not in the scrape")).parse().unwrap()
}

/// Looks again and again until it holds.
pub(crate) async fn until(holds: impl AsyncFn() -> bool) {
    let looking = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(IN_THE_END, looking).await.expect("it never came to be");
}
