//! What is held in memory: the ranking, who is active, how purchases go. Loaded from the tables, then kept up by the log.

use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use battlearena_proto::events::{Event, event::Body};
use battlearena_proto::{ErrorKind, Failure, Tier, timestamp_from_wire};
use jiff::Timestamp;
use tokio::sync::Notify;

use crate::domain::{Board, Changes, PlayerChange, Purchases};

/// The memory of one process. Empty until it was loaded.
pub(crate) struct Live {
    state: RwLock<Option<State>>,
    reload: Notify,
}

/// What is known.
pub(crate) struct State {
    pub(crate) board: Board,
    pub(crate) purchases: Purchases,
}

impl Live {
    pub(crate) fn new() -> Self {
        Self { state: RwLock::new(None), reload: Notify::new() }
    }

    /// A look at the state.
    ///
    /// # Errors
    /// Unavailable until it was loaded.
    pub(crate) fn read(&self) -> Result<Reading<'_>, Failure> {
        let guard = self.state.read().unwrap_or_else(PoisonError::into_inner);
        if guard.is_none() {
            return Err(Failure::new(ErrorKind::Unavailable, "the leaderboard is being loaded, try again"));
        }
        Ok(Reading(guard))
    }

    /// Whether it was loaded.
    pub(crate) fn is_loaded(&self) -> bool {
        self.state.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Puts a loaded state in place; purchases that were seen before are kept.
    pub(crate) fn load(&self, board: Board) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let purchases = state.take().map_or_else(Purchases::new, |state| state.purchases);
        *state = Some(State { board, purchases });
    }

    /// Follows the log.
    pub(crate) fn apply(&self, events: &[Event]) {
        let (changes, now) = (Changes::of(events), Timestamp::now());
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let Some(State { board, purchases }) = state.as_mut() else { return };
        for (player_id, change) in changes.players {
            board.apply(player_id, &not_ahead(change, now));
        }
        changes.deleted.iter().for_each(|player_id| board.forget_name(*player_id));
        for event in events {
            if let Some(Body::TransactionRecorded(purchase)) = &event.body
                && let Some(at) = timestamp_from_wire(event.occurred_at)
            {
                purchases.seen(purchase.status == "failed", at.min(now));
            }
        }
    }

    /// Asks for the tables to be loaded again: they were rebuilt.
    pub(crate) fn request_reload(&self) {
        self.reload.notify_one();
    }

    /// Waits for [`Live::request_reload`].
    pub(crate) async fn reload_requested(&self) {
        self.reload.notified().await;
    }

    /// Active players by tier, and the share of failed purchases; `None` until loaded.
    pub(crate) fn pulse(&self, now: Timestamp) -> Option<(Vec<(Tier, u64)>, f64)> {
        let state = self.read().ok()?;
        let active = Tier::ALL.iter().map(|tier| (*tier, state.board.active_now(*tier, now))).collect();
        Some((active, state.purchases.failure_rate(now)))
    }
}

/// A change that was told by a clock ahead of ours counts as of now: one time far in the future would push everybody
/// else out of what is remembered.
pub(crate) fn not_ahead(change: PlayerChange, now: Timestamp) -> PlayerChange {
    PlayerChange { last_seen: change.last_seen.min(now), ..change }
}

/// The state, for as long as somebody looks.
pub(crate) struct Reading<'l>(RwLockReadGuard<'l, Option<State>>);

impl std::ops::Deref for Reading<'_> {
    type Target = State;

    #[expect(
        clippy::expect_used,
        reason = "a reading is only made of a loaded state, and none is ever unloaded"
    )]
    fn deref(&self) -> &State {
        self.0.as_ref().expect("loaded")
    }
}
