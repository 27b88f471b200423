//! The only place that builds things: `build` connects and binds, `run` serves until it is told to stop.

use std::net::SocketAddr;
use std::num::NonZero;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::web::Data;
use actix_web::{App as HttpApp, HttpServer};
use anyhow::Context as _;
use battlearena_proto::analytics::analytics_service_client::AnalyticsServiceClient;
use battlearena_proto::events::event_log_service_client::EventLogServiceClient;
use battlearena_proto::matches::match_service_client::MatchServiceClient;
use battlearena_proto::realtime::realtime_service_client::RealtimeServiceClient;
use battlearena_runtime::{CancellationToken, Readiness, Tasks, check_exposure};
use battlearena_storage::events::{QueueMetrics, Relay};
use battlearena_storage::{Database, Wake, database_check, partitions};
use battlearena_telemetry::grpc::{InstrumentedChannel, connect};
use battlearena_telemetry::http::Instrument;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::domain::payment::DeclinePercent;
use crate::http::{self, Services};
use crate::metrics::Metrics;
use crate::service::chat::Chat;
use crate::service::matches::Matches;
use crate::service::players::Players;
use crate::service::purchases::Purchases;
use crate::service::statistics::Statistics;
use crate::service::system_events::SystemEvents;
use crate::{AuthMode, Config, SCHEMA, migrator, store, tasks};

/// How long requests that were accepted may take to finish once the service stops, in seconds.
const DRAIN_SECONDS: u64 = 10;

/// How long background tasks may take to end: the relay delivers what was committed.
const TASK_PATIENCE: Duration = Duration::from_secs(5);

/// How often the gauges of the connection pool are brought up to date.
const POOL_GAUGES: Duration = Duration::from_secs(2);

/// An idle connection is kept this long, in seconds: longer than the pause between two requests of a client.
const KEEP_ALIVE_SECONDS: u64 = 75;

/// The head of a request must be there within this time, in seconds.
const REQUEST_HEAD_SECONDS: u64 = 5;

/// The gateway, built and bound.
pub struct App {
    server: Server,
    http_addr: SocketAddr,
    readiness: Readiness,
    background: Background,
}

/// What the background tasks need.
struct Background {
    database: Database,
    wake: Wake,
    relay: Relay,
    analytics: InstrumentedChannel,
}

impl App {
    /// Builds everything and binds the port. Neither the database nor the other services need to be there: the gateway
    /// is unready until its database is.
    ///
    /// # Errors
    /// A setting that makes no sense, a port that is taken, or open mode on an address that others reach.
    pub async fn build(config: Config) -> anyhow::Result<Self> {
        let Config {
            http,
            workers,
            auth,
            open_bind_any,
            match_url,
            socket_gateway_url,
            payment_decline_percent,
            database,
            relay,
        } = config;
        match auth {
            AuthMode::Open => check_exposure(http, open_bind_any)?,
        }
        let database =
            Database::new(&database, "arena-gateway").context("cannot read the database's address")?;
        let matches = connect(&match_url).with_context(|| format!("cannot read the address {match_url}"))?;
        let matches = matches.with_services(&["battlearena.match.v1.MatchService"]);
        let sockets = connect(&socket_gateway_url)
            .with_context(|| format!("cannot read the address {socket_gateway_url}"))?;
        let sockets = sockets.with_services(&["battlearena.realtime.v1.RealtimeService"]);
        let log_url = &relay.event_log_url;
        let analytics = connect(log_url).with_context(|| format!("cannot read the address {log_url}"))?;
        let analytics = analytics.with_services(&[
            "battlearena.analytics.v1.AnalyticsService",
            "battlearena.events.v1.EventLogService",
        ]);
        store::register_statements();
        // The consumer opens it only once the database is there.
        QueueMetrics::new(tasks::POINTS);

        let wake = Wake::new("gateway_outbox");
        let readiness = readiness(&database, &matches, &sockets, &analytics)?;
        let core = Core { database: database.clone(), wake: wake.clone(), metrics: Metrics::new() };
        let decline = DeclinePercent(payment_decline_percent);
        let chat = Chat { client: RealtimeServiceClient::new(sockets) };
        let services = services(auth, core, decline, (matches, chat), &analytics);
        let workers = workers.map_or_else(cores, usize::from);
        let (server, http_addr) = serve(http, workers, services, readiness.clone())?;
        let relay =
            Relay::new(database.clone(), SCHEMA, "gateway_outbox", wake.clone(), analytics.clone(), &relay);
        let background = Background { database, wake, relay, analytics };
        Ok(Self { server, http_addr, readiness, background })
    }

