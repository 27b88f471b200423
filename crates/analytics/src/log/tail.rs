//! The last events of the log in memory: a run of offsets without a gap.

use std::collections::VecDeque;

use battlearena_proto::events::{Event, event::Body};
use prost::Message as _;

use crate::domain::forgotten_name;

/// How many events are kept: some seconds of a busy platform.
const KEPT: usize = 8192;

/// The last events.
pub(super) struct Tail {
    events: VecDeque<Event>,
    bytes: usize,
}

impl Tail {
    pub(super) fn new() -> Self {
        Self { events: VecDeque::new(), bytes: 0 }
    }

    /// The size of all events, as they are encoded.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds events that were appended. After a gap (another replica appended in between) the run begins anew.
    pub(super) fn push(&mut self, events: Vec<Event>) {
        for event in events {
            match self.events.back() {
                Some(last) if event.offset <= last.offset => continue,
                Some(last) if event.offset > last.offset + 1 => {
                    self.events.clear();
                    self.bytes = 0;
                }
                _ => {}
            }
            if self.events.len() == KEPT
                && let Some(oldest) = self.events.pop_front()
            {
                self.bytes -= oldest.encoded_len();
            }
            self.bytes += event.encoded_len();
            self.events.push_back(event);
        }
    }

    /// Puts another name into the registration of a player and into what it was called since.
    pub(super) fn forget_name(&mut self, player_id: i64) {
        for event in &mut self.events {
            let before = event.encoded_len();
            match &mut event.body {
                Some(Body::PlayerRegistered(registered)) if registered.player_id == player_id => {
                    registered.username = forgotten_name(player_id);
                    registered.region = String::new();
                }
                Some(Body::PlayerRenamed(renamed)) if renamed.player_id == player_id => {
                    renamed.username = forgotten_name(player_id);
                }
                _ => continue,
            }
            self.bytes = self.bytes - before + event.encoded_len();
        }
    }

    /// The next events after an offset; `None` when the run does not contain the first of them.
    pub(super) fn after(&self, offset: i64, limit: usize) -> Option<Vec<Event>> {
        let first = self.events.front()?.offset;
        let skip = usize::try_from(offset + 1 - first).ok()?;
        if skip >= self.events.len() {
            return None;
        }
        Some(self.events.iter().skip(skip).take(limit).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use battlearena_proto::events::PlayerRegistered;

    use super::*;

    fn events(offsets: std::ops::RangeInclusive<i64>) -> Vec<Event> {
        offsets.map(|offset| Event { offset, ..Event::default() }).collect()
    }

    fn offsets(events: Option<Vec<Event>>) -> Option<Vec<i64>> {
        events.map(|events| events.iter().map(|event| event.offset).collect())
    }

    #[test]
    fn a_reader_that_keeps_up_reads_from_memory() {
        let mut tail = Tail::new();
        tail.push(events(5..=7));
        tail.push(events(8..=9));
        assert_eq!(offsets(tail.after(4, 2)), Some(vec![5, 6]));
        assert_eq!(offsets(tail.after(7, 100)), Some(vec![8, 9]));
        assert_eq!(offsets(tail.after(9, 100)), None);
        assert_eq!(offsets(tail.after(3, 100)), None);
    }

    #[test]
    fn a_gap_begins_the_run_anew() {
        let mut tail = Tail::new();
        tail.push(events(1..=3));
        tail.push(events(7..=8));
        assert_eq!(offsets(tail.after(3, 100)), None);
        assert_eq!(offsets(tail.after(6, 100)), Some(vec![7, 8]));
        tail.push(events(4..=6));
        assert_eq!(offsets(tail.after(6, 100)), Some(vec![7, 8]));
        assert_eq!(tail.bytes(), 4, "two bytes an offset");
    }

    #[test]
    fn names_are_forgotten_and_the_size_stays_right() {
        let registered = |offset, player_id| {
            let body = PlayerRegistered {
                player_id,
                username: "a_very_long_name_indeed".into(),
                region: "asia".into(),
                ..PlayerRegistered::default()
            };
            Event { offset, body: Some(Body::PlayerRegistered(body)), ..Event::default() }
        };
        let mut tail = Tail::new();
        tail.push(vec![registered(1, 7), registered(2, 8)]);
        tail.forget_name(7);
        let kept = format!("{:?}", tail.after(0, 10));
        assert_eq!(kept.matches("a_very_long_name_indeed").count(), 1);
        assert!(kept.contains("deleted-7") && !kept.contains("deleted-8"), "{kept}");
        assert_eq!(tail.bytes(), tail.events.iter().map(Event::encoded_len).sum::<usize>());
    }

    #[test]
    fn old_events_are_forgotten() {
        let mut tail = Tail::new();
        tail.push(events(1..=KEPT as i64 + 10));
        assert_eq!(offsets(tail.after(9, 1)), None);
        assert_eq!(offsets(tail.after(10, 1)), Some(vec![11]));
        let kept: usize = tail.events.iter().map(Event::encoded_len).sum();
        assert_eq!(tail.bytes(), kept);
    }
}
