//! Credentials that are not tokens: device secrets, refresh tokens, API keys and the services' shared key. All of them
//! are long and random, so that their SHA-256 is enough to keep (no salt, no slow hash): nobody can try them all.

mod api_key;
mod device;
mod digest;
mod refresh;
mod service_key;

pub use api_key::{API_KEY_PREFIX, ApiKey, ApiKeyId};
pub use device::DeviceSecret;
pub use digest::CredentialHash;
pub use refresh::RefreshToken;
pub use service_key::{SERVICE_KEY_PREFIX, ServiceKey, ServiceKeyName};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// How many random bytes our credentials have.
const RANDOM_BYTES: usize = 32;

/// Random bytes as text, fit for URLs and headers. The generator of the thread is seeded by the system.
fn random_text() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; RANDOM_BYTES]>())
}

/// Whether a text is one that [`random_text`] could have made.
fn is_random_text(text: &str) -> bool {
    let mut bytes = [0; RANDOM_BYTES];
    matches!(URL_SAFE_NO_PAD.decode_slice(text, &mut bytes), Ok(RANDOM_BYTES))
}

#[cfg(test)]
mod tests;