    /// Where HTTP is served.
    pub fn http_addr(&self) -> SocketAddr {
        self.http_addr
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
        let database = background.database.clone();
        background.start(&tasks);
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
    fn start(self, tasks: &Tasks) {
        let Self { database, wake, relay, analytics } = self;
        tasks.spawn("outbox relay", relay.run(tasks.token()));
        tasks.spawn("wake-ups", wake.carry(database.clone(), tasks.token()));
        tasks.spawn("points", tasks::follow_points(database.clone(), analytics, tasks.token()));
        tasks.spawn("partitions", partitions::keep(database.clone(), SCHEMA, &[], tasks.token()));
        tasks.spawn("pool gauges", database.keep_observing_pool(POOL_GAUGES, tasks.token()));
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

fn services(
    auth: AuthMode,
    core: Core,
    decline: DeclinePercent,
    (matches, chat): (InstrumentedChannel, Chat),
    analytics: &InstrumentedChannel,
) -> Services {
    let Core { database, wake, metrics } = core;
    Services {
        auth: Data::new(auth),
        players: Data::new(Players {
            database: database.clone(),
            wake: wake.clone(),
            metrics: metrics.clone(),
        }),
        matches: Data::new(Matches {
            database: database.clone(),
            client: MatchServiceClient::new(matches),
            metrics: metrics.clone(),
        }),
        statistics: Data::new(Statistics {
            database: database.clone(),
            client: AnalyticsServiceClient::new(analytics.clone()),
            metrics: metrics.clone(),
        }),
        chat: Data::new(chat),
        system_events: Data::new(SystemEvents { log: EventLogServiceClient::new(analytics.clone()) }),
        purchases: Data::new(Purchases { database, wake, metrics, decline }),
    }
}

/// Ready is who reaches the database and finds the schema that this build needs. A newer one will do.
fn readiness(
    database: &Database,
    matches: &InstrumentedChannel,
    sockets: &InstrumentedChannel,
    analytics: &InstrumentedChannel,
) -> anyhow::Result<Readiness> {
    let needed = migrator().context("cannot read the migrations")?.newest();
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

fn serve(
    address: SocketAddr,
    workers: usize,
    services: Services,
    readiness: Readiness,
) -> anyhow::Result<(Server, SocketAddr)> {
    let http = HttpServer::new(move || {
        let known = http::table().into_iter().map(|entry| (entry.method, entry.path));
        let instrument = Instrument::new().with_routes(known).with_readiness(readiness.clone());
        HttpApp::new().configure(|app| http::serve(app, &services, readiness.clone())).wrap(instrument)
    })
    .workers(workers)
    .keep_alive(Duration::from_secs(KEEP_ALIVE_SECONDS))
    .client_request_timeout(Duration::from_secs(REQUEST_HEAD_SECONDS))
    // A client that closes its connection has given up: its request ends there, and does no more work.
    .h1_allow_half_closed(false)
    .shutdown_timeout(DRAIN_SECONDS)
    .disable_signals()
    .bind(address)
    .with_context(|| format!("cannot listen on {address}"))?;
    let bound = http.addrs().first().copied().context("the HTTP server has no address")?;
    Ok((http.run(), bound))
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
        let arguments = ["gateway", "--http=127.0.0.1:0", "--database-url=postgresql://127.0.0.1:9/nowhere"];
        let app = App::build(CommandLine::parse_from(arguments).config).await.unwrap();
        let tasks = Tasks::new();
        tasks.spawn("broken", async { panic!("boom") });
        let error = app.run_beside(tasks, CancellationToken::new()).await.unwrap_err();
        assert_eq!(error.to_string(), "the background task \"broken\" panicked");
    }
}
