//! The middleware and the operating routes around a real actix app.

use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::header::HeaderMap;
use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::test::{TestRequest, init_service};
use actix_web::web::{self, ServiceConfig};
use actix_web::{App, HttpResponse};
use battlearena_proto::Failure;
use battlearena_runtime::{Readiness, deadline};
use opentelemetry::trace::{SpanKind, Status};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::testing::{Spans, attribute, scraped};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// What a client gets, be it from a handler or from the middleware.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    connection: ConnectionType,
    body: Vec<u8>,
}

impl Answer {
    async fn of<B: MessageBody + 'static>(result: Result<ServiceResponse<B>, actix_web::Error>) -> Self {
        let response = match result {
            Ok(response) => response.into_parts().1.map_into_boxed_body(),
            Err(error) => error.error_response(),
        };
        let headers = response.headers().clone();
        let (status, connection) = (response.status(), response.head().connection_type());
        let body = actix_web::body::to_bytes(response.into_body()).await.unwrap().to_vec();
        Self { status, headers, connection, body }
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> Option<String> {
        Some(self.headers.get(name)?.to_str().unwrap().to_owned())
    }
}

fn routes(cfg: &mut ServiceConfig) {
    cfg.service(
        web::resource("/fine/{id}")
            .route(web::get().to(async || "fine"))
            .default_service(method_not_allowed("GET")),
    )
    .route("/hangs", web::get().to(std::future::pending::<HttpResponse>))
    .route("/wire", web::get().to(std::future::pending::<HttpResponse>))
    .route("/drained", web::get().to(async || "fine"))
    .route("/gone", web::get().to(std::future::pending::<HttpResponse>))
    .route("/left", web::get().to(async || deadline::remaining().as_secs().to_string()))
    .route("/breaks", web::get().to(async || -> HttpResponse { panic!("on purpose") }))
    .route(
        "/fails",
        web::get().to(async || -> Result<HttpResponse, HttpFailure> {
            Err(Failure::internal(std::io::Error::other("secret")))?
        }),
    )
    .route("/passes-on", web::get().to(async || -> Result<HttpResponse, HttpFailure> { Err(passed_on())? }))
    .route("/silent", web::get().to(async || HttpResponse::InternalServerError()))
    .route(
        "/drains",
        web::get().to(async || {
            let mut response = HttpResponse::ServiceUnavailable().finish();
            response.extensions_mut().insert(Deliberate);
            response
        }),
    )
    .route(
        "/refuses",
        web::get().to(async || -> Result<HttpResponse, HttpFailure> { Err(Failure::conflict("no"))? }),
    )
    .default_service(not_found());
}

/// A failure that a peer has answered.
fn passed_on() -> Failure {
    tonic::Status::from(Failure::internal("its own affair")).into()
}

/// What [`routes`] adds.
const KNOWN: [&str; 12] = [
    "/passes-on",
    "/fine/{id}",
    "/hangs",
    "/wire",
    "/drained",
    "/gone",
    "/left",
    "/breaks",
    "/fails",
    "/silent",
    "/refuses",
    "/drains",
];

macro_rules! app {
    ($instrument:expr, $readiness:expr) => {{
        let readiness: Readiness = $readiness;
        let instrument = $instrument.with_routes(KNOWN.map(|path| (Method::GET, path)));
        init_service(
            App::new()
                .configure(|cfg| operations(cfg, Operations { readiness, service: "test" }))
                .configure(routes)
                .wrap(instrument),
        )
        .await
    }};
    () => {
        app!(Instrument::new(), Readiness::new())
    };
}

