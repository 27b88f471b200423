//! The signing keys: a folder of them at the gateway ([`KeyRing`]), their public halves everywhere ([`PublicKeys`]),
//! and the document that carries those from one to the other ([`Jwks`]).

mod file;
mod jwk;
mod public;
mod ring;

pub use file::{KeyFileError, create_key};
pub use jwk::{Jwk, Jwks};
pub use public::{NoUsableKey, PublicKeys};
pub use ring::{FolderRules, KeyRing, KeyRingError};

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
