//! Every instrument of the socket-gateway.

use std::sync::OnceLock;
use std::time::Instant;

use battlearena_telemetry::label;
use battlearena_telemetry::metrics::{
    Counter, CounterVec, Desc, Gauge, HTTP_SECONDS, Histogram, HistogramVec, InFlight, Unit,
};
use tracing::Span;

use crate::domain::{Action, ErrorCode};
use crate::socket::Chunk;

label! {
    /// The moments at which a connection is counted: its start, and how it ended.
    pub(crate) enum End {
        Accepted = "accepted",
        Refused = "refused",
        Closed = "closed",
        Lost = "lost",
        Drained = "drained",
        TimedOut = "timed_out",
        SlowConsumer = "slow_consumer",
        Flooded = "flooded",
        Unauthenticated = "unauthenticated",
        Violation = "violation",
    }
}

label! {
    enum Direction {
        In = "in",
        Out = "out",
    }
}

label! {
    /// What comes in.
    pub(crate) enum Received {
        Hello = "hello",
        Subscribe = "subscribe",
        Unsubscribe = "unsubscribe",
        Join = "join",
        Leave = "leave",
        Message = "message",
        History = "history",
        Presence = "presence",
        Ping = "ping",
        Refused = "refused",
    }
}

label! {
    /// What goes out.
    pub(crate) enum Sent {
        Answer = "answer",
        Ack = "ack",
        Message = "message",
        Event = "event",
        Presence = "presence",
        Error = "error",
        Control = "control",
    }
}

label! {
    /// Kinds of both directions: the label of one metric.
    enum Kind {
        Hello = "hello",
        Subscribe = "subscribe",
        Unsubscribe = "unsubscribe",
        Join = "join",
        Leave = "leave",
        Message = "message",
        History = "history",
        Presence = "presence",
        Ping = "ping",
        Refused = "refused",
        Answer = "answer",
        Ack = "ack",
        Event = "event",
        Error = "error",
        Control = "control",
    }
}

/// The instruments.
pub(crate) struct Metrics {
    active: Gauge,
    connections: CounterVec<End>,
    frames: CounterVec<(Direction, Kind)>,
    processing: HistogramVec<Received>,
    delivery: Histogram,
    dropped: Counter,
    slow_consumers: Counter,
    users: Gauge,
    messages: Counter,
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
            delivery: Histogram::new(
                &seconds(
                    "websocket_delivery_seconds",
                    "Time from reading a chat message, or the feed's receiving an event, to writing it to one socket; \
                     messages that travel together count once a socket.",
                ),
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
        }
    }

    /// A socket opened; it is active for as long as the guard lives.
    pub(crate) fn opened(&self) -> InFlight {
        self.connections.with(End::Accepted).increment(1);
        self.active.enter()
    }

    /// A handshake was refused.
    pub(crate) fn handshake_refused(&self) {
        self.connections.with(End::Refused).increment(1);
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
        if let Some(born) = chunk.born {
            self.delivery.record(born.elapsed().as_secs_f64());
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

    pub(crate) fn stored(&self, messages: u64) {
        self.messages.increment(messages);
    }
}

impl End {
    /// How a connection ended that was closed with this code.
    pub(crate) fn of_close_code(code: u16) -> Self {
        match code {
            1001 => Self::Drained,
            1006 => Self::Lost,
            4001 => Self::Unauthenticated,
            4007 => Self::TimedOut,
            4008 => Self::SlowConsumer,
            4029 => Self::Flooded,
            1002 | 1003 | 1007 | 1009 | 4000 | 4002 | 4004 => Self::Violation,
            _ => Self::Closed,
        }
    }
}

impl Received {
    pub(crate) fn of(action: &Action) -> Self {
        match action {
            Action::Hello { .. } => Self::Hello,
            Action::Subscribe { .. } => Self::Subscribe,
            Action::Unsubscribe { .. } => Self::Unsubscribe,
            Action::Join { .. } => Self::Join,
            Action::Leave { .. } => Self::Leave,
            Action::Message { .. } => Self::Message,
            Action::History { .. } => Self::History,
            Action::Presence { .. } => Self::Presence,
            Action::Ping => Self::Ping,
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::Hello => Kind::Hello,
            Self::Subscribe => Kind::Subscribe,
            Self::Unsubscribe => Kind::Unsubscribe,
            Self::Join => Kind::Join,
            Self::Leave => Kind::Leave,
            Self::Message => Kind::Message,
            Self::History => Kind::History,
            Self::Presence => Kind::Presence,
            Self::Ping => Kind::Ping,
            Self::Refused => Kind::Refused,
        }
    }
}

impl Sent {
    fn kind(self) -> Kind {
        match self {
            Self::Answer => Kind::Answer,
            Self::Ack => Kind::Ack,
            Self::Message => Kind::Message,
            Self::Event => Kind::Event,
            Self::Presence => Kind::Presence,
            Self::Error => Kind::Error,
            Self::Control => Kind::Control,
        }
    }
}
