//! Messages in the bytes of a gRPC body: each is one byte of flags, four of length, and then as many as that says.

use bytes::Bytes;
use http_body::Frame;

/// Counts the messages of one direction of a call as they pass.
pub(super) struct Messages {
    framing: Framing,
    counter: ::metrics::Counter,
}

impl Messages {
    pub(super) fn new(counter: ::metrics::Counter) -> Self {
        Self { framing: Framing::default(), counter }
    }

    pub(super) fn see(&mut self, frame: &Frame<Bytes>) {
        if let Some(data) = frame.data_ref() {
            self.counter.increment(self.framing.completed(data));
        }
    }
}

/// Where in a message the bytes have got to. They come in pieces of any size.
#[derive(Default)]
struct Framing {
    prefix: [u8; 5],
    prefix_seen: usize,
    payload_left: usize,
}

impl Framing {
    /// How many messages end within the next bytes.
    fn completed(&mut self, mut bytes: &[u8]) -> u64 {
        let mut messages = 0;
        while !bytes.is_empty() {
            if self.payload_left > 0 {
                let taken = self.payload_left.min(bytes.len());
                (self.payload_left, bytes) = (self.payload_left - taken, &bytes[taken..]);
            } else {
                self.prefix[self.prefix_seen] = bytes[0];
                (self.prefix_seen, bytes) = (self.prefix_seen + 1, &bytes[1..]);
                if self.prefix_seen < self.prefix.len() {
                    continue;
                }
                let [_, length @ ..] = self.prefix;
                (self.prefix_seen, self.payload_left) = (0, u32::from_be_bytes(length) as usize);
            }
            messages += u64::from(self.payload_left == 0);
        }
        messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(size: u8) -> Vec<u8> {
        [vec![0, 0, 0, 0, size], vec![7; usize::from(size)]].concat()
    }

    #[test]
    fn messages_are_counted_however_the_bytes_are_cut() {
        let bytes = [message(3), message(0), message(200), message(0), message(1)].concat();
        for size in 1..=bytes.len() {
            let mut framing = Framing::default();
            let counted: u64 = bytes.chunks(size).map(|piece| framing.completed(piece)).sum();
            assert_eq!(counted, 5, "in pieces of {size} bytes");
        }
    }

    #[test]
    fn a_message_counts_when_it_is_whole() {
        let mut framing = Framing::default();
        let pieces = [&[0, 0, 0][..], &[1, 0], &[7; 255], &[7, 0, 0, 0, 0], &[0], &[]];
        assert_eq!(pieces.map(|piece| framing.completed(piece)), [0, 0, 0, 1, 1, 0]);
    }
}
