//! A channel: publications in order, to everybody who listens. Subscribing and publishing take the same lock, so that a
//! client that recovers sees each publication once, whatever happens at the same time. One frame is shared by all; only
//! who has blocked somebody gets an own selection.

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
    recent: VecDeque<Publication>,
    listeners: HashMap<u64, Arc<Socket>>,
}

/// A publication as a frame.
#[derive(Clone)]
struct Publication {
    offset: i64,
    /// The player whose name stands in it.
    names: Option<i64>,
    frame: Bytes,
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
            let first = state.recent.partition_point(|missed| missed.offset <= position.offset);
            let blocked = self.blocked_by(socket);
            if let Some(missed) = self.gather(state.recent.range(first..), blocked.as_deref()) {
                socket.outbox.push(missed);
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
        for socket in state.listeners.values() {
            match self.blocked_by(socket) {
                Some(blocked) if frames.iter().any(|frame| frame.names_one_of(&blocked)) => {
                    if let Some(chosen) = self.gather(frames.iter(), Some(&blocked)) {
                        socket.outbox.push(Chunk { born, ..chosen });
                    }
                }
                Some(_) | None => socket.outbox.push(chunk.clone()),
            }
        }
        state.last = newest.offset;
        state.recent.extend(frames);
        state.forget_beyond(self.kept);
    }

    /// Keeps nothing any more that names a player: who asks for what was published before it has to read it anew.
    pub(crate) fn forget(&self, player_id: i64) {
        let mut state = self.state();
        if let Some(place) = state.recent.iter().rposition(|frame| frame.names == Some(player_id)) {
            state.floor = state.recent[place].offset;
            state.recent.drain(..=place);
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

    /// Whose messages a listener does not want; what else the platform tells of them it gets.
    fn blocked_by(&self, socket: &Socket) -> Option<Arc<[i64]>> {
        if self.sent == Sent::Message { socket.blocked() } else { None }
    }

    /// Publications in one piece, but for those of some players; `None` when nothing is left.
    fn gather<'a>(
        &self,
        publications: impl Iterator<Item = &'a Publication>,
        without: Option<&[i64]>,
    ) -> Option<Chunk> {
        let (mut bytes, mut count) = (Vec::new(), 0);
        for publication in publications {
            if !without.is_some_and(|blocked| publication.names_one_of(blocked)) {
                bytes.extend_from_slice(&publication.frame);
                count += 1;
            }
        }
        (count > 0).then(|| Chunk::new(bytes.into(), count, self.sent))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Publication {
    /// The players are in order.
    fn names_one_of(&self, players: &[i64]) -> bool {
        self.names.is_some_and(|player_id| players.binary_search(&player_id).is_ok())
    }
}

impl State {
    fn forget_beyond(&mut self, kept: usize) {
        while self.recent.len() > kept
            && let Some(oldest) = self.recent.pop_front()
        {
            self.floor = oldest.offset;
        }
    }
}

/// The frames of publications: all of them in one piece, and each as a part of it.
fn encode(entries: &[Entry]) -> (Bytes, Vec<Publication>) {
    let mut bytes = Vec::with_capacity(entries.iter().map(|entry| entry.text.len() + 4).sum());
    let mut ends = Vec::with_capacity(entries.len());
    for entry in entries {
        encode_text(&entry.text, &mut bytes);
        ends.push((entry, bytes.len()));
    }
    let bytes = Bytes::from(bytes);
    let mut start = 0;
    let frames = ends.into_iter().map(|(&Entry { offset, names, text: _ }, end)| {
        let frame = bytes.slice(start..end);
        start = end;
        Publication { offset, names, frame }
    });
    let frames = frames.collect();
    (bytes, frames)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socket::written;

    fn entry(offset: i64) -> Entry {
        // The authors of a room of two.
        Entry { offset, names: Some(offset % 2), text: offset.to_string().into_bytes() }
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
    fn who_has_blocked_somebody_gets_the_others_messages_only() {
        let channel = channel(1..=4);
        let (picky, other) = (Socket::new(1, 1000, 0), Socket::new(2, 1000, 0));
        picky.set_blocked(Some(Arc::new([1])));
        for socket in [&picky, &other] {
            let position = Position { epoch: "e".into(), offset: 1 };
            channel.subscribe(socket, Some(&position), |_, _| b"hello".to_vec());
        }
        channel.publish(&[entry(5), entry(6), entry(7)], Instant::now());
        channel.publish(&[entry(9)], Instant::now());
        assert_eq!(written(&other), ["hello", "2", "3", "4", "5", "6", "7", "9"]);
        assert_eq!(written(&picky), ["hello", "2", "4", "6"]);
        picky.set_blocked(None);
        channel.publish(&[entry(11)], Instant::now());
        assert_eq!(written(&picky).last().unwrap(), "11");
    }

    #[test]
    fn what_names_a_player_who_is_forgotten_cannot_be_recovered() {
        let channel = channel(4..=6);
        channel.forget(7);
        assert_eq!(come(&channel, Some(("e", 3))), "6 Some(true), 4, 5, 6, 7");
        channel.forget(0);
        assert_eq!(come(&channel, Some(("e", 5))), "7 Some(false), 8");
        assert_eq!(come(&channel, Some(("e", 6))), "8 Some(true), 7, 8, 9");
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
