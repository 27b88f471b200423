//! The one place where it is decided whether a call comes in: in-flight limit, who is calling, limit by address, policy,
//! limit by account. HTTP routes, RPCs and socket commands all ask here, so that none of them has rules of its own.

mod api_keys;
mod audit;
mod quotas;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use ::http::HeaderValue;
use battlearena_proto::Failure;
use battlearena_runtime::Tasks;
use battlearena_telemetry::grpc::InstrumentedChannel;
use battlearena_tls::{Tls, TlsError};
use jiff::Timestamp;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::caller::Caller;
use crate::credential::{ApiKey, ServiceKey, ServiceKeyName};
use crate::keys::PublicKeys;
use crate::limits::{AddressRules, Presence, Slot};
use crate::policy::{Door, Policy};
use crate::revocations::Revocations;
use crate::secret::{SecretError, SecretName as _};
use crate::settings::{AuthMode, Settings};
use crate::token::{Bearer, Refusal, Verifier, VerifierOptions};
use crate::{follow, jwks};

pub use api_keys::ApiKeys;
use audit::Audit;
use quotas::Quotas;

/// Decides who comes in. Made once by a service and shared.
pub struct Gatekeeper {
    settings: Settings,
    policy: Policy,
    verifier: Verifier,
    service_key: Option<ServiceKey>,
    /// Keys that are learned from the gateway; `None` at the gateway itself.
    learned: Option<PublicKeys>,
    api_keys: Option<Arc<dyn ApiKeys>>,
    quotas: Quotas,
    audit: Audit,
}

/// A call that wants to come in.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// What is called.
    pub door: Door<'a>,
    /// The `authorization` header. One that is there twice, or is no text, counts as an empty one.
    pub authorization: Option<&'a str>,
    /// The address of the client; see [`Gatekeeper::address_rules`].
    pub address: Option<IpAddr>,
}

/// A call that came in. Its place is free again when this is dropped.
#[derive(Debug)]
#[must_use = "its place is free again when it is dropped"]
pub struct Admitted {
    /// Who is calling.
    pub caller: Caller,
    _slot: Option<Slot>,
    _presence: Option<Presence>,
}

impl Gatekeeper {
    /// For a service that learns the keys of tokens from the gateway.
    ///
    /// # Errors
    /// In required mode, a service key that is missing or weak.
    pub fn new(settings: &Settings) -> Result<Self, SecretError> {
        let keys = PublicKeys::empty();
        Ok(Self { learned: Some(keys.clone()), ..Self::with_keys(settings, keys)? })
    }

    /// For whoever has the keys: the gateway.
    ///
    /// # Errors
    /// In required mode, a service key that is missing or weak.
    pub fn with_keys(settings: &Settings, keys: PublicKeys) -> Result<Self, SecretError> {
        let service_key = match settings.auth {
            AuthMode::Required => Some(ServiceKey::new(settings.service_key.read_strong()?)?),
            AuthMode::Open => {
                tracing::warn!(
                    "OPEN MODE: whoever reaches this process may do everything, for every player; \
                     set --auth required (ARENA_AUTH) for anything but a demonstration"
                );
                None
            }
        };
        let options = VerifierOptions {
            service_key: service_key.clone(),
            longest_life: settings.life(),
            ..VerifierOptions::default()
        };
        Ok(Self {
            policy: Policy::new(),
            verifier: Verifier::new(keys, Revocations::new(), options),
            service_key,
            learned: None,
            api_keys: None,
            quotas: Quotas::new(settings, Instant::now()),
            audit: Audit::new(Instant::now()),
            settings: settings.clone(),
        })
    }

    /// Takes API keys as they are.
    #[must_use]
    pub fn with_api_keys(self, api_keys: Arc<dyn ApiKeys>) -> Self {
        Self { api_keys: Some(api_keys), ..self }
    }

