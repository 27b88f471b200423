//! What outlives a connection: the channels that are listened to with their positions, and the commands that have no
//! answer yet. Does no IO and reads no clock. A command is held until it is answered, and goes out again on the next
//! connection under the same name.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use battlearena_proto::PlayerId;
use tokio::time::Instant;

use super::event::{Channel, Entered, Event, Position, Recovery, Refused};
use super::frames::{Answer, Frame, Incoming, Outgoing, Problem};

/// How long to leave the server alone that said "not now", at most.
pub(super) const NOT_NOW: Duration = Duration::from_millis(400);

/// A command, and the trace in which it was given.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) command: Command,
    pub(super) traceparent: Option<String>,
}

/// What a program asks of a socket.
#[derive(Debug)]
pub(super) enum Command {
    Enter { channel: Channel, join: bool, from: Option<Position> },
    Leave(Channel),
    Ask(Request),
}

/// A command with one answer.
#[derive(Debug)]
pub(super) enum Request {
    Say { room: String, client_id: String, text: String },
    History { room: String, limit: u32, before: Option<i64> },
    Presence { room: String },
    Block { player_id: PlayerId },
    Unblock { player_id: PlayerId },
    Blocks,
}

/// Where a command stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Goes out as soon as it may, but not before that moment.
    Due(Option<Instant>),
    /// Went out on this connection under that number.
    Sent(u64),
    /// Answered.
    Done,
}

impl Stage {
    fn is_due(self, now: Instant) -> bool {
        matches!(self, Self::Due(at) if at.is_none_or(|at| at <= now))
    }
}

#[derive(Debug)]
struct Subscription {
    join: bool,
    position: Option<Position>,
    /// Whether publications come on this connection.
    live: bool,
    stage: Stage,
    /// Of the command, until it is answered. To enter again after a reconnect belongs to nobody's trace.
    traceparent: Option<String>,
}

#[derive(Debug)]
struct Pending {
    request: Request,
    stage: Stage,
    traceparent: Option<String>,
}

/// The state of a socket.
#[derive(Debug, Default)]
pub(super) struct Session {
    next_id: u64,
    channels: BTreeMap<Channel, Subscription>,
    pending: BTreeMap<u64, Pending>,
    /// Frames that mean something to this connection only.
    farewells: VecDeque<Frame>,
    /// What is to be told.
    pub(super) events: VecDeque<Event>,
}

impl Session {
    /// Commands that were taken and have no answer yet.
    pub(super) fn unanswered(&self) -> usize {
        self.pending.len()
    }

    /// Where a channel stands.
    pub(super) fn position(&self, channel: &Channel) -> Option<&Position> {
        self.channels.get(channel)?.position.as_ref()
    }

    /// Takes a command over.
    pub(super) fn take(&mut self, given: Given) {
        let Given { command, traceparent } = given;
        match command {
            Command::Enter { channel, join, from } => {
                let stage = Stage::Due(None);
                let new = Subscription { join, position: from, live: false, stage, traceparent };
                self.enter(channel, new);
            }
            Command::Leave(channel) => self.leave(&channel, traceparent.as_deref()),
            Command::Ask(request) => {
                let id = self.new_id();
                self.pending.insert(id, Pending { request, stage: Stage::Due(None), traceparent });
            }
        }
    }

    fn enter(&mut self, channel: Channel, new: Subscription) {
        match self.channels.get_mut(&channel) {
            None => {
                self.channels.insert(channel, new);
            }
            // Who listens already and joins now goes on listening.
            Some(here) if new.join && !here.join => {
                (here.join, here.stage, here.traceparent) = (true, new.stage, new.traceparent);
            }
            Some(_already) => {}
        }
    }

    fn leave(&mut self, channel: &Channel, traceparent: Option<&str>) {
        let Some(Subscription { live, stage, .. }) = self.channels.remove(channel) else { return };
        if live || matches!(stage, Stage::Sent(_)) {
            // A room that was joined is left by it, too.
            let farewell = Outgoing::Unsubscribe { channel: channel.to_string() };
            self.farewells.push_back(farewell.frame(traceparent));
        }
    }

