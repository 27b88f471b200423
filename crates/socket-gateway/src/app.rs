//! The only place of the socket-gateway that builds things.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use battlearena_host::{Host, OperationsPort};
use battlearena_identity::Gatekeeper;
use battlearena_proto::events::event::Body;
use battlearena_proto::realtime::realtime_service_server::{RealtimeServiceServer, SERVICE_NAME};
use battlearena_runtime::{CancellationToken, Readiness, Tasks};
use battlearena_storage::events::{Outbox, Relay, RelaySettings};
use battlearena_storage::{Database, Wake, database_check, partitions};
use battlearena_tls::Tls;
use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::sync::mpsc;
use tonic::service::Routes;

use crate::grpc::RealtimeRpc;
use crate::http::{self, Entrance, Http, Upgraded};
use crate::hub::Hub;
use crate::metrics::{Metrics, Sent};
use crate::socket::{Chunk, Connection, Session};
use crate::tasks::{blocks, feed, heartbeat, moderation, passes, retention, seen};
use crate::{Config, MESSAGES, SCHEMA, migrator, store};

/// How long accepted messages may take to be stored once the service stops.
const LAST_MESSAGES: Duration = Duration::from_secs(5);

/// How long clients may take to hear that they should come back later.
const GOODBYE: Duration = Duration::from_secs(5);

/// What the system buffers for one client at most: beyond it, a slow client fills its own queue, which is watched.
const SEND_BUFFER: usize = 128 * 1024;

/// The socket-gateway, with its ports bound.
pub struct App {
    host: Host,
    admin_addr: Option<SocketAddr>,
    hub: Arc<Hub>,
    readiness: Readiness,
    upgraded: mpsc::Receiver<Upgraded>,
    tasks: Tasks,
    writer: Tasks,
}

impl App {
    /// Binds the ports and prepares everything. Needs no database yet: without one the service is unready.
    ///
    /// # Errors
    /// When a port is taken, a setting cannot be used, or open mode would listen where others reach it.
    pub async fn build(config: Config) -> anyhow::Result<Self> {
        config.identity.check_exposure(config.http, config.open_bind_any)?;
        config.identity.check_exposure(config.grpc, config.open_bind_any)?;
        let gatekeeper = Arc::new(Gatekeeper::new(&config.identity)?);
        let database =
            Database::new(&config.database, "arena-socket-gateway").context("the database settings")?;
        let newest = migrator()?.newest();
        let readiness =
            Readiness::new().with_check("database", database_check(database.clone(), SCHEMA, newest));
        let tls = Tls::load(&config.tls)?;
        let log = tls
            .connect(RelaySettings::EVENT_LOG, &config.relay.event_log_url)?
            .with_services(&[
                "battlearena.analytics.v1.AnalyticsService",
                "battlearena.events.v1.EventLogService",
            ])
            .with_credential(gatekeeper.credential());
        let places = config.most_connections as usize;
        let (origins, connects) = (config.origins(), config.connects());
        let entrance = Entrance::new(readiness.clone(), gatekeeper.clone(), origins, connects, places);
        let bind = |admin| OperationsPort::bind("socket-gateway", admin, readiness.clone(), &tls);
        let admin = config.admin_addr.map(bind).transpose()?;
        let admin_addr = admin.as_ref().map(OperationsPort::address);
        let Http { server, address, upgraded } =
            http::serve(config.http, tls.http_acceptor(), entrance, admin.is_none())?;
        let host = Host::bind_beside((server, address), config.grpc, readiness.clone(), &tls).await?;
        store::register();
        Metrics::get();

        let hub = Arc::new(Hub::new(database.clone(), config.policy(), gatekeeper.clone()));
        let (tasks, writer) = (Tasks::new(), Tasks::new());
        let stop = || tasks.token();
        let (writing, written) = (hub.clone(), writer.token());
        writer.spawn("chat writer", async move { writing.writer.run(&writing.rooms, written).await });
        let wake = Wake::new("socket_outbox");
        let relay =
            Relay::new(database.clone(), SCHEMA, "socket_outbox", wake.clone(), log.clone(), &config.relay);
        if let Some(admin) = admin {
            tasks.spawn("operations port", admin.run(stop()));
        }
        tasks.spawn("outbox relay", relay.run(stop()));
        tasks.spawn("wake-ups", wake.clone().carry(database.clone(), stop()));
        gatekeeper.start(&tasks, log.clone(), &tls)?;
        tasks.spawn("certificates", tls.keep_reloading(stop()));
        let (refusals, outbox) = (gatekeeper, Outbox::new(database.clone(), SCHEMA));
        let refusal = async move || Body::AccessRefused(refusals.next_refusal().await);
        tasks.spawn("refusals", outbox.tell_each(wake.clone(), refusal, stop()));
        if !hub.gatekeeper.is_open() {
            tasks.spawn("passes", passes::run(hub.clone(), stop()));
        }
        tasks.spawn("blocks", blocks::run(hub.clone(), stop()));
        tasks.spawn("moderation", moderation::run(database.clone(), log.clone(), stop()));
        tasks.spawn("seen players", seen::run(hub.clone(), wake, config.seen_every(), stop()));
        tasks.spawn("feed", feed::run(hub.clone(), log, stop()));
        tasks.spawn("heartbeat", heartbeat::run(hub.clone(), stop()));
        tasks.spawn("presence", hub.clone().keep_telling_presence(stop()));
        tasks.spawn("retention", retention::run(database.clone(), config.message_retention(), stop()));
        tasks.spawn("partitions", partitions::keep(database.clone(), SCHEMA, &[MESSAGES], stop()));
        tasks.spawn("pool gauges", database.keep_observing_pool(Duration::from_secs(2), stop()));
        Ok(Self { host, admin_addr, hub, readiness, upgraded, tasks, writer })
    }

