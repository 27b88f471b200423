//! Reading the log in order: from memory where it can, otherwise from the table.

use battlearena_proto::events::Event;
use battlearena_storage::StorageError;
use jiff::{Timestamp, ToSpan};

use super::EventLog;
use crate::store::events;

/// Events in a batch at most.
const BATCH: usize = 1000;

/// The next events, without a gap.
pub(crate) struct Batch {
    pub(crate) events: Vec<Event>,
    /// Everything up to here was read.
    pub(crate) through: i64,
}

/// Why the log cannot be read on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The events are gone.
    #[error("events up to offset {0} were trimmed; start from a snapshot")]
    Trimmed(i64),
    /// The database.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A place in the log.
pub(crate) struct Reader<'l> {
    log: &'l EventLog,
    offset: i64,
    /// Events after the offset were stored after this.
    stored_since: Timestamp,
}

impl<'l> Reader<'l> {
    /// Reads on after an offset.
    pub(crate) fn new(log: &'l EventLog, offset: i64) -> Self {
        Self { log, offset, stored_since: Timestamp::UNIX_EPOCH }
    }

    /// Everything up to here was read.
    pub(crate) fn offset(&self) -> i64 {
        self.offset
    }

    /// The next events; none at the end of the log.
    pub(crate) async fn next(&mut self) -> Result<Batch, ReadError> {
        let head = self.log.head();
        if self.offset >= head {
            return Ok(Batch { events: Vec::new(), through: self.offset });
        }
        let from_memory = self.log.tail().after(self.offset, BATCH);
        let events = match from_memory {
            Some(events) => events,
            None => self.read_table().await?,
        };
        if let Some(last) = events.last() {
            self.offset = last.offset;
        }
        Ok(Batch { events, through: self.offset })
    }

    async fn read_table(&mut self) -> Result<Vec<Event>, ReadError> {
        let database = &self.log.database;
        let (events, stored_at) =
            events::after(database, self.offset, self.stored_since, BATCH as i64).await?;
        if events.first().is_none_or(|first| first.offset != self.offset + 1) {
            let bounds = events::bounds(database).await?;
            if bounds.trimmed_through > self.offset {
                return Err(ReadError::Trimmed(bounds.trimmed_through));
            }
        }
        if let Some(stored_at) = stored_at {
            // Offsets follow the clock of the database but for what the clock itself jumps.
            self.stored_since = stored_at.checked_sub(24.hours()).unwrap_or(Timestamp::UNIX_EPOCH);
        }
        Ok(events)
    }
}
