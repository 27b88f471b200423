//! Everything that `arena up` runs, and the order of it: PostgreSQL, the services with their callees first, traffic; and
//! backwards at the end.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use anyhow::Context as _;
use battlearena_runtime::{CancellationToken, Environment, check_exposure};
use battlearena_storage::DatabasePassword;
use battlearena_storage::cluster::{Cluster, SUPERUSER};
use battlearena_tls::Tls;

use super::child::RoleProgram;
use super::console::Console;
use super::postgres::Postgres;
use super::secrets::Secrets;
use super::supervise::{House, Program as _, Supervised};
use super::table::Table;
use super::{UpSettings, place, ports};
use crate::probe::Probe;
use crate::roles::{self, AuthMode, Listener, MigrateSettings, Role};

/// What runs so far.
pub(super) struct Fleet {
    house: House,
    /// In the order of their start.
    running: Vec<Supervised>,
    cluster: Option<Arc<Cluster>>,
}

/// The database that the services use.
struct Database {
    url: String,
    logs: PathBuf,
    /// The folder of the secrets, which need not exist.
    secrets: PathBuf,
}

/// The database in the private cluster.
const DATABASE: &str = "battlearena";

/// How long a service may take to answer whether it is ready.
const PROBE: Duration = Duration::from_secs(2);

impl Fleet {
    /// Nothing runs yet.
    pub(super) fn new(console: Console, hurry: CancellationToken) -> Self {
        Self { house: House { console, hurry, restarts: Arc::default() }, running: Vec::new(), cluster: None }
    }

    /// How many times anything was started again.
    pub(super) fn restarts(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.house.restarts)
    }

    /// Starts everything and waits until it is ready. Returns what to tell the operator. When it fails or is dropped,
    /// what has been started keeps running until [`Fleet::drain`].
    pub(super) async fn start(&mut self, settings: &UpSettings, tls: &Tls) -> anyhow::Result<String> {
        let addresses = &settings.addresses;
        let listeners = listeners(settings);
        match settings.auth {
            AuthMode::Open => listeners.iter().try_for_each(|listener| {
                check_exposure(listener.address, settings.open_bind_any, settings.secrets.environment)
            })?,
            AuthMode::Required => {}
        }
        ports::check(&listeners)?;
        let database = match &settings.database_url {
            Some(url) => Database {
                url: settings.database_password.complete(url)?,
                logs: place::logs(settings)?,
                secrets: place::secrets(settings)?,
            },
            None => self.start_postgres(settings).await?,
        };
        let url = database.url.clone();
        let migrate = MigrateSettings { database_url: url, database_password: DatabasePassword::default() };
        roles::migrate(migrate, CancellationToken::new()).await.context("cannot migrate the database")?;
        let secrets = match settings.auth {
            AuthMode::Open => Secrets::none(),
            AuthMode::Required => {
                Secrets::prepare(&settings.secrets, &database.secrets, &database.url).await?
            }
        };
        let probe = Probe::new(PROBE, tls);
        for role in Role::START_ORDER {
            self.start_service(role, settings, (&database, &secrets), &probe).await?;
        }
        if settings.canary {
            self.start_canary(settings, (&database, &secrets), &probe).await?;
        }
        if let Some(mode) = settings.simulate {
            let (scheme, key) = (settings.scheme(), secrets.game_server_key());
            let mut environment = roles::simulator_environment(addresses, scheme, mode, key);
            environment.extend(settings.tls.environment());
            self.start_simulator(environment, database.logs.clone()).await?;
        }
        Ok(report(settings, self.cluster.as_deref(), &database, &secrets))
    }

    /// Stops everything, each in order: what calls before what is called.
    pub(super) async fn drain(mut self) {
        while let Some(program) = self.running.pop() {
            program.stop().await;
        }
        // In a hurry, the guard cleans up without us.
        if !self.house.hurry.is_cancelled()
            && let Some(cluster) = self.cluster.take().and_then(Arc::into_inner)
            && let Err(error) = cluster.close().await
        {
            self.house.console.say(&error.to_string());
        }
    }

    async fn start_postgres(&mut self, settings: &UpSettings) -> anyhow::Result<Database> {
        let cluster = Arc::new(Cluster::create_or_open(place::cluster_settings(settings)?).await?);
        self.cluster = Some(Arc::clone(&cluster));
        let running = cluster.start().await?;
        let url = running.create_database(DATABASE).await?;
        running.let_monitor_in(DATABASE).await?;
        let (logs, secrets) = (cluster.logs(), cluster.secrets());
        self.running.push(Supervised::keep(Postgres(cluster), running, self.house.clone()));
        Ok(Database { url, logs, secrets })
    }

    async fn start_service(
        &mut self,
        role: Role,
        settings: &UpSettings,
        (database, secrets): (&Database, &Secrets),
        probe: &Probe,
    ) -> anyhow::Result<()> {
        let mut environment = role.environment(&settings.addresses, settings.auth, settings.scheme());
        environment.extend(secrets.environment(role));
        environment.push(("ARENA_DATABASE_URL", database.url.clone()));
        environment.push((Environment::VARIABLE, settings.secrets.environment.to_string()));
        environment.push(("ARENA_OPEN_BIND_ANY", settings.open_bind_any.to_string()));
        environment.extend(settings.tls.environment());
        let (name, logs) = (role.name(), database.logs.clone());
        let mut program = RoleProgram { name, subcommand: name, environment, logs };
        let mut process = program.start().await?;
        process.ready(probe, &settings.scheme().url(role.operations(&settings.addresses), "/readyz")).await?;
        self.running.push(Supervised::keep(program, process, self.house.clone()));
        Ok(())
    }

    async fn start_canary(
        &mut self,
        settings: &UpSettings,
        (database, secrets): (&Database, &Secrets),
        probe: &Probe,
    ) -> anyhow::Result<()> {
        let role = Role::Canary;
        let mut environment = role.environment(&settings.addresses, settings.auth, settings.scheme());
        environment.extend(secrets.game_server_key().map(roles::game_server_key));
        let (name, logs) = (role.name(), database.logs.clone());
        let mut program = RoleProgram { name, subcommand: name, environment, logs };
        let mut process = program.start().await?;
        process.ready(probe, &settings.scheme().url(role.operations(&settings.addresses), "/readyz")).await?;
        self.running.push(Supervised::keep(program, process, self.house.clone()));
        Ok(())
    }

    async fn start_simulator(
        &mut self,
        environment: Vec<(&'static str, String)>,
        logs: PathBuf,
    ) -> anyhow::Result<()> {
        let mut program = RoleProgram { name: "simulator", subcommand: "simulate", environment, logs };
        let process = program.start().await?;
        self.running.push(Supervised::keep(program, process, self.house.clone()));
        Ok(())
    }
}

