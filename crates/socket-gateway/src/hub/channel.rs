//! A channel: publications in order, to everybody who listens. Subscribing and publishing take the same lock, so that a
//! client that recovers sees each publication once, whatever happens at the same time.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use bytes::Bytes;

use super::lock;
use crate::domain::{Entry, Position};
use crate::metrics::Sent;
use crate::socket::{Chunk, Socket, encode_text};

/// One channel, as this process sees it.
pub(crate) struct Channel {
    name: String,
    epoch: String,
    sent: Sent,
    /// Publications that are kept for those who come back.
    kept: usize,
    state: Mutex<State>,
}

/// Where a channel stands when it is opened.
pub(crate) struct Origin {
    pub(crate) epoch: String,
    /// Publications after this offset can be recovered.
    pub(crate) floor: i64,
    /// The publications since, in order.
    pub(crate) recent: Vec<Entry>,
    /// The last offset.
    pub(crate) last: i64,
}

struct State {
    floor: i64,
    last: i64,
    recent: VecDeque<(i64, Bytes)>,
    listeners: HashMap<u64, Arc<Socket>>,
}

impl Channel {
    pub(crate) fn new(name: String, sent: Sent, kept: usize, origin: Origin) -> Self {
        let Origin { epoch, floor, recent, last } = origin;
        let (_, recent) = encode(&recent);
        let state = State { floor, last, recent: recent.into(), listeners: HashMap::new() };
        let channel = Self { name, epoch, sent, kept, state: Mutex::new(state) };
        channel.state().forget_beyond(kept);
        channel
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn epoch(&self) -> &str {
        &self.epoch
    }

    /// The offset of the last publication.
    pub(crate) fn last(&self) -> i64 {
        self.state().last
    }

    pub(crate) fn listeners(&self) -> usize {
        self.state().listeners.len()
    }

    /// Adds a listener. `answer` is given the channel's offset and whether the position was recovered; what it returns is
    /// sent first, then what the client missed, then what is live.
    pub(crate) fn subscribe(
        &self,
        socket: &Arc<Socket>,
        position: Option<&Position>,
        answer: impl FnOnce(i64, Option<bool>) -> Vec<u8>,
    ) {
        let mut state = self.state();
        let recovered = position.map(|position| {
            position.epoch == self.epoch && (state.floor..=state.last).contains(&position.offset)
        });
        socket.send(&answer(state.last, recovered), Sent::Answer);
        if let (Some(true), Some(position)) = (recovered, position) {
            let first = state.recent.partition_point(|(offset, _)| *offset <= position.offset);
            let missed: Vec<u8> = state.recent.range(first..).flat_map(|(_, frame)| frame).copied().collect();
            let count = state.recent.len() - first;
            if count > 0 {
                socket.outbox.push(Chunk::new(missed.into(), count as u32, self.sent));
            }
        }
        state.listeners.insert(socket.id, socket.clone());
    }

    /// Takes a listener out.
    pub(crate) fn unsubscribe(&self, socket: &Socket) {
        self.state().listeners.remove(&socket.id);
    }

    /// Sends publications to everybody: encoded once, and written together. Those that were published before are left
    /// out; the others must follow the last one.
    pub(crate) fn publish(&self, entries: &[Entry], born: Instant) {
        let mut state = self.state();
        let fresh = &entries[entries.partition_point(|entry| entry.offset <= state.last)..];
        let Some(newest) = fresh.last() else { return };
        let (bytes, frames) = encode(fresh);
        let born = Some(born);
        let chunk = Chunk { bytes, frames: frames.len() as u32, sent: self.sent, born };
        state.last = newest.offset;
        state.recent.extend(frames);
        state.forget_beyond(self.kept);
        for socket in state.listeners.values() {
            socket.outbox.push(chunk.clone());
        }
    }

    /// Sends a frame that is no publication to everybody.
    pub(crate) fn announce(&self, text: &[u8], sent: Sent) {
        let mut frame = Vec::with_capacity(text.len() + 4);
        encode_text(text, &mut frame);
        let chunk = Chunk::new(frame.into(), 1, sent);
        for socket in self.state().listeners.values() {
            socket.outbox.push(chunk.clone());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    fn forget_beyond(&mut self, kept: usize) {
        while self.recent.len() > kept
            && let Some((offset, _)) = self.recent.pop_front()
        {
            self.floor = offset;
        }
    }
}

/// The frames of publications: all of them in one piece, and each as a part of it.
fn encode(entries: &[Entry]) -> (Bytes, Vec<(i64, Bytes)>) {
    let mut bytes = Vec::with_capacity(entries.iter().map(|entry| entry.text.len() + 4).sum());
    let mut ends = Vec::with_capacity(entries.len());
    for entry in entries {
        encode_text(&entry.text, &mut bytes);
        ends.push((entry.offset, bytes.len()));
    }
    let bytes = Bytes::from(bytes);
    let mut start = 0;
    let frames = ends.into_iter().map(|(offset, end)| {
        let frame = bytes.slice(start..end);
        start = end;
        (offset, frame)
    });
    let frames = frames.collect();
    (bytes, frames)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socket::written;

    fn entry(offset: i64) -> Entry {
        Entry { offset, text: offset.to_string().into_bytes() }
    }

    fn channel(recent: std::ops::RangeInclusive<i64>) -> Channel {
        let (floor, last) = (recent.start() - 1, *recent.end());
        let origin = Origin { epoch: "e".into(), floor, recent: recent.map(entry).collect(), last };
        Channel::new("room:a".into(), Sent::Message, 3, origin)
    }

    /// What a client is sent that comes with this position: the answer, and what it missed.
    fn come(channel: &Channel, position: Option<(&str, i64)>) -> String {
        let socket = Socket::new(1, 1000, 0);
        let position = position.map(|(epoch, offset)| Position { epoch: epoch.into(), offset });
        channel.subscribe(&socket, position.as_ref(), |offset, recovered| {
            format!("{offset} {recovered:?}").into_bytes()
        });
        channel.publish(&[entry(channel.last() + 1)], Instant::now());
        written(&socket).join(", ")
    }

    #[test]
    fn a_client_that_comes_back_gets_what_it_missed_and_then_what_is_live() {
        assert_eq!(come(&channel(4..=6), Some(("e", 4))), "6 Some(true), 5, 6, 7");
        assert_eq!(come(&channel(4..=6), Some(("e", 6))), "6 Some(true), 7");
        assert_eq!(come(&channel(4..=6), Some(("e", 3))), "6 Some(true), 4, 5, 6, 7");
        assert_eq!(come(&channel(4..=6), None), "6 None, 7");
    }

    #[test]
    fn what_cannot_be_continued_is_said_so() {
        assert_eq!(come(&channel(4..=6), Some(("other", 6))), "6 Some(false), 7");
        assert_eq!(come(&channel(4..=6), Some(("e", 7))), "6 Some(false), 7");
        assert_eq!(come(&channel(4..=6), Some(("e", 2))), "6 Some(false), 7");
        // More was read at the opening than is kept.
        assert_eq!(come(&channel(1..=6), Some(("e", 2))), "6 Some(false), 7");
        assert_eq!(come(&channel(1..=6), Some(("e", 3))), "6 Some(true), 4, 5, 6, 7");
    }

    #[test]
    fn what_was_published_before_is_left_out() {
        let channel = channel(1..=2);
        let socket = Socket::new(1, 1000, 0);
        channel.subscribe(&socket, None, |_, _| b"hello".to_vec());
        channel.publish(&[entry(2), entry(3)], Instant::now());
        channel.publish(&[entry(3)], Instant::now());
        channel.unsubscribe(&socket);
        channel.publish(&[entry(4)], Instant::now());
        assert_eq!(written(&socket), ["hello", "3"]);
        assert_eq!((channel.last(), channel.listeners()), (4, 0));
    }
}
