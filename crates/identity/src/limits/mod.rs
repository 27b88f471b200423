//! Limits: how often (token buckets by address, account or connection) and how much at once. The time is an argument;
//! memory is bounded whatever is asked.

mod address;
mod bucket;
mod crowd;
mod in_flight;
mod limiter;
mod network;
#[cfg(test)]
mod tests;
mod throttles;

pub use address::{AddressKey, AddressLimiter, AddressRules};
pub use bucket::{Bucket, Quota};
pub use crowd::{Crowd, Presence};
pub use in_flight::{InFlight, Slot};
pub use limiter::Limiter;
pub use network::{Network, NoNetwork};
pub use throttles::{Limit, Throttles};

use std::time::Duration;

use battlearena_proto::{ErrorKind, Failure};

/// What a limit says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a request that must wait is refused"]
pub enum Decision {
    /// Go on.
    Allowed,
    /// Too soon: come back after this long.
    Wait(Duration),
}

impl Decision {
    /// As an answer.
    ///
    /// # Errors
    /// `throttled` with the time to come back, in whole seconds upwards, as `Retry-After` has it.
    pub fn into_result(self) -> Result<(), Failure> {
        match self {
            Self::Allowed => Ok(()),
            Self::Wait(wait) => {
                let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                let failure = Failure::new(ErrorKind::Throttled, "too many requests, slow down");
                Err(failure.with_retry_after(Duration::from_secs(seconds.max(1))))
            }
        }
    }
}
