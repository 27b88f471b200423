//! The only place of the match service that builds things.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use battlearena_host::Host;
use battlearena_identity::Gatekeeper;
use battlearena_proto::events::event::Body;
use battlearena_proto::matches::match_service_server::{MatchServiceServer, SERVICE_NAME};
use battlearena_runtime::{CancellationToken, Readiness, Tasks};
use battlearena_storage::events::{Outbox, Relay, RelaySettings};
use battlearena_storage::{Database, Wake, database_check, partitions};
use battlearena_tls::Tls;
use tonic::service::Routes;

use crate::config::Config;
use crate::metrics::Metrics;
use crate::service::MatchService;
use crate::tasks::reaper::{self, Patience};
use crate::{SCHEMA, migrator, store};

/// The match service, with its ports bound.
pub struct App {
    host: Host,
    gatekeeper: Arc<Gatekeeper>,
    service: MatchService,
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
        let database = Database::new(&config.database, "arena-match").context("the database settings")?;
        let newest = migrator()?.newest();
        let readiness =
            Readiness::new().with_check("database", database_check(database.clone(), SCHEMA, newest));
        let tls = Tls::load(&config.tls)?;
        let host = Host::bind("match", config.http, config.grpc, readiness, &tls).await?;
        store::register();
        let wake = Wake::new("match_outbox");
        let service =
            MatchService { database: database.clone(), wake: wake.clone(), metrics: Metrics::get() };

        let tasks = Tasks::new();
        let log = tls
            .connect(RelaySettings::EVENT_LOG, &config.relay.event_log_url)?
            .with_services(&["battlearena.events.v1.EventLogService"])
            .with_credential(gatekeeper.credential());
        gatekeeper.start(&tasks, log.clone(), &tls)?;
        tasks.spawn("certificates", tls.keep_reloading(tasks.token()));
        let relay = Relay::new(database.clone(), SCHEMA, "match_outbox", wake.clone(), log, &config.relay);
        tasks.spawn("outbox relay", relay.run(tasks.token()));
        let (refusals, outbox) = (gatekeeper.clone(), Outbox::new(database.clone(), SCHEMA));
        let refusal = async move || Body::AccessRefused(refusals.next_refusal().await);
        tasks.spawn("refusals", outbox.tell_each(wake.clone(), refusal, tasks.token()));
        tasks.spawn("wake-ups", wake.carry(database.clone(), tasks.token()));
        let patience =
            Patience { heartbeat_timeout: config.heartbeat_timeout(), match_ttl: config.match_ttl() };
        tasks.spawn("reaper", reaper::run(service.clone(), patience, tasks.token()));
        tasks.spawn("partitions", partitions::keep(database.clone(), SCHEMA, &[], tasks.token()));
        tasks.spawn("pool gauges", database.keep_observing_pool(Duration::from_secs(2), tasks.token()));
        Ok(Self { host, gatekeeper, service, tasks })
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
        let database = self.service.database.clone();
        let routes = Routes::new(MatchServiceServer::new(self.service));
        let result = self.host.run(&[SERVICE_NAME], routes, self.gatekeeper, self.tasks, stop).await;
        database.close();
        Ok(result?)
    }
}
