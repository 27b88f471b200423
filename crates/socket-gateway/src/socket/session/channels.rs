//! The channels of one connection: going into rooms and out of them, and the feed.

use std::sync::Arc;

use tracing::Instrument as _;

use super::{Entering, Finish, Listening, Loaded, Session};
use crate::domain::{Answer, ErrorCode, Position, Refusal, Topic};
use crate::hub::Room;

impl Session {
    pub(super) fn hear_feed(
        &mut self,
        id: Option<String>,
        position: Option<Position>,
    ) -> Result<(), Refusal> {
        if self.hears_feed {
            return Err(Refusal::conflict("already subscribed to the feed"));
        }
        self.check_channels()?;
        let unavailable = || Refusal::new(ErrorCode::Unavailable, "the feed is not available, try again");
        let feed = self.hub.feed.get().ok_or_else(unavailable)?;
        self.hears_feed = true;
        feed.subscribe(&self.socket, position.as_ref(), |offset, recovered| {
            let (channel, epoch) = (feed.name(), feed.epoch());
            Answer::Subscribed { id: id.as_deref(), channel, epoch, offset, recovered }.to_text()
        });
        Ok(())
    }

    /// Listens to a room.
    pub(super) fn subscribe(&mut self, name: &str, entering: Entering) -> Result<(), Refusal> {
        if self.find(name).is_some() {
            return Err(Refusal::conflict("already subscribed to this room"));
        }
        self.enter(name, entering)
    }

    /// Joins a room, to which the connection may be listening.
    pub(super) fn join(&mut self, name: &str, entering: Entering) -> Result<(), Refusal> {
        match self.find(name) {
            Some(Listening { is_joined: true, .. }) => Err(Refusal::conflict("already joined")),
            Some(_) if entering.position.is_some() => {
                Err(Refusal::conflict("already subscribed: join without a position"))
            }
            _ => self.enter(name, entering),
        }
    }

    /// Goes into a room, at once when it is loaded.
    fn enter(&mut self, name: &str, entering: Entering) -> Result<(), Refusal> {
        if self.find(name).is_none() {
            self.check_channels()?;
        }
        if let Some(room) = self.hub.rooms.find(name) {
            self.go_in(room, entering);
            return Ok(());
        }
        let (hub, name) = (self.hub.clone(), name.to_owned());
        let span = entering.span.clone();
        let load = async move {
            let room = hub.rooms.open(&name, hub.now()).await;
            Some(Finish::GoIn(Loaded { room, entering }))
        };
        self.work = Some(Box::pin(load.instrument(span)));
        Ok(())
    }

    pub(super) fn go_in(&mut self, room: Arc<Room>, entering: Entering) {
        let Entering { joins, position, id, began: _, span: _ } = entering;
        if let (true, Some(player_id)) = (joins, self.player) {
            room.join(&self.socket, (player_id, &self.socket.username()), position.as_ref(), id.as_deref());
        } else {
            room.channel.subscribe(&self.socket, position.as_ref(), |offset, recovered| {
                let (channel, epoch) = (room.channel.name(), room.channel.epoch());
                Answer::Subscribed { id: id.as_deref(), channel, epoch, offset, recovered }.to_text()
            });
        }
        match self.rooms.iter_mut().find(|listening| listening.room.id == room.id) {
            Some(listening) => listening.is_joined = joins,
            None => self.rooms.push(Listening { room, is_joined: joins }),
        }
    }

    pub(super) fn unsubscribe(&mut self, id: Option<String>, topic: &Topic) -> Result<(), Refusal> {
        let room_channel;
        let channel = match topic {
            Topic::Feed => {
                let feed = self.hub.feed.get().filter(|_| self.hears_feed);
                feed.ok_or_else(|| Refusal::conflict("not subscribed"))?.unsubscribe(&self.socket);
                self.hears_feed = false;
                "feed"
            }
            Topic::Room(room) => {
                self.leave(room, false)?;
                room_channel = format!("room:{room}");
                &room_channel
            }
        };
        self.answer(&Answer::Unsubscribed { id: id.as_deref(), channel });
        Ok(())
    }

    pub(super) fn leave(&mut self, name: &str, must_be_joined: bool) -> Result<(), Refusal> {
        let is_it =
            |listening: &Listening| listening.room.name == name && (listening.is_joined || !must_be_joined);
        let Some(place) = self.rooms.iter().position(is_it) else {
            return Err(Refusal::conflict(if must_be_joined { "not joined" } else { "not subscribed" }));
        };
        self.go_out(&self.rooms[place]);
        self.rooms.swap_remove(place);
        Ok(())
    }

    pub(super) fn go_out(&self, listening: &Listening) {
        let Listening { room, is_joined } = listening;
        room.channel.unsubscribe(&self.socket);
        if let (true, Some(player_id)) = (*is_joined, self.player) {
            room.leave(player_id);
        }
    }

    pub(super) fn find(&self, name: &str) -> Option<&Listening> {
        self.rooms.iter().find(|listening| listening.room.name == name)
    }

    fn check_channels(&self) -> Result<(), Refusal> {
        let most = self.hub.policy.limits.channels;
        if self.rooms.len() + usize::from(self.hears_feed) < most {
            return Ok(());
        }
        Err(Refusal::conflict(&format!("a connection has at most {most} channels")))
    }
}
