//! Reading the log in order: from memory where it can, otherwise from the table.

use std::sync::Arc;

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
    /// An event that must be there is not.
    #[error("the log has no event at offset {0}")]
    Gap(i64),
    /// The database.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl EventLog {
    /// The offset of the last event that was stored before a time; 0 when all were later. Offsets are in the order of
    /// storing, so that it is found by halving.
    pub(crate) async fn offset_before(&self, time: Timestamp) -> Result<i64, StorageError> {
        let bounds = events::bounds(&self.database).await?;
        let (mut before, mut last) = (bounds.trimmed_through, bounds.last);
        while before < last {
            let middle = before + (last - before + 1) / 2;
            // What is not there any more was stored long ago.
            match events::stored_at(&self.database, middle).await? {
                Some(stored_at) if stored_at >= time => last = middle - 1,
                Some(_) | None => before = middle,
            }
        }
        Ok(before)
    }
}

/// A place in the log.
pub(crate) struct Reader {
    log: Arc<EventLog>,
    offset: i64,
    /// Events after the offset were stored after this.
    stored_since: Timestamp,
}

impl Reader {
    /// Reads on after an offset.
    pub(crate) fn new(log: Arc<EventLog>, offset: i64) -> Self {
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
        self.log.metrics.read(from_memory.is_some());
        let events = match from_memory {
            Some(events) => events,
            None => self.read_table().await?,
        };
        if let Some(last) = events.last() {
            self.offset = last.offset;
        }
        Ok(Batch { events, through: self.offset })
    }

    /// Goes back to an offset that lies before the own one.
    pub(crate) fn rewind(&mut self, offset: i64) {
        self.offset = self.offset.min(offset);
    }

    async fn read_table(&mut self) -> Result<Vec<Event>, ReadError> {
        let database = &self.log.database;
        let soon = Timestamp::now().checked_add(24.hours()).unwrap_or(Timestamp::MAX);
        let (mut events, mut stored_at) =
            events::after(database, self.offset, self.stored_since..soon, BATCH as i64).await?;
        if !self.goes_on(&events) {
            // The clock of the database may have jumped: look at all days before calling it a gap.
            let ever = Timestamp::UNIX_EPOCH..Timestamp::MAX;
            (events, stored_at) = events::after(database, self.offset, ever, BATCH as i64).await?;
        }
        if !self.goes_on(&events) {
            let bounds = events::bounds(database).await?;
            return Err(match bounds.trimmed_through > self.offset {
                true => ReadError::Trimmed(bounds.trimmed_through),
                false => ReadError::Gap(self.offset + 1),
            });
        }
        if let Some(stored_at) = stored_at {
            // Offsets follow the clock of the database but for what the clock itself jumps.
            self.stored_since = stored_at.checked_sub(24.hours()).unwrap_or(Timestamp::UNIX_EPOCH);
        }
        Ok(events)
    }

    /// Whether these are the next events, without a gap. There is at least one: the head of the log is beyond.
    fn goes_on(&self, events: &[Event]) -> bool {
        !events.is_empty()
            && events.iter().zip(self.offset + 1..).all(|(event, offset)| event.offset == offset)
    }
}
