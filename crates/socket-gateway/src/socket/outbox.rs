//! The queue of one connection: what is to be written, encoded once and shared with the other receivers. It is bounded;
//! a client that reads too slowly loses its connection, and nobody waits for it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;

use super::frame::encode_close;
use crate::metrics::{Metrics, Sent};

/// Queues that grew beyond this many chunks give their memory back when they are empty.
const KEPT_CAPACITY: usize = 8;

/// The close code of a client that reads too slowly.
pub(super) const SLOW_CONSUMER: u16 = 4008;

/// What stands for the end of a connection without a close frame.
const ABNORMAL: u16 = 1006;

/// Frames that are written together.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    pub(crate) bytes: Bytes,
    pub(crate) frames: u32,
    pub(crate) sent: Sent,
    /// Since when the first of them is on its way, where its delivery is measured.
    pub(crate) born: Option<Instant>,
}

/// What is to be written, and whether the connection goes on.
pub(crate) struct Outbox {
    state: Mutex<State>,
    most_bytes: usize,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Chunk>,
    bytes: usize,
    fate: Fate,
    /// The connection's task.
    waker: Option<Waker>,
    /// Whether the task has nothing to write, and waits for a push.
    is_idle: bool,
}

/// Whether the connection goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It does.
    #[default]
    Open,
    /// It ends once the queue is written, with this code.
    Closing(u16, Instant),
    /// It ends now, with this code in the books.
    Aborted(u16),
}

impl Chunk {
    pub(crate) fn new(bytes: Bytes, frames: u32, sent: Sent) -> Self {
        Self { bytes, frames, sent, born: None }
    }
}

impl Outbox {
    pub(super) fn new(most_bytes: usize) -> Self {
        Self { state: Mutex::default(), most_bytes }
    }

    /// Queues a chunk, of any size while the queue is within its bound; otherwise the connection is cut.
    pub(crate) fn push(&self, chunk: Chunk) {
        let mut state = self.state();
        if state.fate != Fate::Open {
            return;
        }
        if state.bytes > self.most_bytes {
            let dropped: u32 = state.queue.iter().map(|chunk| chunk.frames).sum();
            Metrics::get().cut_slow_consumer(u64::from(dropped + chunk.frames));
            state.queue.clear();
            state.bytes = 0;
            state.close(SLOW_CONSUMER, "slow consumer", None);
            state.wake();
        } else {
            state.bytes += chunk.bytes.len();
            state.queue.push_back(chunk);
            // A task that is still writing looks here by itself.
            if std::mem::take(&mut state.is_idle) {
                state.wake();
            }
        }
    }

    /// Queues a last frame and a close frame; what comes after them is dropped. Only the first close counts.
    pub(crate) fn close(&self, code: u16, reason: &str, last_frame: Option<&[u8]>) {
        let mut state = self.state();
        if state.fate == Fate::Open {
            state.close(code, reason, last_frame);
            state.wake();
        }
    }

    /// Ends the connection without another word.
    pub(crate) fn abort(&self) {
        let mut state = self.state();
        state.fate = match state.fate {
            Fate::Open => Fate::Aborted(ABNORMAL),
            Fate::Closing(code, _) | Fate::Aborted(code) => Fate::Aborted(code),
        };
        state.queue.clear();
        state.wake();
    }

    pub(crate) fn fate(&self) -> Fate {
        self.state().fate
    }

