//! How an account begins.

use battlearena_identity::credential::DeviceSecret;
use battlearena_identity::password::{Lane, Password};
use battlearena_identity::{Player, SessionId, credential::CredentialHash};
use battlearena_proto::{ErrorKind, Failure, PlayerId};
use battlearena_storage::StorageError;
use battlearena_storage::idempotency::{Answers, IdempotencyKey, fingerprint, key_reused};
use battlearena_telemetry::note;
use battlearena_telemetry::trace::current_traceparent;
use tracing::field::Empty;
use tracing::{Span, instrument};

use super::Accounts;
use super::log_in::Guesses;
use crate::SCHEMA;
use crate::domain::player::NewPlayer;
use crate::service::limits::Client;
use crate::service::tokens::Tokens;
use crate::store::credentials::DEVICE_TAKEN;
use crate::store::players::{self, NewCredentials};

/// First answers of registrations, kept for a day. They hold the number alone: a retry gets tokens of its own.
const REGISTRATIONS: Answers = Answers::new(SCHEMA, "register");

/// A registration that keeps the rules.
#[derive(Debug)]
pub(crate) struct Registration {
    pub(crate) new: NewPlayer,
    pub(crate) password: Option<Password>,
    pub(crate) device: Option<DeviceSecret>,
}

/// The account that there is now.
#[derive(Debug)]
pub(crate) struct Registered {
    pub(crate) id: PlayerId,
    /// `None` without a credential.
    pub(crate) tokens: Option<Tokens>,
}

/// The credentials as they are stored.
struct Hashed {
    password: Option<String>,
    device: Option<CredentialHash>,
}

/// Whether this request made the account, or one before it did.
enum Outcome {
    New(Registered),
    Before(PlayerId),
}

impl Accounts {
    /// Creates an account, and its first session if it has a credential.
    ///
    /// # Errors
    /// Conflict when the name or the device is taken, or when the key came with another request; invalid without a
    /// credential where one is needed; throttled; the database's. Nothing changed, and no id was used up.
    #[instrument(
        name = "register_player",
        skip_all,
        fields(player.id = Empty, player.username = registration.new.username, player.level = registration.new.level,
               error.type = Empty, otel.status_code = Empty)
    )]
    pub(crate) async fn register(
        &self,
        registration: Registration,
        key: Option<&IdempotencyKey>,
        client: &Client,
    ) -> Result<Registered, Failure> {
        let registered = self.accept(registration, key, client).await.inspect_err(note)?;
        Span::current().record("player.id", registered.id.get());
        Ok(registered)
    }

    async fn accept(
        &self,
        registration: Registration,
        key: Option<&IdempotencyKey>,
        client: &Client,
    ) -> Result<Registered, Failure> {
        let Registration { new, password, device } = registration;
        if self.needs_credential && password.is_none() && device.is_none() {
            return Err(Failure::invalid("password", "a password or a device_id is needed"));
        }
        self.limits.registration(client)?;
        // Before a connection is taken: hashing takes its time.
        let hash = match password.clone() {
            Some(password) => Some(self.passwords.hash(Lane::Strangers, password).await?),
            None => None,
        };
        let hashed = Hashed { password: hash, device: device.as_ref().map(DeviceSecret::hash) };
        match self.store(&new, &hashed, key, client).await? {
            Outcome::New(registered) => {
                self.wake.wake();
                self.metrics.registered();
                Ok(registered)
            }
            Outcome::Before(id) => {
                // On the heap, as it is rare and large.
                Box::pin(self.register_again(id, &new.username, password, device, client)).await
            }
        }
    }

    async fn store(
        &self,
        new: &NewPlayer,
        hashed: &Hashed,
        key: Option<&IdempotencyKey>,
        client: &Client,
    ) -> Result<Outcome, Failure> {
        let mut connection = self.database.connection().await?;
        let Some(key) = key else {
            return Ok(Outcome::New(self.insert(connection.session(), new, hashed, client).await?));
        };
        // A hash of the password is salted and differs each time; one that is not must not be written down.
        let device = hashed.device.as_ref().map(CredentialHash::as_bytes);
        let fingerprint = fingerprint(&(new, device, hashed.password.is_some()));
        let transaction = connection.begin().await?;
        let session = transaction.session();
        if let Some(id) = REGISTRATIONS.recall(session, key, fingerprint).await? {
            transaction.rollback().await?;
            return Ok(Outcome::Before(id));
        }
        let registered = self.insert(session, new, hashed, client).await?;
        REGISTRATIONS.remember(session, key, fingerprint, &registered.id).await?;
        transaction.commit().await?;
        Ok(Outcome::New(registered))
    }

    async fn insert(
        &self,
        session: battlearena_storage::Session<'_>,
        new: &NewPlayer,
        hashed: &Hashed,
        client: &Client,
    ) -> Result<Registered, Failure> {
        let traceparent = current_traceparent();
        if hashed.password.is_none() && hashed.device.is_none() {
            let id = accepted(players::register(session, new, traceparent.as_deref()).await)?;
            return Ok(Registered { id, tokens: None });
        }
        let (refresh, opened) = self.issuer.session();
        let credentials = NewCredentials {
            password_hash: hashed.password.as_deref(),
            device: hashed.device,
            session: opened,
            address: &client.address.to_string(),
        };
        let stored = players::register_with(session, new, &credentials, traceparent.as_deref()).await;
        let (id, session): (PlayerId, SessionId) = accepted(stored)?;
        let holder = Player { id, session, name: new.username.as_str().into(), tier: new.tier };
        let tokens = self.issuer.tokens(&holder, refresh)?;
        Ok(Registered { id, tokens: Some(tokens) })
    }

    /// A retry: the account is there. Tokens are for who shows its credential, as at any log-in.
    async fn register_again(
        &self,
        id: PlayerId,
        username: &str,
        password: Option<Password>,
        device: Option<DeviceSecret>,
        client: &Client,
    ) -> Result<Registered, Failure> {
        let login = match (password, device) {
            (None, None) => return Ok(Registered { id, tokens: None }),
            (_, Some(device)) => self.enter_by_device(&device, client).await,
            (Some(password), None) => self.enter_by_password(username, password, client, Guesses::Free).await,
        };
        match login {
            Ok(login) if login.player.id == id => Ok(Registered { id, tokens: login.tokens }),
            Ok(_) => Err(key_reused()),
            Err(failure) if failure.kind() == ErrorKind::Unauthenticated => Err(key_reused()),
            Err(failure) => Err(failure),
        }
    }
}

fn accepted<T>(registered: Result<Option<T>, StorageError>) -> Result<T, Failure> {
    match registered {
        Ok(Some(registered)) => Ok(registered),
        Err(error) if error.violates(DEVICE_TAKEN) => {
            Err(Failure::conflict("the device is linked to another account").with_field("device_id"))
        }
        Err(error) if !error.violates(players::USERNAME_TAKEN) => Err(error.into()),
        Ok(None) | Err(_) => Err(Failure::conflict("the username is taken").with_field("username")),
    }
}
