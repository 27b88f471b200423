//! A collector for both protocols, plain or over TLS. It keeps what it gets.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value;
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::codec::CompressionEncoding;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

#[derive(Clone, Copy)]
pub(crate) enum Protocol {
    Grpc,
    Http,
}

/// What one export brought.
pub(crate) struct Received {
    pub(crate) request: ExportTraceServiceRequest,
    pub(crate) authorization: Option<String>,
    pub(crate) encoding: Option<String>,
}

/// A key and a certificate for 127.0.0.1 that vouches for itself, also in a file.
pub(crate) struct Certified {
    certificate: String,
    key: String,
    pub(crate) path: PathBuf,
    _directory: tempfile::TempDir,
}

impl Certified {
    pub(crate) fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("certificate.pem");
        std::fs::write(&path, &certificate).unwrap();
        Self { certificate, key, path, _directory: directory }
    }

    fn rustls(&self) -> ServerConfig {
        let certificate = CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap();
        let config = ServerConfig::builder().with_no_client_auth();
        config.with_single_cert(vec![certificate], key).unwrap()
    }
}

/// A running collector, on a thread of its own.
pub(crate) struct Collector {
    endpoint: String,
    received: Receiver<Received>,
    end: End,
    thread: JoinHandle<()>,
}

enum End {
    Grpc(tokio::sync::oneshot::Sender<()>),
    Http(ServerHandle),
}

impl Collector {
    pub(crate) fn start(protocol: Protocol, certified: Option<&Certified>) -> Self {
        let (sender, received) = channel();
        let (address, end, thread) = match protocol {
            Protocol::Grpc => grpc(sender, certified),
            Protocol::Http => http(sender, certified),
        };
        let scheme = if certified.is_some() { "https" } else { "http" };
        Self { endpoint: format!("{scheme}://{address}"), received, end, thread }
    }

    pub(crate) fn endpoint(&self) -> String {
        self.endpoint.clone()
    }

    /// Ends it, and tells what it got.
    pub(crate) fn stop(self) -> Vec<Received> {
        match self.end {
            End::Grpc(stop) => stop.send(()).unwrap(),
            End::Http(server) => drop(server.stop(false)),
        }
        self.thread.join().unwrap();
        self.received.try_iter().collect()
    }
}

type Started = (std::net::SocketAddr, End, JoinHandle<()>);

fn grpc(sender: Sender<Received>, certified: Option<&Certified>) -> Started {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let identity = certified.map(|certified| Identity::from_pem(&certified.certificate, &certified.key));
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let thread = std::thread::spawn(move || {
        let serve = async {
            let collector = TraceServiceServer::new(Sink(sender));
            let collector = collector.accept_compressed(CompressionEncoding::Gzip);
            let mut server = Server::builder();
            if let Some(identity) = identity {
                server = server.tls_config(ServerTlsConfig::new().identity(identity)).unwrap();
            }
            let incoming = TcpListenerStream::new(TcpListener::from_std(listener).unwrap());
            let stopped = async { drop(stopped.await) };
            server.add_service(collector).serve_with_incoming_shutdown(incoming, stopped).await.unwrap();
        };
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(serve);
    });
    (address, End::Grpc(stop), thread)
}

struct Sink(Sender<Received>);

#[tonic::async_trait]
impl TraceService for Sink {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let header = |name| Some(request.metadata().get(name)?.to_str().unwrap().to_owned());
        let (authorization, encoding) = (header("authorization"), header("grpc-encoding"));
        self.0.send(Received { authorization, encoding, request: request.into_inner() }).unwrap();
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn http(sender: Sender<Received>, certified: Option<&Certified>) -> Started {
    let tls = certified.map(Certified::rustls);
    let (started, start) = channel();
    let thread = std::thread::spawn(move || {
        let serve = async {
            let server = HttpServer::new(move || {
                let sender = sender.clone();
                let take = move |request: HttpRequest, body: web::Bytes| {
                    sender.send(taken(&request, &body)).unwrap();
                    std::future::ready(HttpResponse::Ok())
                };
                App::new().route("/v1/traces", web::post().to(take))
            });
            let server = server.workers(1).disable_signals();
            let server = match tls {
                Some(tls) => server.bind_rustls_0_23(("127.0.0.1", 0), tls).unwrap(),
                None => server.bind(("127.0.0.1", 0)).unwrap(),
            };
            let address = server.addrs()[0];
            let running = server.run();
            started.send((address, running.handle())).unwrap();
            running.await.unwrap();
        };
        actix_web::rt::System::new().block_on(serve);
    });
    let (address, handle) = start.recv().unwrap();
    (address, End::Http(handle), thread)
}

fn taken(request: &HttpRequest, body: &[u8]) -> Received {
    let header = |name| Some(request.headers().get(name)?.to_str().unwrap().to_owned());
    let (authorization, encoding) = (header("authorization"), header("content-encoding"));
    let mut plain = Vec::new();
    match encoding.as_deref() {
        Some("gzip") => drop(flate2::read::GzDecoder::new(body).read_to_end(&mut plain).unwrap()),
        _ => plain.extend_from_slice(body),
    }
    Received { request: ExportTraceServiceRequest::decode(&*plain).unwrap(), authorization, encoding }
}

/// The attributes that are text.
pub(crate) fn texts(resource: &Resource) -> BTreeMap<String, String> {
    let pairs = resource.attributes.iter().filter_map(|pair| match pair.value.as_ref()?.value.as_ref()? {
        any_value::Value::StringValue(text) => Some((pair.key.clone(), text.clone())),
        _ => None,
    });
    pairs.collect()
}
