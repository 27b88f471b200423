//! The threads that compute password hashes: few, of low priority, behind short queues, so that log-ins cannot starve
//! the rest. Who is known waits in a queue of its own, so that strangers who guess cannot push it out. A full queue is
//! said at once. Whoever stops waiting is not computed for.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use battlearena_proto::{ErrorKind, Failure};
use battlearena_telemetry::metrics::{Counter, Desc, Gauge, HTTP_SECONDS, Histogram, InFlight, Unit};
use tokio::sync::oneshot;

use super::Password;
use super::hasher::{Cost, HashError, Hasher, check};
use super::lanes::{Lane, Lanes};
use crate::metrics::shed;

/// The queue in metrics.
const QUEUE: &str = "passwords";

/// How much lower than the rest of the process, in steps of `nice`.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// What can be set about the pool.
#[derive(Debug, Clone)]
pub struct PoolSettings {
    /// Threads, from 1.
    pub threads: usize,
    /// How many may wait in each lane.
    pub queue: usize,
    /// What a new hash costs.
    pub cost: Cost,
    /// When to come back after the queue was full.
    pub retry_after: Duration,
}

impl Default for PoolSettings {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            threads: (cores / 2).max(1),
            queue: 64,
            cost: Cost::default(),
            retry_after: Duration::from_secs(2),
        }
    }
}

/// What came of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the password.
    Right {
        /// The stored hash was made at another cost: hash the password anew and store that.
        is_rehash_due: bool,
    },
    /// It is not, or there is no such player.
    Wrong,
}

/// The pool could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Argon2 does not take the cost.
    #[error("passwords cannot be hashed at this cost")]
    Cost(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The system gives no thread.
    #[error("cannot start a thread for passwords")]
    Thread(#[source] std::io::Error),
}

/// The pool. Dropping it lets the threads finish what waits, and waits for them.
pub struct PasswordPool {
    jobs: Arc<Lanes<Job>>,
    threads: Vec<JoinHandle<()>>,
    /// Compared with for players that there are not, so that they take as long.
    dummy: Arc<str>,
    retry_after: Duration,
    depth: Gauge,
    shed: Counter,
}

struct Job {
    work: Work,
    waiting: InFlight,
}

enum Work {
    Hash(Password, oneshot::Sender<Result<String, HashError>>),
    Verify(Password, Arc<str>, oneshot::Sender<Result<(bool, bool), HashError>>),
}

impl PasswordPool {
    /// Starts the threads, and computes one hash to compare unknown players with.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(settings: &PoolSettings) -> Result<Self, StartError> {
        let PoolSettings { threads, queue, cost, retry_after } = *settings;
        let refused = |error: HashError| StartError::Cost(error.into());
        check(cost).map_err(refused)?;
        let nobody = Password::presented(crate::credential::ServiceKey::generate().secret().clone());
        let nobody = nobody.map_err(|failure| StartError::Cost(failure.into()))?;
        let dummy = Hasher::new(cost).hash(&nobody).map_err(refused)?.into();
        let desc = |name, unit, help| Desc { name, unit, help };
        let depth = desc("queue_depth", Unit::Count, "What waits in a queue: events, messages, work.");
        let time = desc(
            "queue_processing_duration_seconds",
            Unit::Seconds,
            "Time to work off a batch of a queue, failed or not.",
        );
        let time = Histogram::of(&time, HTTP_SECONDS, "queue", QUEUE);
        let mut pool = Self {
            jobs: Arc::new(Lanes::new(queue)),
            threads: Vec::new(),
            dummy,
            retry_after,
            depth: Gauge::of(&depth, "queue", QUEUE),
            shed: shed(),
        };
        for number in 0..threads.max(1) {
            let (jobs, time) = (pool.jobs.clone(), time.clone());
            let thread = std::thread::Builder::new()
                .name(format!("password-{number}"))
                .spawn(move || work_off(&jobs, Hasher::new(cost), &time));
            pool.threads.push(thread.map_err(StartError::Thread)?);
        }
        Ok(pool)
    }

    /// Hashes a new password into a PHC string.
    ///
    /// # Errors
    /// `unavailable` with a time to come back when the queue is full; `internal` otherwise.
    pub async fn hash(&self, lane: Lane, password: Password) -> Result<String, Failure> {
        let (sender, receiver) = oneshot::channel();
        self.submit(lane, Work::Hash(password, sender))?;
        answer(receiver).await
    }

    /// Compares a password with the stored PHC string, or, when there is no such player or no password, with one that
    /// nobody knows: the same work, and always [`Verdict::Wrong`].
    ///
    /// # Errors
    /// See [`PasswordPool::hash`].
    pub async fn verify(
        &self,
        lane: Lane,
        password: Password,
        phc: Option<&str>,
    ) -> Result<Verdict, Failure> {
        let is_known = phc.is_some();
        let phc = phc.map_or_else(|| self.dummy.clone(), Arc::from);
        let (sender, receiver) = oneshot::channel();
        self.submit(lane, Work::Verify(password, phc, sender))?;
        let (is_right, is_rehash_due) = answer(receiver).await?;
        Ok(if is_right && is_known { Verdict::Right { is_rehash_due } } else { Verdict::Wrong })
    }

    fn submit(&self, lane: Lane, work: Work) -> Result<(), Failure> {
        self.jobs.push(lane, Job { work, waiting: self.depth.enter() }).map_err(|_full| {
            self.shed.increment(1);
            let message = "too many log-ins by password at once, try again";
            Failure::new(ErrorKind::Unavailable, message).with_retry_after(self.retry_after)
        })
    }
}

impl Drop for PasswordPool {
    fn drop(&mut self) {
        self.jobs.end();
        for thread in self.threads.drain(..) {
            // A panic there was reported where it happened.
            let _ended = thread.join();
        }
    }
}

async fn answer<T>(receiver: oneshot::Receiver<Result<T, HashError>>) -> Result<T, Failure> {
    receiver.await.map_err(Failure::internal)?.map_err(Failure::internal)
}

fn work_off(jobs: &Lanes<Job>, mut hasher: Hasher, time: &Histogram) {
    // Elsewhere than on Linux it would concern the whole process. Not being allowed to is no reason not to work.
    #[cfg(target_os = "linux")]
    let _allowed = rustix::process::setpriority_process(None, NICE);
    while let Some(Job { work, waiting }) = jobs.next() {
        drop(waiting);
        // The caller may be gone by the time its turn comes.
        match work {
            Work::Hash(password, reply) if !reply.is_closed() => {
                let timer = time.start();
                let hashed = hasher.hash(&password);
                drop(timer);
                let _gone = reply.send(hashed);
            }
            Work::Verify(password, phc, reply) if !reply.is_closed() => {
                let timer = time.start();
                let compared = hasher.verify(&password, &phc);
                drop(timer);
                let _gone = reply.send(compared);
            }
            Work::Hash(..) | Work::Verify(..) => {}
        }
    }
}
