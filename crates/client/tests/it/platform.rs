//! A platform for one test: its own database, and services in this process on free ports.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use battlearena_client::grpc::GameServer;
use battlearena_client::{Gateway, Hooks, Retry, SecretString};
use battlearena_gateway::keys::{self, NewApiKey};
use battlearena_identity::Role;
use battlearena_identity::credential::ServiceKey;
use battlearena_runtime::{CancellationToken, Tasks};
use battlearena_storage::testing::TestDatabase;
use battlearena_storage::{Database, DatabaseSettings};
use clap::{Args, Parser};
use tempfile::TempDir;

use crate::hooks::Seen;
use crate::play_match::Addresses;

#[derive(Parser)]
#[command(args_override_self = true)]
struct Cli<C: Args> {
    #[command(flatten)]
    config: C,
}

/// The settings of a socket-gateway on free ports, without an event log.
pub(crate) fn socket_config(database_url: &str, more: &[&str]) -> battlearena_socket_gateway::Config {
    let nobody = [
        "--auth",
        "open",
        "--grpc",
        "127.0.0.1:0",
        "--database-url",
        database_url,
        "--event-log-url",
        "http://127.0.0.1:9",
    ];
    config(&[&nobody[..], more].concat())
}

/// The settings of a service on free ports, the rest as it is by default.
fn config<C: Args>(arguments: &[&str]) -> C {
    Cli::<C>::parse_from([&["service", "--http", "127.0.0.1:0"], arguments].concat()).config
}

/// Running services. They stop with the value.
pub(crate) struct Platform {
    pub(crate) gateway: Gateway,
    pub(crate) game_server: GameServer,
    pub(crate) analytics: http::Uri,
    pub(crate) addresses: Addresses,
    seen: Arc<Seen>,
    /// Signing keys are read again now and then.
    secrets: Option<TempDir>,
    database: String,
    _tasks: Tasks,
    stop: CancellationToken,
}

impl Drop for Platform {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Platform {
    /// In open mode.
    pub(crate) async fn start() -> Self {
        Self::start_at(&["--auth", "open"], &[]).await.0
    }

    /// In required mode, with the key of a game server.
    pub(crate) async fn required() -> (Self, SecretString) {
        let secrets = tempfile::tempdir().unwrap();
        let (keys, service_key) = (secrets.path().join("signing"), secrets.path().join("service.key"));
        std::fs::write(&service_key, ServiceKey::generate().secret().expose()).unwrap();
        // Free a moment ago, which is the best that can be had: the others must know where the keys of tokens are.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut settings = ["--auth", "required", "--service-key-file"].map(str::to_owned).to_vec();
        settings.push(service_key.display().to_string());
        settings.push(format!("--jwks-url=http://{address}/.well-known/jwks.json"));
        let gateway = [format!("--http={address}"), format!("--signing-keys={}", keys.display())];
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        let gateway: Vec<&str> = gateway.iter().map(String::as_str).collect();
        let (mut platform, url) = Self::start_at(&settings, &gateway).await;
        (platform.secrets, platform.database) = (Some(secrets), url);
        let key = platform.key(Role::GameServer).await;
        (platform, key)
    }

    /// The key of an operator.
    pub(crate) async fn operator(&self) -> SecretString {
        self.key(Role::Operator).await
    }

    async fn key(&self, role: Role) -> SecretString {
        let database = Database::new(&DatabaseSettings::for_url(&self.database), "test").unwrap();
        let (name, by) = ("test".to_owned(), "test".to_owned());
        let new = NewApiKey { role, name, scopes: None, expires_in: None, by };
        keys::create(&database, &new).await.unwrap().text().expose().into()
    }

    async fn start_at(settings: &[&str], gateway: &[&str]) -> (Self, String) {
        battlearena_telemetry::start_for_tests();
        let migrators = [
            battlearena_gateway::migrator().unwrap(),
            battlearena_match::migrator().unwrap(),
            battlearena_analytics::migrator().unwrap(),
            battlearena_socket_gateway::migrator().unwrap(),
        ];
        let url = TestDatabase::create(&migrators).await.url;
        let (tasks, stop) = (Tasks::new(), CancellationToken::new());

        let given = [settings, &["--grpc", "127.0.0.1:0", "--database-url", &url]].concat();
        let app = battlearena_analytics::App::build(config(&given)).await.unwrap();
        let analytics = format!("http://{}", app.grpc_addr());
        let token = stop.clone();
        tasks.spawn("analytics", async move { app.run(token).await.unwrap() });

        let log = [settings, &["--database-url", &url, "--event-log-url", &analytics]].concat();
        let given = [&log[..], &["--grpc", "127.0.0.1:0"]].concat();
        let app = battlearena_match::App::build(config(&given)).await.unwrap();
        let matches = format!("http://{}", app.grpc_addr());
        let token = stop.clone();
        tasks.spawn("match", async move { app.run(token).await.unwrap() });

        let app = battlearena_socket_gateway::App::build(config(&given)).await.unwrap();
        let sockets = format!("ws://{}/ws", app.http_addr());
        let rooms = format!("http://{}", app.grpc_addr());
        let token = stop.clone();
        tasks.spawn("socket-gateway", async move { app.run(token).await.unwrap() });

        let peers =
            ["--socket-gateway-url", &rooms, "--match-url", &matches, "--payment-decline-percent", "0"];
        let given = config(&[&log[..], &peers, gateway].concat());
        let app = battlearena_gateway::App::build(given).await.unwrap();
        let gateway = format!("http://{}", app.http_addr());
        let token = stop.clone();
        tasks.spawn("gateway", async move { app.run(token).await.unwrap() });

        let seen = Arc::<Seen>::default();
        let hooks = Hooks::default().with_observer(seen.clone());
        let client = Gateway::new(&gateway.parse().unwrap(), Retry::default()).unwrap();
        let game_server = GameServer::new(&matches.parse().unwrap(), Retry::default());
        let platform = Self {
            gateway: client.with_hooks(hooks.clone()),
            game_server: game_server.with_hooks(hooks),
            analytics: analytics.parse().unwrap(),
            addresses: Addresses { gateway, matches, sockets, key: None },
            seen,
            secrets: None,
            database: String::new(),
            _tasks: tasks,
            stop,
        };
        (platform, url)
    }

    /// Holds that the services count under the same names what this client counts: routes, methods, statuses, codes.
    pub(crate) fn was_counted_alike(&self) {
        let scrape = battlearena_telemetry::render(battlearena_telemetry::Format::Text);
        let series: Vec<_> = scrape.lines().filter(|line| line.contains("_total{")).collect();
        let seen = self.seen.all();
        assert!(!seen.is_empty());
        for words in seen.iter().filter(|words| !words.contains("/health")) {
            let labels = match words.split(' ').collect::<Vec<_>>()[..] {
                [method, route, status] => {
                    format!(
                        r#"http_requests_total{{method="{method}",endpoint="{route}",status="{status}"}}"#
                    )
                }
                [method, code] => {
                    let (service, method) = method.split_once('/').unwrap();
                    let code = if code == "Some(Ok)" { "OK" } else { &code["Some(".len()..code.len() - 1] };
                    let labels =
                        format!(r#"grpc_service="{service}",grpc_method="{method}",grpc_code="{code}""#);
                    format!("grpc_server_handled_total{{{labels}}}")
                }
                _ => panic!("{words}"),
            };
            let counted = series.iter().find_map(|line| line.strip_prefix(&*labels)).unwrap_or(" 0");
            assert!(counted.trim().parse::<f64>().unwrap() > 0.0, "{labels} is not counted");
        }
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
