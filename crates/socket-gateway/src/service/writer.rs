//! Stores chat in groups: whatever was sent while the last group was being written is the next one, in one statement,
//! and is then delivered. One task does it, so that a room's messages are delivered in the order of their offsets.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use battlearena_proto::{Failure, chain};
use battlearena_runtime::CancellationToken;
use battlearena_storage::events::QueueMetrics;
use battlearena_storage::{Database, StorageError};
use battlearena_telemetry::trace::{batch_span, in_each_trace};
use tokio::sync::Notify;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use crate::domain::{Answer, ErrorCode, Refusal, Said};
use crate::hub::{Room, Rooms};
use crate::metrics::{Metrics, Received, Sent};
use crate::socket::Socket;
use crate::store::messages::{self, NewMessage, Outcome, Stored};
use crate::store::rooms;

/// Messages that may wait. More are refused: the database cannot keep up.
const MOST_WAITING: usize = 20_000;

/// Messages in one transaction.
const GROUP: usize = 1000;

/// How often rooms are looked at for what another process stored in them.
const LOOK: Duration = Duration::from_secs(2);

/// A message on its way into the database.
pub(crate) struct Draft {
    pub(crate) room: Arc<Room>,
    pub(crate) player_id: i64,
    pub(crate) username: Arc<str>,
    pub(crate) client_id: String,
    pub(crate) text: String,
    /// Who waits for the acknowledgement, under which name.
    pub(crate) socket: Arc<Socket>,
    pub(crate) id: Option<String>,
    pub(crate) received: Instant,
    pub(crate) span: Span,
    /// The context of the span, when it is sampled.
    pub(crate) traceparent: Option<String>,
}

/// What waits to be stored.
pub(crate) struct Writer {
    database: Database,
    queue: Mutex<Queue>,
    filled: Notify,
    metrics: QueueMetrics,
}

#[derive(Default)]
struct Queue {
    drafts: Vec<Draft>,
    is_closed: bool,
}

impl Writer {
    pub(crate) fn new(database: Database) -> Self {
        Self { database, queue: Mutex::default(), filled: Notify::new(), metrics: QueueMetrics::new("chat") }
    }

    /// Takes a message. Its sender is told what became of it, at once when it cannot be taken.
    pub(crate) fn submit(&self, draft: Draft) {
        let mut queue = self.queue();
        if queue.is_closed || queue.drafts.len() >= MOST_WAITING {
            drop(queue);
            draft.refuse(Refusal::new(ErrorCode::Unavailable, "messages cannot be stored now, try again"));
            return;
        }
        queue.drafts.push(draft);
        self.show(&queue);
        drop(queue);
        self.filled.notify_one();
    }

    /// Runs until told to stop; then takes no more messages, and ends when all of them are stored.
    pub(crate) async fn run(&self, rooms: &Rooms, stop: CancellationToken) {
        let mut looked = Instant::now();
        loop {
            if stop.is_cancelled() {
                self.queue().is_closed = true;
            }
            let group = self.next_group();
            if !group.is_empty() {
                self.write(group).await;
            } else if stop.is_cancelled() {
                return;
            } else {
                tokio::select! {
                    () = self.filled.notified() => {}
                    () = stop.cancelled() => {}
                    () = tokio::time::sleep(LOOK.saturating_sub(looked.elapsed())) => {}
                }
            }
            if looked.elapsed() >= LOOK {
                looked = Instant::now();
                if let Err(error) = self.look(rooms).await {
                    tracing::debug!(%error, "rooms are not compared with the database");
                }
            }
        }
    }

    fn next_group(&self) -> Vec<Draft> {
        let mut queue = self.queue();
        let count = queue.drafts.len().min(GROUP);
        let group = if count == queue.drafts.len() {
            std::mem::take(&mut queue.drafts)
        } else {
            queue.drafts.drain(..count).collect()
        };
        self.show(&queue);
        group
    }

    /// Brings the metrics of what waits up to date: time passes also while nothing comes and nothing goes.
    pub(crate) fn observe(&self) {
        self.show(&self.queue());
    }

    fn show(&self, queue: &Queue) {
        let oldest = queue.drafts.first().map_or(Duration::ZERO, |draft| draft.received.elapsed());
        self.metrics.waiting(queue.drafts.len() as i64, oldest);
    }

