//! Access tokens: JSON Web Tokens (RFC 9068) signed with Ed25519 (RFC 8037). There is one algorithm, one issuer and one
//! audience; a header that asks for anything else is refused before a key is looked for.

mod bearer;
mod cache;
mod claims;
mod jws;
mod refusal;
mod signer;
#[cfg(test)]
mod tests;
mod verifier;

pub use bearer::Bearer;
pub use refusal::{Refusal, RefusalReason};
pub use signer::{AccessToken, SignError, Signer};
pub use verifier::{Verifier, VerifierOptions};

/// Longest token that is looked at, in bytes. Ours have some 400.
pub const MOST_TOKEN_BYTES: usize = 2048;

/// Who signs.
const ISSUER: &str = "battlearena";

/// Who may rely on it.
const AUDIENCE: &str = "battlearena";
