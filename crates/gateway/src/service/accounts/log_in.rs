//! How players come in: by password, by device, and in open mode by their number. Whoever is refused learns neither
//! whether there is such an account nor what was wrong; metrics and the event log do.

use std::time::Instant;

use battlearena_identity::credential::{DeviceSecret, RefreshToken};
use battlearena_identity::password::{Lane, Password, Verdict};
use battlearena_identity::{Player, SessionId};
use battlearena_proto::{ErrorKind, Failure, PlayerId};
use battlearena_telemetry::note;
use battlearena_telemetry::trace::current_traceparent;
use tracing::field::Empty;
use tracing::{Span, instrument};

use super::{Accounts, wrong_credentials};
use crate::metrics::LoginRefusal;
use crate::service::limits::Client;
use crate::service::tokens::Tokens;
use crate::service::unknown_player;
use crate::store::credentials;
use crate::store::log_ins::{self, LoggedIn, Standing};

/// A player who is in.
#[derive(Debug)]
pub(crate) struct LogIn {
    pub(crate) player: LoggedIn,
    /// `None` for a log-in by number.
    pub(crate) tokens: Option<Tokens>,
}

/// What the event log is told of a refusal, besides what metrics count.
#[derive(Debug, Clone, Copy)]
enum Told {
    UnknownUser,
    WrongPassword,
    UnknownDevice,
    Banned,
}

impl Told {
    const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownUser => "unknown_user",
            Self::WrongPassword => "wrong_password",
            Self::UnknownDevice => "unknown_device",
            Self::Banned => "banned",
        }
    }

    const fn refusal(self) -> LoginRefusal {
        match self {
            Self::UnknownUser | Self::UnknownDevice => LoginRefusal::UnknownPlayer,
            Self::WrongPassword => LoginRefusal::WrongPassword,
            Self::Banned => LoginRefusal::Locked,
        }
    }
}

/// How somebody wants to come in.
#[derive(Debug)]
pub(crate) enum Attempt {
    /// By the number alone: open mode.
    Number(PlayerId),
    /// By the secret of a device.
    Device(DeviceSecret),
    /// By name and password.
    Password {
        /// The name.
        username: String,
        /// The password.
        password: Password,
    },
}

