//! The closed sets of labels, and what falls under which.

use battlearena_telemetry::label;
use battlearena_telemetry::metrics::Label;

use crate::domain::{Action, ErrorCode};

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
        Revoked = "revoked",
        Expired = "expired",
        Violation = "violation",
    }
}

label! {
    /// Why a handshake was refused.
    pub(crate) enum HandshakeRefusal {
        Draining = "draining",
        Full = "full",
        Malformed = "malformed",
        NotFound = "not_found",
        Origin = "origin",
        Throttled = "throttled",
    }
}

label! {
    /// The feature that is used here; the gateway has the others.
    pub(crate) enum Feature {
        Chat = "chat",
    }
}

label! {
    /// Which way.
    pub(crate) enum Direction {
        In = "in",
        Out = "out",
    }
}

label! {
    /// What comes in.
    pub(crate) enum Received {
        Hello = "hello",
        Refresh = "refresh",
        Subscribe = "subscribe",
        Unsubscribe = "unsubscribe",
        Join = "join",
        Leave = "leave",
        Message = "message",
        History = "history",
        Presence = "presence",
        Block = "block",
        Unblock = "unblock",
        Blocks = "blocks",
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
    /// What goes out to all who listen, and how long it took.
    pub(crate) enum Delivered {
        Message = "message",
        Event = "event",
    }
}

label! {
    /// Kinds of both directions: the label of one metric.
    pub(crate) enum Kind {
        Hello = "hello",
        Subscribe = "subscribe",
        Unsubscribe = "unsubscribe",
        Join = "join",
        Leave = "leave",
        Message = "message",
        History = "history",
        Presence = "presence",
        Refresh = "refresh",
        Block = "block",
        Unblock = "unblock",
        Blocks = "blocks",
        Ping = "ping",
        Refused = "refused",
        Answer = "answer",
        Ack = "ack",
        Event = "event",
        Error = "error",
        Control = "control",
    }
}

impl Label for ErrorCode {
    fn values() -> &'static [&'static str] {
        Self::WORDS
    }

    fn index(self) -> usize {
        self as usize
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
            4009 => Self::Revoked,
            4010 => Self::Expired,
            4029 => Self::Flooded,
            1002 | 1003 | 1007 | 1009 | 4000 | 4002 | 4004 => Self::Violation,
            _ => Self::Closed,
        }
    }
}

impl Received {
    pub(crate) fn of(action: &Action) -> Self {
        match action {
            Action::Hello(_) => Self::Hello,
            Action::Refresh { .. } => Self::Refresh,
            Action::Subscribe { .. } => Self::Subscribe,
            Action::Unsubscribe { .. } => Self::Unsubscribe,
            Action::Join { .. } => Self::Join,
            Action::Leave { .. } => Self::Leave,
            Action::Message { .. } => Self::Message,
            Action::History { .. } => Self::History,
            Action::Presence { .. } => Self::Presence,
            Action::Block { .. } => Self::Block,
            Action::Unblock { .. } => Self::Unblock,
            Action::Blocks => Self::Blocks,
            Action::Ping => Self::Ping,
        }
    }

    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Hello => Kind::Hello,
            Self::Subscribe => Kind::Subscribe,
            Self::Unsubscribe => Kind::Unsubscribe,
            Self::Join => Kind::Join,
            Self::Leave => Kind::Leave,
            Self::Message => Kind::Message,
            Self::History => Kind::History,
            Self::Presence => Kind::Presence,
            Self::Refresh => Kind::Refresh,
            Self::Block => Kind::Block,
            Self::Unblock => Kind::Unblock,
            Self::Blocks => Kind::Blocks,
            Self::Ping => Kind::Ping,
            Self::Refused => Kind::Refused,
        }
    }
}

impl Sent {
    /// None where a single socket is answered.
    pub(super) fn delivered(self) -> Option<Delivered> {
        match self {
            Self::Message => Some(Delivered::Message),
            Self::Event => Some(Delivered::Event),
            Self::Answer | Self::Ack | Self::Presence | Self::Error | Self::Control => None,
        }
    }

    pub(super) fn kind(self) -> Kind {
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
