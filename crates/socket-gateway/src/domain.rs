//! The rules of the socket protocol. Pure: no IO, no clock, no SQL, no transport.

mod answer;
mod bucket;
mod command;
mod feed_event;
mod roster;

pub(crate) use answer::{Answer, Entry, ErrorCode, Limits, Player, Refusal, Said};
pub(crate) use bucket::Bucket;
pub(crate) use command::{Action, Command, PROTOCOL, Position, Topic, check_room, parse};
pub(crate) use feed_event::{FEED_KINDS, feed_event};
pub(crate) use roster::{Changes, MOST_NAMED, Roster};
