//! Passwords: the rules for a new one, Argon2id, and the pool of threads that computes it. A password is never kept,
//! shown or logged; what is stored is a PHC string.

mod hasher;
mod lanes;
mod pool;
mod rules;

pub use hasher::Cost;
pub use lanes::Lane;
pub use pool::{PasswordPool, PoolSettings, StartError, Verdict};
pub use rules::Password;
