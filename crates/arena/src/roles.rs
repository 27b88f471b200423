//! The roles: what each one is called, where it listens, how it is configured by environment, and the only calls from
//! this crate into the services.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use battlearena_runtime::CancellationToken;
use battlearena_storage::{DatabasePassword, Migrator, migrate as migrate_database};
use clap::{Args, ValueEnum};

use crate::events::EventsSettings;
use crate::keys::KeysSettings;
use crate::probe::Scheme;
use crate::role_process::RoleProcess;

pub(crate) use battlearena_identity::AuthMode;
pub(crate) use battlearena_simulator::Mode;

/// `arena gateway`.
pub(crate) type Gateway = RoleProcess<battlearena_gateway::Config>;
/// `arena socket-gateway`.
pub(crate) type SocketGateway = RoleProcess<battlearena_socket_gateway::Config>;
/// `arena match`.
pub(crate) type Match = RoleProcess<battlearena_match::Config>;
/// `arena analytics`.
pub(crate) type Analytics = RoleProcess<battlearena_analytics::Config>;
/// `arena canary`.
pub(crate) type Canary = RoleProcess<battlearena_canary::Config>;
/// `arena simulate`.
pub(crate) type Simulate = RoleProcess<battlearena_simulator::Config>;
/// `arena events`.
pub(crate) type Events = RoleProcess<EventsSettings>;
/// `arena keys`.
pub(crate) type Keys = RoleProcess<KeysSettings>;
/// `arena migrate`.
pub(crate) type Migrate = RoleProcess<MigrateSettings>;

/// A service of the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Accounts, store and the HTTP API.
    Gateway,
    /// Sockets, rooms, chat and the live feed.
    SocketGateway,
    /// Matches, participants and points.
    Match,
    /// The event log and what it adds up to.
    Analytics,
    /// The synthetic player, who is no part of the platform.
    Canary,
}

/// Where the services listen. Port 0 is not useful here: nobody could be told.
#[derive(Debug, Clone, Args)]
pub(crate) struct Addresses {
    /// Where the gateway serves its HTTP API, health and metrics: address and port.
    #[arg(long, env = "ARENA_GATEWAY_HTTP", default_value = "127.0.0.1:8000", value_name = "ADDRESS")]
    pub(crate) gateway_http: SocketAddr,
    /// Where the gateway serves health and metrics instead: address and port [default: beside the API]
    #[arg(long, env = "ARENA_GATEWAY_ADMIN", value_name = "ADDRESS")]
    pub(crate) gateway_admin: Option<SocketAddr>,
    /// Where the socket-gateway serves sockets, health and metrics: address and port.
    #[arg(long, env = "ARENA_SOCKET_GATEWAY_HTTP", default_value = "127.0.0.1:8002", value_name = "ADDRESS")]
    pub(crate) socket_gateway_http: SocketAddr,
    /// Where the socket-gateway serves health and metrics instead: address and port [default: beside the sockets]
    #[arg(long, env = "ARENA_SOCKET_GATEWAY_ADMIN", value_name = "ADDRESS")]
    pub(crate) socket_gateway_admin: Option<SocketAddr>,
    /// Where the socket-gateway serves gRPC: address and port.
    #[arg(long, env = "ARENA_SOCKET_GATEWAY_GRPC", default_value = "127.0.0.1:9002", value_name = "ADDRESS")]
    pub(crate) socket_gateway_grpc: SocketAddr,
    /// Where the match service serves health and metrics: address and port.
    #[arg(long, env = "ARENA_MATCH_HTTP", default_value = "127.0.0.1:8006", value_name = "ADDRESS")]
    pub(crate) match_http: SocketAddr,
    /// Where the match service serves gRPC: address and port.
    #[arg(long, env = "ARENA_MATCH_GRPC", default_value = "127.0.0.1:9006", value_name = "ADDRESS")]
    pub(crate) match_grpc: SocketAddr,
    /// Where analytics serves health and metrics: address and port.
    #[arg(long, env = "ARENA_ANALYTICS_HTTP", default_value = "127.0.0.1:8004", value_name = "ADDRESS")]
    pub(crate) analytics_http: SocketAddr,
    /// Where analytics serves gRPC: address and port.
    #[arg(long, env = "ARENA_ANALYTICS_GRPC", default_value = "127.0.0.1:9004", value_name = "ADDRESS")]
    pub(crate) analytics_grpc: SocketAddr,
    /// Where the canary serves health and metrics: address and port.
    #[arg(long, env = "ARENA_CANARY_HTTP", default_value = "127.0.0.1:8008", value_name = "ADDRESS")]
    pub(crate) canary_http: SocketAddr,
}

