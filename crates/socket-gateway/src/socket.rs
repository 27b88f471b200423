//! One player's socket: frames, the queue of what goes out, and the commands that come in.

mod connection;
mod frame;
mod outbox;
mod session;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

pub(crate) use connection::Connection;
pub(crate) use frame::{encode_text, ping_frame};
pub(crate) use outbox::{Chunk, Fate, Outbox};
pub(crate) use session::Session;

use tracing::Span;

use crate::domain::Refusal;
use crate::metrics::{Metrics, Sent};

/// What the rest of the service knows of a connection. Shared; nothing here waits.
pub(crate) struct Socket {
    /// Unique in this process.
    pub(crate) id: u64,
    pub(crate) outbox: Outbox,
    /// When something was last heard of the client, in seconds since the hub began.
    heard_at: AtomicU32,
    greeted: AtomicBool,
}

impl Socket {
    /// A connection that has just opened.
    pub(crate) fn new(id: u64, queue_bytes: usize, now: u32) -> Arc<Self> {
        let outbox = Outbox::new(queue_bytes);
        Arc::new(Self { id, outbox, heard_at: AtomicU32::new(now), greeted: AtomicBool::new(false) })
    }

    /// Sends one frame to this client alone.
    pub(crate) fn send(&self, text: &[u8], sent: Sent) {
        let mut frame = Vec::with_capacity(text.len() + 4);
        encode_text(text, &mut frame);
        self.outbox.push(Chunk::new(frame.into(), 1, sent));
    }

    /// Refuses the command whose span is the current one, and closes the connection when the refusal is of that sort.
    pub(crate) fn refuse(&self, refusal: &Refusal) {
        let span = Span::current();
        span.record("error.type", refusal.code.as_str());
        // The client's mistakes are not errors of the platform.
        if refusal.code.is_ours() {
            span.record("otel.status_code", "ERROR");
        }
        match refusal.code.close_code() {
            None => self.send(&refusal.to_text(), Sent::Error),
            Some(code) => self.outbox.close(code, refusal.code.as_str(), Some(&refusal.to_text())),
        }
    }

    pub(crate) fn heard(&self, now: u32) {
        self.heard_at.store(now, Ordering::Relaxed);
    }

    /// Seconds since something was heard of the client.
    pub(crate) fn silence(&self, now: u32) -> u32 {
        now.saturating_sub(self.heard_at.load(Ordering::Relaxed))
    }

    pub(crate) fn greet(&self) {
        self.greeted.store(true, Ordering::Relaxed);
    }

    /// Whether the client has said hello.
    pub(crate) fn is_greeted(&self) -> bool {
        self.greeted.load(Ordering::Relaxed)
    }
}

/// What a connection would write, as texts: for tests.
#[cfg(test)]
pub(crate) fn written(socket: &Socket) -> Vec<String> {
    outbox::texts(&socket.outbox)
}