    /// Moves what is queued into `writing`, and says what is to become of the connection. Pending, with the task to be
    /// woken, when nothing is queued.
    pub(super) fn poll_take(&self, context: &mut Context<'_>, writing: &mut VecDeque<Chunk>) -> Poll<Fate> {
        let mut state = self.state();
        if !state.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            state.waker = Some(context.waker().clone());
        }
        if !state.queue.is_empty() {
            std::mem::swap(&mut state.queue, writing);
            return Poll::Ready(state.fate);
        }
        if state.queue.capacity() > KEPT_CAPACITY {
            state.queue = VecDeque::new();
        }
        state.is_idle = state.fate == Fate::Open;
        if state.is_idle { Poll::Pending } else { Poll::Ready(state.fate) }
    }

    /// So many bytes were written: the bound holds for what is queued and for what is being written.
    pub(super) fn written(&self, bytes: usize) {
        let mut state = self.state();
        state.bytes = state.bytes.saturating_sub(bytes);
    }

    /// Bytes that wait.
    pub(super) fn backlog(&self) -> usize {
        self.state().bytes
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn close(&mut self, code: u16, reason: &str, last_frame: Option<&[u8]>) {
        let mut bytes = Vec::new();
        if let Some(text) = last_frame {
            super::encode_text(text, &mut bytes);
        }
        encode_close(code, reason, &mut bytes);
        self.bytes += bytes.len();
        self.queue.push_back(Chunk::new(bytes.into(), 1, Sent::Control));
        self.fate = Fate::Closing(code, Instant::now());
    }

    fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }
}

/// The texts of what is queued, for tests: frames of at most 125 bytes.
#[cfg(test)]
pub(super) fn texts(outbox: &Outbox) -> Vec<String> {
    let state = outbox.state();
    let bytes: Vec<u8> = state.queue.iter().flat_map(|chunk| chunk.bytes.to_vec()).collect();
    let (mut rest, mut texts) = (bytes.as_slice(), Vec::new());
    while let [_, length, payload @ ..] = rest {
        let (text, next) = payload.split_at(usize::from(*length));
        texts.push(String::from_utf8(text.to_vec()).unwrap());
        rest = next;
    }
    texts
}

#[cfg(test)]
mod tests {
    use futures::task::noop_waker_ref;

    use super::*;

    fn chunk(bytes: &'static [u8]) -> Chunk {
        Chunk::new(Bytes::from_static(bytes), 1, Sent::Message)
    }

    fn take(outbox: &Outbox) -> (Poll<Fate>, Vec<u8>) {
        let mut writing = VecDeque::new();
        let fate = outbox.poll_take(&mut Context::from_waker(noop_waker_ref()), &mut writing);
        (fate, writing.iter().flat_map(|chunk| chunk.bytes.to_vec()).collect())
    }

    #[test]
    fn chunks_come_out_in_order() {
        let outbox = Outbox::new(100);
        assert_eq!(take(&outbox), (Poll::Pending, vec![]));
        outbox.push(chunk(b"a"));
        outbox.push(chunk(b"b"));
        assert_eq!(take(&outbox), (Poll::Ready(Fate::Open), b"ab".to_vec()));
        assert_eq!(outbox.backlog(), 2);
        outbox.written(2);
        assert_eq!(outbox.backlog(), 0);
    }

    #[test]
    fn what_is_not_read_ends_the_connection_and_is_dropped() {
        let outbox = Outbox::new(3);
        outbox.push(chunk(b"abcd"));
        assert_eq!(outbox.fate(), Fate::Open, "one chunk may be larger than the bound");
        outbox.push(chunk(b"e"));
        assert!(matches!(outbox.fate(), Fate::Closing(SLOW_CONSUMER, _)));
        outbox.push(chunk(b"f"));
        let (_, written) = take(&outbox);
        assert_eq!(written, [&[0x88, 15, 0x0F, 0xA8][..], b"slow consumer"].concat());
    }

    #[test]
    fn the_first_close_counts() {
        let outbox = Outbox::new(100);
        outbox.close(1001, "", Some(b"{}"));
        outbox.close(4007, "", None);
        outbox.push(chunk(b"x"));
        assert_eq!(take(&outbox).1, [0x81, 2, b'{', b'}', 0x88, 2, 0x03, 0xE9]);
        assert!(matches!(outbox.fate(), Fate::Closing(1001, _)));
    }
}
