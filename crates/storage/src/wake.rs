//! Waking a waiting task when something was committed: at once within the process, and by PostgreSQL's NOTIFY in other
//! replicas. The notification is sent apart from the transactions and coalesced, because a NOTIFY inside a transaction
//! takes a lock that serialises all commits. Nothing depends on it: whoever waits also polls.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_postgres::AsyncMessage;
use tokio_util::sync::CancellationToken;

use crate::{Database, StorageError};

/// At most one notification in this time.
const COALESCE: Duration = Duration::from_millis(20);

/// A channel of wake-ups. Cheap to clone.
#[derive(Clone)]
pub struct Wake {
    channel: &'static str,
    local: Arc<Notify>,
    tell_others: Arc<Notify>,
}

impl Wake {
    /// `channel` is the name of the notification channel: a plain identifier, the same in every replica.
    pub fn new(channel: &'static str) -> Self {
        Self { channel, local: Arc::default(), tell_others: Arc::default() }
    }

    /// Something was committed. Costs nothing worth mentioning; call it after each commit.
    pub fn wake(&self) {
        self.local.notify_one();
        self.tell_others.notify_one();
    }

    /// Something was committed that this process knows of: only the other replicas are woken.
    pub fn wake_others(&self) {
        self.tell_others.notify_one();
    }

    /// Waits for a wake-up since the last call, at most for `at_most`. One task may wait at a time.
    pub async fn wait(&self, at_most: Duration) {
        let _woken = tokio::time::timeout(at_most, self.local.notified()).await;
    }

    /// Passes wake-ups on between the replicas until told to stop. Lost connections are opened again.
    pub async fn carry(self, database: Database, stop: CancellationToken) {
        let carrying = async {
            loop {
                if let Err(error) = self.listen_and_tell(&database).await {
                    tracing::debug!(channel = self.channel, %error, "wake-ups are not carried");
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = carrying => {}
        }
    }

    async fn listen_and_tell(&self, database: &Database) -> Result<(), StorageError> {
        let local = self.local.clone();
        let own_process = Arc::new(AtomicI32::new(0));
        let from_others = own_process.clone();
        let client = database
            .dedicated(move |message| {
                if let AsyncMessage::Notification(notification) = message
                    && notification.process_id() != from_others.load(Ordering::Relaxed)
                {
                    local.notify_one();
                }
            })
            .await?;
        own_process.store(client.query_one("select pg_backend_pid()", &[]).await?.get(0), Ordering::Relaxed);
        client.batch_execute(&format!("listen {}", self.channel)).await?;
        let notify = format!("notify {}", self.channel);
        // What was committed while nobody listened.
        self.local.notify_one();
        while !client.is_closed() {
            tokio::select! {
                () = self.tell_others.notified() => {}
                () = tokio::time::sleep(Duration::from_secs(5)) => continue,
            }
            client.batch_execute(&notify).await?;
            tokio::time::sleep(COALESCE).await;
        }
        Err(StorageError::Unavailable("the listening connection was lost".into()))
    }
}
