//! A platform for one test: its own database, and services in this process on free ports.

use std::time::Duration;

use battlearena_gateway::keys::{self, NewApiKey};
use battlearena_gateway::{App, Config};
use battlearena_identity::credential::ServiceKey;
use battlearena_identity::password::Cost;
use battlearena_identity::{Role, Scopes};
use battlearena_runtime::{CancellationToken, Tasks};
use battlearena_storage::testing::TestDatabase;
use battlearena_storage::{Database, DatabaseSettings, Row, ToSql};
use clap::Parser as _;
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
    config: Config,
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

/// The settings of a service on free ports, the rest as it is by default.
fn parsed<C: clap::Args>(arguments: &[&str]) -> C {
    #[derive(clap::Parser)]
    struct CommandLine<C: clap::Args> {
        #[command(flatten)]
        config: C,
    }
    CommandLine::<C>::parse_from([&["service", "--http", "127.0.0.1:0"], arguments].concat()).config
}

/// The settings of a gateway on a free port, whose peers are not there.
pub(crate) fn config(database_url: &str) -> Config {
    let peers = ["--match-url", NOBODY, "--socket-gateway-url", NOBODY, "--event-log-url", NOBODY];
    let more = ["--database-url", database_url, "--payment-decline-percent", "0", "--workers", "2"];
    let config: Config = parsed(&[&["--auth", "open"], &peers[..], &more].concat());
    // What a hash costs is no matter of these tests, and there are many.
    Config { password_cost: Cost { memory_kib: 64, passes: 1, lanes: 1 }, ..config }
}

/// The settings of identity in required mode, for all services of a platform.
pub(crate) fn required(jwks_url: &str) -> battlearena_identity::Settings {
    battlearena_identity::Settings::required(ServiceKey::generate().secret().clone(), jwks_url)
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
        Self::start_with(url, battlearena_identity::Settings::open(), |_| {}).await
    }

    /// All services in required mode.
    pub(crate) async fn start_required() -> Self {
        Self::start_required_with(|_| {}).await
    }

    /// All services in required mode, the gateway with other settings.
    pub(crate) async fn start_required_with(change: impl FnOnce(&mut Config)) -> Self {
        let migrators = [
            battlearena_gateway::migrator().unwrap(),
            battlearena_match::migrator().unwrap(),
            battlearena_socket_gateway::migrator().unwrap(),
            battlearena_analytics::migrator().unwrap(),
        ];
        let url = TestDatabase::create(&migrators).await.url;
        // The others ask the gateway for its keys, and are built before it: its port must be known.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let identity = required(&format!("http://{free}/.well-known/jwks.json"));
        Self::start_with(url, identity, |config| {
            config.http = free;
            change(config);
        })
        .await
    }

    async fn start_with(
        url: String,
        identity: battlearena_identity::Settings,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let (stop, tasks) = (CancellationToken::new(), Tasks::new());
        let database = ["--auth", "open", "--database-url", &url, "--grpc", "127.0.0.1:0"];
        let mut settings: battlearena_analytics::Config = parsed(&database);
        settings.identity = identity.clone();
        let analytics = battlearena_analytics::App::build(settings).await.unwrap();
        let log = format!("http://{}", analytics.grpc_addr());
        let database = [&database[..], &["--event-log-url", &log]].concat();
        let mut settings: battlearena_match::Config = parsed(&database);
        settings.identity = identity.clone();
        let matches = battlearena_match::App::build(settings).await.unwrap();
        let mut settings: battlearena_socket_gateway::Config = parsed(&database);
        settings.identity = identity.clone();
        let sockets = battlearena_socket_gateway::App::build(settings).await.unwrap();
        let mut config = Config {
            match_url: format!("http://{}", matches.grpc_addr()),
            socket_gateway_url: format!("http://{}", sockets.grpc_addr()),
            identity,
            ..config(&url)
        };
        config.relay.event_log_url = log;
        change(&mut config);
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
        let kept = config.clone();
        let app = App::build(config).await.unwrap();
        let base = format!("http://{}", app.http_addr());
        let gateway_stop = stop.clone();
        tasks.spawn("gateway", async move { app.run(gateway_stop).await.unwrap() });
        let platform = Self { base, http: reqwest::Client::new(), config: kept, stop, tasks };
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
        &self.config.database.database_url
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

    /// A gateway alone, in required mode.
    pub(crate) async fn closed() -> Self {
        Self::closed_with(|_| {}).await
    }

    /// A gateway alone, in required mode, with other settings.
    pub(crate) async fn closed_with(change: impl FnOnce(&mut Config)) -> Self {
        Self::gateway_with(|config| {
            config.identity = required(NOBODY);
            change(config);
        })
        .await
    }

    /// A gateway beside this one, with the same settings but for its port and a few.
    pub(crate) async fn beside(&self, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = self.config.clone();
        config.http.set_port(0);
        change(&mut config);
        Self::with_config(config, CancellationToken::new(), Tasks::new()).await
    }

    /// Sends with a credential.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        bearer: &str,
        body: Option<&Value>,
    ) -> Answer {
        let request = self.request(method, path).bearer_auth(bearer);
        Answer::to(match body {
            Some(body) => request.json(body),
            None => request,
        })
        .await
    }

    pub(crate) async fn get_as(&self, bearer: &str, path: &str) -> Answer {
        self.send(Method::GET, path, bearer, None).await
    }

    pub(crate) async fn post_as(&self, bearer: &str, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, bearer, Some(&body)).await
    }

    /// Registers a player with a password.
    pub(crate) async fn join(&self, username: &str) -> Member {
        let body = json!({"username": username, "email": "somebody@example.com", "password": PASSWORD});
        Member::of(&self.post("/api/players/register", body).await.ok())
    }

    /// Makes an API key.
    pub(crate) async fn api_key(&self, role: Role, scopes: Option<Scopes>) -> String {
        let database = Database::new(&DatabaseSettings::for_url(self.database_url()), "test").unwrap();
        let new = NewApiKey { role, name: "test".into(), scopes, expires_in: None, by: "test".into() };
        keys::create(&database, &new).await.unwrap().text().expose().to_owned()
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
        let database = Database::new(&DatabaseSettings::for_url(self.database_url()), "test").unwrap();
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
        self.until_so_many_wait_for_a_lock(1).await;
    }

    /// Waits until so many statements do.
    pub(crate) async fn until_so_many_wait_for_a_lock(&self, many: i64) {
        let waiting = "select count(*) from pg_stat_activity
                       where datname = current_database() and wait_event_type = 'Lock'";
        until(async || self.row(waiting, &[]).await.get::<_, i64>(0) == many).await;
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

/// The password of everybody.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// A player who is logged in.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) id: i64,
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl Member {
    /// What a registration or a log-in answered.
    pub(crate) fn of(answer: &Value) -> Self {
        let text = |field: &str| answer[field].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
        Self {
            id: answer["player_id"].as_i64().unwrap(),
            access: text("access_token"),
            refresh: text("refresh_token"),
        }
    }

    /// The path of the profile.
    pub(crate) fn path(&self) -> String {
        format!("/api/players/{}", self.id)
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