impl Accounts {
    /// Lets a player in.
    ///
    /// # Errors
    /// `unauthenticated`, the same for whatever is wrong; forbidden for a player that is banned, once it has shown who
    /// it is; throttled; the database's. By number: not found, or forbidden for an account that is not active.
    #[instrument(
        name = "player_login",
        skip_all,
        fields(player.id = Empty, player.username = Empty, player.level = Empty, login.timestamp = Empty,
               error.type = Empty, otel.status_code = Empty)
    )]
    pub(crate) async fn log_in(&self, attempt: Attempt, client: &Client) -> Result<LogIn, Failure> {
        let login = match attempt {
            Attempt::Number(id) => self.enter_by_number(id).await,
            Attempt::Device(device) => match self.throttled(self.limits.device(&device.hash(), client)) {
                Ok(()) => self.enter_by_device(&device, client).await,
                Err(failure) => Err(failure),
            },
            Attempt::Password { username, password } => {
                self.enter_by_password(&username, password, client, Guesses::Limited).await
            }
        };
        let login = login.inspect_err(note)?;
        Span::current()
            .record("player.id", login.player.id.get())
            .record("player.username", login.player.username.as_str())
            .record("player.level", login.player.level)
            .record("login.timestamp", tracing::field::display(login.player.last_login));
        self.wake.wake();
        self.metrics.logged_in();
        Ok(login)
    }

    /// A log-in that could not even be read.
    pub(crate) fn malformed_log_in(&self) {
        self.metrics.login_refused(LoginRefusal::Malformed);
    }

    async fn enter_by_number(&self, id: PlayerId) -> Result<LogIn, Failure> {
        Span::current().record("player.id", id.get());
        if self.needs_credential {
            self.malformed_log_in();
            return Err(wrong_credentials());
        }
        let connection = self.database.connection().await?;
        let session = connection.session();
        if let Some(player) = log_ins::by_number(session, id, current_traceparent().as_deref()).await? {
            return Ok(LogIn { player, tokens: None });
        }
        match log_ins::standing(session, id).await? {
            Some(standing) => {
                self.metrics.login_refused(LoginRefusal::Locked);
                Err(locked_out(&standing))
            }
            None => {
                self.metrics.login_refused(LoginRefusal::UnknownPlayer);
                Err(unknown_player(id))
            }
        }
    }

    /// Without the limit of the device. One that nobody has is charged to its address before anything is written.
    pub(super) async fn enter_by_device(
        &self,
        device: &DeviceSecret,
        client: &Client,
    ) -> Result<LogIn, Failure> {
        let (refresh, opened) = self.issuer.session();
        let hash = device.hash();
        let connection = self.database.connection().await?;
        let session = connection.session();
        let entered = log_ins::by_device(session, &hash, &opened, current_traceparent().as_deref()).await?;
        if let Some(entered) = entered {
            return self.entered(entered, refresh);
        }
        let standing = log_ins::standing_by_device(session, &hash).await?;
        drop(connection);
        if standing.is_none() {
            self.throttled(self.limits.unknown_device(client))?;
        }
        self.kept_out(standing, Told::UnknownDevice).await
    }

    /// The password is compared between two statements, while no connection is held. Whether there is such an account
    /// shows neither in the answer nor in the work.
    pub(super) async fn enter_by_password(
        &self,
        username: &str,
        password: Password,
        client: &Client,
        guesses: Guesses,
    ) -> Result<LogIn, Failure> {
        let address = client.address.to_string();
        let account =
            log_ins::account(self.database.connection().await?.session(), username, &address).await?;
        if guesses == Guesses::Limited {
            self.throttled(match &account {
                Some(account) if account.is_address_known => self.limits.guess_from_known(account.id, client),
                Some(_) | None => self.limits.guess(username, client),
            })?;
        }
        let is_known = account.as_ref().is_some_and(|account| account.is_address_known);
        let lane = if is_known { Lane::Known } else { Lane::Strangers };
        let stored = account.as_ref().and_then(|account| account.password_hash.as_deref());
        let verdict = self.passwords.verify(lane, password.clone(), stored).await?;
        let (Verdict::Right { is_rehash_due }, Some(account), Some(stored)) = (verdict, &account, stored)
        else {
            let told = if account.is_some() { Told::WrongPassword } else { Told::UnknownUser };
            return self.refuse(told, account.as_ref().map(|account| account.id)).await;
        };
        let (refresh, opened) = self.issuer.session();
        let traceparent = current_traceparent();
        let connection = self.database.connection().await?;
        let session = connection.session();
        let who = (account.id, stored);
        let entered = log_ins::by_password(session, who, &address, &opened, traceparent.as_deref()).await?;
        let Some(entered) = entered else {
            let standing = log_ins::standing(session, account.id).await?;
            drop(connection);
            return self.kept_out(standing, Told::WrongPassword).await;
        };
        drop(connection);
        if is_rehash_due {
            self.renew_hash(account.id, password, stored).await;
        }
        self.entered(entered, refresh)
    }

    /// The cost of a hash was raised since it was made. The log-in does not depend on it.
    async fn renew_hash(&self, player: PlayerId, password: Password, old: &str) {
        let renewal = async {
            let hash = self.passwords.hash(Lane::Known, password).await?;
            let connection = self.database.connection().await?;
            Ok::<_, Failure>(credentials::rehash(connection.session(), player, &hash, old).await?)
        };
        if let Err(failure) = renewal.await {
            tracing::debug!(%failure, "a password keeps its old hash");
        }
    }

    fn entered(
        &self,
        (player, session): (LoggedIn, SessionId),
        refresh: RefreshToken,
    ) -> Result<LogIn, Failure> {
        let LoggedIn { id, ref username, tier, .. } = player;
        let holder = Player { id, session, name: username.as_str().into(), tier };
        let tokens = self.issuer.tokens(&holder, refresh)?;
        Ok(LogIn { player, tokens: Some(tokens) })
    }

    fn throttled(&self, limited: Result<(), Failure>) -> Result<(), Failure> {
        limited.inspect_err(|_| self.metrics.login_refused(LoginRefusal::Throttled))
    }

    /// The statement let nobody in. Whoever is banned has shown who it is, and may know; otherwise the credential is
    /// none, or not any more.
    async fn kept_out(&self, standing: Option<Standing>, otherwise: Told) -> Result<LogIn, Failure> {
        match standing {
            Some(standing) if standing.ban.is_some() || !standing.is_active => {
                self.tell_refused(Told::Banned, Some(standing.id)).await?;
                Err(locked_out(&standing))
            }
            standing => self.refuse(otherwise, standing.map(|standing| standing.id)).await,
        }
    }

    async fn refuse(&self, told: Told, player: Option<PlayerId>) -> Result<LogIn, Failure> {
        self.tell_refused(told, player).await?;
        Err(wrong_credentials())
    }

    async fn tell_refused(&self, told: Told, player: Option<PlayerId>) -> Result<(), Failure> {
        self.metrics.login_refused(told.refusal());
        // Names and devices that nobody has are made up without end: the log has a sample of them, metrics count all.
        if player.is_none() && !self.limits.is_told(Instant::now()) {
            return Ok(());
        }
        let traceparent = current_traceparent();
        let connection = self.database.connection().await?;
        let id = player.map_or(0, PlayerId::get);
        log_ins::tell_refused(connection.session(), id, told.as_str(), traceparent.as_deref()).await?;
        self.wake.wake();
        Ok(())
    }
}

/// Whether a comparison counts as a guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guesses {
    Limited,
    /// The request was limited otherwise.
    Free,
}

fn locked_out(standing: &Standing) -> Failure {
    let message = match standing.ban {
        None => "the account is not active".to_owned(),
        Some(None) => "the account is banned".to_owned(),
        Some(Some(until)) => format!("the account is banned until {until}"),
    };
    Failure::new(ErrorKind::Forbidden, message)
}
