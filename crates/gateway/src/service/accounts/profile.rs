//! What others see of a player, what a player says of itself, and how an account ends.

use battlearena_proto::{Failure, PlayerId};
use battlearena_telemetry::note;
use battlearena_telemetry::trace::current_traceparent;
use tracing::field::Empty;
use tracing::{Span, instrument};

use super::Accounts;
use crate::domain::player::ProfileChange;
use crate::domain::session::RevokedReason;
use crate::metrics::Feature;
use crate::service::unknown_player;
use crate::store::players::{self, Player};
use crate::store::sessions::{self, Revocation, Which};
use crate::store::{accounts, credentials};

impl Accounts {
    /// A player's profile.
    ///
    /// # Errors
    /// Not found; the database's.
    #[instrument(
        name = "get_player",
        skip_all,
        fields(player.id = id.get(), player.username = Empty, player.level = Empty, error.type = Empty,
               otel.status_code = Empty)
    )]
    pub(crate) async fn profile(&self, id: PlayerId) -> Result<Player, Failure> {
        let player = self.find(id).await.inspect_err(note)?;
        Span::current()
            .record("player.username", player.username.as_str())
            .record("player.level", player.level);
        self.metrics.used(Feature::Profile, player.tier);
        Ok(player)
    }

    pub(super) async fn find(&self, id: PlayerId) -> Result<Player, Failure> {
        let connection = self.database.connection().await?;
        players::by_id(connection.session(), id).await?.ok_or_else(|| unknown_player(id))
    }

    /// Changes what a player says of itself, and returns the profile. Tokens that were made before keep the old name.
    ///
    /// # Errors
    /// Not found; conflict, naming the field, when another player has the name; the database's.
    #[instrument(
        name = "update_profile",
        skip_all,
        fields(player.id = id.get(), error.type = Empty, otel.status_code = Empty)
    )]
    pub(crate) async fn change_profile(
        &self,
        id: PlayerId,
        change: &ProfileChange,
    ) -> Result<Player, Failure> {
        self.apply(id, change).await.inspect_err(note)
    }

    async fn apply(&self, id: PlayerId, change: &ProfileChange) -> Result<Player, Failure> {
        let connection = self.database.connection().await?;
        let session = connection.session();
        let traceparent = current_traceparent();
        let changed = accounts::change_profile(session, id, change, traceparent.as_deref()).await;
        let changed = changed.map_err(|error| match error.violates(players::USERNAME_TAKEN) {
            true => Failure::conflict("the username is taken").with_field("username"),
            false => error.into(),
        })?;
        if !changed {
            return Err(unknown_player(id));
        }
        if change.username.is_some() {
            self.wake.wake();
        }
        players::by_id(session, id).await?.ok_or_else(|| unknown_player(id))
    }

    /// Ends an account: nobody gets in any more, and nothing personal stays. The ledger and the matches keep the number.
    ///
    /// # Errors
    /// Not found; the database's.
    #[instrument(
        name = "delete_account",
        skip_all,
        fields(player.id = id.get(), error.type = Empty, otel.status_code = Empty)
    )]
    pub(crate) async fn delete(&self, id: PlayerId) -> Result<(), Failure> {
        self.forget(id).await.inspect_err(note)
    }

    async fn forget(&self, id: PlayerId) -> Result<(), Failure> {
        let traceparent = current_traceparent();
        let mut connection = self.database.connection().await?;
        let transaction = connection.begin().await?;
        let session = transaction.session();
        if !credentials::lock(session, id).await? {
            return Err(unknown_player(id));
        }
        let revocation = Revocation {
            player: id,
            which: Which::AllBut(None),
            reason: RevokedReason::Deleted,
            token_life_seconds: self.issuer.token_life_seconds(),
        };
        let ended = sessions::revoke(session, &revocation, traceparent.as_deref()).await?;
        accounts::delete(session, id, traceparent.as_deref()).await?;
        accounts::forget_name(session, id).await?;
        transaction.commit().await?;
        self.sessions_ended(&ended);
        Ok(())
    }
}
