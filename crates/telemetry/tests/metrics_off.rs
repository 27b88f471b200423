//! Metrics switched off, which only a process of its own can be: every handle does nothing, and there is no scrape.

use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, HttpResponse, web};
use battlearena_runtime::{Environment, Readiness};
use battlearena_telemetry::http::{Instrument, Operations, operations};
use battlearena_telemetry::metrics::{Counter, Desc, HTTP_SECONDS, Histogram, Unit};
use battlearena_telemetry::{Format, LogFormat, Settings, Switch, render, start};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_recorded_and_everything_else_works() {
    let telemetry = start(Settings {
        service_name: "off".into(),
        environment: Environment::Development,
        log_format: LogFormat::Text,
        log_filter: "warn".into(),
        metrics: Switch::Off,
        access_log: false,
        edge_traces_per_second: 100,
    })
    .unwrap();
    Counter::new(&Desc { name: "test_total", unit: Unit::Count, help: "A test." }).increment(1);
    Histogram::new(&Desc { name: "test_seconds", unit: Unit::Seconds, help: "A test." }, HTTP_SECONDS)
        .record(1.0);
    let app = init_service(
        App::new()
            .configure(|cfg| operations(cfg, Operations { readiness: Readiness::new(), service: "off" }))
            .route("/", web::get().to(HttpResponse::Ok))
            .wrap(Instrument::new()),
    )
    .await;
    let mut statuses = Vec::new();
    for path in ["/", "/readyz", "/metrics"] {
        statuses.push(call_service(&app, TestRequest::get().uri(path).to_request()).await.status().as_u16());
    }
    assert_eq!(statuses, [200, 200, 404]);
    assert_eq!([render(Format::Text), render(Format::OpenMetrics)], ["", ""]);
    telemetry.shutdown().await;
}
