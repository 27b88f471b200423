//! One player's socket: frames, the queue of what goes out, and the commands that come in.

mod connection;
mod frame;
mod outbox;
mod session;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use battlearena_identity::{Caller, Revocations};
use battlearena_proto::Tier;
use jiff::{SignedDuration, Timestamp};

pub(crate) use connection::Connection;
pub(crate) use frame::{encode_text, ping_frame};
pub(crate) use outbox::{Chunk, Fate, Outbox};
pub(crate) use session::Session;

use tracing::Span;

use crate::domain::Refusal;
use crate::metrics::{Metrics, Sent};

/// How long a token that has run out still holds: its successor may be on the way.
const GRACE: SignedDuration = SignedDuration::from_secs(10);

/// The close code of a connection whose session was revoked, or whose player was banned.
const REVOKED: u16 = 4009;

/// The close code of a connection whose token has run out.
const EXPIRED: u16 = 4010;

/// What the rest of the service knows of a connection. Shared; nothing here waits.
pub(crate) struct Socket {
    /// Unique in this process.
    pub(crate) id: u64,
    pub(crate) outbox: Outbox,
    /// When something was last heard of the client, in seconds since the hub began.
    heard_at: AtomicU32,
    greeted: AtomicBool,
    /// Whether somebody is blocked: looked at for each frame, so that the list is not.
    is_picky: AtomicBool,
    blocked: Mutex<Option<Arc<[i64]>>>,
    pass: Mutex<Option<Pass>>,
    /// What the player is called; empty before hello.
    username: Mutex<Arc<str>>,
}

/// Who may be here, and until when.
#[derive(Debug, Clone)]
pub(crate) struct Pass {
    pub(crate) caller: Caller,
    /// The end of the token, where one was shown.
    pub(crate) expires_at: Option<Timestamp>,
}

impl Socket {
    /// A connection that has just opened.
    pub(crate) fn new(id: u64, queue_bytes: usize, now: u32) -> Arc<Self> {
        Arc::new(Self {
            id,
            outbox: Outbox::new(queue_bytes),
            heard_at: AtomicU32::new(now),
            greeted: AtomicBool::new(false),
            is_picky: AtomicBool::new(false),
            blocked: Mutex::default(),
            pass: Mutex::default(),
            username: Mutex::new("".into()),
        })
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
        Metrics::get().refused(refusal.code);
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

    /// Whose messages this client does not want, in order.
    pub(crate) fn blocked(&self) -> Option<Arc<[i64]>> {
        if self.is_picky.load(Ordering::Relaxed) { lock(&self.blocked).clone() } else { None }
    }

    pub(crate) fn set_blocked(&self, blocked: Option<Arc<[i64]>>) {
        let mut known = lock(&self.blocked);
        self.is_picky.store(blocked.is_some(), Ordering::Relaxed);
        *known = blocked;
    }

    /// What the player is called: as its token says, or a rename that was heard of since.
    pub(crate) fn username(&self) -> Arc<str> {
        lock(&self.username).clone()
    }

    pub(crate) fn set_username(&self, username: Arc<str>) {
        *lock(&self.username) = username;
    }

    /// What was proven of the client: nothing before hello.
    pub(crate) fn caller(&self) -> Caller {
        lock(&self.pass).as_ref().map_or(Caller::Anonymous, |pass| pass.caller.clone())
    }

    /// What the player pays for the service, as its token says.
    pub(crate) fn tier(&self) -> Tier {
        match lock(&self.pass).as_ref().map(|pass| &pass.caller) {
            Some(Caller::Player(player)) => player.tier,
            Some(_) | None => Tier::Free,
        }
    }

    /// From now on the client is let in with this.
    pub(crate) fn set_pass(&self, pass: Pass) {
        *lock(&self.pass) = Some(pass);
    }

    /// Closes the connection of a client who must not be here any more.
    pub(crate) fn check_pass(&self, revocations: &Revocations, now: Timestamp) {
        let pass = lock(&self.pass);
        let Some(Pass { caller, expires_at }) = &*pass else { return };
        if revocations.refuse(caller, now) {
            self.outbox.close(REVOKED, "revoked", None);
        } else if expires_at.is_some_and(|end| now.duration_since(end) > GRACE) {
            self.outbox.close(EXPIRED, "token expired", None);
        }
    }

    /// Whether the client has said hello.
    pub(crate) fn is_greeted(&self) -> bool {
        self.greeted.load(Ordering::Relaxed)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a connection would write, as texts: for tests.
#[cfg(test)]
pub(crate) fn written(socket: &Socket) -> Vec<String> {
    outbox::texts(&socket.outbox)
}
