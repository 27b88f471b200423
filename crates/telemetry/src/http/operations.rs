//! The routes by which a process is operated: alive, ready, healthy, measured. They are neither traced nor measured
//! themselves.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::http::header::{Accept, CONTENT_TYPE, Header, Quality};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Resource, Route};
use battlearena_proto::Failure;
use battlearena_runtime::{CheckResult, Readiness, Report};
use serde_json::json;

use super::{error_response, method_not_allowed};
use crate::metrics::{Desc, GaugeVec, Unit};
use crate::process;
use crate::recorder::{self, Format};

/// The routes.
pub(super) const PATHS: [&str; 4] = ["/livez", "/readyz", "/metrics", "/health"];

/// What the routes tell of.
#[derive(Debug, Clone)]
pub struct Operations {
    /// The checks of the process; the one named `database` is what `/health` calls connected.
    pub readiness: Readiness,
    /// Name of the service.
    pub service: &'static str,
}

crate::label! {
    /// Whether the process takes traffic.
    enum AppStatus {
        Ready = "ready",
        Unready = "unready",
        Draining = "draining",
    }
}

/// Adds the routes:
///
/// - `/livez`: 200 while the process runs; does no work.
/// - `/readyz`: 200 when every check passes and the process is not draining, otherwise 503; the state of each check.
/// - `/health`: a summary for people; 503 when the check `database` fails.
/// - `/metrics`: Prometheus' text format, or OpenMetrics for who asks for it; 404 when metrics are off.
pub fn operations(cfg: &mut ServiceConfig, operations: Operations) {
    let Operations { readiness, service } = operations;
    process::add_http_worker();
    let status = GaugeVec::<AppStatus>::new(
        &Desc {
            name: "app_status",
            unit: Unit::Count,
            help: "1 for the state that the process is in, else 0.",
        },
        ["app_status"],
    );
    let check = {
        let (readiness, status) = (readiness.clone(), status.clone());
        move || observe(readiness.clone(), status.clone())
    };
    let ready = check.clone();
    cfg.service(get("/livez", web::get().to(async || "ok")))
        .service(get("/readyz", web::get().to(move || readyz(ready(), service))))
        .service(get("/health", web::get().to(move || health(readiness.clone()))))
        .service(get("/metrics", web::get().to(move |request| metrics(request, check()))));
}

fn get(path: &'static str, route: Route) -> Resource {
    web::resource(path).route(route).default_service(method_not_allowed("GET"))
}

/// Runs the checks, and shows their outcome as a gauge too.
async fn observe(readiness: Readiness, gauge: GaugeVec<AppStatus>) -> Report {
    let report = readiness.report().await;
    let now = match (report.draining, report.ready) {
        (true, _) => AppStatus::Draining,
        (false, true) => AppStatus::Ready,
        (false, false) => AppStatus::Unready,
    };
    for state in [AppStatus::Ready, AppStatus::Unready, AppStatus::Draining] {
        gauge.with(state).set(if state == now { 1.0 } else { 0.0 });
    }
    report
}

async fn readyz(report: impl Future<Output = Report>, service: &'static str) -> HttpResponse {
    let Report { ready, draining, checks, peers: _ } = report.await;
    let body = json!({ "service": service, "ready": ready, "draining": draining, "checks": states(&checks) });
    HttpResponse::build(status(ready)).json(body)
}

async fn health(readiness: Readiness) -> HttpResponse {
    let report = readiness.report().await;
    let connected = report.checks.iter().all(|(name, result)| *name != "database" || result.is_ok());
    let mut body = json!({
        "status": if connected { "healthy" } else { "unhealthy" },
        "database": if connected { "connected" } else { "disconnected" },
        "timestamp": jiff::Timestamp::now(),
    });
    if !report.peers.is_empty() {
        body["peers"] = json!(states(&report.peers));
    }
    HttpResponse::build(status(connected)).json(body)
}

