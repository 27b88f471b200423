//! What the platform promises to measure: exact names, types, labels and who has them. Written by hand, so that code and
//! promise can differ.

use crate::scrape::SERVICES;

/// One promised metric.
pub(crate) struct Promise {
    pub(crate) name: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) labels: &'static [&'static str],
    pub(crate) services: &'static [&'static str],
    /// Whether the traffic of this test must move it, everywhere it is.
    pub(crate) moves: bool,
}

const ALL: &[&str] = &SERVICES;
const GATEWAY: &[&str] = &["gateway"];
const SOCKETS: &[&str] = &["socket-gateway"];
const MATCH: &[&str] = &["match"];
const ANALYTICS: &[&str] = &["analytics"];
const GRPC_SERVERS: &[&str] = &["socket-gateway", "match", "analytics"];
const GRPC_CLIENTS: &[&str] = &["gateway", "socket-gateway", "match"];

const ROUTE: &[&str] = &["method", "endpoint"];
const METHOD: &[&str] = &["grpc_service", "grpc_method"];
const CODE: &[&str] = &["grpc_service", "grpc_method", "grpc_code"];

/// What moves under the traffic of the test.
const fn moving(
    name: &'static str,
    kind: &'static str,
    labels: &'static [&'static str],
    services: &'static [&'static str],
) -> Promise {
    Promise { name, kind, labels, services, moves: true }
}

/// What may rest: it tells of trouble, or of a moment that a scrape seldom meets.
const fn resting(
    name: &'static str,
    kind: &'static str,
    labels: &'static [&'static str],
    services: &'static [&'static str],
) -> Promise {
    Promise { name, kind, labels, services, moves: false }
}

