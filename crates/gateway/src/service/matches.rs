//! Matches, which the match service owns. What this side adds is the knowledge of who is a player.

use std::collections::BTreeSet;

use battlearena_proto::matches::match_service_client::MatchServiceClient;
use battlearena_proto::matches::{
    CompleteMatchRequest, CrashMatchRequest, GetMatchRequest, HeartbeatRequest, ListPlayerMatchesRequest,
    Match, ParticipantStats, StartMatchRequest,
};
use battlearena_proto::{Failure, MatchId, MatchType, PlayerId, Tier};
use battlearena_storage::Database;
use battlearena_storage::idempotency::IdempotencyKey;
use battlearena_telemetry::grpc::InstrumentedChannel;
use tonic::Status;

use super::{ended_here, from_peer, incomplete, key_for_peer, unknown_player};
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
    pub(crate) async fn start(&self, new: NewMatch, key: Option<&IdempotencyKey>) -> Result<Match, Failure> {
        let NewMatch { match_type, player_ids, server_region } = new;
        game::check_players(&player_ids)?;
        game::check_region(&server_region)?;
        let tiers = self.tiers_of(&player_ids).await.inspect_err(|failure| {
            ended_here!(
                failure,
                "start_match",
                match.type = match_type.as_str(),
                match.player_count = player_ids.len(),
                match.server_region = server_region
            );
        })?;
        let request = StartMatchRequest {
            match_type: match_type.as_str().to_owned(),
            player_ids,
            server_region,
            idempotency_key: key_for_peer(key),
        };
        let answer = self.client.clone().start_match(request).await.map_err(failure)?.into_inner();
        if !answer.duplicate {
            tiers.iter().for_each(|(_, tier)| self.metrics.used(Feature::Match, *tier));
        }
        complete(answer.r#match)
    }

    /// The tiers of players, each of whom must exist.
    async fn tiers_of(&self, player_ids: &[i64]) -> Result<Vec<(i64, Tier)>, Failure> {
        let connection = self.database.connection().await?;
        let tiers = players::tiers_of(connection.session(), player_ids).await?;
        let known: BTreeSet<i64> = tiers.iter().map(|(id, _)| *id).collect();
        let unknown: BTreeSet<i64> = player_ids.iter().copied().filter(|id| !known.contains(id)).collect();
        if unknown.is_empty() { Ok(tiers) } else { Err(game::unknown_players(&unknown)) }
    }

    /// Ends a match with a winner.
    ///
    /// # Errors
    /// Not found without such a match; conflict when it is not in progress; invalid for a winner or a participant who
    /// did not take part; unavailable without the match service.
    pub(crate) async fn complete(
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
    pub(crate) async fn crash(
        &self,
        match_id: MatchId,
        error_message: String,
        key: Option<&IdempotencyKey>,
    ) -> Result<Match, Failure> {
        game::check_error_message(&error_message)?;
        let request =
            CrashMatchRequest { match_id: match_id.get(), error_message, idempotency_key: key_for_peer(key) };
        let answer = self.client.clone().crash_match(request).await.map_err(failure)?;
        complete(answer.into_inner().r#match)
    }

    /// Notes that a match is still being played.
    ///
    /// # Errors
    /// Not found without such a match; conflict when it is not in progress; unavailable without the match service.
    pub(crate) async fn heartbeat(&self, match_id: MatchId) -> Result<(), Failure> {
        let request = HeartbeatRequest { match_id: match_id.get() };
        self.client.clone().heartbeat(request).await.map_err(failure)?;
        Ok(())
    }

    /// A match with its participants.
    ///
    /// # Errors
    /// Not found without such a match; unavailable without the match service.
    pub(crate) async fn get(&self, match_id: MatchId) -> Result<Match, Failure> {
        let request = GetMatchRequest { match_id: match_id.get() };
        complete(self.client.clone().get_match(request).await.map_err(failure)?.into_inner().r#match)
    }

    /// A page of a player's matches, newest first.
    ///
    /// # Errors
    /// Not found without such a player; unavailable without the match service or the database.
    pub(crate) async fn of_player(&self, player: PlayerId, page: Page) -> Result<Vec<Match>, Failure> {
        self.check_exists(player).await.inspect_err(|failure| {
            ended_here!(failure, "list_player_matches", player.id = player.get());
        })?;
        let request = ListPlayerMatchesRequest {
            player_id: player.get(),
            limit: page.limit,
            before_match_id: page.before.unwrap_or(0),
        };
        Ok(self.client.clone().list_player_matches(request).await.map_err(failure)?.into_inner().matches)
    }

    async fn check_exists(&self, player: PlayerId) -> Result<(), Failure> {
        let connection = self.database.connection().await?;
        let known = players::is_active(connection.session(), player).await?;
        known.map(drop).ok_or_else(|| unknown_player(player))
    }
}

fn failure(status: Status) -> Failure {
    from_peer(PEER, status)
}

fn complete(answer: Option<Match>) -> Result<Match, Failure> {
    answer.ok_or_else(|| incomplete(PEER))
}
