//! Start a match.

use battlearena_proto::{Failure, MatchStatus};
use battlearena_storage::idempotency::{IdempotencyKey, fingerprint, key_reused};
use battlearena_telemetry::note;
use battlearena_telemetry::trace::current_traceparent;
use tracing::field::Empty;
use tracing::{Span, instrument};

use super::{MatchService, MatchView};
use crate::domain::StartRequest;
use crate::store::matches::{self, Keyed, MatchRow};
use crate::store::participants::ParticipantRow;

/// A match as it began.
pub(crate) struct Begun {
    pub(crate) view: MatchView,
    /// Whether this request began it, and not an earlier one with the same key.
    pub(crate) is_new: bool,
}

impl MatchService {
    /// Begins a match of the given players, in one statement. A retry with the same key gets the match as it began.
    #[instrument(
        name = "start_match",
        skip_all,
        fields(match.id = Empty, match.type = request.match_type.as_str(),
               match.player_count = request.player_ids.len(), match.server_region = request.server_region,
               error.type = Empty, otel.status_code = Empty)
    )]
    pub(crate) async fn start(
        &self,
        request: StartRequest,
        key: Option<IdempotencyKey>,
    ) -> Result<Begun, Failure> {
        self.start_once(request, key).await.inspect_err(note)
    }

    async fn start_once(&self, request: StartRequest, key: Option<IdempotencyKey>) -> Result<Begun, Failure> {
        let keyed = Keyed { key: key.as_ref(), fingerprint: fingerprint(&request) };
        let traceparent = current_traceparent();
        let mut result = matches::start(&self.database, &request, keyed, traceparent.as_deref()).await;
        if result.as_ref().is_err_and(|error| error.violates(matches::START_KEY)) {
            // Another request with this key committed a moment ago; its match is visible now.
            result = matches::start(&self.database, &request, keyed, traceparent.as_deref()).await;
        }
        let started = result?;
        Span::current().record("match.id", started.id.get());
        if started.is_new {
            self.wake.wake();
            self.metrics.started(request.match_type);
        } else if started.fingerprint != Some(keyed.fingerprint) {
            return Err(key_reused());
        }
        let participants = request.player_ids.iter().map(|&player_id| ParticipantRow {
            match_id: started.id,
            player_id,
            score: 0,
            kills: 0,
            deaths: 0,
            points: 0,
            joined_at: started.start_time,
            left_at: None,
        });
        let mut participants: Vec<_> = participants.collect();
        participants.sort_unstable_by_key(|participant| participant.player_id);
        let row = MatchRow {
            id: started.id,
            match_type: request.match_type,
            status: MatchStatus::InProgress,
            server_region: request.server_region,
            start_time: started.start_time,
            end_time: None,
            winner_id: None,
            duration_seconds: None,
            error_message: String::new(),
            end_key: None,
            end_fingerprint: None,
        };
        Ok(Begun { view: MatchView { row, participants }, is_new: started.is_new })
    }
}
