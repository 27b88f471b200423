//! How much may be under way at once. What does not fit is turned away at once: slow for all would be worse.

use std::sync::Arc;
use std::time::Duration;

use battlearena_proto::{ErrorKind, Failure};
use battlearena_telemetry::metrics::Counter;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::metrics::shed;

/// A number of places. Clones share them.
#[derive(Clone)]
pub struct InFlight {
    places: Arc<Semaphore>,
    retry_after: Duration,
    shed: Counter,
}

/// A place, free again when it is dropped.
#[derive(Debug)]
#[must_use = "the place is free again when it is dropped"]
pub struct Slot {
    _permit: OwnedSemaphorePermit,
}

impl InFlight {
    /// `most` at once; who is turned away is told to come back after `retry_after`.
    pub fn new(most: usize, retry_after: Duration) -> Self {
        let places = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        Self { places, retry_after, shed: shed() }
    }

    /// Takes a place, without waiting.
    ///
    /// # Errors
    /// `unavailable` with a time to come back, when all are taken.
    pub fn try_enter(&self) -> Result<Slot, Failure> {
        match self.places.clone().try_acquire_owned() {
            Ok(permit) => Ok(Slot { _permit: permit }),
            Err(_) => {
                self.shed.increment(1);
                let failure = Failure::new(ErrorKind::Unavailable, "too much to do at once, try again");
                Err(failure.with_retry_after(self.retry_after))
            }
        }
    }
}
