//! The wire contracts that the services share: generated messages, typed ids, closed vocabularies and the one error.
//! Knows no service, does no IO.

mod error;
mod event;
mod ids;
mod time;
mod vocabulary;

pub use error::{ErrorKind, Failure, chain};
pub use event::{EventKind, UndecodableEvent};
pub use ids::{MatchId, PlayerId, TransactionId};
pub use time::{timestamp_from_wire, timestamp_to_wire};
pub use vocabulary::{
    CrashCause, ItemType, MatchStatus, MatchType, Region, Severity, Tier, TransactionStatus, UnknownWord,
};

/// All compiled `.proto` files, for gRPC reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

#[expect(unused_qualifications, clippy::allow_attributes_without_reason, reason = "generated")]
mod generated {
    pub(crate) mod analytics {
        tonic::include_proto!("battlearena.analytics.v1");
    }
    pub(crate) mod events {
        tonic::include_proto!("battlearena.events.v1");
    }
    pub(crate) mod matches {
        tonic::include_proto!("battlearena.r#match.v1");
    }
    pub(crate) mod realtime {
        tonic::include_proto!("battlearena.realtime.v1");
    }
}

/// Package `battlearena.analytics.v1`.
pub mod analytics {
    pub use crate::generated::analytics::*;
}

/// Package `battlearena.events.v1`.
pub mod events {
    pub use crate::generated::events::*;
}

/// Package `battlearena.match.v1` (`match` is a Rust keyword).
pub mod matches {
    pub use crate::generated::matches::*;
}

/// Package `battlearena.realtime.v1`.
pub mod realtime {
    pub use crate::generated::realtime::*;
}
