//! Spans reach a collector over both protocols, by the standard variables alone. Each test starts this program again as
//! a service with an environment of its own, since variables and subscribers belong to a whole process.

#![expect(
    clippy::unwrap_used,
    reason = "clippy takes only the test functions of an integration test for tests"
)]

use std::process::{Command, Output};
use std::sync::mpsc::{Receiver, Sender, channel};

use actix_web::{App, HttpResponse, HttpServer, web};
use battlearena_runtime::Tasks;
use battlearena_telemetry::{LogFormat, Settings, start};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// The service: two spans, one log line, and a flush.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it is the child process of the other tests"]
async fn service() {
    let settings = Settings {
        service_name: String::new(),
        environment: "production".into(),
        log_format: LogFormat::Auto,
        log_filter: "info".into(),
    };
    let telemetry = start(settings.named("otlp-test")).unwrap();
    let outer = tracing::info_span!("outer", player.id = 7);
    outer.in_scope(|| tracing::info_span!("inner").in_scope(|| tracing::info!("from within")));
    drop(outer);
    telemetry.shutdown().await;
}

fn run_service(variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("OTEL_")) {
        command.env_remove(name);
    }
    command.args(["--exact", "service", "--ignored", "--nocapture"]).envs(variables.iter().copied());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

fn assert_complete(received: &Receiver<ExportTraceServiceRequest>, output: &Output) {
    let spans = received.try_iter().flat_map(|request| request.resource_spans);
    let spans: Vec<_> = spans
        .flat_map(|resource| {
            let attributes = resource.resource.unwrap().attributes;
            let service = attributes.iter().find(|pair| pair.key == "service.name").unwrap();
            assert!(format!("{service:?}").contains("otlp-test"));
            resource.scope_spans.into_iter().flat_map(|scope| scope.spans)
        })
        .collect();
    let names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["inner", "outer"], "each span once, and none of the exporter's own");
    assert_eq!(spans[0].parent_span_id, spans[1].span_id);
    let log = String::from_utf8(output.stderr.clone()).unwrap();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let ids = format!(r#""trace_id":"{}","span_id":"{}""#, hex(&spans[0].trace_id), hex(&spans[0].span_id));
    let line = log.lines().find(|line| line.contains("from within")).unwrap();
    assert!(line.contains(&ids), "{line}");
}

struct Collector(Sender<ExportTraceServiceRequest>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.send(request.into_inner()).unwrap();
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_grpc() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (sender, received) = channel();
    let tasks = Tasks::new();
    let stop = tasks.token();
    tasks.spawn("collector", async move {
        let collector = TraceServiceServer::new(Collector(sender));
        let server = Server::builder().add_service(collector);
        server
            .serve_with_incoming_shutdown(TcpListenerStream::new(listener), stop.cancelled())
            .await
            .unwrap();
    });
    let variables =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")];
    let output = tokio::task::block_in_place(|| run_service(&variables));
    assert_complete(&received, &output);
    tasks.stop(std::time::Duration::from_secs(60)).await.unwrap();
}

#[actix_web::test]
async fn over_http() {
    let (sender, received) = channel();
    let server = HttpServer::new(move || {
        let sender = sender.clone();
        let collect = move |body: web::Bytes| {
            sender.send(ExportTraceServiceRequest::decode(body).unwrap()).unwrap();
            std::future::ready(HttpResponse::Ok())
        };
        App::new().route("/v1/traces", web::post().to(collect))
    });
    let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
    let endpoint = format!("http://{}", server.addrs()[0]);
    let running = server.run();
    let handle = running.handle();
    actix_web::rt::spawn(running);
    let child = move || run_service(&[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str())]);
    let output = web::block(child).await.unwrap();
    assert_complete(&received, &output);
    handle.stop(false).await;
}

#[test]
fn without_an_endpoint_or_when_disabled_nothing_is_traced() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9");
    for variables in
        [&[][..], &[endpoint, ("OTEL_SDK_DISABLED", "true")], &[endpoint, ("OTEL_TRACES_EXPORTER", "none")]]
    {
        let log = String::from_utf8(run_service(variables).stderr).unwrap();
        let line = log.lines().find(|line| line.contains("from within")).unwrap();
        assert!(!line.contains("trace_id"), "{variables:?}: {line}");
    }
}
