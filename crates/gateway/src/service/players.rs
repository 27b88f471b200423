//! Accounts: registration, log-in, profile.

use battlearena_proto::{ErrorKind, Failure, PlayerId};
use battlearena_storage::idempotency::{Answers, IdempotencyKey, fingerprint};
use battlearena_storage::{Database, StorageError, Wake};
use battlearena_telemetry::note;
use battlearena_telemetry::trace::current_traceparent;
use tracing::field::Empty;
use tracing::{Span, instrument};

use super::unknown_player;
use crate::SCHEMA;
use crate::domain::player::NewPlayer;
use crate::metrics::{Feature, LoginRefusal, Metrics};
use crate::store::players::{self, LoggedIn, Player};

/// First answers of registrations, kept for a day.
const REGISTRATIONS: Answers = Answers::new(SCHEMA, "register");

/// The use cases about players.
#[derive(Clone)]
pub(crate) struct Players {
    pub(crate) database: Database,
    pub(crate) wake: Wake,
    pub(crate) metrics: Metrics,
}

impl Players {
    /// Creates an account.
    ///
    /// # Errors
    /// Conflict when the name is taken, or when the key came with another request; the database's. Nothing changed,
    /// and no id was used up.
    #[instrument(
        name = "register_player",
        skip_all,
        fields(player.id = Empty, player.username = new.username, player.level = new.level,
               error.type = Empty, otel.status_code = Empty)
    )]
    pub(crate) async fn register(
        &self,
        new: &NewPlayer,
        key: Option<&IdempotencyKey>,
    ) -> Result<PlayerId, Failure> {
        let result = match key {
            None => self.register_once(new).await,
            Some(key) => self.register_keyed(new, key).await,
        };
        let id = result.inspect_err(note)?;
        Span::current().record("player.id", id.get());
        Ok(id)
    }

    async fn register_once(&self, new: &NewPlayer) -> Result<PlayerId, Failure> {
        let connection = self.database.connection().await?;
        let id = players::register(connection.session(), new, current_traceparent().as_deref()).await;
        let id = accepted(id)?;
        self.registered();
        Ok(id)
    }

    async fn register_keyed(&self, new: &NewPlayer, key: &IdempotencyKey) -> Result<PlayerId, Failure> {
        let fingerprint = fingerprint(new);
        let mut connection = self.database.connection().await?;
        let transaction = connection.begin().await?;
        let session = transaction.session();
        if let Some(id) = REGISTRATIONS.recall(session, key, fingerprint).await? {
            transaction.rollback().await?;
            return Ok(id);
        }
        let id = accepted(players::register(session, new, current_traceparent().as_deref()).await)?;
        REGISTRATIONS.remember(session, key, fingerprint, &id).await?;
        transaction.commit().await?;
        self.registered();
        Ok(id)
    }

    fn registered(&self) {
        self.wake.wake();
        self.metrics.registered();
    }

    /// Notes that a player is here.
    ///
    /// # Errors
    /// Not found, or forbidden for an account that is not active; the database's.
    #[instrument(
        name = "player_login",
        skip_all,
        fields(player.id = id.get(), player.username = Empty, player.level = Empty, login.timestamp = Empty,
               error.type = Empty, otel.status_code = Empty)
    )]
    pub(crate) async fn log_in(&self, id: PlayerId) -> Result<LoggedIn, Failure> {
        let login = self.accept_log_in(id).await.inspect_err(note)?;
        Span::current()
            .record("player.username", login.username.as_str())
            .record("player.level", login.level)
            .record("login.timestamp", tracing::field::display(login.last_login));
        self.wake.wake();
        self.metrics.logged_in();
        Ok(login)
    }

    async fn accept_log_in(&self, id: PlayerId) -> Result<LoggedIn, Failure> {
        let connection = self.database.connection().await?;
        let session = connection.session();
        if let Some(login) = players::log_in(session, id, current_traceparent().as_deref()).await? {
            return Ok(login);
        }
        if players::is_active(session, id).await? == Some(false) {
            self.metrics.login_refused(LoginRefusal::Locked);
            return Err(Failure::new(ErrorKind::Forbidden, "the account is not active"));
        }
        self.metrics.login_refused(LoginRefusal::UnknownPlayer);
        Err(unknown_player(id))
    }

    /// A log-in that could not even be read.
    pub(crate) fn malformed_log_in(&self) {
        self.metrics.login_refused(LoginRefusal::Malformed);
    }

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

    async fn find(&self, id: PlayerId) -> Result<Player, Failure> {
        let connection = self.database.connection().await?;
        players::by_id(connection.session(), id).await?.ok_or_else(|| unknown_player(id))
    }
}

fn accepted(registered: Result<Option<PlayerId>, StorageError>) -> Result<PlayerId, Failure> {
    match registered {
        Ok(Some(id)) => Ok(id),
        Err(error) if !error.violates(players::USERNAME_TAKEN) => Err(error.into()),
        Ok(None) | Err(_) => Err(Failure::conflict("the username is taken").with_field("username")),
    }
}
