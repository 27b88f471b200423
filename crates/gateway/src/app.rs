//! The only place that builds things: `build` connects and binds, `run` serves until it is told to stop.

use std::net::SocketAddr;
use std::num::NonZero;
use std::time::Duration;

use actix_web::App as HttpApp;
use actix_web::dev::{Server, ServerHandle};
use actix_web::middleware::from_fn;
use actix_web::web::Data;
use anyhow::Context as _;
use battlearena_host::http::HttpPort;
use battlearena_host::{OperationsPort, careful};
use battlearena_identity::Gatekeeper;
use battlearena_identity::http::Guard;
use battlearena_proto::analytics::analytics_service_client::AnalyticsServiceClient;
use battlearena_proto::events::event_log_service_client::EventLogServiceClient;
use battlearena_proto::matches::match_service_client::MatchServiceClient;
use battlearena_proto::realtime::realtime_service_client::RealtimeServiceClient;
use battlearena_runtime::{CancellationToken, Readiness, Tasks};
use battlearena_storage::events::{QueueMetrics, Relay, RelaySettings};
use battlearena_storage::{Database, Wake, database_check, partitions};
use battlearena_telemetry::grpc::InstrumentedChannel;
use battlearena_telemetry::http::Instrument;
use battlearena_tls::{Acceptor, Tls, TlsError};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::domain::payment::DeclinePercent;
use crate::doors::Doors;
use crate::http::{self, Services};
use crate::metrics::Metrics;
use crate::service::chat::Chat;
use crate::service::matches::Matches;
use crate::service::purchases::Purchases;
use crate::service::statistics::Statistics;
use crate::service::system_events::SystemEvents;
use crate::{Config, OUTBOX_CHANNEL, SCHEMA, migrator, store, tasks};

/// How long requests that were accepted may take to finish once the service stops.
const DRAIN: Duration = Duration::from_secs(10);

/// How long background tasks may take to end: the relay delivers what was committed.
const TASK_PATIENCE: Duration = Duration::from_secs(5);

/// How often the gauges of the connection pool are brought up to date.
const POOL_GAUGES: Duration = Duration::from_secs(2);

/// An idle connection is kept this long: longer than the pause between two requests of a client.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// The head of a request must be there within this time.
const REQUEST_HEAD: Duration = Duration::from_secs(5);

/// The gateway, built and bound.
pub struct App {
    server: Server,
    http_addr: SocketAddr,
    readiness: Readiness,
    background: Background,
}

/// What the background tasks need.
struct Background {
    core: Core,
    doors: Doors,
    relay: Relay,
    analytics: InstrumentedChannel,
    /// The operations port, when it is another one.
    admin: Option<OperationsPort>,
    tls: Tls,
}

impl App {
    /// Builds everything and binds the port. Neither the database nor the other services need to be there: the gateway
    /// is unready until its database is.
    ///
    /// # Errors
    /// A setting that makes no sense, a port that is taken, or open mode on an address that others reach.
    pub async fn build(config: Config) -> anyhow::Result<Self> {
        let Config { http, workers, identity, open_bind_any, cors_origins, database, relay, .. } = &config;
        identity.check_exposure(*http, *open_bind_any)?;
        let database =
            Database::new(database, "arena-gateway").context("cannot read the database's address")?;
        let wake = Wake::new(OUTBOX_CHANNEL);
        let doors = Doors::build(&config, &database, &wake)?;
        let tls = Tls::load(&config.tls)?;
        let peers = Peers::connect(&config, &doors.gatekeeper, &tls)?;
        store::register_statements();
        // The consumer opens it only once the database is there.
        QueueMetrics::new(tasks::POINTS);

        let readiness = readiness(&database, &peers)?;
        let core = Core { database: database.clone(), wake: wake.clone(), metrics: Metrics::new() };
        let services = services(&config, &core, &doors, &peers);
        let bind = |address| OperationsPort::bind("gateway", address, readiness.clone(), &tls);
        let admin = config.admin_addr.map(bind).transpose()?;
        let operations = admin.is_none().then(|| readiness.clone());
        let port = port(*http, workers.map_or_else(cores, usize::from));
        let (server, http_addr) =
            serve(port, tls.http_acceptor(), cors_origins, services, (readiness.clone(), operations))?;
        let analytics = peers.analytics;
        let relay =
            Relay::new(database.clone(), SCHEMA, OUTBOX_CHANNEL, wake.clone(), analytics.clone(), relay);
        let background = Background { core, doors, relay, analytics, admin, tls };
        Ok(Self { server, http_addr, readiness, background })
    }

