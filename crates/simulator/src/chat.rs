//! The players with sockets: they join rooms, talk at a rate that waits for nobody, and listen. Afterwards every
//! listener's history is held against the room's.

mod hearing;
mod plan;
mod player;
mod verdict;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use battlearena_client::calls::{Page, chat_history};
use battlearena_client::socket::Socket;
use battlearena_client::{Error, Gateway, Hooks};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::operations::Players;
use crate::plan::Population;
use crate::schedule::hour_factor_now;
use crate::summary::ChatSummary;
use crate::truth::Row;
pub(crate) use plan::ChatPlan;
use player::{Order, Player, State};
use verdict::{Said, Verdict};

/// Orders that may wait with a player whose socket is gone for long.
const ORDERS: usize = 256;
const POLL: Duration = Duration::from_millis(50);
/// Messages on one page of history.
const PAGE: u32 = 100;

/// Socket players at work. Dropped, they end.
#[derive(Debug)]
pub(crate) struct Chat {
    plan: ChatPlan,
    run: u64,
    members: Vec<Member>,
    tasks: TaskTracker,
    end: CancellationToken,
    not_sent: u64,
}

/// One player, from outside.
#[derive(Debug)]
struct Member {
    room: usize,
    /// The gateway, as this player calls it.
    gateway: Gateway,
    orders: mpsc::Sender<Order>,
    state: Arc<Mutex<State>>,
}

impl Member {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Chat {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

impl Chat {
    /// Opens every socket of the plan for the players who take part.
    pub(crate) fn open(
        config: &Config,
        plan: ChatPlan,
        population: &Population,
        (players, hooks): (&Arc<Players>, Hooks),
    ) -> Self {
        let (tasks, end) = (TaskTracker::new(), CancellationToken::new());
        let mut chat = Self { plan, run: rand::random(), members: Vec::new(), tasks, end, not_sent: 0 };
        for number in 0..chat.plan.players() {
            let player_id = population.at(number as i64);
            let mut settings = players.cast().socket(&config.socket_url, player_id);
            (settings.connect_timeout, settings.hooks) = (config.timeout, hooks.clone());
            let (socket, events) = Socket::open(settings);
            let (orders, taken) = mpsc::channel(ORDERS);
            let state = Arc::<Mutex<State>>::default();
            let room = chat.plan.room_of(number);
            let channels = (chat.room_name(room), chat.plan.follows_the_feed(number));
            let identity = (player_id, socket, events);
            let player = Player::new(identity, channels, taken, state.clone(), players.clone());
            chat.tasks.spawn(player.play(chat.end.clone()));
            let gateway = players.cast().player(player_id);
            chat.members.push(Member { room, gateway, orders, state });
        }
        chat
    }

    /// Waits until everybody is in.
    ///
    /// # Errors
    /// Somebody is not in after `patience`.
    pub(crate) async fn entered(&self, patience: Duration) -> anyhow::Result<()> {
        let all = |state: &State| state.entered || state.ended.is_some();
        self.wait(patience, |members| members.iter().all(|member| all(&member.state()))).await;
        if let Some(reason) = self.members.iter().find_map(|member| member.state().ended.clone()) {
            bail!("the socket-gateway does not want the players: {reason}");
        }
        let missing = self.members.iter().filter(|member| !member.state().entered).count();
        if missing > 0 {
            bail!("{missing} of {} players could not enter their rooms by socket", self.members.len());
        }
        Ok(())
    }

    /// Lets people talk until told to stop. Messages are due when the plan says so, whatever became of the last ones.
    pub(crate) async fn talk(&mut self, follows_the_hour: bool, stop: &CancellationToken) {
        let mut due = Instant::now();
        let mut number: u64 = 0;
        while !stop.is_cancelled() {
            let Some(utterance) = self.plan.next(hour_factor_now(follows_the_hour)) else {
                return stop.cancelled().await;
            };
            due += utterance.after;
            let wait = tokio::time::sleep_until(due.into());
            if stop.run_until_cancelled(wait).await.is_none() {
                return;
            }
            number += 1;
            // The number makes each message one of a kind within the run.
            let text = format!("{} #{number}", utterance.words);
            let taken = self.members[utterance.speaker].orders.try_send(Order { text, due });
            self.not_sent += u64::from(taken.is_err());
        }
    }

    /// Waits, as long as patience lasts, until every message is acknowledged and everybody has heard everything; then
    /// closes the sockets.
    pub(crate) async fn settle(&self, patience: Duration) {
        let said = |members: &[Member]| members.iter().all(|member| member.state().unacknowledged == 0);
        self.wait(patience, said).await;
        self.wait(patience, |members| self.have_heard_their_rooms(members)).await;
        self.end.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// What is proven so far. Call it after [`Chat::settle`].
    pub(crate) fn summary(&self) -> ChatSummary {
        let (players, not_sent) = (self.members.len(), self.not_sent);
        let mut counts = ChatSummary { players, not_sent, ..ChatSummary::default() };
        for member in &self.members {
            let state = member.state();
            counts.acknowledged += state.acknowledged.count;
            counts.delivered += state.hearing.heard().count;
            counts.feed_events += state.feed.events;
            counts.reconnects += state.reconnects;
            counts.reloads += state.reloads;
            counts.not_sent += state.not_sent;
        }
        counts
    }

    /// Holds what was said and heard against the rooms' histories, as the gateway tells them. Call it after
    /// [`Chat::settle`].
    ///
    /// # Errors
    /// The gateway does not tell a history.
    pub(crate) async fn check(&self) -> anyhow::Result<Vec<Row>> {
        let mut verdict = Verdict::default();
        for room in 0..self.plan.rooms() {
            let members: Vec<_> = self.members.iter().filter(|member| member.room == room).collect();
            let Some(reader) = members.first() else { continue };
            let history = history(&reader.gateway, &self.room_name(room)).await;
            let history = history.context("reading a room's history")?;
            let states: Vec<_> = members.iter().map(|member| member.state()).collect();
            verdict.room(&history, states.iter().map(|state| &**state));
        }
        Ok(verdict.rows())
    }

    /// Whether everybody has heard everything that anybody knows to be in the same room.
    fn have_heard_their_rooms(&self, members: &[Member]) -> bool {
        let mut furthest = vec![0; self.plan.rooms()];
        for member in members {
            furthest[member.room] = member.state().last_known().max(furthest[member.room]);
        }
        members.iter().all(|member| {
            let state = member.state();
            state.hearing.is_complete() && state.hearing.last() >= furthest[member.room]
        })
    }

    async fn wait(&self, patience: Duration, done: impl Fn(&[Member]) -> bool) {
        let give_up_at = Instant::now() + patience;
        while !done(&self.members) && Instant::now() < give_up_at {
            tokio::time::sleep(POLL).await;
        }
    }

    /// Each run has rooms of its own: what others say would be in the way of the check.
    fn room_name(&self, room: usize) -> String {
        format!("sim-{:016x}-{room}", self.run)
    }
}

/// Everything that was ever said in a room, in order.
async fn history(gateway: &Gateway, room: &str) -> Result<Vec<Said>, Error> {
    let (mut said, mut before) = (Vec::new(), None);
    loop {
        let page = gateway.send(chat_history(room, Page { limit: PAGE, before })).await?.messages;
        let Some(first) = page.iter().map(|message| message.id).min() else { break };
        said.extend(page.into_iter().map(|message| Said { offset: message.id, text: message.text }));
        before = Some(first);
        if first <= 1 {
            break;
        }
    }
    said.sort_by_key(|message| message.offset);
    Ok(said)
}
