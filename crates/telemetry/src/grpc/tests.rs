//! Both sides of real calls over loopback.

use std::pin::Pin;
use std::time::Duration;

use battlearena_proto::events::event_log_service_client::EventLogServiceClient;
use battlearena_proto::events::event_log_service_server::{EventLogService, EventLogServiceServer};
use battlearena_proto::events::{
    AppendRequest, AppendResponse, GetSourcePositionRequest, GetSourcePositionResponse, RecordRequest,
    RecordResponse, SubscribeRequest, SubscribeResponse,
};
use battlearena_proto::{ErrorKind, Failure};
use battlearena_runtime::{CancellationToken, Deadline, Tasks, deadline};
use futures::Stream;
use opentelemetry::trace::{SpanKind, Status as SpanStatus};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};
use tower::{Layer, Service};
use tracing::Instrument as _;

use super::*;
use crate::testing::{Spans, attribute, scraped};

const SERVICE: &str = "battlearena.events.v1.EventLogService";

/// Each method ends in its own way.
struct Log;

#[tonic::async_trait]
impl EventLogService for Log {
    type SubscribeStream = Pin<Box<dyn Stream<Item = Result<SubscribeResponse, Status>> + Send>>;

    /// Tells how many seconds are left, as the number of duplicates.
    async fn append(&self, _: Request<AppendRequest>) -> Result<Response<AppendResponse>, Status> {
        let duplicates = i32::try_from(deadline::remaining().as_secs()).unwrap();
        Ok(Response::new(AppendResponse { duplicates, ..Default::default() }))
    }

    async fn get_source_position(
        &self,
        _: Request<GetSourcePositionRequest>,
    ) -> Result<Response<GetSourcePositionResponse>, Status> {
        std::future::pending().await
    }

    async fn subscribe(
        &self,
        _: Request<SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let first = SubscribeResponse { offset: 1, ..Default::default() };
        let then_silence = futures::stream::once(async { Ok(first) });
        Ok(Response::new(Box::pin(futures::StreamExt::chain(then_silence, futures::stream::pending()))))
    }

    async fn record(&self, request: Request<RecordRequest>) -> Result<Response<RecordResponse>, Status> {
        match request.into_inner().idempotency_key.as_str() {
            "panic" => panic!("on purpose"),
            "ours" => Err(status(Failure::internal(std::io::Error::other("secret")))),
            _ => Err(status(Failure::invalid("event", "missing"))),
        }
    }
}

/// A server and a client of it, ended by the token.
async fn serve() -> (EventLogServiceClient<InstrumentedChannel>, Tasks) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    let tasks = Tasks::new();
    let stop: CancellationToken = tasks.token();
    let layer = server_layer().with_services(&[SERVICE]);
    tasks.spawn("server", async move {
        Server::builder()
            .layer(layer)
            .add_service(EventLogServiceServer::new(Log))
            .serve_with_incoming_shutdown(TcpListenerStream::new(listener), stop.cancelled())
            .await
            .unwrap();
    });
    (EventLogServiceClient::new(connect(&uri).unwrap().with_services(&[SERVICE])), tasks)
}

async fn stop(client: EventLogServiceClient<InstrumentedChannel>, tasks: Tasks) {
    drop(client);
    tasks.stop(Duration::from_secs(60)).await.unwrap();
}

