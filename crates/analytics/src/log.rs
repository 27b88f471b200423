//! The event log: appending, reading and following it. Offsets are dense and in commit order; an event is stored once.

mod append;
mod read;
mod tail;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use battlearena_proto::events::{Event, event::Body};
use battlearena_runtime::CancellationToken;
use battlearena_storage::{Database, StorageError, Wake};
use tokio::sync::watch;

use crate::metrics::Metrics;
use crate::store::events;

pub(crate) use read::{ReadError, Reader};
use tail::Tail;

/// How long the end of the log goes unlooked at, when no replica says that it moved.
const POLL: Duration = Duration::from_secs(1);

/// The log, as one process sees it.
pub(crate) struct EventLog {
    database: Database,
    metrics: &'static Metrics,
    /// The last events, for readers that keep up.
    tail: Mutex<Tail>,
    head: watch::Sender<i64>,
    /// Appends wait for one another in the database anyway; waiting here costs no connection.
    appending: tokio::sync::Mutex<()>,
    wake: Wake,
}

impl EventLog {
    pub(crate) fn new(database: Database, metrics: &'static Metrics) -> Self {
        Self {
            database,
            metrics,
            tail: Mutex::new(Tail::new()),
            head: watch::Sender::new(0),
            appending: tokio::sync::Mutex::new(()),
            wake: Wake::new("analytics_log"),
        }
    }

    /// The wake-ups between replicas, to be carried by a task.
    pub(crate) fn wake(&self) -> Wake {
        self.wake.clone()
    }

    /// The last offset that this process knows of.
    pub(crate) fn head(&self) -> i64 {
        *self.head.borrow()
    }

    /// Waits until the log goes beyond an offset, at most for a while.
    pub(crate) async fn wait_beyond(&self, offset: i64, at_most: Duration) {
        let mut head = self.head.subscribe();
        let beyond = head.wait_for(|head| *head > offset);
        let _elapsed = tokio::time::timeout(at_most, beyond).await;
    }

    /// Keeps the head up with what other replicas append, until told to stop.
    pub(crate) async fn follow_head(&self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            if let Err(error) = self.look_at_head().await {
                tracing::debug!(%error, "the end of the log cannot be seen");
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.wake.wait(POLL) => {}
            }
        }
    }

    async fn look_at_head(&self) -> Result<(), StorageError> {
        let bounds = events::bounds(&self.database).await?;
        self.move_head(bounds.last);
        Ok(())
    }

    /// What was committed: for readers of this process at once, for those of others by a wake-up.
    fn committed(&self, events: Vec<Event>) {
        let Some(last) = events.last().map(|event| event.offset) else { return };
        let mut tail = self.tail();
        tail.push(events);
        self.metrics.tail_size(tail.bytes());
        drop(tail);
        self.move_head(last);
        self.wake.wake_others();
    }

    /// Forgets the names of players whose accounts these events say were deleted: in memory. The table forgets them with
    /// the read models.
    pub(crate) fn forget_deleted(&self, events: &[Event]) {
        for event in events {
            if let Some(Body::PlayerDeleted(deleted)) = &event.body {
                self.tail().forget_name(deleted.player_id);
            }
        }
    }

    fn move_head(&self, last: i64) {
        self.head.send_if_modified(|head| {
            let moved = last > *head;
            *head = last.max(*head);
            moved
        });
    }

    fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