async fn metrics(request: HttpRequest, report: impl Future<Output = Report>) -> HttpResponse {
    if !recorder::is_on() {
        return error_response(&Failure::not_found("metrics are off"));
    }
    report.await;
    let format = asked_format(&request);
    // A large scrape takes milliseconds, in which this worker has requests to answer.
    match web::block(move || recorder::render(format)).await {
        Ok(text) => HttpResponse::Ok().insert_header((CONTENT_TYPE, format.content_type())).body(text),
        Err(error) => error_response(&Failure::internal(error)),
    }
}

/// The format that a scraper likes best; who says nothing, or takes anything, gets the plain text.
fn asked_format(request: &HttpRequest) -> Format {
    let mut accept = Accept::parse(request).unwrap_or_else(|_| Accept::star());
    accept.retain(|item| item.quality > Quality::ZERO);
    let known = accept.ranked().iter().find_map(|mime| {
        let version = mime.get_param("version");
        match (mime.essence_str(), version.as_ref().map(AsRef::as_ref)) {
            ("application/openmetrics-text", None | Some("1.0.0")) => Some(Format::OpenMetrics),
            ("text/plain", None | Some("0.0.4")) | ("text/*" | "*/*", _) => Some(Format::Text),
            _ => None,
        }
    });
    known.unwrap_or(Format::Text)
}

fn status(good: bool) -> StatusCode {
    if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

/// The state of each check for everybody; the reason is for the log, since it names hosts and files.
fn states(checks: &[(&'static str, CheckResult)]) -> BTreeMap<&'static str, &'static str> {
    let state = |(name, result): &(&'static str, CheckResult)| match result {
        Ok(()) => (*name, "ok"),
        Err(reason) => {
            tracing::warn!(check = name, reason, "check failed");
            (*name, "failed")
        }
    };
    checks.iter().map(state).collect()
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::ACCEPT;
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn open_metrics_is_for_those_who_prefer_it() {
        let table = [
            ("*/*", Format::Text),
            ("text/html, */*;q=0.1", Format::Text),
            ("application/openmetrics-text", Format::OpenMetrics),
            ("application/openmetrics-text, */*", Format::OpenMetrics),
            ("application/openmetrics-text;q=0", Format::Text),
            ("application/openmetrics-text;q=0.3, text/plain;q=0.4", Format::Text),
            ("application/openmetrics-text;version=2.0.0, text/plain;q=0.1", Format::Text),
            // Prometheus 2.42 without and with exemplar storage, and 3.5.
            ("text/plain;version=0.0.4;q=0.5,*/*;q=0.1", Format::Text),
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                 text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                Format::OpenMetrics,
            ),
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
                 application/openmetrics-text;version=0.0.1;q=0.4,\
                 text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
                Format::OpenMetrics,
            ),
            ("not a type at all;;", Format::Text),
        ];
        for (accept, format) in table {
            let request = TestRequest::get().insert_header((ACCEPT, accept)).to_http_request();
            assert_eq!(asked_format(&request), format, "{accept}");
        }
        assert_eq!(asked_format(&TestRequest::get().to_http_request()), Format::Text);
    }

    #[actix_web::test]
    async fn a_scrape_says_what_it_is() {
        crate::start_for_tests();
        for (accept, content_type, end) in [
            ("*/*", "text/plain; version=0.0.4; charset=utf-8", "\n\n"),
            (
                "application/openmetrics-text",
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
                "\n# EOF\n",
            ),
        ] {
            let request = TestRequest::get().insert_header((ACCEPT, accept)).to_http_request();
            let answer = metrics(request, Readiness::new().report()).await;
            assert_eq!(answer.headers().get(CONTENT_TYPE).unwrap(), content_type);
            let body = actix_web::body::to_bytes(answer.into_body()).await.unwrap();
            assert!(body.ends_with(end.as_bytes()));
        }
    }
}