/// One address that a service needs.
#[derive(Debug)]
pub(crate) struct Listener {
    /// Whose it is.
    pub(crate) role: Role,
    /// The setting that moves it.
    pub(crate) flag: &'static str,
    /// The address.
    pub(crate) address: SocketAddr,
    /// What it is good for, for people.
    pub(crate) purpose: &'static str,
    /// Whether it speaks gRPC, and HTTP otherwise.
    pub(crate) grpc: bool,
}

impl Role {
    /// In the order in which they start: whoever is called comes before its callers.
    pub(crate) const START_ORDER: [Self; 4] =
        [Self::Analytics, Self::Match, Self::SocketGateway, Self::Gateway];

    /// The subcommand, the name in logs and traces, and the name of the log file.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::SocketGateway => "socket-gateway",
            Self::Match => "match",
            Self::Analytics => "analytics",
            Self::Canary => "canary",
        }
    }

    /// Where it serves health and metrics.
    pub(crate) fn operations(self, addresses: &Addresses) -> SocketAddr {
        match self {
            Self::Gateway => addresses.gateway_admin.unwrap_or(addresses.gateway_http),
            Self::SocketGateway => addresses.socket_gateway_admin.unwrap_or(addresses.socket_gateway_http),
            Self::Match => addresses.match_http,
            Self::Analytics => addresses.analytics_http,
            Self::Canary => addresses.canary_http,
        }
    }

    /// The settings of its process besides the database.
    pub(crate) fn environment(
        self,
        addresses: &Addresses,
        auth: AuthMode,
        scheme: Scheme,
    ) -> Vec<(&'static str, String)> {
        let url = |address, path| scheme.url(address, path);
        let admin = |name, address: Option<SocketAddr>| address.map(|address| (name, address.to_string()));
        let analytics = url(addresses.analytics_grpc, "");
        let mut environment = vec![
            ("ARENA_AUTH", word(auth)),
            ("ARENA_JWKS_URL", url(addresses.gateway_http, "/.well-known/jwks.json")),
        ];
        environment.extend(match self {
            Self::Gateway => vec![
                ("ARENA_GATEWAY_HTTP", addresses.gateway_http.to_string()),
                ("ARENA_GATEWAY_MATCH_URL", url(addresses.match_grpc, "")),
                ("ARENA_GATEWAY_SOCKET_GATEWAY_URL", url(addresses.socket_gateway_grpc, "")),
                ("ARENA_EVENT_LOG_URL", analytics),
            ]
            .into_iter()
            .chain(admin("ARENA_GATEWAY_ADMIN", addresses.gateway_admin))
            .collect(),
            Self::SocketGateway => vec![
                ("ARENA_SOCKET_GATEWAY_HTTP", addresses.socket_gateway_http.to_string()),
                ("ARENA_SOCKET_GATEWAY_GRPC", addresses.socket_gateway_grpc.to_string()),
                ("ARENA_EVENT_LOG_URL", analytics),
            ]
            .into_iter()
            .chain(admin("ARENA_SOCKET_GATEWAY_ADMIN", addresses.socket_gateway_admin))
            .collect(),
            Self::Match => vec![
                ("ARENA_MATCH_HTTP", addresses.match_http.to_string()),
                ("ARENA_MATCH_GRPC", addresses.match_grpc.to_string()),
                ("ARENA_EVENT_LOG_URL", analytics),
            ],
            Self::Analytics => vec![
                ("ARENA_ANALYTICS_HTTP", addresses.analytics_http.to_string()),
                ("ARENA_ANALYTICS_GRPC", addresses.analytics_grpc.to_string()),
            ],
            Self::Canary => vec![
                ("ARENA_CANARY_HTTP", addresses.canary_http.to_string()),
                ("ARENA_CANARY_URL", url(addresses.gateway_http, "")),
                ("ARENA_CANARY_SOCKET_URL", scheme.socket_url(addresses.socket_gateway_http, "/ws")),
            ],
        });
        environment
    }
}

impl Addresses {
    /// The address that the canary needs.
    pub(crate) fn canary(&self) -> Listener {
        let (role, address) = (Role::Canary, self.canary_http);
        let purpose = "what a synthetic player meets, as metrics";
        Listener { role, flag: "--canary-http", address, purpose, grpc: false }
    }

