//! Ownership among replicas: a PostgreSQL session advisory lock on a connection of its own. Whoever holds it does the
//! work; when its process or connection dies, the database gives the lock to another.

use std::time::Duration;

use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

use crate::{Database, StorageError};

/// How long a replica waits before it asks again for what another one owns.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Something that one replica at a time may do.
#[derive(Clone)]
pub struct Ownership {
    database: Database,
    name: String,
}

/// Proof of ownership. Ends when dropped, or when its connection is lost.
pub struct Owned {
    client: Client,
}

impl Ownership {
    /// `name` is the same in every replica and unique in the database ("gateway relay").
    pub fn new(database: Database, name: impl Into<String>) -> Self {
        Self { database, name: name.into() }
    }

    /// Waits until this process is the owner; `None` when told to stop before that.
    pub async fn acquire(&self, stop: &CancellationToken) -> Option<Owned> {
        loop {
            match self.try_acquire().await {
                Ok(Some(owned)) => return Some(owned),
                Ok(None) => {}
                Err(error) => tracing::debug!(name = self.name, error = %error, "cannot ask for ownership"),
            }
            tokio::select! {
                () = stop.cancelled() => return None,
                () = tokio::time::sleep(ASK_AGAIN) => {}
            }
        }
    }

    async fn try_acquire(&self) -> Result<Option<Owned>, StorageError> {
        let client = self.database.dedicated(|_| {}).await?;
        let limit = self.database.statement_timeout();
        let ask = "select pg_try_advisory_lock(hashtextextended($1, 0))";
        let row = tokio::time::timeout(limit, client.query_one(ask, &[&self.name]))
            .await
            .map_err(|_| StorageError::StatementTimeout(limit))??;
        Ok(row.get::<_, bool>(0).then_some(Owned { client }))
    }
}

impl Owned {
    /// Whether the connection that holds the lock is still there. Work that must not be done twice needs its own
    /// guard in the transaction: a connection can be lost a moment before this notices.
    pub fn is_held(&self) -> bool {
        !self.client.is_closed()
    }
}
