//! Look at matches.

use battlearena_proto::{Failure, MatchId, PlayerId};
use battlearena_telemetry::note;
use tracing::field::Empty;
use tracing::instrument;

use super::{MatchService, MatchView, unknown_match};
use crate::domain::Limit;
use crate::store::{matches, participants};

impl MatchService {
    /// A match with its participants.
    #[instrument(
        name = "get_match",
        skip_all,
        fields(match.id = id.get(), error.type = Empty, otel.status_code = Empty)
    )]
    pub(crate) async fn get(&self, id: MatchId) -> Result<MatchView, Failure> {
        self.view(id).await.inspect_err(note)
    }

    /// A page of a player's matches, newest first.
    #[instrument(
        name = "list_player_matches",
        skip_all,
        fields(player.id = player.get(), error.type = Empty, otel.status_code = Empty)
    )]
    pub(crate) async fn of_player(
        &self,
        player: PlayerId,
        before: i64,
        limit: Limit,
    ) -> Result<Vec<MatchView>, Failure> {
        self.page_of(player, before, limit).await.inspect_err(note)
    }

    async fn page_of(&self, player: PlayerId, before: i64, limit: Limit) -> Result<Vec<MatchView>, Failure> {
        let rows = matches::of_player(&self.database, player, before, i64::from(limit.0)).await?;
        let ids: Vec<_> = rows.iter().map(|row| row.id.get()).collect();
        let mut everybody = participants::of_matches(&self.database, &ids).await?;
        let views = rows.into_iter().map(|row| {
            let participants =
                everybody.extract_if(.., |participant| participant.match_id == row.id).collect();
            MatchView { row, participants }
        });
        Ok(views.collect())
    }

    pub(super) async fn view(&self, id: MatchId) -> Result<MatchView, Failure> {
        let row = matches::find(&self.database, id).await?.ok_or_else(|| unknown_match(id))?;
        let participants = participants::of_matches(&self.database, &[id.get()]).await?;
        Ok(MatchView { row, participants })
    }
}