    /// The connection is gone: everything without an answer is due again.
    pub(super) fn disconnected(&mut self) {
        self.farewells.clear();
        for subscription in self.channels.values_mut() {
            (subscription.live, subscription.stage) = (false, Stage::Due(None));
        }
        for pending in self.pending.values_mut() {
            pending.stage = Stage::Due(None);
        }
    }

    /// The next frame to send: farewells, then channels, then commands in the order in which they were given. A message
    /// waits until its room is joined.
    pub(super) fn next_frame(&mut self, now: Instant) -> Option<Frame> {
        if let Some(frame) = self.farewells.pop_front() {
            return Some(frame);
        }
        let id = self.new_id();
        if let Some((channel, due)) = self.channels.iter_mut().find(|(_, one)| one.stage.is_due(now)) {
            due.stage = Stage::Sent(id);
            // Who is live needs no position: offsets simply go on.
            let position = due.position.as_ref().filter(|_| !due.live);
            return Some(enter_command(channel, due.join, id, position).frame(due.traceparent.as_deref()));
        }
        let mut homeless = Vec::new();
        let mut found = None;
        for (&id, pending) in self.pending.iter_mut().filter(|(_, one)| one.stage.is_due(now)) {
            if let Request::Say { room, .. } = &pending.request {
                match self.channels.get(&Channel::room(room)) {
                    Some(here) if here.join && here.stage == Stage::Done => {}
                    Some(here) if here.join => continue,
                    _ => {
                        homeless.push(id);
                        continue;
                    }
                }
            }
            pending.stage = Stage::Sent(id);
            found = Some(request_command(&pending.request, id).frame(pending.traceparent.as_deref()));
            break;
        }
        for id in homeless {
            self.refuse(id, Problem::not_joined());
        }
        found
    }

