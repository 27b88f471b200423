//! The reading end of a socket, which is also what drives it: connecting, sending, recovering all happen while
//! [`Events::next`] is awaited. There is no task behind it and no queue of events that could run over: who does not read
//! is a slow reader to the server, and not a leak in this process.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

use super::event::{Channel, Disconnect, Event, Position};
use super::frames::{Incoming, Outgoing, Welcome};
use super::pace::Pace;
use super::session::{Given, Session};
use super::wire::{NotOpen, Wire};
use super::{SocketSettings, Who};
use crate::credentials::Token;
use crate::error::Error;
use crate::retry::Backoff;

/// Commands without an answer, at most; more wait with the program.
const WINDOW: usize = 256;
/// Pauses between connections.
const RECONNECT: Backoff = Backoff { first: Duration::from_millis(200), longest: Duration::from_secs(5) };
/// A connection that lasted that long was a good one.
const GOOD: Duration = Duration::from_secs(5);
/// How long to wait in silence, in heartbeats of the server, before asking whether it is still there, and before it is
/// given up. It pings a silent client after one heartbeat, so a silence of more than one is strange.
const SILENCE: (f64, f64) = (1.2, 1.6);
/// While the gateway does not renew a token, it is asked so often.
const NEXT_LOOK: Duration = Duration::from_secs(1);
/// Who was taken for a flood waits as long as this, at most.
const AFTER_FLOOD: Duration = Duration::from_secs(5);

/// The events of a socket.
#[derive(Debug)]
#[must_use = "a socket does nothing unless its events are read"]
pub struct Events {
    settings: Arc<SocketSettings>,
    commands: Receiver<Given>,
    closing: CancellationToken,
    session: Session,
    link: Link,
    /// Connections in a row that failed or did not last.
    failures: u32,
}

#[derive(Debug)]
enum Link {
    Down(Attempt),
    Up(Box<Live>),
    Ended,
}

/// A connection in the making. It is kept across calls of [`Events::next`]: who cancels them often would never be
/// connected otherwise.
struct Attempt(BoxFuture<'static, Result<Opened, NotOpen>>);

/// A connection with its welcome, and the token that it was opened with.
type Opened = (Wire, Welcome, Option<Arc<Token>>);

impl Attempt {
    /// One that begins at that moment.
    fn at(begin: Instant, settings: Arc<SocketSettings>) -> Self {
        Self(Box::pin(async move {
            sleep_until(begin).await;
            timeout(settings.connect_timeout, Wire::open(&settings)).await.unwrap_or(Err(NotOpen::NotNow))
        }))
    }
}

impl std::fmt::Debug for Attempt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Attempt")
    }
}

#[derive(Debug)]
struct Live {
    wire: Wire,
    pace: Pace,
    since: Instant,
    heard: Instant,
    /// Whether the server was asked if it is still there, and has said nothing since.
    asked: bool,
    heartbeat: Duration,
    /// When the server wants to see us again.
    reconnect_after: Option<Duration>,
    /// The next token in the making; it is kept across calls of [`Events::next`].
    renewal: Renewal,
}

/// The tokens of a connection, one after the other, each when it is there. Without a session there is never one.
struct Renewal(BoxFuture<'static, Result<Arc<Token>, String>>);

impl Renewal {
    /// The one that follows `current`.
    fn after(current: Option<Arc<Token>>, who: &Who) -> Self {
        let (Some(current), Who::Session(session)) = (current, who) else {
            return Self(Box::pin(std::future::pending()));
        };
        let session = session.clone();
        Self(Box::pin(async move {
            let mut look_at = current.renew_at();
            loop {
                sleep_until(look_at).await;
                match session.token().await {
                    Ok(token) if token.text() != current.text() => {
                        return Ok(token);
                    }
                    Ok(token) => look_at = token.renew_at().max(Instant::now() + NEXT_LOOK),
                    Err(Error::Refused(refusal)) => return Err(refusal.to_string()),
                    Err(Error::Unanswered { .. } | Error::Unreadable { .. }) => {
                        look_at = Instant::now() + NEXT_LOOK;
                    }
                }
            }
        }))
    }
}

impl std::fmt::Debug for Renewal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Renewal")
    }
}

