//! When the checks are made: each kind in a loop of its own, at a fixed pace, so that one that hangs holds up no other and
//! never meets the next of its kind. Every turn is counted, whatever comes of it, but for the one that a stop cuts off.

use std::collections::VecDeque;
use std::error::Error as _;
use std::time::Duration;

use battlearena_client::{Credentials, Gateway};
use battlearena_runtime::CancellationToken;
use battlearena_telemetry::metrics::Label as _;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, timeout};

use crate::cast::Cast;
use crate::checks::{self, Entered, Failed, Room};
use crate::metrics::{Check, Metrics, Outcome};

/// How many sessions live at most: the others' checks may still use the one before the last.
const SESSIONS: usize = 3;

/// The pace, and where to count.
#[derive(Clone)]
pub(crate) struct Rounds {
    pub(crate) interval: Duration,
    pub(crate) patience: Duration,
    pub(crate) metrics: Metrics,
}

/// Who came in last; nobody at first.
pub(crate) type Last = Option<Entered>;

impl Rounds {
    /// Logs in, and tells who is in. Sessions that nobody uses any more are ended.
    pub(crate) async fn log_in(
        self,
        gateway: Gateway,
        mut cast: Cast,
        entered: watch::Sender<Last>,
        stop: CancellationToken,
    ) {
        let mut sessions = VecDeque::new();
        let mut turns = self.turns(Check::Login, stop);
        while turns.next().await {
            let turn = turns.take(checks::log_in(&gateway, cast.next()));
            if let Some(player) = turn.await {
                sessions.push_back(player.session.clone());
                entered.send_replace(Some(player));
            }
            if sessions.len() > SESSIONS {
                end(sessions.pop_front(), self.patience).await;
            }
        }
        while !sessions.is_empty() {
            end(sessions.pop_front(), self.patience).await;
        }
    }

    /// Plays matches of whoever came in last.
    pub(crate) async fn play(self, server: Gateway, entered: watch::Receiver<Last>, stop: CancellationToken) {
        let mut turns = self.turns(Check::Match, stop);
        while turns.next().await {
            turns.take(async { checks::play(&server, last(&entered).await?.player_id).await }).await;
        }
    }

    /// Chats as whoever came in last.
    pub(crate) async fn chat(self, room: Room, entered: watch::Receiver<Last>, stop: CancellationToken) {
        let mut turns = self.turns(Check::Chat, stop);
        while turns.next().await {
            turns.take(async { checks::chat(&room, last(&entered).await?).await }).await;
        }
    }

    fn turns(&self, check: Check, stop: CancellationToken) -> Turns {
        let mut pace = interval(self.interval);
        pace.set_missed_tick_behavior(MissedTickBehavior::Skip);
        Turns { check, pace, patience: self.patience, metrics: self.metrics.clone(), stop }
    }
}

/// One kind of check, turn after turn.
struct Turns {
    check: Check,
    pace: Interval,
    patience: Duration,
    metrics: Metrics,
    stop: CancellationToken,
}

impl Turns {
    /// Waits for the next turn; false when there is none.
    async fn next(&mut self) -> bool {
        self.stop.run_until_cancelled(self.pace.tick()).await.is_some()
    }

    /// Makes the check and counts it. None when it failed, was given up or was cut off.
    async fn take<T>(&self, check: impl Future<Output = Result<T, Failed>>) -> Option<T> {
        let began = Instant::now();
        let result = self.stop.run_until_cancelled(timeout(self.patience, check)).await?;
        let (outcome, done) = match result {
            Ok(Ok(done)) => (Outcome::Ok, Some(done)),
            Ok(Err(failed)) => {
                tracing::warn!(check = self.check.as_str(), reason = reason(&failed), "a check failed");
                (Outcome::Failed, None)
            }
            Err(_elapsed) => {
                tracing::warn!(check = self.check.as_str(), patience = ?self.patience, "a check was given up");
                (Outcome::Failed, None)
            }
        };
        self.metrics.checked(self.check, outcome, began.elapsed());
        done
    }
}

/// Whoever came in last. Until somebody has, this waits: the check is given up then.
async fn last(entered: &watch::Receiver<Last>) -> Result<Entered, Failed> {
    let mut entered = entered.clone();
    let found = entered.wait_for(Option::is_some).await;
    found.ok().and_then(|last| last.clone()).ok_or(Failed::NoSession)
}

/// Ends a session. One that cannot be ended now ends by itself.
async fn end(session: Option<Credentials>, patience: Duration) {
    let Some(session) = session else { return };
    if !matches!(timeout(patience, session.log_out(false)).await, Ok(Ok(()))) {
        tracing::debug!("a session was not ended");
    }
}

/// What failed and why, in one line.
fn reason(failed: &Failed) -> String {
    let source = failed.source().map(|source| format!(": {source}"));
    format!("{failed}{}", source.unwrap_or_default())
}