fn handled(side: &str, method: &str, code: &str) -> f64 {
    let labels = format!(r#"{{grpc_service="{SERVICE}",grpc_method="{method}",grpc_code="{code}"}}"#);
    scraped(&format!("grpc_{side}_handled_total{labels}")).unwrap()
}

fn messages(side: &str, method: &str, direction: &str) -> f64 {
    let labels = format!(r#"{{grpc_service="{SERVICE}",grpc_method="{method}"}}"#);
    scraped(&format!("grpc_{side}_msg_{direction}_total{labels}")).unwrap()
}

fn sampled(side: &str, method: &str) -> Option<f64> {
    scraped(&format!(
        r#"grpc_{side}_handling_seconds_count{{grpc_service="{SERVICE}",grpc_method="{method}"}}"#
    ))
}

fn within(seconds: u64) -> Deadline {
    Deadline::after(Duration::from_secs(seconds))
}

#[tokio::test]
async fn a_call_is_one_trace_and_keeps_its_deadline() {
    let spans = Spans::record();
    let (mut client, tasks) = serve().await;
    let before = ["server", "client"].map(|side| handled(side, "Append", "OK"));
    let answers = || messages("server", "Append", "sent") + messages("client", "Append", "received");
    let answers_before = answers();
    let call = deadline::scope(within(90), client.append(AppendRequest::default()));
    let call = call.instrument(tracing::info_span!("caller"));
    assert_eq!(call.await.unwrap().into_inner().duplicates, 89);
    stop(client, tasks).await;
    let after = ["server", "client"].map(|side| handled(side, "Append", "OK"));
    assert_eq!(after, before.map(|count| count + 1.0));
    assert_eq!(answers(), answers_before + 2.0);
    assert!(sampled("server", "Append") >= Some(1.0) && sampled("client", "Append") >= Some(1.0));

    let [server, client, _caller] = spans.finished().try_into().unwrap();
    assert_eq!((server.span_kind.clone(), client.span_kind.clone()), (SpanKind::Server, SpanKind::Client));
    assert_eq!(server.parent_span_id, client.span_context.span_id());
    assert_eq!(server.span_context.trace_id(), client.span_context.trace_id());
    for span in [&server, &client] {
        assert_eq!(span.name, format!("{SERVICE}/Append"));
        assert_eq!(attribute(span, "rpc.system.name").as_deref(), Some("grpc"));
        assert_eq!(attribute(span, "rpc.method").as_deref(), Some(span.name.as_ref()));
        assert_eq!(attribute(span, "rpc.response.status_code").as_deref(), Some("OK"));
        assert_eq!(span.status, SpanStatus::Unset);
    }
    assert_eq!(attribute(&client, "server.address").as_deref(), Some("127.0.0.1"));
    assert!(attribute(&client, "server.port").is_some_and(|port| port.parse::<u16>().unwrap() > 0));
    assert_eq!(attribute(&server, "server.address"), None);
}

#[tokio::test]
async fn a_failure_of_ours_is_logged_once_with_its_call() {
    let spans = Spans::record();
    let (mut client, tasks) = serve().await;
    for key in ["ours", "theirs", "panic"] {
        let request = RecordRequest { idempotency_key: key.to_owned(), ..Default::default() };
        deadline::scope(within(90), client.record(request)).await.unwrap_err();
    }
    stop(client, tasks).await;
    let lines = spans.lines("request failed");
    assert_eq!(lines.len(), 2, "the caller's mistake is none of ours: {lines:?}");
    for line in &lines {
        assert_eq!((&line["method"], &line["status_code"]), (&"gRPC".into(), &500.into()));
        assert_eq!(line["endpoint"], format!("{SERVICE}/Record"));
        assert_eq!(line["grpc_code"], "Internal");
        assert!(line["duration_ms"].as_f64().is_some() && line["trace_id"].is_string(), "{line}");
    }
    assert!(lines[0]["error"].as_str().unwrap().contains("secret"), "{}", lines[0]);
}

#[tokio::test]
async fn background_calls_begin_no_trace() {
    let spans = Spans::record();
    let (mut client, tasks) = serve().await;
    let call = deadline::scope(within(90), client.append(AppendRequest::default()));
    assert_eq!(call.await.unwrap().into_inner().duplicates, 89);
    stop(client, tasks).await;
    assert!(spans.finished().is_empty());
}

#[tokio::test]
async fn a_method_that_hangs_is_answered_for() {
    let (mut client, tasks) = serve().await;
    let count = || handled("client", "GetSourcePosition", "DeadlineExceeded");
    let before = count();
    let deadline = Deadline::after(Duration::from_millis(50));
    let call = deadline::scope(deadline, client.get_source_position(GetSourcePositionRequest::default()));
    let failure = Failure::from(call.await.unwrap_err());
    assert_eq!(failure.kind(), ErrorKind::DeadlineExceeded);
    assert_eq!(count() - before, 1.0);
    stop(client, tasks).await;
}

#[tokio::test]
async fn a_server_keeps_its_callers_deadline_by_itself() {
    let hangs = tower::service_fn(|_: http::Request<tonic::body::Body>| {
        std::future::pending::<Result<http::Response<tonic::body::Body>, Status>>()
    });
    let mut service = server_layer().with_services(&[SERVICE]).layer(hangs);
    let before = handled("server", "GetSourcePosition", "DeadlineExceeded");
    let request = http::Request::post(format!("/{SERVICE}/GetSourcePosition")).header("grpc-timeout", "5m");
    let answer = service.call(request.body(tonic::body::Body::empty()).unwrap()).await.unwrap();
    assert_eq!(answer.headers()["grpc-status"], "4");
    drop(answer);
    assert!(handled("server", "GetSourcePosition", "DeadlineExceeded") > before);
}

#[tokio::test]
async fn a_peer_that_never_answers_holds_nobody_up() {
    // It accepts connections into its backlog, and never reads a byte.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    let mut client = EventLogServiceClient::new(connect(&uri).unwrap());
    let deadline = Deadline::after(Duration::from_millis(50));
    let call = deadline::scope(deadline, client.append(AppendRequest::default()));
    assert_eq!(Failure::from(call.await.unwrap_err()).kind(), ErrorKind::DeadlineExceeded);
}

#[tokio::test]
async fn a_peer_that_is_not_there_is_unavailable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let mut client = EventLogServiceClient::new(connect(&uri).unwrap());
    let failure = Failure::from(client.append(AppendRequest::default()).await.unwrap_err());
    assert_eq!(failure.kind(), ErrorKind::Unavailable, "{}", failure.chain());
}

#[tokio::test]
async fn failures_keep_their_kind_and_their_secrets() {
    let spans = Spans::record();
    let (mut client, tasks) = serve().await;
    let mut kinds = Vec::new();
    for key in ["", "ours", "panic"] {
        let request = RecordRequest { idempotency_key: key.to_owned(), ..Default::default() };
        let failure = Failure::from(client.record(request).await.unwrap_err());
        assert!(!failure.chain().contains("secret"));
        kinds.push(failure.kind());
    }
    assert_eq!(kinds, [ErrorKind::Invalid, ErrorKind::Internal, ErrorKind::Internal]);
    stop(client, tasks).await;
    assert!(
        handled("server", "Record", "Internal") >= 2.0
            && handled("server", "Record", "InvalidArgument") >= 1.0
    );
    let server_errors = spans
        .finished()
        .iter()
        .filter(|span| span.span_kind == SpanKind::Server)
        .map(|span| matches!(span.status, SpanStatus::Error { .. }))
        .collect::<Vec<_>>();
    assert_eq!(server_errors, [false, true, true], "the caller's mistake is not the server's error");
}

#[tokio::test]
async fn a_stream_outlives_the_deadline_and_has_neither_span_nor_latency() {
    let spans = Spans::record();
    let (mut client, tasks) = serve().await;
    let no_time = Deadline::after(Duration::ZERO);
    let request = SubscribeRequest::default();
    let counted = || {
        [("client", "sent"), ("client", "received"), ("server", "received"), ("server", "sent")]
            .map(|(side, direction)| messages(side, "Subscribe", direction))
    };
    assert_eq!(counted(), [0.0; 4]);
    let mut stream = deadline::scope(no_time, client.subscribe(request)).await.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap().unwrap().offset, 1);
    assert_eq!(counted(), [1.0; 4], "each message is counted when it passes, not when the stream ends");
    let before = handled("client", "Subscribe", "Canceled");
    drop(stream);
    assert_eq!(handled("client", "Subscribe", "Canceled") - before, 1.0);
    stop(client, tasks).await;
    assert_eq!((sampled("client", "Subscribe"), sampled("server", "Subscribe")), (None, None));
    assert!(spans.finished().is_empty());
}

