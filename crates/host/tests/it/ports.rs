//! Both ports of a service that has no method of its own: health, reflection and operations.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use battlearena_host::{Host, OperationsPort};
use battlearena_identity::testing::Issuer;
use battlearena_identity::{Gatekeeper, Settings};
use battlearena_proto::events::GetSourcePositionRequest;
use battlearena_proto::events::event_log_service_client::EventLogServiceClient;
use battlearena_runtime::{CancellationToken, Environment, Readiness, Tasks};
use battlearena_telemetry::grpc::{InstrumentedChannel, connect};
use battlearena_tls::Tls;
use futures::StreamExt as _;
use http::HeaderValue;
use rcgen::{CertificateParams, KeyPair};
use tonic::Code;
use tonic::service::Routes;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;

/// Ports without a certificate.
fn plain() -> Tls {
    Tls::load(&battlearena_tls::Settings::default()).unwrap()
}

/// A running host.
struct Service {
    http: SocketAddr,
    grpc: String,
    tasks: Tasks,
    stop: CancellationToken,
}

impl Service {
    async fn start(identity: &Settings) -> Self {
        Self::start_with(identity, &plain()).await
    }

    async fn start_with(identity: &Settings, tls: &Tls) -> Self {
        battlearena_telemetry::start_for_tests();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let host = Host::bind("test", any, any, Readiness::new(), tls).await.unwrap();
        let (http, grpc) = (host.http_addr(), format!("http://{}", host.grpc_addr()));
        let gatekeeper = Arc::new(Gatekeeper::new(identity).unwrap());
        let (tasks, stop) = (Tasks::new(), CancellationToken::new());
        let stopped = stop.clone();
        tasks.spawn("host", async move {
            host.run(&[], Routes::default(), gatekeeper, Tasks::new(), stopped).await.unwrap();
        });
        Self { http, grpc, tasks, stop }
    }

    fn channel(&self, credential: Option<HeaderValue>) -> InstrumentedChannel {
        connect(&self.grpc).unwrap().with_credential(credential)
    }

    /// What a method answers that the platform has, and this service has not.
    async fn elsewhere(&self, credential: Option<HeaderValue>) -> Code {
        let request = GetSourcePositionRequest { source: "gateway".into() };
        let mut client = EventLogServiceClient::new(self.channel(credential));
        client.get_source_position(request).await.unwrap_err().code()
    }

    async fn stop(self) {
        self.stop.cancel();
        self.tasks.stop(Duration::from_secs(30)).await.unwrap();
    }
}

async fn is_reflected(channel: InstrumentedChannel) -> bool {
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = ServerReflectionClient::new(channel);
    let answers = client.server_reflection_info(futures::stream::iter([request])).await;
    answers.unwrap().into_inner().next().await.unwrap().is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_looks_after_a_service_is_public_and_the_rest_is_not() {
    let issuer = Issuer::start().await;
    let service = Service::start(&issuer.settings()).await;
    HealthClient::new(service.channel(None)).check(HealthCheckRequest::default()).await.unwrap();
    assert!(is_reflected(service.channel(None)).await);
    // A credential that is no good does not matter where nobody asks for one.
    let stranger = Issuer::start().await;
    let health = HealthClient::new(service.channel(Some(stranger.service())));
    health.clone().check(HealthCheckRequest::default()).await.unwrap();

    assert_eq!(service.elsewhere(None).await, Code::Unauthenticated);
    assert_eq!(service.elsewhere(Some(stranger.service())).await, Code::Unauthenticated);
    assert_eq!(service.elsewhere(Some(issuer.service())).await, Code::Unimplemented);
    service.stop().await;

    let open = Service::start(&Settings::open()).await;
    assert_eq!(open.elsewhere(None).await, Code::Unimplemented);
    open.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_the_table_does_not_know_is_closed() {
    let issuer = Issuer::start().await;
    for (settings, credential) in [(issuer.settings(), Some(issuer.service())), (Settings::open(), None)] {
        let service = Service::start(&settings).await;
        let mut client = tonic::client::Grpc::new(service.channel(credential));
        client.ready().await.unwrap();
        let path = http::uri::PathAndQuery::from_static("/battlearena.match.v1.MatchService/Erase");
        let codec = tonic_prost::ProstCodec::<HealthCheckRequest, HealthCheckRequest>::default();
        let request = tonic::Request::new(HealthCheckRequest::default());
        let answer = client.unary(request, path, codec).await;
        assert_eq!(answer.unwrap_err().code(), Code::PermissionDenied);
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operations_port_tells_of_the_process_and_ends_when_told_to() {
    let service = Service::start(&Settings::open()).await;
    let readiness = Readiness::new();
    let port = OperationsPort::bind("test", ([127, 0, 0, 1], 0).into(), readiness.clone(), &plain()).unwrap();
    let (address, tasks) = (port.address(), Tasks::new());
    tasks.spawn("operations port", port.run(tasks.token()));
    let status = async |address: SocketAddr, path: &str| {
        let answer = reqwest::get(format!("http://{address}{path}")).await?;
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(answer.headers()["x-frame-options"], "DENY", "{path}");
        assert!(answer.headers().get("strict-transport-security").is_none(), "{path}");
        Ok::<_, reqwest::Error>(answer.status().as_u16())
    };
    for address in [service.http, address] {
        for (path, expected) in [("/livez", 200), ("/readyz", 200), ("/metrics", 200), ("/ws", 404)] {
            assert_eq!(status(address, path).await.unwrap(), expected, "{path}");
        }
    }
    readiness.start_draining();
    assert_eq!(status(address, "/readyz").await.unwrap(), 503);
    tasks.stop(Duration::from_secs(10)).await.unwrap();
    assert!(status(address, "/livez").await.is_err());
    service.stop().await;
}

/// A certificate for this machine, which is its own authority.
fn certified(folder: &Path) -> Tls {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
    let put = |name: &str, text: String| {
        std::fs::write(folder.join(name), text).unwrap();
        Some(folder.join(name))
    };
    let (tls_certificate, tls_key) = (put("tls.crt", certificate.pem()), put("tls.key", key.serialize_pem()));
    let tls_ca = tls_certificate.clone();
    let settings = battlearena_tls::Settings { tls_certificate, tls_key, tls_ca, ..Default::default() };
    Tls::load(&settings).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_are_limited_by_their_address_over_tls_too() {
    let (issuer, folder) = (Issuer::start().await, tempfile::tempdir().unwrap());
    let certified = certified(folder.path());
    // In production loopback is an address like any other.
    let settings =
        Settings { address_requests: 1, environment: Environment::Production, ..issuer.settings() };
    for (scheme, tls) in [("http", plain()), ("https", certified)] {
        let service = Service::start_with(&settings, &tls).await;
        let channel = tls.connect("--test", &service.grpc.replace("http:", &format!("{scheme}:"))).unwrap();
        let ask = async || {
            let request = GetSourcePositionRequest { source: "gateway".into() };
            let mut client = EventLogServiceClient::new(channel.clone());
            client.get_source_position(request).await.unwrap_err().code()
        };
        assert_eq!(ask().await, Code::Unauthenticated);
        let limited = async { while ask().await != Code::ResourceExhausted {} };
        tokio::time::timeout(Duration::from_secs(30), limited).await.unwrap();
        let livez = format!("{scheme}://{}/livez", service.http);
        assert_eq!(tls.fetcher(1000).get(&livez, None).await.unwrap().status.as_u16(), 200);
        service.stop().await;
    }
}
