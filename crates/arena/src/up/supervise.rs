//! Keeps a program running: waits for the end of its process, says so, waits a while and starts it again; stops it on
//! request. What the program is, it does not know.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use battlearena_runtime::{CancellationToken, Tasks};
use tokio::time::{Instant, sleep};

use super::backoff::Backoff;
use super::console::Console;

/// Something that can be started, and started again.
pub(super) trait Program: Send + 'static {
    /// What runs once it has been started.
    type Process: Process;

    /// What people and logs call it.
    fn name(&self) -> &'static str;

    /// Starts it. When the future is dropped, nothing is left running.
    fn start(&mut self) -> impl Future<Output = anyhow::Result<Self::Process>> + Send;
}

/// A program that runs. Dropping it ends it.
pub(super) trait Process: Send + 'static {
    /// The id of its first process.
    fn pid(&self) -> u32;

    /// Waits for its end and tells how it ended. May be cancelled.
    fn ended(&mut self) -> impl Future<Output = String> + Send;

    /// Has it end in order within [`DRAIN`], by force after that or once `hurry` is cancelled, and waits for the end.
    fn stop(self, hurry: &CancellationToken) -> impl Future<Output = ()> + Send;
}

/// How long a process may take to end in order. The services have bounds of their own, which add up to less (requests,
/// streams, background tasks, the flush of telemetry: 26 seconds): whoever keeps to them is not killed.
pub(super) const DRAIN: Duration = Duration::from_secs(30);

/// How long a process that was stopped may take in all, force included.
const STOP: Duration = Duration::from_secs(45);

/// What all supervisors share.
#[derive(Debug, Clone)]
pub(super) struct House {
    /// Where to say what happens.
    pub(super) console: Console,
    /// Cancelled when nothing shall be waited for any more.
    pub(super) hurry: CancellationToken,
    /// How many times anything was started again.
    pub(super) restarts: Arc<AtomicU64>,
}

/// A program that is kept running by a task of its own.
#[derive(Debug)]
pub(super) struct Supervised {
    name: &'static str,
    tasks: Tasks,
    console: Console,
}

impl Supervised {
    /// Keeps the program running, beginning with a process of it that was started already.
    pub(super) fn keep<P: Program>(program: P, process: P::Process, house: House) -> Self {
        let (name, tasks, console) = (program.name(), Tasks::new(), house.console.clone());
        tasks.spawn(name, keep_running(program, process, tasks.token(), house));
        Self { name, tasks, console }
    }

    /// Stops the program and waits for its end, for a bounded time.
    pub(super) async fn stop(self) {
        if self.tasks.stop(STOP).await.is_err() {
            self.console.say(&format!("{} does not end and is left behind", self.name));
        }
    }
}

async fn keep_running<P: Program>(mut program: P, first: P::Process, stop: CancellationToken, house: House) {
    let mut backoff = Backoff::default();
    let mut process = first;
    loop {
        let started = Instant::now();
        let how = tokio::select! {
            how = process.ended() => how,
            () = stop.cancelled() => return process.stop(&house.hurry).await,
        };
        let death = format!("{} ended ({how})", program.name());
        let wait = backoff.after(started.elapsed());
        let again = revive(&mut program, death, wait, &mut backoff, &house);
        process = tokio::select! {
            process = again => process,
            () = stop.cancelled() => return,
        };
    }
}

/// Starts the program again, as often as it takes.
async fn revive<P: Program>(
    program: &mut P,
    death: String,
    first_wait: Duration,
    backoff: &mut Backoff,
    house: &House,
) -> P::Process {
    let (mut problem, mut wait) = (death, first_wait);
    loop {
        house.console.say(&format!("{problem}, starting it again in {wait:?}"));
        sleep(wait).await;
        house.restarts.fetch_add(1, Ordering::Relaxed);
        match program.start().await {
            Ok(process) => {
                house.console.say(&format!("{} runs again (process {})", program.name(), process.pid()));
                return process;
            }
            Err(error) => {
                problem = format!("{} did not start ({error:#})", program.name());
                wait = backoff.after(Duration::ZERO);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use tokio::sync::mpsc;

    use super::*;

    /// A program whose starts succeed or fail as planned, and whose processes end at once or when stopped.
    struct Scripted {
        starts: VecDeque<Result<bool, &'static str>>,
        log: mpsc::UnboundedSender<String>,
    }

    struct Puppet {
        ends: bool,
        log: mpsc::UnboundedSender<String>,
    }

    impl Program for Scripted {
        type Process = Puppet;

        fn name(&self) -> &'static str {
            "puppet"
        }

        async fn start(&mut self) -> anyhow::Result<Puppet> {
            let plan = self.starts.pop_front().unwrap_or(Ok(false));
            self.log.send(format!("start {plan:?}")).unwrap();
            plan.map(|ends| Puppet { ends, log: self.log.clone() }).map_err(anyhow::Error::msg)
        }
    }

    impl Process for Puppet {
        fn pid(&self) -> u32 {
            7
        }

        async fn ended(&mut self) -> String {
            if !self.ends {
                std::future::pending::<()>().await;
            }
            self.log.send("ended".to_owned()).unwrap();
            "killed".to_owned()
        }

        async fn stop(self, _: &CancellationToken) {
            self.log.send("stopped".to_owned()).unwrap();
        }
    }

    fn house() -> House {
        House { console: Console::new(), hurry: CancellationToken::new(), restarts: Arc::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_program_is_started_until_it_lives_and_then_stopped_once() {
        let (log, mut seen) = mpsc::unbounded_channel();
        let starts = VecDeque::from([Ok(true), Err("no memory"), Ok(false)]);
        let first = Puppet { ends: true, log: log.clone() };
        let house = house();
        let begin = Instant::now();
        let supervised = Supervised::keep(Scripted { starts, log }, first, house.clone());
        for expected in ["ended", "start Ok(true)", "ended", "start Err(\"no memory\")", "start Ok(false)"] {
            assert_eq!(seen.recv().await.unwrap(), expected);
        }
        // 0.2 s after the first process, 0.4 s after the second, 0.8 s after the start that failed: virtual time.
        assert_eq!(begin.elapsed().as_millis() / 100, 14);
        assert_eq!(house.restarts.load(Ordering::Relaxed), 3);
        supervised.stop().await;
        assert_eq!(seen.recv().await.unwrap(), "stopped");
        assert_eq!(seen.recv().await, None, "it is not started again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_program_that_waits_for_its_next_start_is_not_started() {
        let (log, mut seen) = mpsc::unbounded_channel();
        let first = Puppet { ends: true, log: log.clone() };
        let supervised = Supervised::keep(Scripted { starts: VecDeque::new(), log }, first, house());
        assert_eq!(seen.recv().await.unwrap(), "ended");
        supervised.stop().await;
        assert_eq!(seen.recv().await, None);
    }
}
