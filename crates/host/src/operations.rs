//! A port with the routes by which a process is operated, and nothing else: for probes and scrapes.

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::App;
use actix_web::dev::{Server, ServerHandle};
use actix_web::middleware::from_fn;
use battlearena_runtime::{CancellationToken, Readiness};
use battlearena_telemetry::http::{Instrument, Operations, not_found, operations};
use battlearena_tls::Tls;

use crate::HostError;
use crate::careful::careful;
use crate::http::HttpPort;

/// How long a probe that is being answered may hold up the end.
const GOODBYE: Duration = Duration::from_secs(3);

/// How long a probe that is being answered may take to finish.
const DRAIN: Duration = Duration::from_secs(2);

/// An idle connection is kept this long.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// The head of a request must be there within this time.
const REQUEST_HEAD: Duration = Duration::from_secs(5);

/// The operations port of a service whose HTTP port is for others (`--admin-addr`). Nobody is asked who it is: the
/// address is to be one that only the right ones reach.
pub struct OperationsPort {
    server: Server,
    address: SocketAddr,
}

impl OperationsPort {
    /// Binds the port, over TLS when there is a certificate. Port 0 takes a free one.
    ///
    /// # Errors
    /// [`HostError::Bind`].
    pub fn bind(
        service: &'static str,
        address: SocketAddr,
        readiness: Readiness,
        tls: &Tls,
    ) -> Result<Self, HostError> {
        let shown = Operations { readiness, service };
        let acceptor = tls.http_acceptor();
        let is_encrypted = !acceptor.is_plain();
        let served = port(address).serve(acceptor, move || {
            let shown = shown.clone();
            let instrument = Instrument::new().with_readiness(shown.readiness.clone());
            App::new()
                .configure(|config| operations(config, shown))
                .default_service(not_found())
                .wrap(from_fn(move |request, next| careful(is_encrypted, request, next)))
                .wrap(instrument)
        });
        let (server, address) = served.map_err(|source| HostError::Bind { port: "HTTP", address, source })?;
        Ok(Self { server, address })
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

fn port(address: SocketAddr) -> HttpPort {
    HttpPort { address, workers: 1, keep_alive: KEEP_ALIVE, request_head: REQUEST_HEAD, drain: DRAIN }
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
