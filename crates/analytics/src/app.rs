//! The only place of analytics that builds things.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use battlearena_host::Host;
use battlearena_identity::Gatekeeper;
use battlearena_proto::analytics::analytics_service_server::{self, AnalyticsServiceServer};
use battlearena_proto::events::event_log_service_server::{self, EventLogServiceServer};
use battlearena_runtime::{CancellationToken, Readiness, Tasks};
use battlearena_storage::events::QueueMetrics;
use battlearena_storage::{Database, database_check, partitions};
use battlearena_tls::Tls;
use tonic::service::Routes;

use crate::config::Config;
use crate::grpc::EventLogRpc;
use crate::log::EventLog;
use crate::metrics::Metrics;
use crate::service::{Analytics, Live};
use crate::tasks::{self, follower, read_models, refusals, retention, revocations};
use crate::{SCHEMA, SYSTEM_EVENTS, migrator, store};

/// A batch of a relay has 500 events of some kilobytes each at most.
const MOST_MESSAGE_BYTES: usize = 16 * 1024 * 1024;

/// Analytics, with its ports bound.
pub struct App {
    host: Host,
    gatekeeper: Arc<Gatekeeper>,
    database: Database,
    log: Arc<EventLog>,
    live: Arc<Live>,
    tasks: Tasks,
}

impl App {
    /// Binds the ports and prepares everything. Needs no database yet: without one the service is unready.
    ///
    /// # Errors
    /// When a port is taken or a setting cannot be used.
    pub async fn build(config: Config) -> anyhow::Result<Self> {
        config.identity.check_exposure(config.grpc, config.open_bind_any)?;
        let gatekeeper = Arc::new(Gatekeeper::new(&config.identity)?);
        let database = Database::new(&config.database, "arena-analytics").context("the database settings")?;
        let newest = migrator()?.newest();
        let live = Arc::new(Live::new());
        let loaded = live.clone();
        let readiness = Readiness::new()
            .with_check("database", database_check(database.clone(), SCHEMA, newest))
            .with_check("leaderboard", move || {
                let is_loaded = loaded.is_loaded();
                async move { if is_loaded { Ok(()) } else { Err("is being loaded".to_owned()) } }
            });
        let tls = Tls::load(&config.tls)?;
        let host = Host::bind("analytics", config.http, config.grpc, readiness, &tls).await?;
        store::register();
        // The consumer opens it only once the database is there.
        QueueMetrics::new(tasks::READ_MODELS);
        let metrics = Metrics::get();
        let log = Arc::new(EventLog::new(database.clone(), metrics));

        let tasks = Tasks::new();
        let stop = || tasks.token();
        gatekeeper.start_learning_keys(&tasks, &tls)?;
        tasks.spawn("certificates", tls.keep_reloading(stop()));
        if !gatekeeper.is_open() {
            tasks.spawn("revocations", revocations::run(log.clone(), gatekeeper.clone(), stop()));
            tasks.spawn("refusals", refusals::run(log.clone(), gatekeeper.clone(), stop()));
        }
        let head = log.clone();
        let follow_head = stop();
        tasks.spawn("log head", async move { head.follow_head(follow_head).await });
        tasks.spawn("wake-ups", log.wake().carry(database.clone(), stop()));
        let read_models =
            read_models::Task { database: database.clone(), log: log.clone(), live: live.clone(), metrics };
        tasks.spawn("read models", read_models.run(stop()));
        tasks.spawn("leaderboard", follower::run(database.clone(), log.clone(), live.clone(), stop()));
        tasks.spawn("retention", retention::run(database.clone(), config.event_retention(), stop()));
        tasks.spawn("partitions", partitions::keep(database.clone(), SCHEMA, &[SYSTEM_EVENTS], stop()));
        tasks.spawn("pool gauges", database.clone().keep_observing_pool(Duration::from_secs(2), stop()));
        Ok(Self { host, gatekeeper, database, log, live, tasks })
    }

    /// Where HTTP (health and metrics) is served.
    pub fn http_addr(&self) -> SocketAddr {
        self.host.http_addr()
    }

    /// Where gRPC is served.
    pub fn grpc_addr(&self) -> SocketAddr {
        self.host.grpc_addr()
    }

    /// Serves until told to stop, then drains.
    ///
    /// # Errors
    /// When a server fails, or something did not end in time.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let Self { host, gatekeeper, database, log, live, tasks } = self;
        let event_log = EventLogServiceServer::new(EventLogRpc {
            log,
            gatekeeper: gatekeeper.clone(),
            stop: stop.clone(),
        })
        .max_decoding_message_size(MOST_MESSAGE_BYTES)
        .max_encoding_message_size(MOST_MESSAGE_BYTES);
        let analytics = AnalyticsServiceServer::new(Analytics { database: database.clone(), live });
        let routes = Routes::new(event_log).add_service(analytics);
        let result = host
            .run(
                &[event_log_service_server::SERVICE_NAME, analytics_service_server::SERVICE_NAME],
                routes,
                gatekeeper,
                tasks,
                stop,
            )
            .await;
        database.close();
        Ok(result?)
    }
}