    async fn write(&self, group: Vec<Draft>) {
        let began = Instant::now();
        let stored = self.store(&group).await;
        let span = group.first().map_or_else(Span::none, |draft| draft.span.clone());
        self.metrics.processed(&span, began);
        match stored {
            Ok(outcomes) => self.deliver(&group, &outcomes).await,
            // One of them may be at fault: alone, it fails alone.
            Err(error) if !error.is_transient() && group.len() > 1 => {
                for draft in group {
                    match self.store(std::slice::from_ref(&draft)).await {
                        Ok(outcomes) => self.deliver(std::slice::from_ref(&draft), &outcomes).await,
                        Err(error) => fail(std::slice::from_ref(&draft), error),
                    }
                }
            }
            Err(error) => fail(&group, error),
        }
    }

    /// Stores a group and says what became of each of its messages. Each trace of its messages sees it.
    async fn store(&self, group: &[Draft]) -> Result<Vec<Outcome>, StorageError> {
        let traceparents = || group.iter().filter_map(|draft| draft.traceparent.as_deref());
        let span = || {
            tracing::info_span!(
                "store_messages",
                otel.status_code = Empty,
                messaging.batch.message_count = group.len(),
                "error.type" = Empty,
            )
        };
        let batch = batch_span(traceparents(), span);
        let others = in_each_trace(&batch, traceparents(), span);
        let stored = self.place(group).instrument(batch.clone()).await;
        if let Err(error) = &stored {
            for span in others.iter().chain([&batch]) {
                span.record("otel.status_code", "ERROR").record("error.type", error.class());
            }
        }
        stored
    }

    async fn place(&self, group: &[Draft]) -> Result<Vec<Outcome>, StorageError> {
        let (first, copies) = without_copies(group);
        let new: Vec<NewMessage<'_>> = first.iter().map(|draft| draft.to_new_message()).collect();
        let connection = self.database.connection().await?;
        let outcomes = match messages::store(connection.session(), &new).await? {
            Some(outcomes) => outcomes,
            None => self.store_locked(&new).await?,
        };
        let place = |(place, is_copy): &(usize, bool)| match outcomes[*place] {
            Outcome::Stored(stored) => {
                Outcome::Stored(Stored { is_new: stored.is_new && !is_copy, ..stored })
            }
            muted @ Outcome::Muted { .. } => muted,
        };
        Ok(copies.iter().map(place).collect())
    }

