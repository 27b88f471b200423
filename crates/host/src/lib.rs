//! Hosts a gRPC service: its gRPC port (instrumented, with health and reflection), its HTTP port (health and metrics), and
//! the order in which both end: unready → stop accepting → drain → stop tasks. Knows no service.

mod careful;
mod grpc;
pub mod http;
mod operations;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use battlearena_identity::Gatekeeper;
use battlearena_runtime::{CancellationToken, Readiness, Tasks};
use battlearena_tls::{Incoming, Tls};
use tokio::net::TcpListener;
use tonic::service::Routes;

pub use careful::careful;
pub use operations::OperationsPort;
use operations::stop_http;

/// How long calls that were accepted may take to end. Longer than the default deadline of a call.
const DRAIN: Duration = Duration::from_secs(8);
/// How long background tasks may take to end.
const TASKS: Duration = Duration::from_secs(5);

/// A service whose ports are bound and do not answer yet.
pub struct Host {
    grpc: Incoming,
    grpc_addr: SocketAddr,
    http: Server,
    http_addr: SocketAddr,
    readiness: Readiness,
}

/// Why a service cannot start, or did not end in order.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A port cannot be had.
    #[error("cannot listen on {address} for {port}")]
    Bind {
        /// "gRPC" or "HTTP".
        port: &'static str,
        /// Which address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The gRPC server stopped by itself.
    #[error("the gRPC server failed")]
    Grpc(#[source] tonic::transport::Error),
    /// The HTTP server stopped by itself.
    #[error("the HTTP server failed")]
    Http(#[source] std::io::Error),
    /// Reflection cannot be served.
    #[error("the descriptors of the services cannot be read")]
    Reflection(#[source] tonic_reflection::server::Error),
    /// A background task panicked: without it the service is not whole.
    #[error(transparent)]
    Panicked(#[from] battlearena_runtime::TaskPanicked),
    /// Background tasks did not end in time.
    #[error(transparent)]
    Tasks(#[from] battlearena_runtime::StillRunning),
}

impl Host {
    /// Binds both ports, over TLS when there is a certificate. Port 0 takes a free one.
    ///
    /// # Errors
    /// [`HostError::Bind`].
    pub async fn bind(
        service: &'static str,
        http: SocketAddr,
        grpc: SocketAddr,
        readiness: Readiness,
        tls: &Tls,
    ) -> Result<Self, HostError> {
        let (server, http_addr) = OperationsPort::bind(service, http, readiness.clone(), tls)?.into_parts();
        Self::bind_beside((server, http_addr), grpc, readiness, tls).await
    }

    /// Binds the gRPC port beside an HTTP server of the service's own, which serves health and metrics too, unless an
    /// [`OperationsPort`] does.
    ///
    /// # Errors
    /// [`HostError::Bind`].
    pub async fn bind_beside(
        (http, http_addr): (Server, SocketAddr),
        grpc: SocketAddr,
        readiness: Readiness,
        tls: &Tls,
    ) -> Result<Self, HostError> {
        let listen = |source| HostError::Bind { port: "gRPC", address: grpc, source };
        let grpc_listener = TcpListener::bind(grpc).await.map_err(listen)?;
        let grpc_addr = grpc_listener.local_addr().map_err(listen)?;
        let grpc = Incoming::new(grpc_listener, tls.grpc_acceptor());
        Ok(Self { grpc, grpc_addr, http, http_addr, readiness })
    }

    /// Where HTTP is served.
    pub fn http_addr(&self) -> SocketAddr {
        self.http_addr
    }

    /// Where gRPC is served.
    pub fn grpc_addr(&self) -> SocketAddr {
        self.grpc_addr
    }

    /// Serves until told to stop, then drains: health and readiness say so, no new connection is taken, calls in flight
    /// end, then the tasks. `services` are the full names of what the routes serve, for reflection to list; every call
    /// is let in by `gatekeeper` or not at all.
    ///
    /// # Errors
    /// See [`HostError`].
    pub async fn run(
        self,
        services: &[&str],
        routes: Routes,
        gatekeeper: Arc<Gatekeeper>,
        tasks: Tasks,
        stop: CancellationToken,
    ) -> Result<(), HostError> {
        let Self { grpc, http, readiness, .. } = self;
        let http_handle = http.handle();
        let grpc_stop = CancellationToken::new();
        let grpc_server = grpc::serve(grpc, services, routes, gatekeeper, stop.clone(), grpc_stop.clone())?;
        tokio::pin!(grpc_server);
        let http_server = async { http.await.map_err(HostError::Http) };
        tokio::pin!(http_server);

        let failed = tokio::select! {
            () = stop.cancelled() => Ok(()),
            result = &mut grpc_server => result,
            result = &mut http_server => result,
            panicked = tasks.panicked() => Err(panicked.into()),
        };
        readiness.start_draining();
        let drained = match failed {
            Err(HostError::Grpc(_)) => failed,
            failed => drain(&mut grpc_server, grpc_stop).await.and(failed),
        };
        let ended = tasks.stop(TASKS).await;
        // The operations port is the last to go: until then probes see the draining.
        stop_http(http_handle, &mut http_server).await;
        drained?;
        Ok(ended?)
    }
}

async fn drain(
    server: &mut (impl Future<Output = Result<(), HostError>> + Unpin),
    stop: CancellationToken,
) -> Result<(), HostError> {
    stop.cancel();
    match tokio::time::timeout(DRAIN, server).await {
        Ok(result) => result,
        Err(_) => {
            tracing::warn!("calls that were still running were cut off");
            Ok(())
        }
    }
}
