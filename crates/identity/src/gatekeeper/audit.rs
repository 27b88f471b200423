//! A sample of what was refused, on its way to the event log. Bounded in rate and in memory: who is refused a thousand
//! times a second must not fill the log, and strangers must not crowd out what known callers try.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use battlearena_proto::events::AccessRefused;
use tokio::sync::mpsc;

use crate::caller::Caller;
use crate::limits::{Bucket, Decision, Quota};

/// How many are told a second of strangers, and as many again of known callers.
const A_SECOND: u32 = 10;

/// How many may wait for whoever tells them, of each sort.
const WAITING: usize = 100;

pub(super) struct Audit {
    began: Instant,
    strangers: Sample,
    known: Sample,
}

/// The sample of one sort of callers.
struct Sample {
    bucket: Mutex<Bucket>,
    sender: mpsc::Sender<AccessRefused>,
    receiver: tokio::sync::Mutex<mpsc::Receiver<AccessRefused>>,
}

impl Audit {
    pub(super) fn new(began: Instant) -> Self {
        Self { began, strangers: Sample::new(), known: Sample::new() }
    }

    /// `door` is a word of ours: the table's, or "unknown".
    pub(super) fn tell(&self, caller: &Caller, door: String, reason: &str, now: Instant) {
        let since = now.saturating_duration_since(self.began);
        let sample = match caller {
            Caller::Anonymous | Caller::Open => &self.strangers,
            Caller::Player(_) | Caller::GameServer(_) | Caller::Operator(_) | Caller::Service => &self.known,
        };
        sample.tell(caller, door, reason, since);
    }

    /// Known callers first.
    pub(super) async fn next(&self) -> AccessRefused {
        tokio::select! {
            biased;
            refused = self.known.next() => refused,
            refused = self.strangers.next() => refused,
        }
    }
}

impl Sample {
    fn new() -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        Self { bucket: Mutex::default(), sender, receiver: receiver.into() }
    }

    fn tell(&self, caller: &Caller, door: String, reason: &str, since: Duration) {
        let quota = Quota::new(A_SECOND, Duration::from_secs(1));
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        if bucket.take(quota, 1, since) == Decision::Allowed {
            let refused = AccessRefused { caller: caller.name(), door, reason: reason.to_owned() };
            // Nobody listens, or not fast enough: a sample may be lost.
            let _sent = self.sender.try_send(refused);
        }
    }

    async fn next(&self) -> AccessRefused {
        match self.receiver.lock().await.recv().await {
            Some(refused) => refused,
            // The sender lives as long as this.
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ten_a_second_are_told() {
        let began = Instant::now();
        let audit = Audit::new(began);
        for number in 0..1000 {
            let now = began + Duration::from_millis(number);
            audit.tell(&Caller::Anonymous, "GET /api/keys".to_owned(), "expired", now);
        }
        let first = audit.next().await;
        let (caller, door) = (first.caller.as_str(), first.door.as_str());
        assert_eq!((caller, door, first.reason.as_str()), ("anonymous", "GET /api/keys", "expired"));
        // Ten at once, and as many in the second that followed, but for the last.
        assert_eq!(audit.strangers.receiver.lock().await.len(), 18);
    }

    #[tokio::test]
    async fn strangers_do_not_crowd_out_known_callers() {
        let began = Instant::now();
        let audit = Audit::new(began);
        for _ in 0..1000 {
            audit.tell(&Caller::Anonymous, "unknown".to_owned(), "malformed", began);
        }
        audit.tell(&Caller::Service, "POST /api/matches/start".to_owned(), "forbidden", began);
        assert_eq!(audit.next().await.caller, "service");
        assert_eq!(audit.next().await.caller, "anonymous");
    }
}