    /// Stores messages whose rooms another process writes into at the same time.
    async fn store_locked(&self, new: &[NewMessage<'_>]) -> Result<Vec<Outcome>, StorageError> {
        let mut ids: Vec<i64> = new.iter().map(|message| message.room_id).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut connection = self.database.connection().await?;
        let transaction = connection.begin().await?;
        rooms::lock(transaction.session(), &ids).await?;
        let stored = messages::store(transaction.session(), new).await?;
        transaction.commit().await?;
        stored.ok_or_else(|| StorageError::Other("rooms moved although they were locked".into()))
    }

    /// Sends messages to everybody in their rooms, and tells their senders.
    async fn deliver(&self, group: &[Draft], outcomes: &[Outcome]) {
        let mut by_room: BTreeMap<i64, (&Room, Instant, Vec<Said>)> = BTreeMap::new();
        for (draft, outcome) in group.iter().zip(outcomes) {
            if let Outcome::Stored(stored @ Stored { is_new: true, .. }) = outcome {
                let new = || (&*draft.room, draft.received, Vec::new());
                let (_, born, said) = by_room.entry(draft.room.id).or_insert_with(new);
                *born = draft.received.min(*born);
                said.push(draft.to_said(*stored));
                Metrics::get().stored(draft.socket.tier());
            }
        }
        for (room, born, said) in by_room.into_values() {
            self.publish(room, &said, born).await;
        }
        for (draft, outcome) in group.iter().zip(outcomes) {
            match *outcome {
                Outcome::Stored(stored) => draft.acknowledge(stored),
                Outcome::Muted { until } => draft.refuse(Refusal::muted(until)),
            }
        }
    }

    /// Publishes new messages of a room, after those that another process stored before them.
    async fn publish(&self, room: &Room, said: &[Said], born: Instant) {
        let follows = said.first().is_some_and(|first| first.offset <= room.channel.last() + 1);
        if follows {
            let entries: Vec<_> = said.iter().map(|said| room.entry(said)).collect();
            room.channel.publish(&entries, born);
        } else if let Err(error) = self.catch_up(room).await {
            // The next look will do it: nothing is delivered out of order.
            tracing::warn!(error = chain(&error), "messages wait for their delivery");
        }
    }

    /// Publishes what the database has beyond what was published.
    async fn catch_up(&self, room: &Room) -> Result<(), StorageError> {
        loop {
            let said = messages::after(&self.database, room.id, room.channel.last(), GROUP as i64).await?;
            let entries: Vec<_> = said.iter().map(|said| room.entry(said)).collect();
            room.channel.publish(&entries, Instant::now());
            if said.len() < GROUP {
                return Ok(());
            }
        }
    }

    /// Looks for what another process stored: one that was draining when this one began, for instance.
    async fn look(&self, rooms: &Rooms) -> Result<(), StorageError> {
        let loaded: HashMap<i64, Arc<Room>> =
            rooms.loaded().into_iter().map(|room| (room.id, room)).collect();
        let ids: Vec<i64> = loaded.keys().copied().collect();
        if ids.is_empty() {
            return Ok(());
        }
        for (id, head) in rooms::heads(&self.database, &ids).await? {
            if let Some(room) = loaded.get(&id).filter(|room| room.channel.last() < head) {
                self.catch_up(room).await?;
            }
        }
        Ok(())
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The messages of a group without those that were sent twice within it, and for each of the group its place among
/// them and whether it is a copy.
fn without_copies(group: &[Draft]) -> (Vec<&Draft>, Vec<(usize, bool)>) {
    let mut seen = HashMap::with_capacity(group.len());
    let (mut first, mut places) = (Vec::with_capacity(group.len()), Vec::with_capacity(group.len()));
    for draft in group {
        let next = first.len();
        let place = *seen.entry((draft.room.id, draft.player_id, &draft.client_id)).or_insert(next);
        if place == next {
            first.push(draft);
        }
        places.push((place, place != next));
    }
    (first, places)
}

/// Tells the senders that their messages were not stored, and logs why.
fn fail(group: &[Draft], error: StorageError) {
    let code = if error.is_transient() { ErrorCode::Unavailable } else { ErrorCode::Internal };
    let message =
        if error.is_transient() { "the message may not be stored, send it again" } else { "internal error" };
    let failure = Failure::from(error);
    if let Some(first) = group.first() {
        first.span.in_scope(|| battlearena_telemetry::report(&failure));
    }
    for draft in group {
        draft.refuse(Refusal::new(code, message));
    }
}

impl Draft {
    fn to_new_message(&self) -> NewMessage<'_> {
        NewMessage {
            room_id: self.room.id,
            player_id: self.player_id,
            username: &self.username,
            text: &self.text,
            client_id: &self.client_id,
        }
    }

    fn to_said(&self, stored: Stored) -> Said {
        Said {
            offset: stored.offset,
            player_id: self.player_id,
            username: self.username.to_string(),
            text: self.text.clone(),
            client_id: self.client_id.clone(),
            timestamp: stored.timestamp,
            traceparent: self.traceparent.clone(),
        }
    }

    fn acknowledge(&self, stored: Stored) {
        let Stored { offset, timestamp, is_new } = stored;
        let (id, room, client_id) = (self.id.as_deref(), &self.room.name, &self.client_id);
        let ack = Answer::Ack { id, room, client_id, offset, timestamp, duplicate: !is_new };
        self.socket.send(&ack.to_text(), Sent::Ack);
        Metrics::get().processed(Received::Message, self.received, &self.span);
    }

    fn refuse(&self, refusal: Refusal) {
        let refusal = refusal.with_id(self.id.as_deref()).with_client_id(&self.client_id);
        self.span.in_scope(|| self.socket.refuse(&refusal));
        Metrics::get().processed(Received::Message, self.received, &self.span);
    }
}
