//! Looks after all connections once a second: pings the silent, closes the dead, and shows what waits. One loop in place
//! of a timer for each.

use std::sync::Arc;
use std::time::Duration;

use battlearena_runtime::CancellationToken;

use crate::domain::{ErrorCode, Refusal};
use crate::hub::Hub;
use crate::metrics::Sent;
use crate::socket::{Chunk, Fate, Socket, ping_frame};

/// How often it looks.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long a client may take to say hello, in seconds.
const HELLO: u32 = 5;

/// How long a client may take to answer a close frame.
const GOODBYE: Duration = Duration::from_secs(3);

/// Runs until told to stop.
pub(crate) async fn run(hub: Arc<Hub>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        for socket in hub.sockets() {
            look_after(&hub, &socket);
        }
        hub.rooms.sweep(hub.now());
        hub.writer.observe();
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

fn look_after(hub: &Hub, socket: &Socket) {
    match socket.outbox.fate() {
        Fate::Open => {}
        Fate::Closing(_, since) if since.elapsed() > GOODBYE => return socket.outbox.abort(),
        Fate::Closing(..) | Fate::Aborted(_) => return,
    }
    let silence = socket.silence(hub.now());
    // The clock has whole seconds, so that a time has passed for certain when it says one more.
    let heartbeat = hub.policy.heartbeat.as_secs() as u32;
    if !socket.is_greeted() && silence > HELLO {
        socket.refuse(&Refusal::new(ErrorCode::Unauthenticated, "hello did not come in time"));
    } else if u64::from(silence) > hub.policy.timeout.as_secs() {
        socket.outbox.close(4007, "silent for too long", None);
    } else if silence >= heartbeat {
        socket.outbox.push(Chunk::new(ping_frame(), 1, Sent::Control));
    }
}