fn requests(method: &str, endpoint: &str, status: u16) -> Option<f64> {
    scraped(&format!(r#"http_requests_total{{method="{method}",endpoint="{endpoint}",status="{status}"}}"#))
}

#[actix_web::test]
async fn requests_are_counted_by_pattern_and_status() {
    let app = app!();
    for id in 1..=3 {
        let answer =
            Answer::of(app.call(TestRequest::get().uri(&format!("/fine/{id}")).to_request()).await).await;
        assert_eq!((answer.status, answer.body.as_slice()), (StatusCode::OK, b"fine".as_slice()));
        assert_eq!(answer.header("x-request-id").unwrap().len(), 32);
        assert_eq!(answer.header("x-trace-id"), None, "nothing is traced");
    }
    assert_eq!(requests("GET", "/fine/{id}", 200), Some(3.0));
    let labels = r#"{method="GET",endpoint="/fine/{id}"}"#;
    assert_eq!(scraped(&format!("http_request_duration_seconds_count{labels}")), Some(3.0));
    assert_eq!(scraped(&format!("http_response_size_bytes_sum{labels}")), Some(12.0));
    assert_eq!(scraped(&format!("http_request_size_bytes_count{labels}")), Some(3.0));
    assert_eq!(scraped(&format!("http_requests_in_progress{labels}")), Some(0.0));
}

#[actix_web::test]
async fn no_path_and_no_method_of_a_client_becomes_a_label() {
    let app = app!();
    let odd = TestRequest::default().method(Method::from_bytes(b"BREW").unwrap()).uri("/fine/9").to_request();
    let answer = Answer::of(app.call(odd).await).await;
    assert_eq!((answer.status.as_u16(), answer.header("allow").as_deref()), (405, Some("GET")));
    assert_eq!(answer.json()["error"]["code"], "method_not_allowed");
    let before = requests("OTHER", "unmatched", 404).unwrap();
    let answer = Answer::of(app.call(TestRequest::put().uri("/secret-path").to_request()).await).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["error"]["code"]), (404, &"not_found".into()));
    assert_eq!(requests("OTHER", "unmatched", 404).unwrap() - before, 1.0);
    assert_eq!(requests("PUT", "unmatched", 404), None);
    let answer = Answer::of(app.call(TestRequest::delete().uri("/fine/9").to_request()).await).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(requests("DELETE", "/fine/{id}", 405), None, "no route of this pattern has the method");
    assert_eq!(requests("OTHER", "/fine/{id}", 405), Some(2.0));
    assert!(!crate::render(crate::Format::Text).contains("secret-path"));
}

#[actix_web::test]
async fn known_routes_are_there_at_zero() {
    let _app = app!(Instrument::new().with_routes([(Method::POST, "/known")]), Readiness::new());
    for status in [200, 400, 404, 409, 415, 422, 429, 499, 500, 503, 504] {
        assert_eq!(requests("POST", "/known", status), Some(0.0), "{status}");
    }
    let duration = r#"http_request_duration_seconds_count{method="POST",endpoint="/known"}"#;
    assert_eq!(scraped(duration), Some(0.0));
}

#[actix_web::test]
async fn a_client_that_goes_away_is_counted_as_499() {
    let app = app!();
    let mut call = Box::pin(app.call(TestRequest::get().uri("/gone").to_request()));
    assert!(futures::poll!(call.as_mut()).is_pending());
    let in_progress = || scraped(r#"http_requests_in_progress{method="GET",endpoint="/gone"}"#);
    assert_eq!(in_progress(), Some(1.0));
    drop(call);
    assert_eq!((in_progress(), requests("GET", "/gone", 499)), (Some(0.0), Some(1.0)));
}

#[actix_web::test]
async fn the_callers_deadline_bounds_the_request() {
    let app = app!();
    let request = TestRequest::get().uri("/hangs").insert_header(("grpc-timeout", "1m")).to_request();
    let answer = Answer::of(app.call(request).await).await;
    assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT);
    let error = &answer.json()["error"];
    assert_eq!(error["code"], "deadline_exceeded");
    assert_eq!(error["request_id"].as_str(), answer.header("x-request-id").as_deref());
    assert_eq!(requests("GET", "/hangs", 504), Some(1.0));
    let request = TestRequest::get().uri("/left").insert_header(("grpc-timeout", "2H")).to_request();
    assert_eq!(Answer::of(app.call(request).await).await.body, b"59", "the edge has the last word");
}

#[actix_web::test]
async fn a_panic_is_answered() {
    let app = app!();
    let answer = Answer::of(app.call(TestRequest::get().uri("/breaks").to_request()).await).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["error"]["code"]), (500, &"internal".into()));
    assert_eq!(requests("GET", "/breaks", 500), Some(1.0));
}

