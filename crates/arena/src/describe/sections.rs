//! The groups of the metrics, in the order in which they are read. Names decide, since names are what stays.

/// One group.
pub(super) struct Section {
    pub(super) title: &'static str,
    /// Names; one that ends in `*` stands for all that begin so.
    members: &'static [&'static str],
}

/// Every group.
pub(super) const SECTIONS: [Section; 16] = [
    section("HTTP", &["http_*"]),
    section("gRPC", &["grpc_*"]),
    section(
        "Players",
        &["active_players_count", "active_players", "player_*", "failed_login_attempts_total", "sessions_*"],
    ),
    section(
        "Doors",
        &[
            "credential_refusals_total",
            "refresh_*",
            "requests_shed_total",
            "throttled_requests_total",
            "tls_*",
        ],
    ),
    section("Matches", &["matches_*", "match_*"]),
    section("Money", &["revenue_*", "transaction_*", "transactions_*", "orders_*"]),
    section("Features", &["feature_*"]),
    section("Database", &["database_*"]),
    section("Caches", &["cache_*"]),
    section("Queues", &["queue_*"]),
    section("Sockets", &["websocket_*", "active_users", "messages_total"]),
    section("Analytics", &["analytics_*"]),
    section("Canary", &["canary_*"]),
    section("Measured functions", &["operation_*", "operations_*"]),
    section("Process", &["app_*", "process_*", "tokio_*"]),
    section("Telemetry itself", &["telemetry_*"]),
];

const fn section(title: &'static str, members: &'static [&'static str]) -> Section {
    Section { title, members }
}

impl Section {
    /// Whether a metric belongs here.
    pub(super) fn has(&self, name: &str) -> bool {
        self.members.iter().any(|member| match member.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => name == *member,
        })
    }
}
