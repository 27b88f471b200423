//! The only place that builds things: `build` connects and binds, `run` serves until it is told to stop.

use std::net::SocketAddr;
use std::num::NonZero;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::web::Data;
use actix_web::{App as HttpApp, HttpServer};
use anyhow::{Context as _, bail};
use battlearena_proto::analytics::analytics_service_client::AnalyticsServiceClient;
use battlearena_proto::events::event_log_service_client::EventLogServiceClient;
use battlearena_proto::matches::match_service_client::MatchServiceClient;
use battlearena_runtime::{CancellationToken, Readiness, Tasks};
use battlearena_storage::events::Relay;
use battlearena_storage::{Database, Wake, database_check, partitions};
use battlearena_telemetry::grpc::{InstrumentedChannel, connect};
use battlearena_telemetry::http::Instrument;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::domain::payment::DeclinePercent;
use crate::http::{self, Services};
use crate::metrics::Metrics;
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
            payment_decline_percent,
            database,
            relay,
        } = config;
        check_bind(http, auth, open_bind_any)?;
        let database =
            Database::new(&database, "arena-gateway").context("cannot read the database's address")?;
        let matches = connect(&match_url).with_context(|| format!("cannot read the address {match_url}"))?;
        let matches = matches.with_services(&["battlearena.match.v1.MatchService"]);
        let log_url = &relay.event_log_url;
        let analytics = connect(log_url).with_context(|| format!("cannot read the address {log_url}"))?;
        let analytics = analytics.with_services(&[
            "battlearena.analytics.v1.AnalyticsService",
            "battlearena.events.v1.EventLogService",
        ]);
        store::register_statements();

        let wake = Wake::new("gateway_outbox");
        let readiness = readiness(&database, &matches, &analytics)?;
        let core = Core { database: database.clone(), wake: wake.clone(), metrics: Metrics::new() };
        let decline = DeclinePercent(payment_decline_percent);
        let services = services(auth, core, decline, matches, &analytics);
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
        let Self { mut server, http_addr, readiness, background } = self;
        let database = background.database.clone();
        let tasks = Tasks::new();
        background.start(&tasks);
        tracing::info!(%http_addr, "gateway serves");
        let handle = server.handle();
        let served = tokio::select! {
            result = &mut server => result.context("the HTTP server failed"),
            () = stop.cancelled() => {
                readiness.start_draining();
                let (result, ()) = tokio::join!(server, handle.stop(true));
                result.context("the HTTP server did not drain")
            }
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

fn check_bind(http: SocketAddr, auth: AuthMode, open_bind_any: bool) -> anyhow::Result<()> {
    match auth {
        AuthMode::Open if !http.ip().is_loopback() && !open_bind_any => bail!(
            "open mode lets anybody act for every player, so it listens on loopback only, and {http} is not; \
             --open-bind-any allows it"
        ),
        AuthMode::Open => Ok(()),
    }
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
    matches: InstrumentedChannel,
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
        }),
        system_events: Data::new(SystemEvents { log: EventLogServiceClient::new(analytics.clone()) }),
        purchases: Data::new(Purchases { database, wake, metrics, decline }),
    }
}

/// Ready is who reaches the database and finds the schema that this build needs. A newer one will do.
fn readiness(
    database: &Database,
    matches: &InstrumentedChannel,
    analytics: &InstrumentedChannel,
) -> anyhow::Result<Readiness> {
    let needed = migrator().context("cannot read the migrations")?.newest();
    let (matches, analytics) = (matches.clone(), analytics.clone());
    Ok(Readiness::new()
        .with_check("database", database_check(database.clone(), SCHEMA, needed))
        .with_peer("match", move || check_peer(matches.clone()))
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
    use super::*;

    #[test]
    fn open_mode_stays_at_home() {
        let check = |address: &str, any| check_bind(address.parse().unwrap(), AuthMode::Open, any);
        assert!(check("127.0.0.1:8000", false).is_ok() && check("[::1]:8000", false).is_ok());
        assert!(check("0.0.0.0:8000", false).unwrap_err().to_string().contains("--open-bind-any"));
        assert!(check("[::]:8000", false).is_err() && check("192.0.2.1:8000", false).is_err());
        assert!(check("0.0.0.0:8000", true).is_ok());
    }
}
