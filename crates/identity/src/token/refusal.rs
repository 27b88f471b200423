//! Why a credential was refused: a closed list. The caller is told none of it; metrics and spans are.

use battlearena_proto::Failure;
use battlearena_telemetry::label;

use crate::caller::unauthenticated;

/// Why a credential was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{}", self.as_str())]
pub enum Refusal {
    /// It is none of ours: too long, not three parts, another algorithm, a claim that is missing or of another type.
    Malformed,
    /// It names a key that is not known, or it is a service key that is not ours.
    WrongKey,
    /// The key is known, and did not sign this.
    BadSignature,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYetValid,
    /// It was made for somebody else.
    WrongAudience,
    /// It was made by somebody else.
    WrongIssuer,
    /// The session, the player or the key was locked out after it was made.
    Revoked,
    /// The signing keys have not been learned yet, so that nothing can be told about it.
    NoKeysYet,
    /// The signing keys were learned too long ago to be trusted still.
    StaleKeys,
}

label! {
    /// Refused credentials as metrics know them.
    pub enum RefusalReason {
        /// Its time is over.
        Expired = "expired",
        /// Locked out since it was made.
        Revoked = "revoked",
        /// Anything else that is wrong with it.
        Malformed = "malformed",
        /// Our fault: the keys are not there, or too old.
        Unavailable = "unavailable",
    }
}

impl Refusal {
    /// The word for it, for spans and the event log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::WrongKey => "wrong_key",
            Self::BadSignature => "bad_signature",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::WrongAudience => "wrong_audience",
            Self::WrongIssuer => "wrong_issuer",
            Self::Revoked => "revoked",
            Self::NoKeysYet => "no_keys_yet",
            Self::StaleKeys => "stale_keys",
        }
    }

    /// As a metric label.
    pub fn reason(self) -> RefusalReason {
        match self {
            Self::Expired => RefusalReason::Expired,
            Self::Revoked => RefusalReason::Revoked,
            Self::NoKeysYet | Self::StaleKeys => RefusalReason::Unavailable,
            Self::Malformed
            | Self::WrongKey
            | Self::BadSignature
            | Self::NotYetValid
            | Self::WrongAudience
            | Self::WrongIssuer => RefusalReason::Malformed,
        }
    }
}

/// One answer for all of them: 401 without a word of why, but 503 while we could not tell.
impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoKeysYet | Refusal::StaleKeys => Self::unavailable("the check of tokens", refusal),
            Refusal::Malformed
            | Refusal::WrongKey
            | Refusal::BadSignature
            | Refusal::Expired
            | Refusal::NotYetValid
            | Refusal::WrongAudience
            | Refusal::WrongIssuer
            | Refusal::Revoked => unauthenticated(),
        }
    }
}
