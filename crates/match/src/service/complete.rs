//! Complete a match.

use battlearena_proto::events::{self, event::Body};
use battlearena_proto::{Failure, MatchStatus};
use battlearena_storage::idempotency::{IdempotencyKey, fingerprint, key_reused};
use battlearena_telemetry::note;
use battlearena_telemetry::trace::current_traceparent;
use jiff::Timestamp;
use tracing::field::Empty;
use tracing::{Span, instrument};

use super::{MatchService, MatchView, unknown_match};
use crate::domain::{CompleteRequest, Completion, PlayedMatch};
use crate::store::matches::{self, CompleteRow, Keyed, MatchRow};
use crate::store::participants::ParticipantRow;

impl MatchService {
    /// Ends a match with a winner and awards points: one read, one write that only succeeds while the match is in
    /// progress. A retry with the same key gets the completed match.
    #[instrument(
        name = "complete_match",
        skip_all,
        fields(match.id = request.match_id.get(), match.type = Empty, match.player_count = Empty,
               match.server_region = Empty, match.winner_id = request.winner_id.get(),
               match.duration = request.duration_seconds, error.type = Empty, otel.status_code = Empty)
    )]
    pub(crate) async fn complete(
        &self,
        request: CompleteRequest,
        key: Option<IdempotencyKey>,
    ) -> Result<MatchView, Failure> {
        self.complete_once(request, key).await.inspect_err(note)
    }

    async fn complete_once(
        &self,
        request: CompleteRequest,
        key: Option<IdempotencyKey>,
    ) -> Result<MatchView, Failure> {
        let keyed = Keyed { key: key.as_ref(), fingerprint: fingerprint(&request) };
        loop {
            let found = matches::find_with_players(&self.database, request.match_id).await?;
            let (row, players) = found.ok_or_else(|| unknown_match(request.match_id))?;
            Span::current()
                .record("match.type", row.match_type.as_str())
                .record("match.player_count", players.len())
                .record("match.server_region", &*row.server_region);
            if let Some(answer) = self.first_answer(&row, keyed, MatchStatus::Completed).await? {
                return Ok(answer);
            }
            let played = PlayedMatch {
                id: row.id,
                match_type: row.match_type,
                server_region: row.server_region.clone(),
                status: row.status,
                players,
            };
            let completion = played.complete(&request)?;
            let ended = matches::complete(
                &self.database,
                &CompleteRow {
                    id: played.id,
                    winner_id: request.winner_id,
                    duration_seconds: request.duration_seconds,
                    completion: &completion,
                    event: &event(&played, &request, &completion),
                    keyed,
                    traceparent: current_traceparent().as_deref(),
                },
            )
            .await?;
            // Otherwise another request ended it between the read and the write: the next read says how.
            if let Some(end_time) = ended {
                self.wake.wake();
                self.metrics.completed(played.match_type, request.duration_seconds);
                return Ok(completed_view(row, &request, &completion, end_time));
            }
        }
    }

    /// What a request with this key got when it ended the match, if it did.
    pub(super) async fn first_answer(
        &self,
        row: &MatchRow,
        keyed: Keyed<'_>,
        status: MatchStatus,
    ) -> Result<Option<MatchView>, Failure> {
        let is_same_key =
            keyed.key.is_some() && row.end_key.as_deref() == keyed.key.map(IdempotencyKey::as_str);
        if !is_same_key {
            return Ok(None);
        }
        if row.status != status || row.end_fingerprint != Some(keyed.fingerprint) {
            return Err(key_reused());
        }
        self.view(row.id).await.map(Some)
    }
}

/// The match as the write left it, without reading it again.
fn completed_view(
    row: MatchRow,
    request: &CompleteRequest,
    completion: &Completion,
    end_time: Timestamp,
) -> MatchView {
    let participants = completion.results.iter().map(|result| ParticipantRow {
        match_id: row.id,
        player_id: result.player_id,
        score: result.score,
        kills: result.kills,
        deaths: result.deaths,
        points: result.points,
        joined_at: row.start_time,
        left_at: Some(end_time),
    });
    let participants = participants.collect();
    let row = MatchRow {
        status: MatchStatus::Completed,
        end_time: Some(end_time),
        winner_id: Some(request.winner_id.get()),
        duration_seconds: Some(request.duration_seconds),
        ..row
    };
    MatchView { row, participants }
}

fn event(played: &PlayedMatch, request: &CompleteRequest, completion: &Completion) -> Body {
    let results = completion.results.iter().map(|result| events::ParticipantResult {
        player_id: result.player_id.get(),
        score: result.score,
        kills: result.kills,
        deaths: result.deaths,
        points: result.points,
    });
    Body::MatchCompleted(events::MatchCompleted {
        match_id: played.id.get(),
        match_type: played.match_type.to_string(),
        server_region: played.server_region.clone(),
        winner_id: request.winner_id.get(),
        duration_seconds: request.duration_seconds,
        participants: results.collect(),
    })
}
