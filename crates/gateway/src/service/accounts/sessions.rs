//! How players stay in, and leave: refresh tokens are used once, and whoever shows an old one ends the session for
//! everybody who has a copy.

use battlearena_identity::credential::RefreshToken;
use battlearena_identity::{Player, Secret};
use battlearena_proto::{ErrorKind, Failure};
use battlearena_telemetry::note;
use battlearena_telemetry::trace::current_traceparent;
use tracing::field::Empty;
use tracing::{Span, instrument};

use super::Accounts;
use crate::domain::session::{RevokedReason, Verdict};
use crate::metrics::LoginRefusal;
use crate::service::tokens::Tokens;
use crate::store::sessions::{self, Found, Revocation, Which};

impl Accounts {
    /// The next tokens of a session.
    ///
    /// # Errors
    /// `unauthenticated` for a token that is none, that was used before, or whose session is over; the database's.
    /// Reuse ends the session.
    #[instrument(
        name = "refresh_session",
        skip_all,
        fields(player.id = Empty, error.type = Empty, otel.status_code = Empty)
    )]
    pub(crate) async fn refresh(&self, presented: Secret) -> Result<Tokens, Failure> {
        let renewed = self.renew(presented).await.inspect_err(note);
        let (found, refresh) = renewed?;
        let Found { player: id, session, username, tier, presented: _ } = found;
        self.issuer.tokens(&Player { id, session, name: username.into(), tier }, refresh).inspect_err(note)
    }

    async fn renew(&self, presented: Secret) -> Result<(Found, RefreshToken), Failure> {
        let presented = self.parse(presented)?;
        let mut connection = self.database.connection().await?;
        let transaction = connection.begin().await?;
        let session = transaction.session();
        let Some(found) = sessions::lock_by_token(session, &presented.hash()).await? else {
            return Err(self.no_entry(LoginRefusal::Malformed));
        };
        Span::current().record("player.id", found.player.get());
        match found.presented.verdict(self.issuer.refresh_grace.as_secs_f64()) {
            Verdict::Renewed => {
                let next = RefreshToken::generate();
                let life = self.issuer.session_life.as_secs_f64();
                sessions::rotate(session, &presented.hash(), &next.hash(), found.session, life).await?;
                transaction.commit().await?;
                Ok((found, next))
            }
            Verdict::Reused => {
                let revocation =
                    self.revocation(&found, Which::One(found.session), RevokedReason::RefreshReused);
                let ended = sessions::revoke(session, &revocation, current_traceparent().as_deref()).await?;
                transaction.commit().await?;
                self.sessions_ended(&ended);
                self.metrics.refresh_token_reused();
                Err(self.no_entry(LoginRefusal::Revoked))
            }
            // No proof of a theft: should it be one, the use of what was made from it tells.
            Verdict::UsedUp => Err(self.no_entry(LoginRefusal::Expired)),
            Verdict::Expired => Err(self.no_entry(LoginRefusal::Expired)),
            Verdict::Revoked => Err(self.no_entry(LoginRefusal::Revoked)),
        }
    }

    /// Ends the session of a refresh token, or all sessions of its player. That it has ended already is no mistake. A
    /// token that would not be renewed ends its own session at most, and a reuse is counted as one.
    ///
    /// # Errors
    /// `unauthenticated` for a token that is none; the database's.
    #[instrument(
        name = "player_logout",
        skip_all,
        fields(player.id = Empty, error.type = Empty, otel.status_code = Empty)
    )]
    pub(crate) async fn log_out(&self, presented: Secret, everywhere: bool) -> Result<(), Failure> {
        self.end(presented, everywhere).await.inspect_err(note)
    }

    async fn end(&self, presented: Secret, everywhere: bool) -> Result<(), Failure> {
        let presented = self.parse(presented)?;
        let mut connection = self.database.connection().await?;
        let transaction = connection.begin().await?;
        let session = transaction.session();
        let Some(found) = sessions::lock_by_token(session, &presented.hash()).await? else {
            return Err(self.no_entry(LoginRefusal::Malformed));
        };
        Span::current().record("player.id", found.player.get());
        let verdict = found.presented.verdict(self.issuer.refresh_grace.as_secs_f64());
        let (which, reason) = match verdict {
            Verdict::Renewed if everywhere => (Which::AllBut(None), RevokedReason::LoggedOut),
            Verdict::Reused => (Which::One(found.session), RevokedReason::RefreshReused),
            // A session that is over is no proof any more for the others.
            Verdict::Renewed | Verdict::UsedUp | Verdict::Expired | Verdict::Revoked => {
                (Which::One(found.session), RevokedReason::LoggedOut)
            }
        };
        let revocation = self.revocation(&found, which, reason);
        let ended = sessions::revoke(session, &revocation, current_traceparent().as_deref()).await?;
        transaction.commit().await?;
        self.sessions_ended(&ended);
        if verdict == Verdict::Reused {
            self.metrics.refresh_token_reused();
        } else {
            self.metrics.logged_out(ended.len());
        }
        Ok(())
    }

    fn parse(&self, presented: Secret) -> Result<RefreshToken, Failure> {
        RefreshToken::parse(presented).map_err(|_| self.no_entry(LoginRefusal::Malformed))
    }

    fn no_entry(&self, reason: LoginRefusal) -> Failure {
        self.metrics.login_refused(reason);
        Failure::new(ErrorKind::Unauthenticated, "the refresh token is not valid, log in again")
    }

    fn revocation<'a>(&self, found: &Found, which: Which<'a>, reason: RevokedReason) -> Revocation<'a> {
        let token_life_seconds = self.issuer.token_life_seconds();
        Revocation { player: found.player, which, reason, token_life_seconds }
    }
}