    /// Starts what keeps it up to date: the keys of tokens and the revocations. In open mode there is nothing to keep.
    ///
    /// # Errors
    /// Those of [`Gatekeeper::start_learning_keys`].
    pub fn start(&self, tasks: &Tasks, log: InstrumentedChannel, tls: &Tls) -> Result<(), TlsError> {
        self.start_learning_keys(tasks, tls)?;
        if !self.is_open() {
            let (revocations, life) = (self.revocations().clone(), self.settings.life());
            tasks.spawn("revocations", follow::follow(revocations, life, log, tasks.token()));
        }
        Ok(())
    }

    /// Starts learning the keys of tokens alone: for the event log itself, which knows its events first.
    ///
    /// # Errors
    /// Their address is none, or may not be asked: whoever answers in the gateway's place makes the keys.
    pub fn start_learning_keys(&self, tasks: &Tasks, tls: &Tls) -> Result<(), TlsError> {
        if let (AuthMode::Required, Some(keys)) = (self.settings.auth, &self.learned) {
            let url = self.settings.jwks_url.clone();
            tls.check("--jwks-url (ARENA_JWKS_URL)", &url)?;
            let client = tls.fetcher(jwks::MOST_DOCUMENT_BYTES);
            let pace = jwks::Pace { trust: self.settings.jwks_trust(), ..jwks::Pace::default() };
            tasks.spawn("token keys", jwks::follow(url, client, keys.clone(), pace, tasks.token()));
        }
        Ok(())
    }

    /// Decides about a call.
    ///
    /// # Errors
    /// `unavailable` when there is too much to do, `throttled`, `unauthenticated`, `forbidden`; `unavailable` too when
    /// the keys of tokens are not known yet.
    pub async fn admit(&self, call: Call<'_>) -> Result<Admitted, Failure> {
        let is_public = self.policy.access(call.door).is_some_and(|access| access.anybody);
        let nobody = if self.is_open() { Caller::Open } else { Caller::Anonymous };
        if is_public && is_unlimited(call.door) {
            return Ok(Admitted { caller: nobody, _slot: None, _presence: None });
        }
        let slot = self.quotas.enter()?;
        // Behind a public door nobody asks who it is, and a token that has run out does not matter.
        let is_asked = !is_public && !self.is_open();
        let remembered = if is_asked { self.recall(&call) } else { None };
        let presence = match self.is_open() {
            // Before any look-up or signature: whoever makes up keys and tokens pays before we work for it.
            false => self.quotas.count_address(remembered.as_ref(), call.address, Instant::now())?,
            true => None,
        };
        let known = match remembered {
            Some(caller) => Ok(caller),
            None if is_asked => self.identify(&call).await,
            None => Ok(nobody),
        };
        let caller = known.map_err(|unknown| self.refused(&Caller::Anonymous, &call, unknown))?;
        self.policy.check(call.door, &caller).map_err(|failure| {
            let reason = failure.kind().as_str();
            self.refused(&caller, &call, Unknown { failure, reason })
        })?;
        self.quotas.count_account(&caller, Instant::now())?;
        Ok(Admitted { caller, _slot: Some(slot), _presence: presence })
    }

    /// Finds out whom a bare token names, and until when it may: for sockets, which carry it in a command.
    ///
    /// # Errors
    /// `unauthenticated`; `unavailable` when the keys of tokens are not known yet.
    pub fn identify_token(
        &self,
        door: Door<'_>,
        token: &str,
        now: Timestamp,
    ) -> Result<(Caller, Timestamp), Failure> {
        self.verifier.verify_until(token, now).map_err(|refusal| {
            let call = Call { door, authorization: Some(token), address: None };
            self.refused(&Caller::Anonymous, &call, refusal.into())
        })
    }

    /// Decides about a command of a caller who is known: on a socket, whose `hello` carried the token.
    ///
    /// # Errors
    /// `unauthenticated`, `forbidden`.
    pub fn admit_known(&self, door: Door<'_>, caller: &Caller) -> Result<(), Failure> {
        let call = Call { door, authorization: None, address: None };
        self.policy.check(door, caller).map_err(|failure| {
            let reason = failure.kind().as_str();
            self.refused(caller, &call, Unknown { failure, reason })
        })
    }

