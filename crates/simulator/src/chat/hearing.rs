//! What one listener heard of a channel. Pure, and small however long it listens: sums instead of lists. The sums do not
//! depend on the order, so that what was missed and read from history later fits in.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use battlearena_client::socket::{Entered, Message, Position, Recovery};

/// Messages as a number and a sum: equal for equal sets of messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Digest {
    pub(super) count: u64,
    pub(super) sum: u64,
}

impl Digest {
    /// Adds a message at its place.
    pub(super) fn add(&mut self, offset: i64, text: &str) {
        let mut hasher = DefaultHasher::new();
        (offset, text).hash(&mut hasher);
        self.count += 1;
        self.sum = self.sum.wrapping_add(hasher.finish());
    }
}

/// What a listener heard of a room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Hearing {
    epoch: String,
    /// It listens to everything after this offset.
    begin: i64,
    last: i64,
    heard: Digest,
    /// Offsets that were skipped, or came twice, or came from another life of the room.
    faults: u64,
    /// Stretches (after, up to) that did not come live and are still to be read from history.
    missing: VecDeque<(i64, i64)>,
}

impl Hearing {
    /// The room was entered. Returns before which offset to read history, when some of it must be read.
    pub(super) fn entered(&mut self, entered: &Entered) -> Option<i64> {
        let Position { epoch, offset } = &entered.position;
        match &entered.recovery {
            Recovery::Began => {
                (self.epoch, self.begin, self.last) = (epoch.clone(), *offset, *offset);
                None
            }
            Recovery::Continued => {
                // The last one that it announces must come, or have come.
                self.faults += u64::from(*epoch != self.epoch || *offset < self.last);
                None
            }
            Recovery::Lost { since } => {
                self.faults += u64::from(*epoch != self.epoch || since.offset != self.last);
                let stretch = (self.last, *offset);
                self.last = *offset;
                if stretch.0 >= stretch.1 {
                    return None;
                }
                self.missing.push_back(stretch);
                Some(stretch.1 + 1)
            }
        }
    }

    /// A message came live.
    pub(super) fn heard_live(&mut self, message: &Message) {
        let next = self.last + 1;
        if message.offset == next {
            self.heard.add(message.offset, &message.text);
        } else {
            self.faults += 1;
        }
        self.last = self.last.max(message.offset);
    }

    /// A page of history came, oldest first. Returns before which offset to read on.
    pub(super) fn read(&mut self, page: &[Message]) -> Option<i64> {
        let (after, up_to) = self.missing.pop_front()?;
        for message in page.iter().filter(|message| (after + 1..=up_to).contains(&message.offset)) {
            self.heard.add(message.offset, &message.text);
        }
        let oldest = page.first().map_or(0, |message| message.offset);
        if oldest > after + 1 {
            self.missing.push_front((after, oldest - 1));
            return Some(oldest);
        }
        None
    }

    pub(super) fn begin(&self) -> i64 {
        self.begin
    }

    pub(super) fn last(&self) -> i64 {
        self.last
    }

    pub(super) fn heard(&self) -> Digest {
        self.heard
    }

    /// Whether nothing is still to be read from history.
    pub(super) fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }

    /// Whether it is what a listener must have heard of a room in which `said` (offset, text) was said in all.
    pub(super) fn is_the_history<'a>(&self, said: impl Iterator<Item = (i64, &'a str)>) -> bool {
        let mut expected = Digest::default();
        said.filter(|(offset, _)| (self.begin + 1..=self.last).contains(offset))
            .for_each(|(offset, text)| expected.add(offset, text));
        self.faults == 0 && self.is_complete() && self.heard == expected
    }
}

/// What a listener heard of the feed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct FeedHearing {
    last: i64,
    pub(super) events: u64,
    /// Events that came twice or out of order.
    pub(super) faults: u64,
}

impl FeedHearing {
    pub(super) fn heard(&mut self, offset: i64) {
        self.events += 1;
        self.faults += u64::from(offset <= self.last);
        self.last = self.last.max(offset);
    }
}

#[cfg(test)]
mod tests {
    use battlearena_client::socket::Channel;
    use battlearena_proto::PlayerId;

    use super::*;

    fn position(offset: i64) -> Position {
        Position { epoch: "e".into(), offset }
    }

    fn entered(offset: i64, recovery: Recovery) -> Entered {
        Entered { channel: Channel::room("r"), recovery, position: position(offset), players: None }
    }

    fn message(offset: i64) -> Message {
        Message {
            room: "r".into(),
            offset,
            player_id: PlayerId(1),
            username: "ada".into(),
            text: format!("text {offset}"),
            client_id: "c".into(),
            timestamp: "2030-01-01T00:00:00Z".parse().unwrap(),
            traceparent: None,
        }
    }

    fn heard(offsets: &[i64]) -> Hearing {
        let mut hearing = Hearing::default();
        hearing.entered(&entered(10, Recovery::Began));
        offsets.iter().for_each(|offset| hearing.heard_live(&message(*offset)));
        hearing
    }

    fn holds(hearing: &Hearing, last: i64) -> bool {
        let texts: Vec<_> = (1..=last).map(|offset| (offset, format!("text {offset}"))).collect();
        hearing.is_the_history(texts.iter().map(|(offset, text)| (*offset, text.as_str())))
    }

    #[test]
    fn only_everything_once_is_the_history() {
        assert!(holds(&heard(&[11, 12, 13]), 13));
        assert!(holds(&heard(&[11, 12]), 13), "it heard everything up to where it stopped listening");
        for wrong in [&[11, 13][..], &[11, 12, 12, 13], &[11, 11, 13], &[12, 13], &[11, 12, 13, 14]] {
            assert!(!holds(&heard(wrong), 13), "{wrong:?}");
        }
        let mut other = heard(&[11, 12]);
        other.heard_live(&Message { text: "another text".into(), ..message(13) });
        assert!(!holds(&other, 13));
    }

    #[test]
    fn what_was_missed_may_be_read_later() {
        let mut hearing = heard(&[11, 12]);
        let before = hearing.entered(&entered(20, Recovery::Lost { since: position(12) }));
        assert_eq!(before, Some(21));
        hearing.heard_live(&message(21));
        assert!(!holds(&hearing, 21), "not before it was read");
        let page = |from, to| (from..=to).map(message).collect::<Vec<_>>();
        assert_eq!(hearing.read(&page(16, 20)), Some(16));
        assert_eq!(hearing.read(&page(11, 15)), None);
        assert!(holds(&hearing, 21));
    }

    #[test]
    fn another_life_of_the_room_is_a_fault() {
        for recovery in [Recovery::Continued, Recovery::Lost { since: position(11) }] {
            let mut hearing = heard(&[11]);
            let other = Position { epoch: "other".into(), offset: 11 };
            hearing.entered(&Entered { position: other, ..entered(11, recovery) });
            assert!(!holds(&hearing, 11));
        }
    }

    #[test]
    fn the_feed_only_grows() {
        let mut feed = FeedHearing::default();
        [3, 7, 8].into_iter().for_each(|offset| feed.heard(offset));
        assert_eq!((feed.events, feed.faults), (3, 0));
        feed.heard(8);
        assert_eq!(feed.faults, 1);
    }
}
