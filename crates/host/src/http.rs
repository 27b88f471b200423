//! An HTTP/1.1 port, over TLS when there is a certificate. It ends in order: what was accepted is answered, and
//! connections that wait for another request are closed at once.

use std::fmt::Debug;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_http::{HttpService, Request};
use actix_server::Server;
use actix_service::{IntoServiceFactory, ServiceFactory, ServiceFactoryExt as _, map_config};
use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, ServiceResponse};
use actix_web::http::KeepAlive;
use battlearena_tls::Acceptor;
use tokio::net::TcpSocket;

/// Connections that the system keeps for us until we take them.
const BACKLOG: u32 = 4096;

/// What is asked of an HTTP port.
#[derive(Debug, Clone, Copy)]
pub struct HttpPort {
    /// Where to serve.
    pub address: SocketAddr,
    /// Threads that serve requests.
    pub workers: usize,
    /// An idle connection is kept this long.
    pub keep_alive: Duration,
    /// The head of a request must be there within this time.
    pub request_head: Duration,
    /// How long requests that were accepted may take to finish once the server stops, in whole seconds.
    pub drain: Duration,
}

/// Takes an address. Port 0 takes a free one.
///
/// # Errors
/// The address cannot be had.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

impl HttpPort {
    /// Binds the port and serves the application that `make` makes for each worker. Returns where.
    ///
    /// # Errors
    /// The address cannot be had.
    pub fn serve<I, S, B>(
        self,
        acceptor: Acceptor,
        make: impl Fn() -> I + Clone + Send + 'static,
    ) -> io::Result<(Server, SocketAddr)>
    where
        I: IntoServiceFactory<S, Request>,
        S: ServiceFactory<Request, Config = AppConfig, Response = ServiceResponse<B>, Error = Error>
            + 'static,
        S::InitError: Debug,
        S::Service: 'static,
        B: MessageBody + 'static,
    {
        let Self { address, workers, keep_alive, request_head, drain } = self;
        let listener = listen(address)?;
        let address = listener.local_addr()?;
        let server = Server::build().workers(workers).disable_signals().shutdown_timeout(drain.as_secs());
        let stopping = server.graceful_shutdown_signal();
        let server = server.listen("http", listener, move || {
            let stopping = stopping.clone();
            let app = make().into_factory().map_err(|error: Error| error.error_response());
            let http = HttpService::build()
                .graceful_shutdown_signal(move || {
                    let stopping = stopping.clone();
                    async move { stopping.notified().await }
                })
                .keep_alive(KeepAlive::Timeout(keep_alive))
                .client_request_timeout(request_head)
                // A client that closes its connection has given up: its request ends there, and does no more work.
                .h1_allow_half_closed(false)
                .local_addr(address)
                .finish(map_config(app, |()| AppConfig::default()));
            acceptor.clone().connections().and_then(http)
        })?;
        Ok((server.run(), address))
    }
}
