//! Bans and mutes. Log-in and refresh ask for bans here; whoever takes messages hears of mutes from the event log.

use battlearena_proto::{Failure, PlayerId};
use battlearena_telemetry::note;
use battlearena_telemetry::trace::current_traceparent;
use jiff::Timestamp;
use tracing::field::Empty;
use tracing::instrument;

use super::Accounts;
use crate::domain::sanction::{Order, SanctionKind};
use crate::domain::session::RevokedReason;
use crate::service::unknown_player;
use crate::store::sanctions::{self, Sanction};
use crate::store::sessions::{self, Revocation, Which};
use crate::store::{credentials, players};

impl Accounts {
    /// Bans or mutes a player, in the place of what was in force. A ban ends all sessions.
    ///
    /// # Errors
    /// Not found; the database's.
    #[instrument(
        name = "sanction_player",
        skip_all,
        fields(player.id = player.get(), error.type = Empty, otel.status_code = Empty)
    )]
    pub(crate) async fn sanction(&self, player: PlayerId, order: &Order, by: &str) -> Result<(), Failure> {
        self.impose(player, order, by).await.inspect_err(note)
    }

    async fn impose(&self, player: PlayerId, order: &Order, by: &str) -> Result<(), Failure> {
        let traceparent = current_traceparent();
        let mut connection = self.database.connection().await?;
        let transaction = connection.begin().await?;
        let session = transaction.session();
        if !credentials::lock(session, player).await? {
            return Err(unknown_player(player));
        }
        // Whoever hears of both in this order forgets the old end before it learns the new one.
        sanctions::lift(session, player, order.kind, by, traceparent.as_deref()).await?;
        sanctions::impose(session, player, order, by, traceparent.as_deref()).await?;
        let mut ended = Vec::new();
        if order.kind == SanctionKind::Ban {
            let revocation = Revocation {
                player,
                which: Which::AllBut(None),
                reason: RevokedReason::Banned,
                token_life_seconds: self.issuer.token_life_seconds(),
            };
            ended = sessions::revoke(session, &revocation, traceparent.as_deref()).await?;
        }
        transaction.commit().await?;
        self.sessions_ended(&ended);
        if order.kind == SanctionKind::Ban {
            // While it lasts there are no new tokens: those of before are what has to be refused.
            let end = order.until.unwrap_or(Timestamp::MAX);
            self.revocations.lift_ban(player);
            self.revocations.ban_player(player, end.min(self.issuer.last_token_ends(Timestamp::now())));
        }
        Ok(())
    }

    /// Ends a ban or mute.
    ///
    /// # Errors
    /// Not found without such a player, or without such a sanction in force; the database's.
    #[instrument(
        name = "lift_sanction",
        skip_all,
        fields(player.id = player.get(), error.type = Empty, otel.status_code = Empty)
    )]
    pub(crate) async fn lift(&self, player: PlayerId, kind: SanctionKind, by: &str) -> Result<(), Failure> {
        self.end_sanction(player, kind, by).await.inspect_err(note)
    }

    async fn end_sanction(&self, player: PlayerId, kind: SanctionKind, by: &str) -> Result<(), Failure> {
        let connection = self.database.connection().await?;
        let traceparent = current_traceparent();
        if !sanctions::lift(connection.session(), player, kind, by, traceparent.as_deref()).await? {
            return Err(Failure::not_found(format!("player {player} has no {} in force", kind.as_str())));
        }
        if kind == SanctionKind::Ban {
            self.revocations.lift_ban(player);
        }
        self.wake.wake();
        Ok(())
    }

    /// The sanctions of a player, newest first.
    ///
    /// # Errors
    /// Not found; the database's.
    #[instrument(
        name = "list_sanctions",
        skip_all,
        fields(player.id = player.get(), error.type = Empty, otel.status_code = Empty)
    )]
    pub(crate) async fn sanctions(&self, player: PlayerId) -> Result<Vec<Sanction>, Failure> {
        self.list_sanctions(player).await.inspect_err(note)
    }

    async fn list_sanctions(&self, player: PlayerId) -> Result<Vec<Sanction>, Failure> {
        let connection = self.database.connection().await?;
        let session = connection.session();
        let sanctions = sanctions::of_player(session, player).await?;
        if sanctions.is_empty() && players::is_active(session, player).await?.is_none() {
            return Err(unknown_player(player));
        }
        Ok(sanctions)
    }
}
