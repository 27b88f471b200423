//! What the gatekeeper asks whoever knows the API keys: the gateway.

use battlearena_proto::Failure;
use futures::future::BoxFuture;

use crate::caller::Caller;
use crate::credential::ApiKey;

/// Knows the API keys: the gateway. Everybody else takes the token that a key was exchanged for.
pub trait ApiKeys: Send + Sync {
    /// Whose key this is.
    ///
    /// # Errors
    /// `unauthenticated` for a key that is unknown, revoked or expired; whatever kept from looking.
    fn caller<'a>(&'a self, key: &'a ApiKey) -> BoxFuture<'a, Result<Caller, Failure>>;

    /// Whose key this is, if that is remembered: such a call is not counted for its address. By default nothing is.
    fn remembered(&self, key: &ApiKey) -> Option<Caller> {
        let _unknown = key;
        None
    }
}
