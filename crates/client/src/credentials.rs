//! Who is calling: the session of a player or an API key, and the access token that it stands for. The token is fetched
//! and renewed by the calls that need it, once for all of them; there is no task behind it. Nothing secret is shown.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tonic::metadata::{Ascii, MetadataValue};

use crate::error::{Error, Fault, Refusal};
use crate::http::{Call, Gateway};

/// At which part of its life a token is renewed: early enough to try again, and not all of a crowd at once.
const RENEWED_AT: std::ops::RangeInclusive<f64> = 0.6..=0.8;
/// After a renewal that was not answered, the next one is tried so much later, while the token is still good.
const AFTER_A_MISS: Duration = Duration::from_secs(1);

/// What proves who is calling. Clones are the same: what one of them renews, all of them have.
#[derive(Clone)]
pub struct Credentials(Arc<Shared>);

struct Shared {
    /// Where tokens come from; it shows none itself.
    gateway: Gateway,
    state: RwLock<State>,
    /// Held by the one who renews.
    renewal: Mutex<()>,
}

struct State {
    source: Source,
    token: Option<Arc<Token>>,
    /// How many tokens there were.
    number: u64,
}

/// What the next token is exchanged for.
#[derive(Clone)]
enum Source {
    Session {
        refresh_token: SecretString,
    },
    Key {
        authorization: HeaderValue,
    },
    /// The platform does not take it any more.
    Ended(Refusal),
}

/// The tokens of a session, as registration, log-in and refresh answer them.
#[derive(Debug, Clone, Deserialize)]
pub struct Tokens {
    /// What calls show; good for minutes.
    pub access_token: SecretString,
    /// What the next tokens are exchanged for, once.
    pub refresh_token: SecretString,
    /// How long the access token is good, in seconds.
    pub expires_in: u64,
}

/// An access token at work.
pub(crate) struct Token {
    header: HeaderValue,
    text: SecretString,
    renew_at: Instant,
    expires_at: Instant,
    number: u64,
}

/// What an exchange came to.
struct Fresh {
    access_token: SecretString,
    expires_in: u64,
    /// The source of the next one, when it is another.
    next: Option<Source>,
}

impl Credentials {
    /// The session of a player at the platform of `gateway`, which renews itself for as long as it is used.
    pub fn session(gateway: &Gateway, tokens: Tokens) -> Self {
        let Tokens { access_token, refresh_token, expires_in } = tokens;
        let credentials = Self::new(gateway, Source::Session { refresh_token });
        credentials.hold(Fresh { access_token, expires_in, next: None });
        credentials
    }

    /// An API key (`ak_…`) of the platform of `gateway`. White space around it is left out.
    pub fn key(gateway: &Gateway, key: &SecretString) -> Self {
        // What is no header's value is no key either: the platform says so.
        let authorization = bearer(key.expose_secret().trim());
        Self::new(gateway, Source::Key { authorization })
    }

    fn new(gateway: &Gateway, source: Source) -> Self {
        let state = RwLock::new(State { source, token: None, number: 0 });
        Self(Arc::new(Shared { gateway: gateway.clone().anonymous(), state, renewal: Mutex::default() }))
    }

    /// Goes on with another session, such as after another log-in of the same player.
    pub fn replace(&self, tokens: Tokens) {
        let Tokens { access_token, refresh_token, expires_in } = tokens;
        self.hold(Fresh { access_token, expires_in, next: Some(Source::Session { refresh_token }) });
    }

