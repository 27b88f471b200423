//! Crash a match: on report, or because nothing was heard of it.

use std::time::Duration;

use battlearena_proto::{Failure, MatchStatus};
use battlearena_storage::StorageError;
use battlearena_storage::idempotency::{IdempotencyKey, fingerprint};
use battlearena_telemetry::note;
use battlearena_telemetry::trace::current_traceparent;
use tracing::field::Empty;
use tracing::{Span, instrument};

use super::{MatchService, MatchView, not_in_progress, unknown_match};
use crate::domain::CrashRequest;
use crate::store::matches::{self, Keyed};

impl MatchService {
    /// Ends a match without a result, in one statement. A retry with the same key gets the crashed match.
    #[instrument(
        name = "crash_match",
        skip_all,
        fields(match.id = request.match_id.get(), match.type = Empty, match.player_count = Empty,
               match.server_region = Empty, error.type = Empty, otel.status_code = Empty)
    )]
    pub(crate) async fn crash(
        &self,
        request: CrashRequest,
        key: Option<IdempotencyKey>,
    ) -> Result<MatchView, Failure> {
        let crashed = self.crash_once(request, key).await.inspect_err(note)?;
        Span::current()
            .record("match.type", crashed.row.match_type.as_str())
            .record("match.player_count", crashed.participants.len())
            .record("match.server_region", &*crashed.row.server_region);
        Ok(crashed)
    }

    async fn crash_once(
        &self,
        request: CrashRequest,
        key: Option<IdempotencyKey>,
    ) -> Result<MatchView, Failure> {
        let keyed = Keyed { key: key.as_ref(), fingerprint: fingerprint(&request) };
        let traceparent = current_traceparent();
        let crashed = matches::crash(
            &self.database,
            request.match_id,
            &request.error_message,
            keyed,
            traceparent.as_deref(),
        )
        .await?;
        if let Some(crashed) = crashed {
            self.wake.wake();
            self.metrics.crashed(crashed.match_type);
            return self.view(crashed.id).await;
        }
        let row = matches::find(&self.database, request.match_id).await?;
        let row = row.ok_or_else(|| unknown_match(request.match_id))?;
        match self.first_answer(&row, keyed, MatchStatus::Crashed).await? {
            Some(answer) => Ok(answer),
            None => Err(not_in_progress(&row)),
        }
    }

    /// Crashes the matches that nobody plays any more and returns how many there were.
    pub(crate) async fn crash_lost(
        &self,
        heartbeat_timeout: Duration,
        match_ttl: Duration,
    ) -> Result<usize, StorageError> {
        let crashed = matches::crash_lost(&self.database, heartbeat_timeout, match_ttl).await?;
        for crashed in &crashed {
            tracing::warn!(match_id = crashed.id.get(), "a match was given up: nothing was heard of it");
            self.metrics.crashed(crashed.match_type);
        }
        if !crashed.is_empty() {
            self.wake.wake();
        }
        Ok(crashed.len())
    }
}
