//! Tells rooms who came and went: small rooms soon, large ones less often.

use std::sync::Arc;
use std::time::Duration;

use battlearena_runtime::CancellationToken;

use super::Hub;

/// How often small rooms are told.
const SOON: Duration = Duration::from_millis(100);

/// Rooms with more listeners are told every so many times only.
const LARGE: usize = 500;
const LARGE_EVERY: u32 = 10;

impl Hub {
    /// Runs until told to stop.
    pub(crate) async fn keep_telling_presence(self: Arc<Self>, stop: CancellationToken) {
        let mut round = 0_u32;
        while !stop.is_cancelled() {
            round = round.wrapping_add(1);
            for room in self.rooms.loaded() {
                if room.channel.listeners() <= LARGE || round.is_multiple_of(LARGE_EVERY) {
                    room.tell_changes();
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(SOON) => {}
            }
        }
    }
}