    /// The next moment at which a frame may become due by itself.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        let stages = self.channels.values().map(|one| one.stage);
        stages
            .chain(self.pending.values().map(|one| one.stage))
            .filter_map(|stage| match stage {
                Stage::Due(at) => at,
                Stage::Sent(_) | Stage::Done => None,
            })
            .min()
    }

    /// Takes a frame over.
    pub(super) fn receive(&mut self, frame: Incoming, now: Instant) {
        match frame {
            Incoming::Joined(answer) | Incoming::Subscribed(answer) => self.entered(answer),
            Incoming::Message(message) => {
                if self.advance(&Channel::room(&message.room), message.offset) {
                    self.events.push_back(Event::Message(message));
                }
            }
            Incoming::Event(event) => {
                if self.advance(&Channel::Feed, event.offset) {
                    self.events.push_back(Event::Feed(event));
                }
            }
            Incoming::Ack { id, ack } => self.answered(id, Event::Acknowledged(ack)),
            Incoming::History { id, mut history } => {
                history.messages.iter_mut().for_each(|message| message.room.clone_from(&history.room));
                self.answered(id, Event::History(history));
            }
            Incoming::Presence { id, presence } => self.answered(id, Event::Presence(presence)),
            Incoming::Blocked { id, player_id } => self.answered(id, Event::Blocked(player_id)),
            Incoming::Unblocked { id, player_id } => self.answered(id, Event::Unblocked(player_id)),
            Incoming::Blocks { id, player_ids } => self.answered(id, Event::Blocks(player_ids)),
            Incoming::PresenceChanged(changed) => {
                if self.channels.get(&Channel::room(&changed.room)).is_some_and(|here| here.live) {
                    self.events.push_back(Event::PresenceChanged(changed));
                }
            }
            Incoming::Error(problem) => self.problem(problem, now),
            Incoming::Welcome(_) | Incoming::Reconnect { .. } | Incoming::Other => {}
        }
    }

    fn entered(&mut self, answer: Answer) {
        let Answer { id, position, count, recovered } = answer;
        let Some(stage) = number(id.as_deref()).map(Stage::Sent) else { return };
        // An answer to somebody who has left meanwhile finds nobody.
        let Some((channel, here)) = self.channels.iter_mut().find(|(_, one)| one.stage == stage) else {
            return;
        };
        let recovery = match (recovered, here.live) {
            (Some(true), _) | (_, true) => Recovery::Continued,
            (Some(false), _) => match here.position.replace(position.clone()) {
                Some(since) => Recovery::Lost { since },
                None => Recovery::Began,
            },
            (None, false) => {
                here.position = Some(position.clone());
                Recovery::Began
            }
        };
        (here.live, here.stage, here.traceparent) = (true, Stage::Done, None);
        let channel = channel.clone();
        self.events.push_back(Event::Entered(Entered { channel, recovery, position, players: count }));
    }

    /// Whether a publication is for somebody; it moves the position then.
    fn advance(&mut self, channel: &Channel, offset: i64) -> bool {
        match self.channels.get_mut(channel) {
            Some(Subscription { live: true, position: Some(position), .. }) => {
                position.offset = offset;
                true
            }
            _ => false,
        }
    }

    fn answered(&mut self, id: Option<String>, event: Event) {
        if number(id.as_deref()).and_then(|id| self.pending.remove(&id)).is_some() {
            self.events.push_back(event);
        }
    }

    fn problem(&mut self, problem: Problem, now: Instant) {
        let Some(id) = number(problem.id.as_deref()) else { return };
        let again = Stage::Due(Some(now + NOT_NOW.mul_f64(rand::random_range(0.25..=1.0))));
        let temporary = problem.is_temporary();
        if let Some(pending) = self.pending.get_mut(&id) {
            if temporary {
                pending.stage = again;
            } else {
                self.refuse(id, problem);
            }
            return;
        }
        let asked = self.channels.iter_mut().find(|(_, one)| one.stage == Stage::Sent(id));
        let Some((channel, here)) = asked else { return };
        if temporary {
            here.stage = again;
            return;
        }
        let channel = channel.clone();
        self.channels.remove(&channel);
        self.refused(Some(channel), None, problem);
    }

    fn refuse(&mut self, id: u64, problem: Problem) {
        let Some(Pending { request, .. }) = self.pending.remove(&id) else { return };
        let (room, client_id) = match request {
            Request::Say { room, client_id, .. } => (Some(room), Some(client_id)),
            Request::History { room, .. } | Request::Presence { room } => (Some(room), None),
            Request::Block { .. } | Request::Unblock { .. } | Request::Blocks => (None, None),
        };
        self.refused(room.map(Channel::Room), client_id, problem);
    }

    fn refused(&mut self, channel: Option<Channel>, client_id: Option<String>, problem: Problem) {
        let Problem { code, message, id: _, field, until } = problem;
        let refused = Refused { channel, client_id, code, message, field, until };
        self.events.push_back(Event::Refused(refused));
    }

    fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }
}

fn number(id: Option<&str>) -> Option<u64> {
    id?.parse().ok()
}

fn enter_command<'a>(
    channel: &'a Channel,
    join: bool,
    id: u64,
    position: Option<&'a Position>,
) -> Outgoing<'a> {
    let id = id.to_string();
    match channel {
        Channel::Room(room) if join => Outgoing::Join { id, room, position },
        Channel::Room(_) | Channel::Feed => {
            Outgoing::Subscribe { id, channel: channel.to_string(), position }
        }
    }
}

fn request_command(request: &Request, id: u64) -> Outgoing<'_> {
    let id = id.to_string();
    match request {
        Request::Say { room, client_id, text } => Outgoing::Message { id, room, client_id, text },
        Request::History { room, limit, before } => {
            Outgoing::History { id, room, limit: *limit, before: *before }
        }
        Request::Presence { room } => Outgoing::Presence { id, room },
        Request::Block { player_id } => Outgoing::Block { id, player_id: *player_id },
        Request::Unblock { player_id } => Outgoing::Unblock { id, player_id: *player_id },
        Request::Blocks => Outgoing::Blocks { id },
    }
}
