//! Matches, which the match service owns. What this side adds is the knowledge of who is a player.

use std::collections::BTreeSet;

use battlearena_proto::matches::match_service_client::MatchServiceClient;
use battlearena_proto::matches::{
    CompleteMatchRequest, CrashMatchRequest, GetMatchRequest, HeartbeatRequest, ListPlayerMatchesRequest,
    Match, ParticipantStats, StartMatchRequest,
};
use battlearena_proto::{Failure, MatchId, MatchType, PlayerId};
use battlearena_storage::Database;
use battlearena_storage::idempotency::IdempotencyKey;
use battlearena_telemetry::grpc::InstrumentedChannel;
use tonic::Status;
use tracing::field::Empty;
use tracing::{Span, instrument};

use super::{from_peer, incomplete, key_for_peer, note, unknown_player};
use crate::domain::game;
use crate::domain::page::Page;
use crate::metrics::{Feature, Metrics};
use crate::store::players;

/// The name of the peer in answers.
const PEER: &str = "the match service";

/// The use cases about matches.
#[derive(Clone)]
pub(crate) struct Matches {
    pub(crate) database: Database,
    pub(crate) client: MatchServiceClient<InstrumentedChannel>,
    pub(crate) metrics: Metrics,
}

/// A match to begin.
#[derive(Debug)]
pub(crate) struct NewMatch {
    pub(crate) match_type: MatchType,
    pub(crate) player_ids: Vec<i64>,
    pub(crate) server_region: String,
}

/// A match that ended with a winner.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) match_id: MatchId,
    pub(crate) winner_id: PlayerId,
    pub(crate) duration_seconds: i32,
    pub(crate) participant_stats: Vec<ParticipantStats>,
}