/// A stream whose next message is a panic.
struct Panics;

impl http_body::Body for Panics {
    type Data = bytes::Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, Status>>> {
        panic!("on purpose")
    }
}

#[tokio::test]
async fn a_stream_that_panics_is_answered_for() {
    const STREAM: &str = "/battlearena.analytics.v1.AnalyticsService/ExportPoints";
    let spans = Spans::record();
    let panics = tower::service_fn(async |request: http::Request<tonic::body::Body>| {
        assert!(request.headers().contains_key("later"), "on purpose");
        Ok::<_, Status>(http::Response::new(tonic::body::Body::new(Panics)))
    });
    let mut service = server_layer().layer(panics);
    let request = || http::Request::post(STREAM);
    let at_once = service.call(request().body(tonic::body::Body::empty()).unwrap()).await.unwrap();
    assert_eq!(at_once.headers()["grpc-status"], "13");
    drop(at_once);
    let later = request().header("later", "1").body(tonic::body::Body::empty()).unwrap();
    let mut body = service.call(later).await.unwrap().into_body();
    let frame = std::future::poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut body), cx)).await;
    assert_eq!(frame.unwrap().unwrap().trailers_ref().unwrap()["grpc-status"], "13");
    drop(body);
    let count = r#"{grpc_service="battlearena.analytics.v1.AnalyticsService",grpc_method="ExportPoints",grpc_code="Internal"}"#;
    assert_eq!(scraped(&format!("grpc_server_handled_total{count}")), Some(2.0));
    assert_eq!(spans.lines("request failed").len(), 2);
}
