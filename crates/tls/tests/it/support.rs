//! Servers on free ports, and the least of a client.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_http::HttpService;
use actix_server::{Server, ServerHandle};
use actix_service::{IntoServiceFactory as _, ServiceFactoryExt as _, map_config};
use actix_web::dev::AppConfig;
use actix_web::{App, web};
use battlearena_runtime::{CancellationToken, Tasks};
use battlearena_tls::rustls::ClientConfig;
use battlearena_tls::rustls::pki_types::{CertificateDer, ServerName};
use battlearena_tls::{Incoming, Peer, Tls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::service::InterceptorLayer;
use tonic::transport::Server as Grpc;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

/// Longer than anything takes here; nothing is measured by it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Actix-web, on HTTPS when there is a certificate, which says "hello". It stops with the value.
pub(crate) struct HttpsServer {
    pub(crate) address: SocketAddr,
    handle: ServerHandle,
    tasks: Tasks,
}

impl HttpsServer {
    pub(crate) fn start(tls: &Tls) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = tls.http_acceptor();
        let server = Server::build().workers(1).disable_signals().listen("https", listener, move || {
            let hello = App::new().route("/", web::get().to(async || "hello")).into_factory();
            let hello = hello.map_err(|error: actix_web::Error| error.error_response());
            let http = HttpService::build().finish(map_config(hello, |()| AppConfig::default()));
            acceptor.clone().connections().and_then(http)
        });
        let server = server.unwrap().run();
        let (handle, tasks) = (server.handle(), Tasks::new());
        tasks.spawn("https", async move { server.await.unwrap() });
        Self { address, handle, tasks }
    }

    /// A path of it under a scheme.
    pub(crate) fn url(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://localhost:{}{path}", self.address.port())
    }

    pub(crate) async fn stop(self) {
        self.handle.stop(false).await;
        self.tasks.stop(PATIENCE).await.unwrap();
    }
}

/// Tonic's health service, which tells who called.
pub(crate) struct GrpcServer {
    pub(crate) address: SocketAddr,
    pub(crate) peers: mpsc::UnboundedReceiver<Peer>,
    stop: CancellationToken,
    tasks: Tasks,
}

impl GrpcServer {
    pub(crate) async fn start(tls: &Tls) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, peers) = mpsc::unbounded_channel();
        let tell = move |request: tonic::Request<()>| {
            sender.send(request.extensions().get::<Peer>().unwrap().clone()).unwrap();
            Ok(request)
        };
        let (_reporter, health) = tonic_health::server::health_reporter();
        let (stop, tasks) = (CancellationToken::new(), Tasks::new());
        let server = Grpc::builder()
            .layer(InterceptorLayer::new(tell))
            .add_service(health)
            .serve_with_incoming_shutdown(
                Incoming::new(listener, tls.grpc_acceptor()),
                stop.clone().cancelled_owned(),
            );
        tasks.spawn("grpc", async move { server.await.unwrap() });
        Self { address, peers, stop, tasks }
    }

    /// Its address under a scheme.
    pub(crate) fn url(&self, scheme: &str) -> String {
        format!("{scheme}://localhost:{}", self.address.port())
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.tasks.stop(PATIENCE).await.unwrap();
    }
}

/// Asks a gRPC server how it is, on a connection of its own.
pub(crate) async fn health(tls: &Tls, url: &str) -> Result<(), tonic::Status> {
    let channel = tls.connect("--test", url).unwrap();
    HealthClient::new(channel).check(HealthCheckRequest::default()).await.map(drop)
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Makes a handshake as a client.
pub(crate) async fn connect(
    address: SocketAddr,
    config: ClientConfig,
    name: &'static str,
) -> io::Result<TlsStream<TcpStream>> {
    let connection = TcpStream::connect(address).await?;
    let connector = TlsConnector::from(Arc::new(config));
    let handshake = connector.connect(ServerName::try_from(name).unwrap(), connection);
    tokio::time::timeout(PATIENCE, handshake).await?
}

/// The certificate that the server showed.
pub(crate) fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone()
}

/// Asks actix-web for its "hello" on an open connection.
pub(crate) async fn ask(stream: &mut TlsStream<TcpStream>) -> io::Result<()> {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"hello") {
        if tokio::time::timeout(PATIENCE, stream.read_buf(&mut answer)).await?? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
    Ok(())
}
