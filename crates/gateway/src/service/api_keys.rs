//! API keys at the door: found out whose they are, and exchanged for a token that every service takes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use battlearena_identity::credential::{ApiKey, CredentialHash};
use battlearena_identity::gatekeeper;
use battlearena_identity::token::{AccessToken, Bearer};
use battlearena_identity::{Caller, Key, Refusal, Role, Signer};
use battlearena_proto::{ErrorKind, Failure};
use battlearena_storage::{Database, Wake};
use battlearena_telemetry::note;
use battlearena_telemetry::trace::current_traceparent;
use futures::future::BoxFuture;
use jiff::Timestamp;
use tracing::field::Empty;
use tracing::instrument;

use crate::store::api_keys;

/// How long a key that was found good is not looked up again, at most: its revocation is heard of meanwhile.
const REMEMBERED: Duration = Duration::from_secs(10);

/// Most keys that are remembered.
const MOST_REMEMBERED: usize = 10_000;

/// The use cases about API keys. Cheap to clone.
#[derive(Clone)]
pub(crate) struct ApiKeys {
    pub(crate) database: Database,
    pub(crate) wake: Wake,
    pub(crate) signer: Signer,
    pub(crate) remembered: Remembered,
}

/// Keys that were found good a moment ago, by their public part.
#[derive(Clone, Default)]
pub(crate) struct Remembered(Arc<Mutex<HashMap<String, Entry>>>);

struct Entry {
    hash: CredentialHash,
    caller: Caller,
    until: Instant,
}

impl ApiKeys {
    /// Exchanges the key of an `authorization` header for a token of its role.
    ///
    /// # Errors
    /// `unauthenticated` for anything but a good key; the database's.
    #[instrument(name = "exchange_api_key", skip_all, fields(error.type = Empty, otel.status_code = Empty))]
    pub(crate) async fn exchange(&self, authorization: Option<&str>) -> Result<AccessToken, Failure> {
        self.exchange_good(authorization).await.inspect_err(note)
    }

    async fn exchange_good(&self, authorization: Option<&str>) -> Result<AccessToken, Failure> {
        let Some(Bearer::ApiKey(text)) = Bearer::of(authorization)? else { return Err(no_key()) };
        let key = ApiKey::parse(text)?;
        let (caller, left) = self.look_up(&key).await?;
        let signer = self.signer.for_at_most(left);
        // Of whole seconds none is left.
        if signer.life().is_zero() {
            return Err(Refusal::Expired.into());
        }
        let now = Timestamp::now();
        let token = match &caller {
            Caller::GameServer(key) => signer.for_game_server(key, now),
            Caller::Operator(key) => signer.for_operator(key, now),
            Caller::Anonymous | Caller::Player(_) | Caller::Service | Caller::Open => return Err(no_key()),
        };
        let token = token.map_err(Failure::internal)?;
        let connection = self.database.connection().await?;
        api_keys::exchanged(connection.session(), key.id(), current_traceparent().as_deref()).await?;
        self.wake.wake();
        Ok(token)
    }

    /// Whose key it is, and how long it lasts.
    async fn look_up(&self, key: &ApiKey) -> Result<(Caller, Duration), Failure> {
        let connection = self.database.connection().await?;
        let stored = api_keys::by_id(connection.session(), key.id()).await?;
        let stored = stored.filter(|stored| stored.hash.is_some_and(|hash| key.matches(&hash)));
        let stored = stored.ok_or(Refusal::WrongKey)?;
        if stored.is_revoked {
            return Err(Refusal::Revoked.into());
        }
        let left = match stored.ends_in_seconds {
            Some(seconds) => Duration::try_from_secs_f64(seconds).map_err(|_| Refusal::Expired)?,
            None => Duration::MAX,
        };
        let holder = Key { id: key.id().as_str().into(), scopes: stored.scopes };
        match stored.role.as_str() {
            role if role == Role::GameServer.as_str() => Ok((Caller::GameServer(holder), left)),
            role if role == Role::Operator.as_str() => Ok((Caller::Operator(holder), left)),
            // A role of a newer release opens nothing here.
            _ => Err(Refusal::WrongKey.into()),
        }
    }
}

impl gatekeeper::ApiKeys for ApiKeys {
    fn caller<'a>(&'a self, key: &'a ApiKey) -> BoxFuture<'a, Result<Caller, Failure>> {
        Box::pin(async move {
            let now = Instant::now();
            if let Some(caller) = self.remembered.get(key, now) {
                return Ok(caller);
            }
            let (caller, left) = self.look_up(key).await?;
            let connection = self.database.connection().await?;
            if api_keys::used(connection.session(), key.id(), current_traceparent().as_deref()).await? {
                self.wake.wake();
            }
            self.remembered.put(key, caller.clone(), now, now + left.min(REMEMBERED));
            Ok(caller)
        })
    }

    fn remembered(&self, key: &ApiKey) -> Option<Caller> {
        self.remembered.get(key, Instant::now())
    }
}

impl Remembered {
    fn get(&self, key: &ApiKey, now: Instant) -> Option<Caller> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.get(key.id().as_str()).filter(|entry| entry.until > now)?;
        key.matches(&entry.hash).then(|| entry.caller.clone())
    }

    fn put(&self, key: &ApiKey, caller: Caller, now: Instant, until: Instant) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MOST_REMEMBERED {
            entries.retain(|_, entry| entry.until > now);
        }
        if entries.len() < MOST_REMEMBERED {
            let entry = Entry { hash: key.hash(), caller, until };
            entries.insert(key.id().as_str().to_owned(), entry);
        }
    }
}

fn no_key() -> Failure {
    Failure::new(ErrorKind::Unauthenticated, "an API key is needed")
}
