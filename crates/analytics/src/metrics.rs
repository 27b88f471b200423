//! Every instrument of analytics.

use std::sync::OnceLock;

use battlearena_proto::{EventKind, Tier};
use battlearena_telemetry::label;
use battlearena_telemetry::metrics::{
    Counter, CounterVec, Desc, Gauge, GaugeVec, HTTP_SECONDS, Histogram, Unit,
};
use jiff::SignedDuration;
use tracing::Span;

label! {
    /// Who tells events.
    enum Source {
        Gateway = "gateway",
        Match = "match",
        SocketGateway = "socket-gateway",
        Api = "api",
        Analytics = "analytics",
        Other = "other",
    }
}

/// The cache of the log's last events, as a label.
const TAIL: &str = "event_log_tail";

/// The instruments.
pub(crate) struct Metrics {
    events: CounterVec<(Source, EventKind)>,
    ingest_lag: Histogram,
    duplicates: Counter,
    tail_hits: Counter,
    tail_misses: Counter,
    tail_size: Gauge,
    active: Gauge,
    active_by_tier: GaugeVec<Tier>,
    failure_rate: Gauge,
    database_size: Gauge,
}

/// What the platform looks like now, as one replica reports it.
pub(crate) struct Vitals {
    pub(crate) active_by_tier: Vec<(Tier, u64)>,
    pub(crate) transaction_failure_rate: f64,
    pub(crate) database_bytes: i64,
}

impl Metrics {
    /// The instruments of this process, registered at their first use.
    pub(crate) fn get() -> &'static Self {
        static METRICS: OnceLock<Metrics> = OnceLock::new();
        METRICS.get_or_init(Self::new)
    }

    fn new() -> Self {
        let count = |name, help| Desc { name, unit: Unit::Count, help };
        let size = Desc {
            name: "cache_size_bytes",
            unit: Unit::Bytes,
            help: "What a cache holds, as it is encoded.",
        };
        let hits = count("cache_hits_total", "Reads that a cache could answer.");
        let misses = count("cache_misses_total", "Reads that a cache could not answer.");
        Self {
            tail_hits: Counter::of(&hits, "cache", TAIL),
            tail_misses: Counter::of(&misses, "cache", TAIL),
            tail_size: Gauge::of(&size, "cache", TAIL),
            events: CounterVec::new(
                &count("analytics_events_total", "Events stored in the log, each once."),
                ["source", "event"],
            ),
            ingest_lag: Histogram::new(
                &Desc {
                    name: "analytics_ingest_lag_seconds",
                    unit: Unit::Seconds,
                    help: "From the transaction that told an event to its being stored in the log.",
                },
                HTTP_SECONDS,
            ),
            duplicates: Counter::new(&count(
                "analytics_duplicates_total",
                "Events that were sent again by a relay and dropped.",
            )),
            active: Gauge::new(&count("active_players_count", "Players seen in the last five minutes.")),
            active_by_tier: GaugeVec::new(
                &count("active_players", "Players seen in the last five minutes, by tier."),
                ["tier"],
            ),
            failure_rate: Gauge::new(&Desc {
                name: "transaction_failure_rate",
                unit: Unit::Ratio,
                help: "Failed purchases of all purchases in the last five minutes, since this process began; 0 without any.",
            }),
            database_size: Gauge::new(&Desc {
                name: "database_size_bytes",
                unit: Unit::Bytes,
                help: "Size of the database on disk, reported by one replica of analytics.",
            }),
        }
    }

    pub(crate) fn stored(&self, source: &str, kind: EventKind, lag: SignedDuration) {
        let source = match source {
            "gateway" => Source::Gateway,
            "match" => Source::Match,
            // Outboxes are named after their schemas.
            "socket" => Source::SocketGateway,
            "api" => Source::Api,
            "analytics" => Source::Analytics,
            _ => Source::Other,
        };
        self.events.with((source, kind)).increment(1);
        self.ingest_lag.record_in(&Span::current(), lag.as_secs_f64().max(0.0));
    }

    pub(crate) fn duplicates(&self, count: u64) {
        self.duplicates.increment(count);
    }

    /// The log was read: from its end in memory, or from the table.
    pub(crate) fn read(&self, from_memory: bool) {
        if from_memory { self.tail_hits.increment(1) } else { self.tail_misses.increment(1) }
    }

    /// The end of the log that is in memory has this size now.
    pub(crate) fn tail_size(&self, bytes: usize) {
        self.tail_size.set(bytes as f64);
    }

    pub(crate) fn vitals(&self, vitals: &Vitals) {
        let Vitals { active_by_tier, transaction_failure_rate, database_bytes } = vitals;
        self.active.set(active_by_tier.iter().map(|(_, count)| *count as f64).sum());
        for (tier, count) in active_by_tier {
            self.active_by_tier.with(*tier).set(*count as f64);
        }
        self.failure_rate.set(*transaction_failure_rate);
        self.database_size.set(*database_bytes as f64);
    }

    /// Another replica reports them now.
    pub(crate) fn vitals_unknown(&self) {
        let none = Tier::ALL.iter().map(|tier| (*tier, 0)).collect();
        self.vitals(&Vitals { active_by_tier: none, transaction_failure_rate: 0.0, database_bytes: 0 });
    }
}
