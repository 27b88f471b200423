//! Take a heartbeat.

use battlearena_proto::{Failure, MatchId};
use battlearena_telemetry::note;
use tracing::field::Empty;
use tracing::instrument;

use super::{MatchService, not_in_progress, unknown_match};
use crate::store::matches;

impl MatchService {
    /// Notes that a match is still being played. Idempotent by nature; tells no event.
    #[instrument(
        name = "match_heartbeat",
        skip_all,
        fields(match.id = id.get(), error.type = Empty, otel.status_code = Empty)
    )]
    pub(crate) async fn heartbeat(&self, id: MatchId) -> Result<(), Failure> {
        self.take_heartbeat(id).await.inspect_err(note)
    }

    async fn take_heartbeat(&self, id: MatchId) -> Result<(), Failure> {
        if matches::heartbeat(&self.database, id).await? {
            return Ok(());
        }
        let row = matches::find(&self.database, id).await?.ok_or_else(|| unknown_match(id))?;
        Err(not_in_progress(&row))
    }
}