#[actix_web::test]
async fn one_server_span_continues_the_callers_trace() {
    let spans = Spans::record();
    let app = app!();
    let request = TestRequest::get().uri("/fails").insert_header(("traceparent", PARENT)).to_request();
    let answer = Answer::of(app.call(request).await).await;
    let trace_id = "0af7651916cd43dd8448eb211c80319c";
    assert_eq!(answer.header("x-trace-id").as_deref(), Some(trace_id));
    assert_eq!(answer.json()["error"]["request_id"], trace_id);
    let [span] = spans.finished().try_into().unwrap();
    assert_eq!((span.name.as_ref(), span.span_kind.clone()), ("GET /fails", SpanKind::Server));
    assert_eq!(span.span_context.trace_id().to_string(), trace_id);
    assert_eq!(span.parent_span_id.to_string(), "b7ad6b7169203331");
    assert_eq!(attribute(&span, "http.route").as_deref(), Some("/fails"));
    assert_eq!(attribute(&span, "http.request.method").as_deref(), Some("GET"));
    assert_eq!(attribute(&span, "http.response.status_code").as_deref(), Some("500"));
    assert_eq!(attribute(&span, "error.type").as_deref(), Some("500"));
    assert_eq!(attribute(&span, "url.path").as_deref(), Some("/fails"));
    assert_eq!(attribute(&span, "url.scheme").as_deref(), Some("http"));
    assert!(matches!(span.status, Status::Error { .. }));
}

