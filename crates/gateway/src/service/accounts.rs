//! Accounts: how players come to have one, come in, stay in, and leave. The use cases stand in the modules below; what
//! they share stands here.

mod credentials;
mod export;
mod log_in;
mod moderation;
mod profile;
mod register;
mod sessions;

use std::sync::Arc;

use battlearena_identity::password::PasswordPool;
use battlearena_identity::{Revocations, SessionId};
use battlearena_proto::{ErrorKind, Failure};
use battlearena_storage::{Database, Wake};
use jiff::Timestamp;

pub(crate) use export::{Export, Holders};
pub(crate) use log_in::{Attempt, LogIn};
pub(crate) use register::Registration;

use super::limits::LogInLimits;
use super::tokens::Issuer;
use crate::metrics::Metrics;

/// The use cases about accounts. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Accounts {
    pub(crate) database: Database,
    pub(crate) wake: Wake,
    pub(crate) metrics: Metrics,
    pub(crate) issuer: Issuer,
    pub(crate) passwords: Arc<PasswordPool>,
    pub(crate) limits: Arc<LogInLimits>,
    pub(crate) revocations: Revocations,
    /// Whether a player has to prove who it is; in open mode its number is enough.
    pub(crate) needs_credential: bool,
}

impl Accounts {
    /// Sessions ended, and that was committed: this process refuses their tokens from now on, the others once they hear
    /// of it.
    fn sessions_ended(&self, ended: &[SessionId]) {
        let until = self.issuer.last_token_ends(Timestamp::now());
        for session in ended {
            self.revocations.revoke_session(*session, until);
        }
        self.wake.wake();
    }
}

/// The one answer to an unknown name, a wrong password, an unknown device and a missing credential.
fn wrong_credentials() -> Failure {
    Failure::new(ErrorKind::Unauthenticated, "the credentials are wrong")
}
