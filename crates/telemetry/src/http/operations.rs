//! The routes by which a process is operated: alive, ready, healthy, measured. They are neither traced nor measured
//! themselves.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, Resource, Route};
use battlearena_runtime::{CheckResult, Readiness, Report};
use serde_json::json;

use super::method_not_allowed;
use crate::metrics::{Desc, GaugeVec, Unit};
use crate::recorder;

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
/// - `/metrics`: Prometheus' text format.
pub fn operations(cfg: &mut ServiceConfig, operations: Operations) {
    let Operations { readiness, service } = operations;
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
        .service(get("/metrics", web::get().to(move || metrics(check()))));
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

async fn metrics(report: impl Future<Output = Report>) -> HttpResponse {
    report.await;
    HttpResponse::Ok().insert_header((CONTENT_TYPE, recorder::CONTENT_TYPE)).body(recorder::render())
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
