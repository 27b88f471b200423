//! How busy the Tokio runtimes of the process are: the main one, and those of the HTTP workers, each of which is a
//! runtime of one thread. Read at each scrape.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::{Handle, RuntimeMetrics};

use crate::metrics::{CounterVec, Desc, Gauge, GaugeVec, Unit};

/// A busy ratio over less time than this is noise: until then, the last one stands.
const SHORTEST_WINDOW: Duration = Duration::from_millis(500);

crate::label! {
    /// Which runtimes.
    enum Runtime {
        Main = "main",
        Http = "http",
    }
}

/// The runtimes and their instruments.
pub(crate) struct Runtimes {
    main: Handle,
    http: Mutex<Vec<Handle>>,
    seen: Mutex<[Seen; 2]>,
    workers: GaugeVec<Runtime>,
    busy: CounterVec<Runtime>,
    busy_ratio: GaugeVec<Runtime>,
    alive_tasks: Gauge,
    queue_depth: Gauge,
}

impl Runtimes {
    pub(crate) fn new(main: Handle) -> Self {
        let desc = |name, unit, help| Desc { name, unit, help };
        // An actix worker keeps its tasks in a local set, where its runtime does not see them: these two could only
        // say zero of it.
        let of_main = |name, help| Gauge::of(&desc(name, Unit::Count, help), "runtime", "main");
        let now = Seen { at: Instant::now(), busy: Duration::ZERO };
        Self {
            main,
            http: Mutex::default(),
            seen: Mutex::new([now; 2]),
            workers: GaugeVec::new(
                &desc("tokio_workers", Unit::Count, "Worker threads of the main runtime, and HTTP workers."),
                ["runtime"],
            ),
            busy: CounterVec::new(
                &desc(
                    "tokio_workers_busy_seconds_total",
                    Unit::Seconds,
                    "Time that the workers of a runtime spent working, added up.",
                ),
                ["runtime"],
            ),
            busy_ratio: GaugeVec::new(
                &desc(
                    "tokio_busy_ratio",
                    Unit::Ratio,
                    "Share of the workers' time that was spent working, since the scrape before this.",
                ),
                ["runtime"],
            ),
            alive_tasks: of_main("tokio_alive_tasks", "Tasks that have not ended."),
            queue_depth: of_main("tokio_global_queue_depth", "Tasks that wait in the shared queue."),
        }
    }

    /// Counts the runtime of the current thread among the HTTP workers, once.
    pub(crate) fn add_http_worker(&self) {
        let Ok(handle) = Handle::try_current() else { return };
        let mut http = self.http.lock().unwrap_or_else(PoisonError::into_inner);
        if handle.id() != self.main.id() && http.iter().all(|known| known.id() != handle.id()) {
            http.push(handle);
        }
    }

    pub(crate) fn collect(&self) {
        let main = self.main.metrics();
        self.alive_tasks.set(main.num_alive_tasks() as f64);
        self.queue_depth.set(main.global_queue_depth() as f64);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for ((runtime, workers, busy), seen) in self.loads().into_iter().zip(seen.iter_mut()) {
            self.workers.with(runtime).set(workers as f64);
            self.busy.with(runtime).absolute(u64::try_from(busy.as_micros()).unwrap_or(u64::MAX));
            if let Some(ratio) = seen.busy_ratio(Seen { at: Instant::now(), busy }, workers) {
                self.busy_ratio.with(runtime).set(ratio);
            }
        }
    }

    /// The workers of each kind of runtime, and how long they have been busy.
    fn loads(&self) -> [(Runtime, usize, Duration); 2] {
        let http = self.http.lock().unwrap_or_else(PoisonError::into_inner);
        [(Runtime::Main, std::slice::from_ref(&self.main)), (Runtime::Http, &http)].map(
            |(runtime, handles)| {
                let metrics: Vec<_> = handles.iter().map(Handle::metrics).collect();
                let workers = metrics.iter().map(RuntimeMetrics::num_workers).sum();
                (runtime, workers, metrics.iter().map(busy_time).sum())
            },
        )
    }
}

fn busy_time(runtime: &RuntimeMetrics) -> Duration {
    (0..runtime.num_workers()).map(|worker| runtime.worker_total_busy_duration(worker)).sum()
}

/// What a scrape saw.
#[derive(Clone, Copy)]
struct Seen {
    at: Instant,
    busy: Duration,
}

impl Seen {
    /// The busy share of the time since then, which from now on is counted from `now`; `None` if it was too short.
    fn busy_ratio(&mut self, now: Self, workers: usize) -> Option<f64> {
        let window = now.at.duration_since(self.at);
        if window < SHORTEST_WINDOW {
            return None;
        }
        let busy = now.busy.saturating_sub(self.busy);
        *self = now;
        Some((busy.as_secs_f64() / (window.as_secs_f64() * workers.max(1) as f64)).min(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_that_of_the_time_between_two_scrapes() {
        let began = Instant::now();
        let at = |seconds, busy| Seen {
            at: began + Duration::from_millis(seconds),
            busy: Duration::from_millis(busy),
        };
        let mut seen = at(0, 0);
        assert_eq!(seen.busy_ratio(at(2000, 1000), 2), Some(0.25));
        assert_eq!(seen.busy_ratio(at(2100, 1100), 2), None, "too soon");
        assert_eq!(seen.busy_ratio(at(3000, 2000), 1), Some(1.0), "and nothing was forgotten");
        assert_eq!(seen.busy_ratio(at(4000, 2000), 0), Some(0.0), "there are no workers yet");
        assert_eq!(
            seen.busy_ratio(at(5000, 3500), 1),
            Some(1.0),
            "what was counted late is not more than all"
        );
    }

    #[test]
    fn an_http_worker_counts_once_and_its_work_is_seen() {
        let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (main, worker) = (runtime(), runtime());
        let runtimes = Runtimes::new(main.handle().clone());
        main.block_on(async { runtimes.add_http_worker() });
        let tasks = tokio::task::LocalSet::new();
        let began = Instant::now();
        tasks.block_on(&worker, async {
            runtimes.add_http_worker();
            runtimes.add_http_worker();
            while began.elapsed() < Duration::from_millis(20) {
                std::hint::spin_loop();
            }
            // A worker hands in its times when it has nothing to do.
            tokio::task::yield_now().await;
        });
        let [(_, main_workers, _), (_, http_workers, http_busy)] = runtimes.loads();
        assert_eq!((main_workers, http_workers), (1, 1));
        assert!(http_busy >= Duration::from_millis(20), "{http_busy:?}");
    }
}
