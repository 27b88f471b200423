//! The one metrics recorder of the process, and the text that Prometheus scrapes (format 0.0.4).

use std::sync::OnceLock;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::buckets;

/// The content type of [`render`].
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Counters whose integer is a fraction of the unit that their name promises: the divisor and the decimals.
const SCALED: &[(&str, u64, usize)] =
    &[("revenue_total_usd", 100, 2), ("tokio_workers_busy_seconds_total", 1_000_000, 6)];

static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Installs the recorder, once; every instrument calls it, so that none can be registered into the void.
pub(crate) fn install() {
    handle();
}

/// Drains histogram samples into their buckets; without it they pile up between scrapes.
pub(crate) fn upkeep() {
    if let Some(handle) = handle() {
        handle.run_upkeep();
    }
}

/// Everything that was measured, in Prometheus' text format.
pub fn render() -> String {
    let Some(handle) = handle() else { return String::new() };
    crate::process::collect();
    rewrite(&handle.render())
}

fn handle() -> Option<&'static PrometheusHandle> {
    HANDLE
        .get_or_init(|| {
            let builder = PrometheusBuilder::new().set_buckets(buckets::HTTP_SECONDS).and_then(|builder| {
                buckets::rules()
                    .try_fold(builder, |builder, (rule, bounds)| builder.set_buckets_for_metric(rule, bounds))
            });
            match builder.and_then(PrometheusBuilder::install_recorder) {
                Ok(handle) => Some(handle),
                Err(error) => {
                    tracing::error!(%error, "metrics are off: the recorder could not be installed");
                    None
                }
            }
        })
        .as_ref()
}

/// Turns scaled integers into the unit of their name, and gives the CPU time of the process, which its library hands
/// over as a gauge so that it may have decimals, the type that it is.
fn rewrite(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    for line in text.lines() {
        if line == "# TYPE process_cpu_seconds_total gauge" {
            out.push_str("# TYPE process_cpu_seconds_total counter");
        } else if let Some(scaled) = scale(line) {
            out.push_str(&scaled);
        } else {
            out.push_str(line);
        }
        out.push('\n');
    }
    out
}

fn scale(line: &str) -> Option<String> {
    let (_, divisor, decimals) = SCALED
        .iter()
        .find(|(name, ..)| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])))?;
    let (series, value) = line.rsplit_once(' ')?;
    let value: u64 = value.parse().ok()?;
    Some(format!("{series} {}.{:0decimals$}", value / divisor, value % divisor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cents_are_shown_as_dollars() {
        let text = "# TYPE revenue_total_usd counter\n\
                    revenue_total_usd{item_type=\"skin\",region=\"asia\"} 100000000000000107\n\
                    revenue_total_usd 5\n\
                    revenue_total_usd_other 5\n";
        let expected = "# TYPE revenue_total_usd counter\n\
                        revenue_total_usd{item_type=\"skin\",region=\"asia\"} 1000000000000001.07\n\
                        revenue_total_usd 0.05\n\
                        revenue_total_usd_other 5\n";
        assert_eq!(rewrite(text), expected);
    }
}
