//! The use cases: one function each, one transaction each, one business span each.

mod complete;
mod crash;
mod heartbeat;
mod query;
mod start;

use battlearena_proto::{Failure, MatchId};
use battlearena_storage::{Database, Wake};

pub(crate) use start::Begun;

use crate::metrics::Metrics;
use crate::store::matches::MatchRow;
use crate::store::participants::ParticipantRow;

/// What the use cases need. Cheap to clone.
#[derive(Clone)]
pub(crate) struct MatchService {
    pub(crate) database: Database,
    pub(crate) wake: Wake,
    pub(crate) metrics: &'static Metrics,
}

/// A match with its participants.
pub(crate) struct MatchView {
    pub(crate) row: MatchRow,
    pub(crate) participants: Vec<ParticipantRow>,
}

fn unknown_match(id: MatchId) -> Failure {
    Failure::not_found(format!("match {id} does not exist")).with_field("match_id")
}

fn not_in_progress(row: &MatchRow) -> Failure {
    Failure::conflict(format!("match {} is {}, not in progress", row.id, row.status))
}
