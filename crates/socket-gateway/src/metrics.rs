//! Every instrument of the socket-gateway.

mod labels;

use std::sync::OnceLock;
use std::time::Instant;

use battlearena_proto::Tier;
use battlearena_telemetry::metrics::{
    Counter, CounterVec, Desc, Gauge, HTTP_SECONDS, HistogramVec, InFlight, Unit,
};
use labels::{Delivered, Direction, Feature, Kind};
pub(crate) use labels::{End, HandshakeRefusal, Received, Sent};
use tracing::Span;

use crate::domain::ErrorCode;
use crate::socket::Chunk;

/// The instruments.
pub(crate) struct Metrics {
    active: Gauge,
    connections: CounterVec<End>,
    handshakes: CounterVec<HandshakeRefusal>,
    errors: CounterVec<ErrorCode>,
    frames: CounterVec<(Direction, Kind)>,
    processing: HistogramVec<Received>,
    delivery: HistogramVec<Delivered>,
    dropped: Counter,
    slow_consumers: Counter,
    users: Gauge,
    messages: Counter,
    feature_usage: CounterVec<(Feature, Tier)>,
}

impl Metrics {
    /// The instruments of this process, registered at their first use.
    pub(crate) fn get() -> &'static Self {
        static METRICS: OnceLock<Metrics> = OnceLock::new();
        METRICS.get_or_init(Self::new)
    }

    fn new() -> Self {
        let count = |name, help| Desc { name, unit: Unit::Count, help };
        let seconds = |name, help| Desc { name, unit: Unit::Seconds, help };
        Self {
            active: Gauge::new(&count("websocket_connections_active", "Open sockets.")),
            connections: CounterVec::new(
                &count(
                    "websocket_connections_total",
                    "Sockets by outcome; one counts as accepted at its start and again at its end.",
                ),
                ["outcome"],
            ),
            handshakes: CounterVec::new(
                &count("websocket_handshakes_refused_total", "Handshakes that were refused, by reason."),
                ["reason"],
            ),
            errors: CounterVec::new(
                &count(
                    "websocket_errors_total",
                    "Commands that were refused or failed, by the code of the error.",
                ),
                ["code"],
            ),
            frames: CounterVec::new(
                &count("websocket_messages_total", "Commands that came in and frames that were written."),
                ["direction", "kind"],
            ),
            processing: HistogramVec::new(
                &seconds(
                    "websocket_message_processing_seconds",
                    "Time from reading a command to its answer; of a message, to its being stored.",
                ),
                ["kind"],
                HTTP_SECONDS,
            ),
            delivery: HistogramVec::new(
                &seconds(
                    "websocket_delivery_seconds",
                    "Time from reading a chat message, or the feed's receiving an event, to writing it to one socket; \
                     what travels together counts once a socket.",
                ),
                ["kind"],
                HTTP_SECONDS,
            ),
            dropped: Counter::new(&count(
                "websocket_send_queue_dropped_total",
                "Frames that were thrown away because their socket was cut for reading slowly.",
            )),
            slow_consumers: Counter::new(&count(
                "websocket_slow_consumers_total",
                "Sockets that were cut for reading slowly.",
            )),
            users: Gauge::new(&count("active_users", "Distinct players with an open socket.")),
            messages: Counter::new(&count("messages_total", "Chat messages that were stored.")),
            feature_usage: CounterVec::new(
                &count("feature_usage_total", "Uses of a feature, by the tier of the player."),
                ["feature", "user_tier"],
            ),
        }
    }

    /// A socket opened; it is active for as long as the guard lives.
    pub(crate) fn opened(&self) -> InFlight {
        self.connections.with(End::Accepted).increment(1);
        self.active.enter()
    }

    /// A handshake was refused.
    pub(crate) fn handshake_refused(&self, why: HandshakeRefusal) {
        self.connections.with(End::Refused).increment(1);
        self.handshakes.with(why).increment(1);
    }

    /// A command was answered with an error.
    pub(crate) fn refused(&self, code: ErrorCode) {
        self.errors.with(code).increment(1);
    }

    pub(crate) fn closed(&self, end: End) {
        self.connections.with(end).increment(1);
    }

    pub(crate) fn received(&self, received: Received) {
        self.frames.with((Direction::In, received.kind())).increment(1);
    }

    pub(crate) fn processed(&self, received: Received, since: Instant, span: &Span) {
        self.processing.with(received).record_in(span, since.elapsed().as_secs_f64());
    }

    /// A chunk was written to its socket.
    pub(crate) fn sent(&self, chunk: &Chunk) {
        self.frames.with((Direction::Out, chunk.sent.kind())).increment(u64::from(chunk.frames));
        if let (Some(born), Some(kind)) = (chunk.born, chunk.sent.delivered()) {
            self.delivery.with(kind).record_duration(born.elapsed());
        }
    }

    pub(crate) fn cut_slow_consumer(&self, frames: u64) {
        self.slow_consumers.increment(1);
        self.dropped(frames);
    }

    pub(crate) fn dropped(&self, frames: u64) {
        self.dropped.increment(frames);
    }

    pub(crate) fn users(&self, count: usize) {
        self.users.set(count as f64);
    }

    /// A chat message of a player was stored.
    pub(crate) fn stored(&self, tier: Tier) {
        self.messages.increment(1);
        self.feature_usage.with((Feature::Chat, tier)).increment(1);
    }
}