    /// Every address that the platform needs, the most interesting first.
    pub(crate) fn listeners(&self) -> Vec<Listener> {
        let Self {
            gateway_http,
            gateway_admin,
            socket_gateway_http,
            socket_gateway_admin,
            socket_gateway_grpc,
            match_http,
            match_grpc,
            analytics_http,
            analytics_grpc,
            canary_http: _,
        } = *self;
        let listener = |role, flag, address, grpc, purpose| Listener { role, flag, address, purpose, grpc };
        let admin = |role, flag, address: Option<SocketAddr>| {
            address.map(|address| listener(role, flag, address, false, "health and metrics"))
        };
        let listeners = [
            listener(Role::Gateway, "--gateway-http", gateway_http, false, "the game's API; /docs shows it"),
            listener(
                Role::SocketGateway,
                "--socket-gateway-http",
                socket_gateway_http,
                false,
                "sockets at /ws: chat and the live feed",
            ),
            listener(Role::Match, "--match-grpc", match_grpc, true, "matches, for game servers"),
            listener(Role::Match, "--match-http", match_http, false, "health and metrics"),
            listener(
                Role::SocketGateway,
                "--socket-gateway-grpc",
                socket_gateway_grpc,
                true,
                "chat history, for services",
            ),
            listener(Role::Analytics, "--analytics-grpc", analytics_grpc, true, "event log and statistics"),
            listener(Role::Analytics, "--analytics-http", analytics_http, false, "health and metrics"),
        ];
        listeners
            .into_iter()
            .chain(admin(Role::Gateway, "--gateway-admin", gateway_admin))
            .chain(admin(Role::SocketGateway, "--socket-gateway-admin", socket_gateway_admin))
            .collect()
    }
}

/// The settings of the simulator's process; without the key of a game server it plays open mode.
pub(crate) fn simulator_environment(
    addresses: &Addresses,
    scheme: Scheme,
    mode: Mode,
    key: Option<&Path>,
) -> Vec<(&'static str, String)> {
    let mut environment = vec![
        ("ARENA_SIMULATE_URL", scheme.url(addresses.gateway_http, "")),
        ("ARENA_SIMULATE_ANALYTICS", scheme.url(addresses.analytics_grpc, "")),
        ("ARENA_SIMULATE_SOCKET_URL", scheme.socket_url(addresses.socket_gateway_http, "/ws")),
        ("ARENA_SIMULATE_MODE", word(mode)),
    ];
    environment.extend(key.map(game_server_key));
    environment
}

/// The setting of whoever calls as a game server.
pub(crate) fn game_server_key(file: &Path) -> (&'static str, String) {
    ("ARENA_GAME_SERVER_KEY_FILE", file.display().to_string())
}

/// The word that the command line has for a choice.
fn word(choice: impl ValueEnum) -> String {
    // Only a choice that is hidden from the command line has no word, and none is.
    choice.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// Settings of `arena migrate`.
#[derive(Debug, Args)]
pub(crate) struct MigrateSettings {
    /// PostgreSQL connection string or URL (libpq's form; secrets belong into the environment, not into argv).
    #[arg(long, env = "ARENA_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub(crate) database_url: String,

    #[command(flatten)]
    pub(crate) database_password: DatabasePassword,
}

/// The schema of every service.
pub(crate) fn migrators() -> anyhow::Result<Vec<Migrator>> {
    Ok(vec![
        battlearena_gateway::migrator()?,
        battlearena_socket_gateway::migrator()?,
        battlearena_match::migrator()?,
        battlearena_analytics::migrator()?,
    ])
}

/// Brings every schema to its newest version.
pub(crate) async fn migrate(settings: MigrateSettings, _: CancellationToken) -> anyhow::Result<ExitCode> {
    let url = settings.database_password.complete(&settings.database_url)?;
    migrate_database(&url, &migrators()?).await?;
    Ok(ExitCode::SUCCESS)
}

/// What runs one role.
pub(crate) trait Service: Sized {
    /// Its settings.
    type Config: Args;

    /// Binds its ports; needs no database yet.
    fn build(config: Self::Config) -> impl Future<Output = anyhow::Result<Self>>;

    /// Where HTTP is served.
    fn http_addr(&self) -> SocketAddr;

    /// Serves until told to stop, then drains.
    fn run(self, stop: CancellationToken) -> impl Future<Output = anyhow::Result<()>>;
}

macro_rules! services {
    ($($service:ident)+) => {
        $(impl Service for $service::App {
            type Config = $service::Config;

            async fn build(config: Self::Config) -> anyhow::Result<Self> {
                Self::build(config).await
            }

            fn http_addr(&self) -> SocketAddr {
                self.http_addr()
            }

            async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
                self.run(stop).await
            }
        })+
    };
}

services! { battlearena_gateway battlearena_socket_gateway battlearena_match battlearena_analytics battlearena_canary }

/// Runs a role to its end.
pub(crate) async fn serve<S: Service>(
    config: S::Config,
    stop: CancellationToken,
) -> anyhow::Result<ExitCode> {
    S::build(config).await?.run(stop).await?;
    Ok(ExitCode::SUCCESS)
}

/// Plays traffic, and fails when its check does.
pub(crate) async fn simulate(
    config: battlearena_simulator::Config,
    stop: CancellationToken,
) -> anyhow::Result<ExitCode> {
    let outcome = battlearena_simulator::run(config, stop).await?;
    Ok(if outcome.held() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
