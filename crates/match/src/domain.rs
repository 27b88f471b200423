//! The rules of matches. Pure: no IO, no clock, no SQL, no transport.

mod lifecycle;
mod points;
mod request;

pub(crate) use lifecycle::{Completion, PlayedMatch, Result as PlayerResult};
use points::points;
pub(crate) use request::{CompleteRequest, CrashRequest, Limit, ParticipantStats, StartRequest, match_id};
