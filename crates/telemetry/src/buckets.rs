//! The bounds of every histogram. The recorder must know them before the first sample, so names map to bounds here and
//! nowhere else; a name that no rule covers gets [`HTTP_SECONDS`], never a summary.

/// Bounds of HTTP and gRPC latencies, lags and deliveries, in seconds: OpenTelemetry's list, finer at the bottom.
pub const HTTP_SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// Bounds of SQL statements and of the wait for a connection, in seconds.
pub const SQL_SECONDS: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

/// Bounds of single pieces of work, in seconds: from one statement to the copy of a large table.
pub const OPERATION_SECONDS: &[f64] = &[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 600.0];

/// Bounds of match and waiting times, in seconds.
pub const MATCH_SECONDS: &[f64] =
    &[1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0];

/// Bounds of sizes, in bytes: powers of four from 64 B to 4 MiB.
pub const BYTES: &[f64] =
    &[64.0, 256.0, 1024.0, 4096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0, 4_194_304.0];

/// Histograms whose bounds do not follow from the end of their name.
const BY_NAME: &[(&str, &[f64])] = &[
    ("database_query_duration_seconds", SQL_SECONDS),
    ("database_pool_wait_seconds", SQL_SECONDS),
    ("operation_duration_seconds", OPERATION_SECONDS),
    ("match_duration_seconds", MATCH_SECONDS),
    ("matchmaking_time_to_match_seconds", MATCH_SECONDS),
];

/// Everything else, by the end of the name.
const BY_SUFFIX: &[(&str, &[f64])] = &[("_bytes", BYTES)];

/// The bounds of one histogram, ascending.
pub(crate) fn of(name: &str) -> &'static [f64] {
    let by_name = BY_NAME.iter().find(|(full, _)| *full == name);
    let rule = by_name.or_else(|| BY_SUFFIX.iter().find(|(suffix, _)| name.ends_with(suffix)));
    rule.map_or(HTTP_SECONDS, |(_, bounds)| *bounds)
}

/// The lines that one histogram has in a scrape: a bucket for each bound and one beyond, the sum and the count.
pub(crate) fn lines_of(name: &str) -> usize {
    of(name).len() + 3
}

/// The rules in the form that the exporter takes; it prefers full names to suffixes, as [`of`] does.
pub(crate) fn rules() -> impl Iterator<Item = (metrics_exporter_prometheus::Matcher, &'static [f64])> {
    use metrics_exporter_prometheus::Matcher;
    let full = BY_NAME.iter().map(|(name, bounds)| (Matcher::Full((*name).to_owned()), *bounds));
    let ends = BY_SUFFIX.iter().map(|(suffix, bounds)| (Matcher::Suffix((*suffix).to_owned()), *bounds));
    full.chain(ends)
}
