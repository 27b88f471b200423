//! Commands that the database answers: history, and whom the player has blocked.

use std::time::Instant;

use battlearena_storage::StorageError;
use tracing::{Instrument as _, Span};

use super::{Session, refuse_for};
use crate::domain::{Answer, Refusal};
use crate::metrics::{Metrics, Received, Sent};
use crate::service;
use crate::store::blocks;

/// A command that waits for its answer.
pub(super) struct Asked {
    pub(super) id: Option<String>,
    pub(super) received: Received,
    pub(super) began: Instant,
    pub(super) span: Span,
}

/// Why there is no answer.
enum Trouble {
    Refused(Refusal),
    Storage(StorageError),
}

impl From<StorageError> for Trouble {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl Session {
    pub(super) fn history(&mut self, asked: Asked, room: String, limit: i64, before: Option<i64>) {
        let (hub, id, blocked) = (self.hub.clone(), asked.id.clone(), self.socket.blocked());
        self.answer_later(asked, async move {
            let without = blocked.as_deref().unwrap_or_default();
            let page = service::history(&hub.database, &room, limit, before, without).await?;
            let (epoch, offset, messages) = (&page.epoch, page.last_offset, &page.messages);
            Ok(Answer::History { id: id.as_deref(), room: &room, epoch, offset, messages }.to_text())
        });
    }

    pub(super) fn block(&mut self, asked: Asked, other: i64) -> Result<(), Refusal> {
        let player_id = self.player_id();
        if player_id == other {
            return Err(Refusal::invalid("player_id", "must be another player"));
        }
        let (hub, id) = (self.hub.clone(), asked.id.clone());
        self.answer_later(asked, async move {
            if !service::block(&hub.database, &hub.players, player_id, other).await? {
                return Err(Trouble::Refused(Refusal::conflict("as many as can be are blocked already")));
            }
            Ok(Answer::Blocked { id: id.as_deref(), player_id: other }.to_text())
        });
        Ok(())
    }

    pub(super) fn unblock(&mut self, asked: Asked, other: i64) {
        let (hub, id, player_id) = (self.hub.clone(), asked.id.clone(), self.player_id());
        self.answer_later(asked, async move {
            service::unblock(&hub.database, &hub.players, player_id, other).await?;
            Ok(Answer::Unblocked { id: id.as_deref(), player_id: other }.to_text())
        });
    }

    pub(super) fn blocks(&mut self, asked: Asked) {
        let (hub, id, player_id) = (self.hub.clone(), asked.id.clone(), self.player_id());
        self.answer_later(asked, async move {
            let blocked = blocks::list(&hub.database, player_id).await?;
            Ok(Answer::Blocks { id: id.as_deref(), player_ids: &blocked }.to_text())
        });
    }

    /// The next command waits for the answer.
    fn answer_later(
        &mut self,
        asked: Asked,
        answer: impl Future<Output = Result<Vec<u8>, Trouble>> + Send + 'static,
    ) {
        let Asked { id, received, began, span } = asked;
        let socket = self.socket.clone();
        let answering = async move {
            match answer.await {
                Ok(text) => socket.send(&text, Sent::Answer),
                Err(Trouble::Refused(refusal)) => socket.refuse(&refusal.with_id(id.as_deref())),
                Err(Trouble::Storage(error)) => refuse_for(&socket, id.as_deref(), error),
            }
            Metrics::get().processed(received, began, &Span::current());
            None
        };
        self.work = Some(Box::pin(answering.instrument(span)));
    }
}