/// Everything that is promised of features that exist.
pub(crate) const PROMISED: &[Promise] = &[
    moving("http_requests_total", "counter", &["method", "endpoint", "status"], ALL),
    moving("http_request_duration_seconds", "histogram", ROUTE, ALL),
    resting("http_requests_in_progress", "gauge", ROUTE, ALL),
    moving("http_request_size_bytes", "histogram", ROUTE, ALL),
    moving("http_response_size_bytes", "histogram", ROUTE, ALL),
    moving("grpc_server_started_total", "counter", METHOD, GRPC_SERVERS),
    moving("grpc_server_handled_total", "counter", CODE, GRPC_SERVERS),
    moving("grpc_server_handling_seconds", "histogram", METHOD, GRPC_SERVERS),
    moving("grpc_client_started_total", "counter", METHOD, GRPC_CLIENTS),
    moving("grpc_client_handled_total", "counter", CODE, GRPC_CLIENTS),
    moving("grpc_client_handling_seconds", "histogram", METHOD, GRPC_CLIENTS),
    moving("active_players_count", "gauge", &[], ANALYTICS),
    moving("active_players", "gauge", &["tier"], ANALYTICS),
    moving("player_registrations_total", "counter", &[], GATEWAY),
    moving("player_logins_total", "counter", &[], GATEWAY),
    moving("failed_login_attempts_total", "counter", &["reason"], GATEWAY),
    resting("player_logouts_total", "counter", &[], GATEWAY),
    resting("sessions_active", "gauge", &[], GATEWAY),
    moving("matches_total", "counter", &["match_type", "status"], MATCH),
    moving("matches_in_progress", "gauge", &[], MATCH),
    moving("matches_crashed_total", "counter", &[], MATCH),
    moving("match_duration_seconds", "histogram", &["match_type"], MATCH),
    moving("revenue_total_usd", "counter", &["item_type", "region"], GATEWAY),
    moving("transactions_total", "counter", &["type", "status"], GATEWAY),
    moving("transaction_failure_rate", "gauge", &[], ANALYTICS),
    moving("orders_created_total", "counter", &["payment_method", "product_category"], GATEWAY),
    moving("feature_usage_total", "counter", &["feature", "user_tier"], &["gateway", "socket-gateway"]),
    resting("database_connections_active", "gauge", &[], ALL),
    moving("database_connections_idle", "gauge", &[], ALL),
    moving("database_connections_max", "gauge", &[], ALL),
    moving("database_pool_wait_seconds", "histogram", &[], ALL),
    resting("database_pool_timeouts_total", "counter", &[], ALL),
    moving("database_queries_total", "counter", &["query_type", "query", "outcome"], ALL),
    moving("database_query_duration_seconds", "histogram", &["query_type", "query"], ALL),
    resting("database_errors_total", "counter", &["class"], ALL),
    moving("database_size_bytes", "gauge", &[], ANALYTICS),
    resting("cache_hits_total", "counter", &["cache"], ALL),
    resting("cache_misses_total", "counter", &["cache"], ALL),
    resting("cache_size_bytes", "gauge", &["cache"], ALL),
    resting("queue_depth", "gauge", &["queue"], ALL),
    moving("queue_processing_duration_seconds", "histogram", &["queue"], ALL),
    resting("queue_dead_letters_total", "counter", &["queue"], ALL),
    resting("queue_oldest_seconds", "gauge", &["queue"], ALL),
    moving("websocket_connections_active", "gauge", &[], SOCKETS),
    moving("websocket_connections_total", "counter", &["outcome"], SOCKETS),
    moving("websocket_messages_total", "counter", &["direction", "kind"], SOCKETS),
    moving("websocket_message_processing_seconds", "histogram", &["kind"], SOCKETS),
    moving("websocket_delivery_seconds", "histogram", &["kind"], SOCKETS),
    resting("websocket_send_queue_dropped_total", "counter", &[], SOCKETS),
    resting("websocket_slow_consumers_total", "counter", &[], SOCKETS),
    moving("active_users", "gauge", &[], SOCKETS),
    moving("messages_total", "counter", &[], SOCKETS),
    moving("analytics_events_total", "counter", &["source", "event"], ANALYTICS),
    moving("analytics_ingest_lag_seconds", "histogram", &[], ANALYTICS),
    resting("analytics_duplicates_total", "counter", &[], ANALYTICS),
    moving("app_info", "gauge", &["version", "environment", "service_name", "git_commit", "build_date"], ALL),
    moving("app_uptime_seconds", "gauge", &[], ALL),
    resting("app_errors_total", "counter", &["error_type", "severity"], ALL),
    resting("app_panics_total", "counter", &[], ALL),
    moving("app_status", "gauge", &["app_status"], ALL),
    moving("process_cpu_seconds_total", "counter", &[], ALL),
    moving("process_open_fds", "gauge", &[], ALL),
    moving("process_max_fds", "gauge", &[], ALL),
    moving("process_virtual_memory_bytes", "gauge", &[], ALL),
    moving("process_resident_memory_bytes", "gauge", &[], ALL),
    moving("process_start_time_seconds", "gauge", &[], ALL),
    moving("process_threads", "gauge", &[], ALL),
    moving("tokio_busy_ratio", "gauge", &["runtime"], ALL),
    resting("tokio_global_queue_depth", "gauge", &["runtime"], ALL),
    resting("telemetry_spans_dropped_total", "counter", &[], ALL),
    resting("telemetry_metric_overflow_total", "counter", &["metric"], ALL),
];

/// What is promised too and comes with the feature that it tells of.
pub(crate) const LATER: &[(&str, &str)] = &[
    ("matchmaking_tickets_open", "there is no matchmaking yet"),
    ("matchmaking_tickets_total", "there is no matchmaking yet"),
    ("matchmaking_time_to_match_seconds", "there is no matchmaking yet"),
    ("matchmaking_oldest_ticket_seconds", "there is no matchmaking yet"),
    ("matchmaking_match_quality", "there is no matchmaking yet"),
    ("matchmaking_tick_seconds", "there is no matchmaking yet"),
];
