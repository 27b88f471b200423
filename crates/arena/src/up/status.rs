//! The line at the bottom of the terminal: what the platform does right now, from the services' own metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use battlearena_runtime::CancellationToken;
use battlearena_tls::Tls;
use tokio::time::{MissedTickBehavior, interval};

use super::console::Console;
use crate::probe::{Probe, Scheme};
use crate::roles::{Addresses, Role};

const PERIOD: Duration = Duration::from_secs(2);

/// Draws the line until stopped.
pub(super) async fn show(
    console: Console,
    (addresses, scheme, tls): (Addresses, Scheme, Tls),
    restarts: Arc<AtomicU64>,
    stop: CancellationToken,
) {
    let probe = Probe::new(PERIOD, &tls);
    let look = |role: Role, metric| {
        let url = scheme.url(role.operations(&addresses), "/metrics");
        scrape(&probe, url, metric)
    };
    let begin = Instant::now();
    let mut requests = Rate::default();
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let scraped = async {
            ticks.tick().await;
            tokio::join!(
                look(Role::Gateway, "http_requests_total"),
                look(Role::Analytics, "active_players_count"),
                look(Role::Match, "matches_in_progress"),
            )
        };
        let (total, players, matches) = tokio::select! {
            scraped = scraped => scraped,
            () = stop.cancelled() => return,
        };
        let rate = total.and_then(|total| requests.of(total, Instant::now()));
        console.set_status(&format!(
            "up {} · {} requests/s · {} players · {} matches · {} restarts",
            clock(begin.elapsed()),
            number(rate),
            number(players),
            number(matches),
            restarts.load(Ordering::Relaxed),
        ));
    }
}

async fn scrape(probe: &Probe, url: String, metric: &str) -> Option<f64> {
    let answer = probe.get(&url).await.ok()?;
    sum(&answer.body, metric)
}

/// The sum of all series of a metric in Prometheus' text format; `None` when there is none.
fn sum(text: &str, metric: &str) -> Option<f64> {
    let values = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(metric)?;
        // What follows must be labels or the value, not the rest of a longer name.
        let value = if rest.starts_with('{') { rest.rsplit_once('}')?.1 } else { rest.strip_prefix(' ')? };
        value.split_whitespace().next()?.parse::<f64>().ok()
    });
    values.reduce(|a, b| a + b)
}

/// A counter's growth a second between two looks at it.
#[derive(Debug, Default)]
struct Rate {
    last: Option<(f64, Instant)>,
}

impl Rate {
    fn of(&mut self, total: f64, now: Instant) -> Option<f64> {
        let (before, then) = self.last.replace((total, now))?;
        let seconds = now.duration_since(then).as_secs_f64();
        // A counter that fell began anew with its process.
        let growth = if total < before { total } else { total - before };
        (seconds > 0.0).then(|| growth / seconds)
    }
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.0}"))
}

fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# TYPE http_requests_total counter\n\
        http_requests_total{method=\"GET\",endpoint=\"/a b\"} 3\n\
        http_requests_total{method=\"PUT\"} 4.5 1700000000000\n\
        http_requests_total_more 100\n\
        matches_in_progress 12\n";

    #[test]
    fn series_add_up() {
        assert_eq!(sum(TEXT, "http_requests_total"), Some(7.5));
        assert_eq!(sum(TEXT, "matches_in_progress"), Some(12.0));
        assert_eq!(sum(TEXT, "matches"), None);
    }

    #[test]
    fn a_rate_needs_two_looks_and_survives_a_restart() {
        let (mut rate, begin) = (Rate::default(), Instant::now());
        assert_eq!(rate.of(100.0, begin), None);
        assert_eq!(rate.of(140.0, begin + Duration::from_secs(2)), Some(20.0));
        assert_eq!(rate.of(10.0, begin + Duration::from_secs(4)), Some(5.0));
    }

    #[test]
    fn times_and_missing_numbers_are_readable() {
        assert_eq!(clock(Duration::from_secs(3_725)), "1:02:05");
        assert_eq!(number(None), "–");
    }
}