/// What a step of a connection came to.
enum Step {
    Frame(Incoming),
    Nothing,
    Lost(Disconnect),
    Rejected(String),
}

impl Events {
    pub(super) fn new(
        settings: SocketSettings,
        commands: Receiver<Given>,
        closing: CancellationToken,
    ) -> Self {
        let settings = Arc::new(settings);
        let link = Link::Down(Attempt::at(Instant::now(), settings.clone()));
        Self { settings, commands, closing, session: Session::default(), link, failures: 0 }
    }

    /// The next event; none once the socket has ended, because it was closed or the server does not want it. May be
    /// cancelled at any time: nothing gets lost by that.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.session.events.pop_front() {
                return Some(event);
            }
            match &mut self.link {
                Link::Down(attempt) => {
                    let made = self.closing.run_until_cancelled(&mut attempt.0).await;
                    self.attempted(made);
                }
                Link::Up(_) => self.step().await,
                Link::Ended => return None,
            }
        }
    }

    /// Commands that were taken and have no answer yet: messages that may be unstored, questions.
    pub fn unanswered(&self) -> usize {
        self.session.unanswered() + self.commands.len()
    }

    /// Where a channel stands, for a program that wants to go on from there after its own restart.
    pub fn position(&self, channel: &Channel) -> Option<&Position> {
        self.session.position(channel)
    }

    fn attempted(&mut self, made: Option<Result<Opened, NotOpen>>) {
        match made {
            None => self.link = Link::Ended,
            Some(Ok(opened)) => self.connected(opened),
            Some(Err(NotOpen::Rejected(reason) | NotOpen::Unproven(reason))) => self.end(reason),
            Some(Err(NotOpen::NotNow)) => {
                self.connect_in(RECONNECT.pause(self.failures));
                self.failures += 1;
            }
        }
    }

    fn connect_in(&mut self, pause: Duration) {
        self.link = Link::Down(Attempt::at(Instant::now() + pause, self.settings.clone()));
    }

    fn connected(&mut self, (wire, welcome, token): Opened) {
        let Welcome { session, heartbeat_seconds, limits } = welcome;
        let now = Instant::now();
        self.link = Link::Up(Box::new(Live {
            wire,
            pace: Pace::new(limits, now),
            since: now,
            heard: now,
            asked: false,
            heartbeat: Duration::from_secs(heartbeat_seconds),
            reconnect_after: None,
            renewal: Renewal::after(token, &self.settings.who),
        }));
        self.session.events.push_back(Event::Connected { session });
    }

    async fn step(&mut self) {
        let Link::Up(live) = &mut self.link else { return };
        let room = self.session.unanswered() < WINDOW;
        let Some(wake) = live.send_due(&mut self.session) else { return self.lost(Disconnect::Broken) };
        if !self.session.events.is_empty() {
            return;
        }
        let step = tokio::select! {
            biased;
            () = self.closing.cancelled() => {
                if let Link::Up(live) = std::mem::replace(&mut self.link, Link::Ended) {
                    live.wire.close().await;
                }
                return;
            }
            Some(given) = self.commands.recv(), if room => {
                self.session.take(given);
                return;
            }
            token = &mut live.renewal.0 => live.renewed(token, &self.settings.who),
            received = live.wire.receive() => live.judge(received.and_then(Result::ok), &self.settings.who),
            () = sleep_until(wake) => live.silent_at(Instant::now()),
        };
        match step {
            Step::Frame(frame) => self.session.receive(frame, Instant::now()),
            Step::Nothing => {}
            Step::Lost(cause) => self.lost(cause),
            Step::Rejected(reason) => self.end(reason),
        }
    }

    fn lost(&mut self, cause: Disconnect) {
        let Link::Up(live) = std::mem::replace(&mut self.link, Link::Ended) else { return };
        self.failures = if live.since.elapsed() >= GOOD { 0 } else { self.failures };
        let retry_in = match (live.reconnect_after, cause) {
            (Some(after), _) => after,
            (None, Disconnect::Closed(4029)) => AFTER_FLOOD.mul_f64(rand::random_range(0.4..=1.0)),
            (None, _) => RECONNECT.pause(self.failures),
        };
        self.failures += 1;
        self.session.disconnected();
        self.session.events.push_back(Event::Disconnected { cause, retry_in });
        self.connect_in(retry_in);
    }

    fn end(&mut self, reason: String) {
        self.session.events.push_back(Event::Ended { reason });
        self.link = Link::Ended;
    }
}

