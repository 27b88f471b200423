//! Closes the connections of those who must not be here any more: their session was revoked, their player was banned, or
//! their token has run out. One loop in place of a timer for each connection.

use std::sync::Arc;
use std::time::Duration;

use battlearena_runtime::CancellationToken;
use jiff::Timestamp;

use crate::hub::Hub;

/// How often it looks when nobody was locked out: tokens run out by themselves.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long it rests after a look, however many are locked out.
const REST: Duration = Duration::from_millis(200);

/// Runs until told to stop.
pub(crate) async fn run(hub: Arc<Hub>, stop: CancellationToken) {
    let revocations = hub.gatekeeper.revocations().clone();
    let mut changes = revocations.changes();
    while !stop.is_cancelled() {
        // What changes from here on is a reason for another look.
        changes.mark_unchanged();
        let now = Timestamp::now();
        for socket in hub.sockets() {
            socket.check_pass(&revocations, now);
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(REST) => {}
        }
        tokio::select! {
            () = stop.cancelled() => {}
            _ = changes.changed() => {}
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}
