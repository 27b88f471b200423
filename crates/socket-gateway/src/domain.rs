//! The rules of the socket protocol. Pure: no IO, no clock, no SQL, no transport.

mod answer;
mod command;
mod feed_event;
mod fields;
mod origin;
mod refusal;
mod roster;

pub(crate) use answer::{Answer, Entry, Limits, Player, Said};
pub(crate) use command::{Action, Claim, Command, Introduction, PROTOCOL, Position, Topic, parse};
pub(crate) use feed_event::{FEED_KINDS, feed_event, named_in};
pub(crate) use fields::check_room;
pub(crate) use origin::Origins;
pub(crate) use refusal::{ErrorCode, Refusal};
pub(crate) use roster::{Changes, MOST_NAMED, Roster};