    /// Where HTTP is served.
    pub fn http_addr(&self) -> SocketAddr {
        self.http_addr
    }

    /// Where health and metrics are served, when not beside the API.
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.background.admin.as_ref().map(OperationsPort::address)
    }

    /// Serves until told to stop, then drains: unready, no new connections, accepted requests finished, tasks ended,
    /// connections closed.
    ///
    /// # Errors
    /// The server failed, or something did not end in time.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        self.run_beside(Tasks::new(), stop).await
    }

    /// Runs with its own background tasks among those that are there.
    async fn run_beside(self, tasks: Tasks, stop: CancellationToken) -> anyhow::Result<()> {
        let Self { mut server, http_addr, readiness, background } = self;
        let database = background.core.database.clone();
        background.start(&tasks)?;
        tracing::info!(%http_addr, "gateway serves");
        let handle = server.handle();
        let served = tokio::select! {
            result = &mut server => result.context("the HTTP server failed"),
            () = stop.cancelled() => drain(server, &handle, &readiness).await,
            panicked = tasks.panicked() => drain(server, &handle, &readiness).await.and(Err(panicked.into())),
        };
        let stopped = tasks.stop(TASK_PATIENCE).await.context("a background task does not end");
        database.close();
        served.and(stopped)
    }
}

impl Background {
    fn start(self, tasks: &Tasks) -> anyhow::Result<()> {
        let Self { core, doors, relay, analytics, admin, tls } = self;
        let Core { database, wake, metrics } = core;
        let Doors { gatekeeper, ring, .. } = doors;
        if let Some(admin) = admin {
            tasks.spawn("operations port", admin.run(tasks.token()));
        }
        tasks.spawn("outbox relay", relay.run(tasks.token()));
        tasks.spawn("wake-ups", wake.clone().carry(database.clone(), tasks.token()));
        tasks.spawn("points", tasks::follow_points(database.clone(), analytics.clone(), tasks.token()));
        tasks.spawn("partitions", partitions::keep(database.clone(), SCHEMA, &[], tasks.token()));
        tasks.spawn("sessions", tasks::keep_sessions(database.clone(), metrics, tasks.token()));
        tasks.spawn("signing keys", tasks::reload_keys(ring, tasks.token()));
        gatekeeper.start(tasks, analytics, &tls)?;
        tasks.spawn("certificates", tls.keep_reloading(tasks.token()));
        let learning = tasks::learn_revoked(database.clone(), gatekeeper.clone(), tasks.token());
        tasks.spawn("revoked sessions", learning);
        let telling = tasks::tell_refusals(database.clone(), wake, gatekeeper, tasks.token());
        tasks.spawn("refusals", telling);
        tasks.spawn("pool gauges", database.keep_observing_pool(POOL_GAUGES, tasks.token()));
        Ok(())
    }
}

async fn drain(server: Server, handle: &ServerHandle, readiness: &Readiness) -> anyhow::Result<()> {
    readiness.start_draining();
    let (result, ()) = tokio::join!(server, handle.stop(true));
    result.context("the HTTP server did not drain")
}

/// What most use cases need.
struct Core {
    database: Database,
    wake: Wake,
    metrics: Metrics,
}

/// The services behind this one.
struct Peers {
    matches: InstrumentedChannel,
    sockets: InstrumentedChannel,
    analytics: InstrumentedChannel,
}

impl Peers {
    fn connect(config: &Config, gatekeeper: &Gatekeeper, tls: &Tls) -> Result<Self, TlsError> {
        let to = |setting, url: &str, services: &[&str]| {
            let channel = tls.connect(setting, url)?;
            Ok(channel.with_services(services).with_credential(gatekeeper.credential()))
        };
        Ok(Self {
            matches: to(Config::MATCH, &config.match_url, &["battlearena.match.v1.MatchService"])?,
            sockets: to(
                Config::SOCKET_GATEWAY,
                &config.socket_gateway_url,
                &["battlearena.realtime.v1.RealtimeService"],
            )?,
            analytics: to(
                RelaySettings::EVENT_LOG,
                &config.relay.event_log_url,
                &["battlearena.analytics.v1.AnalyticsService", "battlearena.events.v1.EventLogService"],
            )?,
        })
    }
}

