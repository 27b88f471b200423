//! What was said and heard against what the rooms' histories tell. Pure.

use std::collections::HashSet;

use super::hearing::Digest;
use super::player::State;
use crate::truth::{Interval, Row};

/// A message of a room's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) offset: i64,
    pub(super) text: String,
}

/// Room by room, what differs.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    stored: i64,
    acknowledged: Interval,
    delivered: i64,
    deliveries: Interval,
    wrong_rooms: i64,
    wrong_hearings: i64,
    feed_faults: i64,
}

impl Verdict {
    /// Adds a room: its history in order, and everybody who was in it from its beginning on.
    pub(super) fn room<'a>(&mut self, history: &[Said], members: impl Iterator<Item = &'a State> + Clone) {
        let unknown: HashSet<&str> =
            members.clone().flat_map(|member| &member.unknown).map(String::as_str).collect();
        let mut acknowledged = Digest::default();
        for member in members.clone() {
            acknowledged.count += member.acknowledged.count;
            acknowledged.sum = acknowledged.sum.wrapping_add(member.acknowledged.sum);
        }
        let mut known = Digest::default();
        let of_others = |said: &&Said| !unknown.contains(said.text.as_str());
        history.iter().filter(of_others).for_each(|said| known.add(said.offset, &said.text));
        let dense = history.iter().zip(1..).all(|(said, offset)| said.offset == offset);
        self.wrong_rooms += i64::from(!dense || known != acknowledged);
        self.stored += history.len() as i64;
        self.acknowledged.sure += acknowledged.count as i64;
        self.acknowledged.unknown += unknown.len() as i64;

        let head = history.last().map_or(0, |said| said.offset);
        for member in members {
            let hearing = &member.hearing;
            let said = history.iter().map(|said| (said.offset, said.text.as_str()));
            self.wrong_hearings += i64::from(!hearing.is_the_history(said));
            self.delivered += hearing.heard().count as i64;
            // What nobody was told of may have been stored after everybody had gone.
            let (all, unsure) = (head - hearing.begin(), unknown.len() as i64);
            self.deliveries.sure += (all - unsure).max(0);
            self.deliveries.unknown += all.min(unsure);
            self.feed_faults += member.feed.faults as i64;
        }
    }

    /// The rows of the check.
    pub(super) fn rows(self) -> Vec<Row> {
        let nothing = Interval::default();
        vec![
            Row::new("chat messages stored".into(), self.acknowledged, self.stored),
            Row::new("chat messages delivered".into(), self.deliveries, self.delivered),
            Row::new("rooms unlike what was acknowledged".into(), nothing, self.wrong_rooms),
            Row::new("listeners unlike their room".into(), nothing, self.wrong_hearings),
            Row::new("feed events twice or out of order".into(), nothing, self.feed_faults),
        ]
    }
}

#[cfg(test)]
mod tests {
    use battlearena_client::socket::{Channel, Entered, Message, Position, Recovery};
    use battlearena_proto::PlayerId;

    use super::*;

    fn said(offsets: &[i64]) -> Vec<Said> {
        offsets.iter().map(|&offset| Said { offset, text: format!("text {offset}") }).collect()
    }

    /// Somebody who was there from the beginning, said and heard these.
    fn member(acknowledged: &[i64], heard: &[i64], unknown: &[&str]) -> State {
        let mut state = State::default();
        let position = Position { epoch: "e".into(), offset: 0 };
        let (channel, recovery) = (Channel::room("r"), Recovery::Began);
        state.hearing.entered(&Entered { channel, recovery, position, players: None });
        acknowledged.iter().for_each(|&offset| state.acknowledged.add(offset, &format!("text {offset}")));
        for &offset in heard {
            state.hearing.heard_live(&Message {
                room: "r".into(),
                offset,
                player_id: PlayerId(1),
                username: "ada".into(),
                text: format!("text {offset}"),
                client_id: "c".into(),
                timestamp: "2030-01-01T00:00:00Z".parse().unwrap(),
                traceparent: None,
            });
        }
        state.unknown = unknown.iter().map(|text| (*text).to_owned()).collect();
        state
    }

    fn wrong(history: &[i64], members: &[State]) -> Vec<String> {
        let mut verdict = Verdict::default();
        verdict.room(&said(history), members.iter());
        verdict.rows().into_iter().filter(|row| !row.holds()).map(|row| row.name).collect()
    }

    #[test]
    fn everything_said_is_stored_once_and_heard_by_all() {
        let all = [1, 2, 3];
        assert!(wrong(&all, &[member(&[1, 3], &all, &[]), member(&[2], &all, &[])]).is_empty());
    }

    #[test]
    fn what_differs_is_named() {
        let all = [1, 2, 3];
        let lost = wrong(&[1, 2], &[member(&all, &[1, 2], &[])]);
        assert_eq!(lost, ["chat messages stored", "rooms unlike what was acknowledged"]);
        let doubled = wrong(&[1, 2, 3], &[member(&[1, 2], &all, &[])]);
        assert_eq!(doubled, ["chat messages stored", "rooms unlike what was acknowledged"]);
        let gap = wrong(&all, &[member(&all, &[1, 3], &[])]);
        assert_eq!(gap, ["chat messages delivered", "listeners unlike their room"]);
        let deaf = wrong(&all, &[member(&all, &[1, 2], &[])]);
        assert_eq!(deaf, ["chat messages delivered"]);
    }

    #[test]
    fn what_was_never_acknowledged_may_be_stored_or_not() {
        let books = |heard: &[i64]| [member(&[1, 2], heard, &["text 3"])];
        assert!(wrong(&[1, 2], &books(&[1, 2])).is_empty());
        assert!(wrong(&[1, 2, 3], &books(&[1, 2, 3])).is_empty());
        assert!(wrong(&[1, 2, 3], &books(&[1, 2])).is_empty());
        assert!(!wrong(&[1, 2, 3, 4], &books(&[1, 2, 3, 4])).is_empty());
    }
}