/// Every address that is needed.
fn listeners(settings: &UpSettings) -> Vec<Listener> {
    let canary = settings.canary.then(|| settings.addresses.canary());
    settings.addresses.listeners().into_iter().chain(canary).collect()
}

fn report(
    settings: &UpSettings,
    cluster: Option<&Cluster>,
    database: &Database,
    secrets: &Secrets,
) -> String {
    let mut table = Table::new(["what", "address", "what it is for"]);
    for listener in listeners(settings) {
        let kind = if listener.grpc { "gRPC" } else { "HTTP" };
        let address = settings.scheme().url(listener.address, "");
        table.row([format!("{} {kind}", listener.role.name()), address, listener.purpose.to_owned()]);
    }
    if let Some(key) = secrets.game_server_key() {
        let purpose = "its API key, for game servers and `arena simulate --game-server-key-file`";
        table.row(["game server".to_owned(), key.display().to_string(), purpose.to_owned()]);
    }
    // An operator's own connection string may hold a password.
    let (psql, purpose) = cluster.map_or_else(
        || ("as --database-url says".to_owned(), "your database"),
        |cluster| {
            let sockets = cluster.sockets().display();
            let url = format!("host={sockets} user={SUPERUSER} dbname={DATABASE}");
            (format!("psql '{url}'"), "the database; what is quoted is its --database-url")
        },
    );
    table.row(["postgresql".to_owned(), psql, purpose.to_owned()]);
    let logs = database.logs.display();
    format!(
        "BattleArena is up (process {}). Logs are in {logs}. Ctrl-C stops it.\n\n{table}",
        std::process::id()
    )
}
