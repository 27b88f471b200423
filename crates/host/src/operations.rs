//! A port with the routes by which a process is operated, and nothing else: for probes and scrapes.

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::{App, HttpServer};
use battlearena_runtime::{CancellationToken, Readiness};
use battlearena_telemetry::http::{Instrument, Operations, not_found, operations};

use crate::HostError;

/// How long a probe that is being answered may hold up the end.
const GOODBYE: Duration = Duration::from_secs(3);

/// The operations port of a service whose HTTP port is for others (`--admin-addr`). Nobody is asked who it is: the
/// address is to be one that only the right ones reach.
pub struct OperationsPort {
    server: Server,
    address: SocketAddr,
}

impl OperationsPort {
    /// Binds the port. Port 0 takes a free one.
    ///
    /// # Errors
    /// [`HostError::Bind`].
    pub fn bind(service: &'static str, address: SocketAddr, readiness: Readiness) -> Result<Self, HostError> {
        let shown = Operations { readiness, service };
        let server = HttpServer::new(move || {
            let shown = shown.clone();
            let instrument = Instrument::new().with_readiness(shown.readiness.clone());
            App::new()
                .configure(|config| operations(config, shown))
                .default_service(not_found())
                .wrap(instrument)
        })
        .workers(1)
        .disable_signals()
        .shutdown_timeout(2)
        .bind(address)
        .map_err(|source| HostError::Bind { port: "HTTP", address, source })?;
        let address = server.addrs().first().copied().unwrap_or(address);
        Ok(Self { server: server.run(), address })
    }

    /// Where it is served.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until told to stop: as one of the service's tasks, which end after its ports, so that probes see it
    /// drain. A server that fails leaves the probes without an answer, which tells enough.
    pub async fn run(self, stop: CancellationToken) {
        let Self { mut server, .. } = self;
        let handle = server.handle();
        tokio::select! {
            result = &mut server => {
                if let Err(error) = result {
                    tracing::error!(%error, "the operations port failed");
                }
            }
            () = stop.cancelled() => stop_http(handle, async { server.await.map_err(HostError::Http) }).await,
        }
    }

    pub(crate) fn into_parts(self) -> (Server, SocketAddr) {
        (self.server, self.address)
    }
}

/// Ends a server of probes and scrapes.
pub(crate) async fn stop_http(handle: ServerHandle, server: impl Future<Output = Result<(), HostError>>) {
    let stopped = async {
        tokio::join!(handle.stop(true), async {
            if let Err(error) = server.await {
                tracing::debug!(%error, "the HTTP server ended with an error");
            }
        })
    };
    if tokio::time::timeout(GOODBYE, stopped).await.is_err() {
        tracing::debug!("probes were cut off");
    }
}