    /// Whether nobody is asked who it is.
    pub fn is_open(&self) -> bool {
        self.settings.auth == AuthMode::Open
    }

    /// What it was made of.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The table.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Finds out whom a bare token names.
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Who is locked out.
    pub fn revocations(&self) -> &Revocations {
        self.verifier.revocations()
    }

    /// How the address of a client is found.
    pub fn address_rules(&self) -> &AddressRules {
        self.quotas.address_rules()
    }

    /// The `authorization` of our own calls, for `InstrumentedChannel::with_credential`; none in open mode.
    pub fn credential(&self) -> Option<HeaderValue> {
        let key = self.service_key.as_ref()?.authorization();
        // A key that is strong may still have a character that no header takes.
        HeaderValue::from_str(key.expose())
            .inspect_err(|_| tracing::error!("{} cannot be sent in a header", ServiceKeyName::VARIABLE))
            .ok()
    }

    /// Waits for the next refusal that is to be told to the event log: a sample of ten a second.
    pub async fn next_refusal(&self) -> battlearena_proto::events::AccessRefused {
        self.audit.next().await
    }

    /// Who is calling, if that is known without work.
    fn recall(&self, call: &Call<'_>) -> Option<Caller> {
        let now = Timestamp::now();
        match (&self.api_keys, Bearer::of(call.authorization)) {
            (Some(keys), Ok(Some(Bearer::ApiKey(text)))) => {
                let caller = keys.remembered(&ApiKey::parse(text).ok()?)?;
                (!self.revocations().refuse(&caller, now)).then_some(caller)
            }
            _ => self.verifier.recall(call.authorization, now),
        }
    }

    async fn identify(&self, call: &Call<'_>) -> Result<Caller, Unknown> {
        let now = Timestamp::now();
        if let (Some(keys), Ok(Some(Bearer::ApiKey(text)))) = (&self.api_keys, Bearer::of(call.authorization))
        {
            let key = ApiKey::parse(text)?;
            let caller = keys.caller(&key).await.map_err(|failure| {
                let reason = failure.kind().as_str();
                Unknown { failure, reason }
            })?;
            // The row may have been remembered from before.
            return if self.revocations().refuse(&caller, now) {
                Err(Refusal::Revoked.into())
            } else {
                Ok(caller)
            };
        }
        Ok(self.verifier.authenticate(call.authorization, now)?)
    }

    /// Leaves a trace of a refusal. Who merely forgot to log in, or comes while the keys are not there, leaves none in
    /// the event log.
    fn refused(&self, caller: &Caller, call: &Call<'_>, unknown: Unknown) -> Failure {
        let Unknown { failure, reason } = unknown;
        Span::current().set_attribute("auth.refusal", reason);
        let showed_something = call.authorization.is_some() || *caller != Caller::Anonymous;
        if showed_something && !failure.kind().is_ours() {
            // What is in no table was written by whoever calls.
            let is_known = self.policy.access(call.door).is_some();
            let door = if is_known { call.door.to_string() } else { "unknown".to_owned() };
            self.audit.tell(caller, door, reason, Instant::now());
        }
        failure
    }
}

impl std::fmt::Debug for Gatekeeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gatekeeper").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Why nobody knows who is calling.
struct Unknown {
    failure: Failure,
    reason: &'static str,
}

impl From<Refusal> for Unknown {
    fn from(refusal: Refusal) -> Self {
        Self { reason: refusal.as_str(), failure: refusal.into() }
    }
}

/// Probes and scrapes are answered however much there is to do: that is when they matter.
fn is_unlimited(door: Door<'_>) -> bool {
    matches!(
        door,
        Door::Http("GET", "/livez" | "/readyz" | "/health" | "/metrics")
            | Door::Rpc("grpc.health.v1.Health/Check" | "grpc.health.v1.Health/Watch")
    )
}