impl Live {
    /// Sends what is due and may go out; returns when to look again, or nothing when the connection is broken.
    fn send_due(&mut self, session: &mut Session) -> Option<Instant> {
        let silence = self.heard + self.heartbeat.mul_f64(if self.asked { SILENCE.1 } else { SILENCE.0 });
        loop {
            let now = Instant::now();
            let may = self.pace.next(now);
            if may > now {
                return Some(may.min(silence));
            }
            let Some(frame) = session.next_frame(now) else {
                return Some(session.wake_at().map_or(silence, |at| at.min(silence)));
            };
            self.pace.spend();
            self.wire.send(frame).ok()?;
        }
    }

    /// Shows the next token, or leaves when there will be none.
    fn renewed(&mut self, token: Result<Arc<Token>, String>, who: &Who) -> Step {
        let token = match token {
            Ok(token) => token,
            Err(reason) => return Step::Rejected(reason),
        };
        if self.wire.send(Outgoing::Refresh { token: token.text() }.frame(None)).is_err() {
            return Step::Lost(Disconnect::Broken);
        }
        self.renewal = Renewal::after(Some(token), who);
        Step::Nothing
    }

    fn judge(&mut self, received: Option<Message>, who: &Who) -> Step {
        (self.heard, self.asked) = (Instant::now(), false);
        match received {
            Some(Message::Text(text)) => match serde_json::from_str(&text) {
                Ok(Incoming::Reconnect { reconnect_after_ms }) => {
                    self.reconnect_after = Some(Duration::from_millis(reconnect_after_ms));
                    Step::Nothing
                }
                Ok(frame) => Step::Frame(frame),
                // To skip it would be a silent gap.
                Err(error) => Step::Rejected(format!("a frame that is not the protocol: {error}")),
            },
            Some(Message::Close(frame)) => closed(frame.map_or(1006, |frame| frame.code.into()), who),
            Some(_) => Step::Nothing,
            None => Step::Lost(Disconnect::Broken),
        }
    }

    /// Acts on the server's silence, when it is time.
    fn silent_at(&mut self, now: Instant) -> Step {
        let silent = now - self.heard;
        if self.asked && silent >= self.heartbeat.mul_f64(SILENCE.1) {
            return Step::Lost(Disconnect::Silent);
        }
        if !self.asked && silent >= self.heartbeat.mul_f64(SILENCE.0) {
            self.asked = true;
            if self.wire.send(Outgoing::Ping.frame(None)).is_err() {
                return Step::Lost(Disconnect::Broken);
            }
        }
        Step::Nothing
    }
}

fn closed(code: u16, who: &Who) -> Step {
    match (code, who) {
        (1001, _) => Step::Lost(Disconnect::ServerLeaves),
        // A session may have a better token.
        (4001, Who::Session(_)) => Step::Lost(Disconnect::Closed(code)),
        (1002 | 1003 | 1007 | 1009 | 4000..=4004, _) => {
            Step::Rejected(format!("the server closed with code {code}"))
        }
        (code, _) => Step::Lost(Disconnect::Closed(code)),
    }
}