#[actix_web::test]
async fn a_failure_of_ours_is_logged_once_with_its_request_and_stays_at_home() {
    let spans = Spans::record();
    let app = app!();
    let errors = || scraped(r#"app_errors_total{error_type="internal",severity="error"}"#).unwrap();
    let before = errors();
    let answer = Answer::of(app.call(TestRequest::get().uri("/fails").to_request()).await).await;
    assert!(!String::from_utf8(answer.body.clone()).unwrap().contains("secret"));
    // Other tests of this process may fail too; none takes a failure back.
    assert!(errors() > before);
    let [line] = spans.lines("request failed").try_into().unwrap();
    assert_eq!((&line["level"], &line["error.type"]), (&"ERROR".into(), &"internal".into()));
    assert!(line["error"].as_str().unwrap().contains("secret"), "{line}");
    assert_eq!((&line["method"], &line["endpoint"]), (&"GET".into(), &"/fails".into()));
    assert_eq!(line["status_code"], 500);
    assert!(line["duration_ms"].as_f64().is_some_and(|duration| duration >= 0.0), "{line}");
    assert_eq!(line["request_id"].as_str(), answer.header("x-request-id").as_deref());
    assert_eq!(line["trace_id"], line["request_id"]);
    let [span] = spans.finished().try_into().unwrap();
    assert_eq!(line["span_id"], span.span_context.span_id().to_string());

    for (path, lines) in [("/refuses", 0), ("/nowhere", 0), ("/drains", 0), ("/silent", 1)] {
        let spans = Spans::record();
        Answer::of(app.call(TestRequest::get().uri(path).to_request()).await).await;
        assert_eq!(spans.lines("request failed").len(), lines, "{path}");
    }
}

#[actix_web::test]
async fn what_a_peer_has_told_is_no_error_here() {
    let spans = Spans::record();
    let app = app!();
    let answer = Answer::of(app.call(TestRequest::get().uri("/passes-on").to_request()).await).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(spans.lines("request failed").is_empty());
    let [line] = spans.lines("a peer failed the request").try_into().unwrap();
    assert_eq!((&line["level"], &line["endpoint"]), (&"WARN".into(), &"/passes-on".into()));
    assert_eq!(line["request_id"].as_str(), answer.header("x-request-id").as_deref());
}

#[actix_web::test]
async fn the_access_log_has_one_line_for_every_other_request() {
    crate::failures::log_access();
    let spans = Spans::record();
    let app = app!();
    for path in ["/refuses", "/fails", "/livez", "/metrics"] {
        Answer::of(app.call(TestRequest::get().uri(path).to_request()).await).await;
    }
    drop(Box::pin(app.call(TestRequest::get().uri("/gone").to_request())));
    let lines = spans.lines("request answered");
    let statuses: Vec<_> = lines.iter().map(|line| (&line["endpoint"], &line["status_code"])).collect();
    assert_eq!(statuses, [(&"/refuses".into(), &409.into()), (&"/gone".into(), &499.into())]);
    assert!(lines.iter().all(|line| line["level"] == "INFO" && line["trace_id"] == line["request_id"]));
    assert!(
        spans.finished().iter().filter(|span| span.name != "GET /fails").all(|span| span.events.is_empty())
    );
}

#[actix_web::test]
async fn a_method_that_nobody_knows_is_one_word() {
    let spans = Spans::record();
    let app = app!();
    let brew = || TestRequest::default().method(Method::from_bytes(b"BREW").unwrap());
    Answer::of(app.call(brew().uri("/drained").to_request()).await).await;
    Answer::of(app.call(brew().uri("/nowhere").to_request()).await).await;
    let spans = spans.finished();
    let names: Vec<_> = spans.iter().map(|span| span.name.as_ref()).collect();
    assert_eq!(names, ["HTTP /drained", "HTTP"]);
    for span in spans {
        assert_eq!(attribute(&span, "http.request.method").as_deref(), Some("_OTHER"));
        assert_eq!(attribute(&span, "error.type"), None);
    }
}

#[actix_web::test]
async fn a_span_keeps_the_beginning_of_a_path() {
    let spans = Spans::record();
    let app = app!();
    Answer::of(app.call(TestRequest::get().uri(&format!("/{}?secret", "x".repeat(999))).to_request()).await)
        .await;
    let [span] = spans.finished().try_into().unwrap();
    assert_eq!(attribute(&span, "url.path"), Some(format!("/{}", "x".repeat(255))));
}

#[actix_web::test]
async fn the_callers_mistake_is_no_error_of_the_span() {
    let spans = Spans::record();
    let app = app!();
    let answer = Answer::of(app.call(TestRequest::get().uri("/refuses").to_request()).await).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    let [span] = spans.finished().try_into().unwrap();
    assert_eq!(span.status, Status::Unset);
    assert_eq!(attribute(&span, "http.response.status_code").as_deref(), Some("409"));
}

#[actix_web::test]
async fn operating_routes_tell_the_state_and_leave_no_trace() {
    let spans = Spans::record();
    let readiness = Readiness::new()
        .with_check("database", || async { Err("connection refused at secret-host".to_owned()) })
        .with_peer("match", || async { Ok(()) });
    let app = app!(Instrument::new().with_readiness(readiness.clone()), readiness.clone());
    let get = async |path: &str| Answer::of(app.call(TestRequest::get().uri(path).to_request()).await).await;

    let live = get("/livez").await;
    assert_eq!((live.status.as_u16(), live.body.as_slice()), (200, b"ok".as_slice()));
    let ready = get("/readyz").await;
    assert_eq!((ready.status.as_u16(), &ready.json()["checks"]["database"]), (503, &"failed".into()));
    let health = get("/health").await;
    let body = health.json();
    assert_eq!(
        (health.status.as_u16(), &body["status"], &body["database"]),
        (503, &"unhealthy".into(), &"disconnected".into())
    );
    assert_eq!(body["peers"]["match"], "ok");
    assert!(body["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    assert!(!String::from_utf8(health.body).unwrap().contains("secret-host"));
    let metrics = get("/metrics").await;
    assert_eq!(metrics.header("content-type").as_deref(), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = String::from_utf8(metrics.body).unwrap();
    assert!(text.contains("# TYPE app_status gauge") && !text.contains("endpoint=\"/livez\""));
    assert!(spans.finished().is_empty());

    assert_ne!(live.connection, ConnectionType::Close);
    readiness.start_draining();
    let draining = get("/readyz").await;
    assert_eq!((&draining.json()["draining"], draining.connection), (&true.into(), ConnectionType::Close));
    assert_eq!(get("/drained").await.connection, ConnectionType::Close);
    assert_eq!(get("/fails").await.connection, ConnectionType::Close);
}

#[actix_web::test]
async fn on_the_wire_a_refusal_has_every_header() {
    let server = actix_web::HttpServer::new(|| App::new().configure(routes).wrap(Instrument::new()))
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .unwrap();
    let address = server.addrs()[0];
    let running = server.run();
    let handle = running.handle();
    actix_web::rt::spawn(running);
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = "GET /wire HTTP/1.1\r\nhost: x\r\ngrpc-timeout: 1m\r\nconnection: close\r\n\r\n";
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 504 "), "{text}");
    assert!(text.contains("x-request-id: ") && text.contains(r#""code":"deadline_exceeded""#), "{text}");
    handle.stop(false).await;
}
