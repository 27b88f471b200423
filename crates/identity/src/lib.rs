//! Who is calling, and what they may do. Pure mechanism: knows no table, no route handler and no SQL; whatever depends
//! on time takes the time as an argument.

pub mod caller;
pub mod credential;
pub mod follow;
pub mod gatekeeper;
pub mod grpc;
pub mod http;
pub mod jwks;
pub mod keys;
pub mod limits;
mod metrics;
pub mod password;
pub mod policy;
pub mod revocations;
pub mod scope;
pub mod secret;
pub mod settings;
#[cfg(feature = "testing")]
pub mod testing;
pub mod token;

pub use caller::{Caller, Key, Player, SessionId};
pub use gatekeeper::Gatekeeper;
pub use policy::{Door, Policy};
pub use revocations::Revocations;
pub use scope::{Role, Scope, Scopes};
pub use secret::Secret;
pub use settings::{AuthMode, Settings};
pub use token::{Refusal, Signer, Verifier};
