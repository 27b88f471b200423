//! A whole platform under observation: a PostgreSQL of its own that a test can take away and look into, and log files
//! that are there to the end.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use battlearena_storage::cluster::{Cluster, Running, Settings};
use battlearena_storage::{Database, DatabaseSettings};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::keys::{keys, said};
use crate::platform::{Platform, arena, arena_up, child, free_addresses, kill, until};

/// The name of the database.
pub(crate) const DATABASE: &str = "arena_on_stage";

/// The password in the connection string. PostgreSQL does not ask for it, so it can only be seen where it leaked.
pub(crate) const PASSWORD: &str = "correct-horse-battery";

/// The platform, until it is stopped or dropped.
pub(crate) struct Stage {
    up: Platform,
    addresses: Vec<String>,
    postgres: Option<Running>,
    cluster: Cluster,
    data: TempDir,
    /// Asks the services.
    pub(crate) http: reqwest::Client,
}

/// What is left of a platform that was stopped.
pub(crate) struct Ended {
    data: TempDir,
    /// How `arena up` ended.
    pub(crate) status: ExitStatus,
    /// What it said from the beginning to the end.
    pub(crate) said: String,
}

impl Stage {
    /// Starts everything; `configure` may set the environment.
    pub(crate) async fn start(configure: impl FnOnce(&mut Command)) -> Self {
        let cluster = Cluster::create_or_open(Settings::ephemeral().unwrap()).await.unwrap();
        let postgres = cluster.start().await.unwrap();
        let url = postgres.create_database(DATABASE).await.unwrap();
        let (data, addresses) = (tempfile::tempdir().unwrap(), free_addresses());
        let mut command = arena_up(&addresses);
        command.arg("--data").arg(data.path());
        command.env("ARENA_DATABASE_URL", format!("{url} password={PASSWORD}"));
        configure(&mut command);
        let up = Platform::start(command);
        let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
        Self { up, addresses, postgres: Some(postgres), cluster, data, http }
    }

    /// The secrets that `arena up` has made.
    pub(crate) fn secrets(&self) -> PathBuf {
        self.data.path().join("secrets")
    }

    /// Makes, lists or ends API keys: what `arena keys` says.
    pub(crate) fn keys(&self, arguments: &[&str]) -> String {
        said(&keys(&self.cluster.connection_string(DATABASE), arguments))
    }

    /// Where a service listens: `--gateway-http` and so on.
    pub(crate) fn address(&self, flag: &str) -> &str {
        let address = self.addresses.iter().find_map(|given| given.strip_prefix(&format!("{flag}=")));
        address.unwrap_or_else(|| panic!("no {flag}"))
    }

    /// The URL of a path on a service's HTTP port.
    pub(crate) fn url(&self, service: &str, path: &str) -> String {
        format!("http://{}{path}", self.address(&format!("--{service}-http")))
    }

    /// A service's metrics in Prometheus' text format, or in the format that is asked for.
    pub(crate) async fn metrics(&self, service: &str, accept: &str) -> String {
        let request = self.http.get(self.url(service, "/metrics")).header("accept", accept);
        request.send().await.unwrap().error_for_status().unwrap().text().await.unwrap()
    }

    /// The number that a query finds.
    pub(crate) async fn number(&self, query: &str) -> i64 {
        let url = self.cluster.connection_string(DATABASE);
        let database = Database::new(&DatabaseSettings::for_url(url), "a look from outside").unwrap();
        let connection = database.connection().await.unwrap();
        connection.session().query_text(query, &[]).await.unwrap().get(0)
    }

    /// `arena simulate` against this platform, with its summary as JSON.
    pub(crate) fn simulator(&self, arguments: &[&str]) -> Command {
        let mut command = arena();
        command.args(["simulate", "--json", "--url", &self.url("gateway", "")]);
        command.args(["--analytics", &format!("http://{}", self.address("--analytics-grpc"))]);
        command.args(["--socket-url", &format!("ws://{}/ws", self.address("--socket-gateway-http"))]);
        let key = self.secrets().join("game-server.key");
        if key.exists() {
            command.arg("--game-server-key-file").arg(key);
        }
        command.args(arguments);
        command
    }

    /// Takes the database away.
    pub(crate) async fn stop_database(&mut self) {
        self.postgres.take().unwrap().stop(Duration::from_secs(10)).await.unwrap();
    }

    /// Has the database die at once, as when its machine dies.
    pub(crate) async fn kill_database(&mut self) {
        let mut postgres = self.postgres.take().unwrap();
        kill(postgres.pid(), Signal::KILL);
        postgres.wait().await.unwrap();
    }

    /// Brings the database back.
    pub(crate) async fn start_database(&mut self) {
        self.postgres = Some(self.cluster.start().await.unwrap());
    }

    /// Whether a service says that it is ready.
    pub(crate) fn is_ready(&self, service: &str) -> bool {
        let url = self.url(service, "/readyz");
        arena().args(["health", "--url", &url]).output().unwrap().status.success()
    }

    /// Has a service end in order, and waits until its successor is ready.
    pub(crate) fn restart(&mut self, service: &str) {
        kill(child(self.up.pid(), service).unwrap(), Signal::TERM);
        self.up.read_until(&format!("{service} ended (exit status: 0)"));
        self.up.read_until(&format!("{service} runs again"));
        until("the service again", || self.is_ready(service));
    }

    /// Ends everything in order.
    pub(crate) async fn stop(self) -> Ended {
        self.up.signal(Signal::TERM);
        let report = self.up.report.clone();
        let (status, said) = self.up.wait();
        let said = report + &said;
        if let Some(postgres) = self.postgres {
            postgres.stop(Duration::from_secs(10)).await.unwrap();
        }
        self.cluster.close().await.unwrap();
        Ended { data: self.data, status, said }
    }
}

impl Ended {
    /// A service's log.
    pub(crate) fn log(&self, service: &str) -> String {
        fs::read_to_string(self.data.path().join(format!("logs/{service}.log"))).unwrap()
    }

    /// A service's log lines, all of which are JSON.
    pub(crate) fn log_lines(&self, service: &str) -> Vec<Value> {
        json_lines(&self.log(service))
    }
}

/// The lines of a log, all of which are JSON.
pub(crate) fn json_lines(log: &str) -> Vec<Value> {
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"));
    log.lines().map(parse).collect()
}