impl Matches {
    /// Begins a match.
    ///
    /// # Errors
    /// Invalid for a field out of range, and for players who are unknown or named twice; conflict when the key came
    /// with another request; unavailable without the match service or the database.
    #[instrument(
        name = "start_match",
        skip_all,
        fields(match.id = Empty, match.type = new.match_type.as_str(), match.player_count = new.player_ids.len(),
               match.server_region = new.server_region, error.type = Empty, otel.status_code = Empty)
    )]
    pub(crate) async fn start(&self, new: NewMatch, key: Option<&IdempotencyKey>) -> Result<Match, Failure> {
        let started = self.check_and_start(new, key).await.inspect_err(note)?;
        Span::current().record("match.id", started.match_id);
        Ok(started)
    }

    async fn check_and_start(&self, new: NewMatch, key: Option<&IdempotencyKey>) -> Result<Match, Failure> {
        let NewMatch { match_type, player_ids, server_region } = new;
        game::check_players(&player_ids)?;
        game::check_region(&server_region)?;
        let tiers = {
            let connection = self.database.connection().await?;
            players::tiers_of(connection.session(), &player_ids).await?
        };
        let known: BTreeSet<i64> = tiers.iter().map(|(id, _)| *id).collect();
        let unknown: BTreeSet<i64> = player_ids.iter().copied().filter(|id| !known.contains(id)).collect();
        if !unknown.is_empty() {
            return Err(game::unknown_players(&unknown));
        }
        let request = StartMatchRequest {
            match_type: match_type.as_str().to_owned(),
            player_ids,
            server_region,
            idempotency_key: key_for_peer(key),
        };
        let answer = self.client.clone().start_match(request).await.map_err(failure)?.into_inner();
        for (_, tier) in tiers {
            self.metrics.used(Feature::Match, tier);
        }
        complete(answer.r#match)
    }

    /// Ends a match with a winner.
    ///
    /// # Errors
    /// Not found without such a match; conflict when it is not in progress; invalid for a winner or a participant who
    /// did not take part; unavailable without the match service.
    #[instrument(
        name = "complete_match",
        skip_all,
        fields(match.id = result.match_id.get(), match.winner_id = result.winner_id.get(),
               match.duration = result.duration_seconds, error.type = Empty, otel.status_code = Empty)
    )]
    pub(crate) async fn complete(
        &self,
        result: Outcome,
        key: Option<&IdempotencyKey>,
    ) -> Result<Match, Failure> {
        self.check_and_complete(result, key).await.inspect_err(note)
    }

    async fn check_and_complete(
        &self,
        result: Outcome,
        key: Option<&IdempotencyKey>,
    ) -> Result<Match, Failure> {
        let Outcome { match_id, winner_id, duration_seconds, participant_stats } = result;
        game::check_duration(duration_seconds)?;
        let request = CompleteMatchRequest {
            match_id: match_id.get(),
            winner_id: winner_id.get(),
            duration_seconds,
            participant_stats,
            idempotency_key: key_for_peer(key),
        };
        let answer = self.client.clone().complete_match(request).await.map_err(failure)?;
        complete(answer.into_inner().r#match)
    }

    /// Ends a match without a result.
    ///
    /// # Errors
    /// Not found without such a match; conflict when it is not in progress; unavailable without the match service.
    #[instrument(
        name = "crash_match",
        skip_all,
        fields(match.id = match_id.get(), error.type = Empty, otel.status_code = Empty)
    )]
    pub(crate) async fn crash(
        &self,
        match_id: MatchId,
        error_message: String,
        key: Option<&IdempotencyKey>,
    ) -> Result<Match, Failure> {
        let crashed = async {
            game::check_error_message(&error_message)?;
            let request = CrashMatchRequest {
                match_id: match_id.get(),
                error_message,
                idempotency_key: key_for_peer(key),
            };
            let answer = self.client.clone().crash_match(request).await.map_err(failure)?;
            complete(answer.into_inner().r#match)
        };
        crashed.await.inspect_err(note)
    }

    /// Notes that a match is still being played.
    ///
    /// # Errors
    /// Not found without such a match; conflict when it is not in progress; unavailable without the match service.
    #[instrument(
        name = "match_heartbeat",
        skip_all,
        fields(match.id = match_id.get(), error.type = Empty, otel.status_code = Empty)
    )]
    pub(crate) async fn heartbeat(&self, match_id: MatchId) -> Result<(), Failure> {
        let request = HeartbeatRequest { match_id: match_id.get() };
        self.client.clone().heartbeat(request).await.map_err(failure).inspect_err(note)?;
        Ok(())
    }

    /// A match with its participants.
    ///
    /// # Errors
    /// Not found without such a match; unavailable without the match service.
    #[instrument(
        name = "get_match",
        skip_all,
        fields(match.id = match_id.get(), error.type = Empty, otel.status_code = Empty)
    )]
    pub(crate) async fn get(&self, match_id: MatchId) -> Result<Match, Failure> {
        let request = GetMatchRequest { match_id: match_id.get() };
        let answer = self.client.clone().get_match(request).await.map_err(failure);
        answer.and_then(|answer| complete(answer.into_inner().r#match)).inspect_err(note)
    }

    /// A page of a player's matches, newest first.
    ///
    /// # Errors
    /// Not found without such a player; unavailable without the match service or the database.
    #[instrument(
        name = "list_matches",
        skip_all,
        fields(player.id = player.get(), error.type = Empty, otel.status_code = Empty)
    )]
    pub(crate) async fn of_player(&self, player: PlayerId, page: Page) -> Result<Vec<Match>, Failure> {
        self.page_of(player, page).await.inspect_err(note)
    }

    async fn page_of(&self, player: PlayerId, page: Page) -> Result<Vec<Match>, Failure> {
        let known = {
            let connection = self.database.connection().await?;
            players::is_active(connection.session(), player).await?.is_some()
        };
        if !known {
            return Err(unknown_player(player));
        }
        let request = ListPlayerMatchesRequest {
            player_id: player.get(),
            limit: page.limit,
            before_match_id: page.before.unwrap_or(0),
        };
        Ok(self.client.clone().list_player_matches(request).await.map_err(failure)?.into_inner().matches)
    }
}

fn failure(status: Status) -> Failure {
    from_peer(PEER, status)
}

fn complete(answer: Option<Match>) -> Result<Match, Failure> {
    answer.ok_or_else(|| incomplete(PEER))
}
