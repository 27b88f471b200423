//! What stands in an `authorization` header. Knows the forms of our credentials, not whether one is good.

use super::{MOST_TOKEN_BYTES, Refusal};
use crate::credential::{API_KEY_PREFIX, SERVICE_KEY_PREFIX};

/// A credential as it was presented. Shows nothing of itself: it has no `Debug`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Bearer<'a> {
    /// An access token, perhaps.
    Token(&'a str),
    /// An API key, with its prefix: the gateway alone looks those up.
    ApiKey(&'a str),
    /// The services' shared key, without its prefix.
    ServiceKey(&'a str),
}

impl<'a> Bearer<'a> {
    /// Reads the value of the header; `None` when there is none.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for another scheme, for none, and for more than [`MOST_TOKEN_BYTES`].
    pub fn of(authorization: Option<&'a str>) -> Result<Option<Self>, Refusal> {
        const SCHEME: &str = "bearer";
        let Some(header) = authorization else { return Ok(None) };
        // The length first: whoever sends a megabyte must not make us read it.
        if header.len() > SCHEME.len() + 1 + MOST_TOKEN_BYTES {
            return Err(Refusal::Malformed);
        }
        let (scheme, credential) = header.split_once(' ').ok_or(Refusal::Malformed)?;
        if !scheme.eq_ignore_ascii_case(SCHEME) || credential.is_empty() {
            return Err(Refusal::Malformed);
        }
        Ok(Some(if let Some(key) = credential.strip_prefix(SERVICE_KEY_PREFIX) {
            Self::ServiceKey(key)
        } else if credential.starts_with(API_KEY_PREFIX) {
            Self::ApiKey(credential)
        } else {
            Self::Token(credential)
        }))
    }
}