    /// Ends the session on this device, or on all devices of the player. A key has no session, and stays.
    ///
    /// # Errors
    /// There is no answer. The session is not used any more whatever the answer.
    pub async fn log_out(&self, everywhere: bool) -> Result<(), Error> {
        #[derive(Serialize)]
        struct Body<'a> {
            refresh_token: &'a str,
            everywhere: bool,
        }
        let _no_renewal_meanwhile = self.0.renewal.lock().await;
        let Source::Session { refresh_token } = self.state().source.clone() else { return Ok(()) };
        self.end(logged_out());
        let body = Body { refresh_token: refresh_token.expose_secret(), everywhere };
        let call = Call::<()>::post("/api/players/logout", &body).without_key();
        self.0.gateway.deliver_as(&call, None).await.result
    }

    /// Writes the token into a gRPC request.
    ///
    /// # Errors
    /// The session has ended, the key is not taken, or the gateway does not answer.
    pub async fn authorize<M>(&self, request: &mut tonic::Request<M>) -> Result<(), Error> {
        request.metadata_mut().insert("authorization", self.token().await?.metadata());
        Ok(())
    }

    /// A token that is good now.
    pub(crate) async fn token(&self) -> Result<Arc<Token>, Error> {
        let now = Instant::now();
        let held = self.state().token.clone();
        match held {
            Some(token) if now < token.renew_at => Ok(token),
            // While it is good, one call renews it, and the others do not wait for that.
            Some(token) if now < token.expires_at => {
                let Ok(_renewing) = self.0.renewal.try_lock() else { return Ok(token) };
                match self.renew(token.number, Patient::No).await {
                    Err(Error::Unanswered { .. }) => Ok(token),
                    result => result,
                }
            }
            old => self.renewed(old.map_or(0, |old| old.number)).await,
        }
    }

    /// The token after one that was not taken.
    pub(crate) async fn after(&self, refused: &Token) -> Result<Arc<Token>, Error> {
        self.renewed(refused.number).await
    }

    async fn renewed(&self, stale: u64) -> Result<Arc<Token>, Error> {
        let _renewing = self.0.renewal.lock().await;
        self.renew(stale, Patient::Yes).await
    }

    /// Exchanges for the next token, unless somebody else has done so. The caller holds the lock.
    async fn renew(&self, stale: u64, patient: Patient) -> Result<Arc<Token>, Error> {
        let (source, newer) = {
            let state = self.state();
            (state.source.clone(), state.token.clone().filter(|token| token.number > stale))
        };
        if let Some(newer) = newer {
            return Ok(newer);
        }
        let exchanged = match source {
            Source::Session { refresh_token } => self.refresh(&refresh_token, patient).await,
            Source::Key { authorization } => self.exchange(&authorization, patient).await,
            Source::Ended(refusal) => return Err(refusal.into()),
        };
        match exchanged {
            Ok(fresh) => Ok(self.hold_unless_replaced(stale, fresh)),
            Err(Error::Refused(refusal)) => {
                self.end(refusal.clone());
                Err(refusal.into())
            }
            Err(error) => {
                self.postpone();
                let fault = match error {
                    Error::Unanswered { fault, .. } => fault,
                    Error::Refused(_) | Error::Unreadable { .. } => Fault::NotNow(error.kind()),
                };
                // The call that needed the token has not left.
                Err(Error::Unanswered { fault, lost: 0 })
            }
        }
    }

    async fn refresh(&self, refresh_token: &SecretString, patient: Patient) -> Result<Fresh, Error> {
        #[derive(Serialize)]
        struct Body<'a> {
            refresh_token: &'a str,
        }
        let body = Body { refresh_token: refresh_token.expose_secret() };
        // A token whose answer was lost may be shown again within moments: a retry, and no theft.
        let call = Call::<Tokens>::post("/api/players/refresh", &body).without_key();
        let tokens = self.0.gateway.deliver_as(&patient.with(call), None).await.result?;
        let Tokens { access_token, refresh_token, expires_in } = tokens;
        Ok(Fresh { access_token, expires_in, next: Some(Source::Session { refresh_token }) })
    }

    async fn exchange(&self, authorization: &HeaderValue, patient: Patient) -> Result<Fresh, Error> {
        #[derive(Deserialize)]
        struct Answer {
            access_token: SecretString,
            expires_in: u64,
        }
        let call = Call::<Answer>::post("/api/keys/token", &serde_json::json!({})).without_key();
        let answer = self.0.gateway.deliver_as(&patient.with(call), Some(authorization)).await.result?;
        let Answer { access_token, expires_in } = answer;
        Ok(Fresh { access_token, expires_in, next: None })
    }

    /// Keeps a renewed token, unless another session began meanwhile.
    fn hold_unless_replaced(&self, stale: u64, fresh: Fresh) -> Arc<Token> {
        let newer = self.state().token.clone().filter(|token| token.number > stale);
        newer.unwrap_or_else(|| self.hold(fresh))
    }

    fn hold(&self, fresh: Fresh) -> Arc<Token> {
        let Fresh { access_token, expires_in, next } = fresh;
        let (now, life) = (Instant::now(), Duration::from_secs(expires_in));
        let mut state = self.state_mut();
        state.number += 1;
        let token = Arc::new(Token {
            header: bearer(access_token.expose_secret()),
            text: access_token,
            renew_at: now + life.mul_f64(rand::random_range(RENEWED_AT)),
            expires_at: now + life,
            number: state.number,
        });
        state.token = Some(token.clone());
        if let Some(next) = next {
            state.source = next;
        }
        token
    }

    /// Tries the next renewal a little later.
    fn postpone(&self) {
        let mut state = self.state_mut();
        if let Some(token) = &state.token {
            let renew_at = Instant::now() + AFTER_A_MISS;
            state.token = Some(Arc::new(Token { renew_at, ..token.copy() }));
        }
    }

    fn end(&self, refusal: Refusal) {
        let mut state = self.state_mut();
        (state.source, state.token) = (Source::Ended(refusal), None);
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.0.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.0.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match &self.state().source {
            Source::Session { .. } => "session",
            Source::Key { .. } => "key",
            Source::Ended(_) => "ended",
        };
        f.debug_tuple("Credentials").field(&what).finish()
    }
}

