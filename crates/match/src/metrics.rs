//! Every instrument of the match service.

use std::sync::OnceLock;

use battlearena_proto::MatchType;
use battlearena_telemetry::label;
use battlearena_telemetry::metrics::{Counter, CounterVec, Desc, Gauge, HistogramVec, MATCH_SECONDS, Unit};

label! {
    /// The points in a match's life at which it is counted.
    enum Milestone {
        Started = "started",
        Completed = "completed",
        Crashed = "crashed",
    }
}

/// The instruments.
pub(crate) struct Metrics {
    matches: CounterVec<(MatchType, Milestone)>,
    crashed: Counter,
    in_progress: Gauge,
    duration: HistogramVec<MatchType>,
}

impl Metrics {
    /// The instruments of this process, registered at their first use.
    pub(crate) fn get() -> &'static Self {
        static METRICS: OnceLock<Metrics> = OnceLock::new();
        METRICS.get_or_init(Self::new)
    }

    fn new() -> Self {
        Self {
            matches: CounterVec::new(
                &Desc {
                    name: "matches_total",
                    unit: Unit::Count,
                    help: "Matches by what happened to them; a match counts at its start and again at its end.",
                },
                ["match_type", "status"],
            ),
            crashed: Counter::new(&Desc {
                name: "matches_crashed_total",
                unit: Unit::Count,
                help: "Matches that ended without a result.",
            }),
            in_progress: Gauge::new(&Desc {
                name: "matches_in_progress",
                unit: Unit::Count,
                help: "Matches that have started and not ended, counted from their rows by one replica.",
            }),
            duration: HistogramVec::new(
                &Desc {
                    name: "match_duration_seconds",
                    unit: Unit::Seconds,
                    help: "Play time of completed matches, as their game servers measured it.",
                },
                ["match_type"],
                MATCH_SECONDS,
            ),
        }
    }

    pub(crate) fn started(&self, match_type: MatchType) {
        self.matches.with((match_type, Milestone::Started)).increment(1);
    }

    pub(crate) fn completed(&self, match_type: MatchType, duration_seconds: i32) {
        self.matches.with((match_type, Milestone::Completed)).increment(1);
        self.duration.with(match_type).record(f64::from(duration_seconds));
    }

    pub(crate) fn crashed(&self, match_type: MatchType) {
        self.matches.with((match_type, Milestone::Crashed)).increment(1);
        self.crashed.increment(1);
    }

    pub(crate) fn in_progress(&self, count: i64) {
        self.in_progress.set(count as f64);
    }

    /// Another replica reports them now.
    pub(crate) fn in_progress_unknown(&self) {
        self.in_progress.set(0.0);
    }
}