    /// Where HTTP (sockets, health and metrics) is served.
    pub fn http_addr(&self) -> SocketAddr {
        self.host.http_addr()
    }

    /// Where health and metrics are served, when not beside the sockets.
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin_addr
    }

    /// Where gRPC is served.
    pub fn grpc_addr(&self) -> SocketAddr {
        self.host.grpc_addr()
    }

    /// Serves until told to stop, then drains: no new sockets, what clients have sent is stored and acknowledged, they
    /// are told to come back later, and the rest ends.
    ///
    /// # Errors
    /// When a server fails, or something did not end in time.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let Self { host, hub, readiness, upgraded, tasks, writer, .. } = self;
        let database = hub.database.clone();
        let sockets = Tasks::new();
        tasks.spawn("new sockets", accept(hub.clone(), upgraded, sockets.clone(), tasks.token()));
        let routes = Routes::new(RealtimeServiceServer::new(RealtimeRpc { database: database.clone() }));
        let drained = CancellationToken::new();
        let drain = async {
            let panicked = tokio::select! {
                () = stop.cancelled() => None,
                panicked = writer.panicked() => Some(panicked),
            };
            readiness.start_draining();
            let result = drain(&hub, &writer, &sockets).await;
            drained.cancel();
            panicked.map_or(Ok(()), |panicked| Err(anyhow::Error::from(panicked))).and(Ok(result?))
        };
        let gatekeeper = hub.gatekeeper.clone();
        let serve = async {
            let result = host.run(&[SERVICE_NAME], routes, gatekeeper, tasks, drained.clone()).await;
            // A server that failed takes the rest with it.
            stop.cancel();
            result
        };
        let (drain, serve) = tokio::join!(drain, serve);
        database.close();
        serve?;
        drain
    }
}

/// Ends all sockets in order.
async fn drain(hub: &Hub, writer: &Tasks, sockets: &Tasks) -> Result<(), battlearena_runtime::StillRunning> {
    hub.start_draining();
    let written = writer.stop(LAST_MESSAGES).await;
    hub.send_away();
    if sockets.stop(GOODBYE).await.is_err() {
        tracing::warn!("clients that did not answer were cut off");
        hub.sockets().iter().for_each(|socket| socket.outbox.abort());
        sockets.stop(GOODBYE).await?;
    }
    written
}

/// Makes sockets of the connections that asked for it.
async fn accept(
    hub: Arc<Hub>,
    mut upgraded: mpsc::Receiver<Upgraded>,
    sockets: Tasks,
    stop: CancellationToken,
) {
    loop {
        let next = tokio::select! {
            next = upgraded.recv() => next,
            () = stop.cancelled() => None,
        };
        let Some(Upgraded { stream, early, response, traceparent, place }) = next else { return };
        let tuned = set_socket_send_buffer_size(&stream, SEND_BUFFER).map_err(io::Error::from);
        match tuned.and_then(|()| stream.attach()) {
            Ok(stream) => {
                let socket = hub.open();
                socket.outbox.push(Chunk::new(response.into(), 1, Sent::Control));
                let session = Session::new(hub.clone(), socket, traceparent);
                let most_bytes = hub.policy.limits.frame_bytes;
                let connection = Connection::new(stream, &early, session, most_bytes, place);
                sockets.spawn("socket", connection.run());
            }
            Err(error) => tracing::debug!(%error, "a connection was lost in its handshake"),
        }
    }
}
