//! The use cases: one function each, one transaction each. They know no transport. A use case has one business span in
//! its whole trace, where its work is done: what another service does, that service's span tells of. Only when a use
//! case ends here, before that service was asked, the span is ours.

pub(crate) mod accounts;
pub(crate) mod api_keys;
pub(crate) mod chat;
pub(crate) mod limits;
pub(crate) mod matches;
pub(crate) mod purchases;
pub(crate) mod statistics;
pub(crate) mod system_events;
pub(crate) mod tokens;

use battlearena_proto::{Failure, PlayerId};
use battlearena_storage::idempotency::IdempotencyKey;
use tonic::{Code, Status};

/// The business span of a use case that ended here, before the service was asked that would have done the work.
macro_rules! ended_here {
    ($failure:expr, $name:literal, $($attribute:tt)+) => {
        tracing::info_span!(
            $name,
            error.type = tracing::field::Empty,
            otel.status_code = tracing::field::Empty,
            $($attribute)+
        )
        .in_scope(|| battlearena_telemetry::note($failure))
    };
}
use ended_here;

/// What another service answered, for our caller. One that cannot be reached is named.
fn from_peer(peer: &'static str, status: Status) -> Failure {
    // A status without details was made by the transport, not by the peer.
    let transport = status.details().is_empty() && matches!(status.code(), Code::Unavailable | Code::Unknown);
    if transport { Failure::unavailable(peer, status) } else { status.into() }
}

/// The key as the messages of the other services carry it: empty for none.
fn key_for_peer(key: Option<&IdempotencyKey>) -> String {
    key.map(|key| key.as_str().to_owned()).unwrap_or_default()
}

/// A peer left out a part of its answer that it always has.
fn incomplete(peer: &'static str) -> Failure {
    Failure::internal(format!("{peer} sent an incomplete answer"))
}

fn unknown_player(id: PlayerId) -> Failure {
    Failure::not_found(format!("player {id} does not exist")).with_field("player_id")
}

#[cfg(test)]
mod span_tests;

#[cfg(test)]
mod tests {
    use battlearena_proto::ErrorKind;

    use super::*;

    #[test]
    fn a_peer_that_is_down_is_named() {
        let failure = from_peer("the match service", Status::unavailable("tcp connect error"));
        assert_eq!(failure.kind(), ErrorKind::Unavailable);
        assert_eq!(failure.message(), "the match service is not available, try again");
    }

    #[test]
    fn what_a_peer_says_is_passed_on() {
        let said = Failure::invalid("winner_id", "winner did not take part");
        let failure = from_peer("the match service", Status::from(&said));
        assert_eq!(
            (failure.kind(), failure.field(), failure.message()),
            (said.kind(), said.field(), said.message())
        );
    }
}