fn services(config: &Config, core: &Core, doors: &Doors, peers: &Peers) -> Services {
    let Core { database, wake, metrics } = core;
    let log = EventLogServiceClient::new(peers.analytics.clone());
    Services {
        gatekeeper: Data::from(doors.gatekeeper.clone()),
        token_keys: Data::new(doors.ring.public_keys().clone()),
        accounts: Data::new(doors.accounts(config, database, wake, metrics)),
        api_keys: Data::new(doors.api_keys.clone()),
        matches: Data::new(Matches {
            database: database.clone(),
            client: MatchServiceClient::new(peers.matches.clone()),
            metrics: metrics.clone(),
        }),
        statistics: Data::new(Statistics {
            database: database.clone(),
            client: AnalyticsServiceClient::new(peers.analytics.clone()),
            metrics: metrics.clone(),
        }),
        chat: Data::new(Chat { client: RealtimeServiceClient::new(peers.sockets.clone()) }),
        system_events: Data::new(SystemEvents { log }),
        purchases: Data::new(Purchases {
            database: database.clone(),
            wake: wake.clone(),
            metrics: metrics.clone(),
            decline: DeclinePercent(config.payment_decline_percent),
            has_fixed_prices: !doors.gatekeeper.is_open(),
        }),
    }
}

/// Ready is who reaches the database and finds the schema that this build needs. A newer one will do.
fn readiness(database: &Database, peers: &Peers) -> anyhow::Result<Readiness> {
    let needed = migrator().context("cannot read the migrations")?.newest();
    let Peers { matches, sockets, analytics } = peers;
    let (matches, sockets, analytics) = (matches.clone(), sockets.clone(), analytics.clone());
    Ok(Readiness::new()
        .with_check("database", database_check(database.clone(), SCHEMA, needed))
        .with_peer("match", move || check_peer(matches.clone()))
        .with_peer("socket-gateway", move || check_peer(sockets.clone()))
        .with_peer("analytics", move || check_peer(analytics.clone())))
}

async fn check_peer(channel: InstrumentedChannel) -> Result<(), String> {
    let answer = HealthClient::new(channel).check(HealthCheckRequest::default()).await;
    answer.map(drop).map_err(|status| status.to_string())
}

fn port(address: SocketAddr, workers: usize) -> HttpPort {
    HttpPort { address, workers, keep_alive: KEEP_ALIVE, request_head: REQUEST_HEAD, drain: DRAIN }
}

fn serve(
    port: HttpPort,
    acceptor: Acceptor,
    cors_origins: &[String],
    services: Services,
    (readiness, operations): (Readiness, Option<Readiness>),
) -> anyhow::Result<(Server, SocketAddr)> {
    let cors_origins = cors_origins.to_vec();
    let is_encrypted = !acceptor.is_plain();
    let served = port.serve(acceptor, move || {
        let known = http::table().into_iter().map(|entry| (entry.method, entry.path));
        let instrument = Instrument::new().with_routes(known).with_readiness(readiness.clone());
        HttpApp::new()
            .configure(|app| http::serve(app, &services, operations.clone()))
            .wrap(Guard::new(services.gatekeeper.clone().into_inner()))
            // Outside of the guard: a browser asks first, without a credential.
            .wrap(http::cors(&cors_origins))
            .wrap(from_fn(move |request, next| careful(is_encrypted, request, next)))
            .wrap(instrument)
    });
    served.with_context(|| format!("cannot listen on {}", port.address))
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct CommandLine {
        #[command(flatten)]
        config: Config,
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_task_that_panics_ends_the_service_with_an_error() {
        let nowhere = "--database-url=postgresql://127.0.0.1:9/nowhere";
        let arguments = ["gateway", "--auth=open", "--http=127.0.0.1:0", nowhere];
        let app = App::build(CommandLine::parse_from(arguments).config).await.unwrap();
        let tasks = Tasks::new();
        tasks.spawn("broken", async { panic!("boom") });
        let error = app.run_beside(tasks, CancellationToken::new()).await.unwrap_err();
        assert_eq!(error.to_string(), "the background task \"broken\" panicked");
    }
}