impl Token {
    /// As a header's value.
    pub(crate) fn header(&self) -> &HeaderValue {
        &self.header
    }

    /// As gRPC's.
    pub(crate) fn metadata(&self) -> MetadataValue<Ascii> {
        let mut value = MetadataValue::try_from(self.header.as_bytes())
            .unwrap_or_else(|_never| MetadataValue::from_static(""));
        value.set_sensitive(true);
        value
    }

    /// The text alone.
    pub(crate) fn text(&self) -> &str {
        self.text.expose_secret()
    }

    /// When to come back for another one.
    pub(crate) fn renew_at(&self) -> Instant {
        self.renew_at
    }

    fn copy(&self) -> Self {
        Self { header: self.header.clone(), text: self.text.clone(), ..*self }
    }
}

/// How long an exchange is tried.
#[derive(Clone, Copy)]
enum Patient {
    Yes,
    No,
}

impl Patient {
    fn with<A>(self, call: Call<A>) -> Call<A> {
        match self {
            Self::Yes => call,
            Self::No => call.once(),
        }
    }
}

/// The `authorization` header of a token or key, which no log shows. Text that no header takes becomes an empty one.
fn bearer(text: &str) -> HeaderValue {
    let mut value =
        HeaderValue::try_from(format!("Bearer {text}")).unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

fn logged_out() -> Refusal {
    Refusal {
        kind: battlearena_proto::ErrorKind::Unauthenticated,
        message: "logged out".to_owned(),
        field: None,
        request_id: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retry::Retry;

    /// A session whose token is to be renewed, at a gateway that is not there.
    fn due(expires_in: Duration) -> Credentials {
        let retry = Retry { attempt: Duration::from_secs(1), give_up: Duration::from_millis(100) };
        let gateway = Gateway::new(&"http://127.0.0.1:9".parse().unwrap(), retry).unwrap();
        let tokens = Tokens { access_token: "a".into(), refresh_token: "r".into(), expires_in: 300 };
        let credentials = Credentials::session(&gateway, tokens);
        let now = Instant::now();
        let token = credentials.state().token.as_ref().unwrap().copy();
        credentials.state_mut().token =
            Some(Arc::new(Token { renew_at: now, expires_at: now + expires_in, ..token }));
        credentials
    }

    #[tokio::test]
    async fn a_token_that_is_still_good_outlasts_an_outage() {
        let credentials = due(Duration::from_secs(60));
        assert_eq!(credentials.token().await.unwrap().text(), "a");
        let next = credentials.state().token.as_ref().unwrap().renew_at;
        assert!(next > Instant::now(), "not every call tries again");
    }

    #[tokio::test]
    async fn one_that_is_not_does_not() {
        let error = due(Duration::ZERO).token().await.map(|_| ()).unwrap_err();
        assert!(matches!(error, Error::Unanswered { fault: Fault::NotConnected, lost: 0 }), "{error}");
    }

    #[tokio::test]
    async fn another_session_takes_the_place_of_one_that_ended() {
        let credentials = due(Duration::from_secs(60));
        credentials.end(logged_out());
        assert!(matches!(credentials.token().await.map(|_| ()), Err(Error::Refused(_))));
        let tokens = Tokens { access_token: "b".into(), refresh_token: "r".into(), expires_in: 300 };
        credentials.replace(tokens);
        assert_eq!(credentials.token().await.unwrap().text(), "b");
    }
}
