//! When things happen: the one thread that releases every operation at its time. It never waits for an
//! answer, so a slow platform does not slow the offered load. A thread rather than a task, because the
//! runtime's timer is a millisecond coarse, and that error would be counted as latency of the platform.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant, SystemTime};

use battlearena_proto::MatchId;
use hdrhistogram::Histogram;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::mix::{hour_factor, hour_of_day};
use crate::operations::{OpenMatch, Players};
use crate::plan::Plan;
use crate::report::micros;

/// The longest sleep, and so the longest time until a stop is noticed.
const LONGEST_SLEEP: Duration = Duration::from_millis(50);
/// A third of the silence after which the platform takes a match for crashed.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(10);

/// What is to be played.
#[derive(Debug)]
pub(crate) struct Schedule {
    pub(crate) plan: Plan,
    pub(crate) follows_the_hour: bool,
    /// How long operations arrive; until stopped without it.
    pub(crate) duration: Option<Duration>,
    pub(crate) max_in_flight: usize,
    pub(crate) heartbeats: bool,
}

/// Where it is played.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) players: Arc<Players>,
    /// Holds every operation that is under way.
    pub(crate) under_way: TaskTracker,
    pub(crate) runtime: Handle,
    /// Matches that began.
    pub(crate) began: Receiver<OpenMatch>,
    pub(crate) stop: CancellationToken,
}

/// What was played.
#[derive(Debug)]
pub(crate) struct Played {
    /// How long operations arrived.
    pub(crate) window: Duration,
    /// Operations that were due in that time.
    pub(crate) offered: u64,
    /// Operations that were not sent because too many were under way.
    pub(crate) not_sent: u64,
    pub(crate) most_in_flight: usize,
    /// From when an operation was due to when it was released, in microseconds.
    pub(crate) lag_micros: Histogram<u64>,
    /// Matches that were not ended yet; more may come in through `began`.
    pub(crate) open: Vec<OpenMatch>,
    pub(crate) began: Receiver<OpenMatch>,
}

impl Schedule {
    /// Releases operations until the duration is over or it is told to stop. Blocks its thread.
    pub(crate) fn play(mut self, stage: Stage, lag_micros: Histogram<u64>) -> Played {
        let start = Instant::now();
        let end = self.duration.map(|duration| start + duration);
        let mut release = Release { stage, lag_micros, offered: 0, not_sent: 0, most_in_flight: 0 };
        let mut agenda = BinaryHeap::new();
        let mut arrival = self.plan.next(self.hour_factor());
        let mut arrival_due = start + arrival.after;
        let mut now = start;
        while !release.stage.stop.is_cancelled() {
            now = Instant::now();
            let until = end.map_or(now, |end| end.min(now));
            while arrival_due <= until {
                let next = self.plan.next(self.hour_factor());
                let due = arrival_due;
                arrival_due += next.after;
                let action = std::mem::replace(&mut arrival, next).action;
                if release.stage.under_way.len() >= self.max_in_flight {
                    release.skip();
                } else {
                    release.go(due, |players| async move { players.perform(action, due).await });
                }
            }
            while let Some(item) = pop_due(&mut agenda, until) {
                self.release_item(&mut release, &mut agenda, item);
            }
            if end.is_some_and(|end| now >= end) {
                break;
            }
            let next = agenda.peek().map_or(arrival_due, |item: &Item| item.due.min(arrival_due));
            let sleep = next.min(end.unwrap_or(next)).saturating_duration_since(Instant::now());
            // Nothing to receive is the usual case, and the sender lives as long as the players do.
            if let Ok(open) = release.stage.began.recv_timeout(sleep.min(LONGEST_SLEEP)) {
                self.note(&mut agenda, open);
            }
        }
        release.finish(now - start, agenda)
    }

    fn release_item(&self, release: &mut Release, agenda: &mut BinaryHeap<Item>, item: Item) {
        let due = item.due;
        match item.what {
            // The end of a match is sent whatever is under way: it is bounded by the starts.
            What::End(open) => release.go(due, |players| async move { players.end(&open, due).await }),
            What::Heartbeat { match_id, until } => {
                release.go(due, |players| async move { players.simulate_heartbeat(match_id, due).await });
                note_heartbeat(agenda, match_id, due + HEARTBEAT_EVERY, until);
            }
        }
    }

    fn note(&self, agenda: &mut BinaryHeap<Item>, open: OpenMatch) {
        let end = open.began + open.plan.length;
        if self.heartbeats {
            note_heartbeat(agenda, open.match_id, open.began + HEARTBEAT_EVERY, end);
        }
        agenda.push(Item { due: end, what: What::End(open) });
    }

    fn hour_factor(&self) -> f64 {
        hour_factor_now(self.follows_the_hour)
    }
}

/// What the hour multiplies rates with, if it does.
pub(crate) fn hour_factor_now(follows_the_hour: bool) -> f64 {
    if !follows_the_hour {
        return 1.0;
    }
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    hour_factor(hour_of_day(since_epoch))
}

/// Sends operations on their way and counts them.
struct Release {
    stage: Stage,
    lag_micros: Histogram<u64>,
    offered: u64,
    not_sent: u64,
    most_in_flight: usize,
}

impl Release {
    fn go<F>(&mut self, due: Instant, operation: impl FnOnce(Arc<Players>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.lag_micros.saturating_record(micros(due.elapsed()));
        self.offered += 1;
        self.stage.under_way.spawn_on(operation(self.stage.players.clone()), &self.stage.runtime);
        self.most_in_flight = self.most_in_flight.max(self.stage.under_way.len());
    }

    fn skip(&mut self) {
        self.offered += 1;
        self.not_sent += 1;
    }

    fn finish(self, window: Duration, agenda: BinaryHeap<Item>) -> Played {
        let Self { stage, lag_micros, offered, not_sent, most_in_flight } = self;
        let open = agenda
            .into_iter()
            .filter_map(|item| match item.what {
                What::End(open) => Some(open),
                What::Heartbeat { .. } => None,
            })
            .collect();
        Played { window, offered, not_sent, most_in_flight, lag_micros, open, began: stage.began }
    }
}

/// Something that is to happen; the earliest is the greatest.
#[derive(Debug)]
struct Item {
    due: Instant,
    what: What,
}

#[derive(Debug)]
enum What {
    End(OpenMatch),
    Heartbeat { match_id: MatchId, until: Instant },
}

impl Ord for Item {
    fn cmp(&self, other: &Self) -> Ordering {
        other.due.cmp(&self.due)
    }
}

impl PartialOrd for Item {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Item {
    fn eq(&self, other: &Self) -> bool {
        self.due == other.due
    }
}

impl Eq for Item {}

fn pop_due(agenda: &mut BinaryHeap<Item>, until: Instant) -> Option<Item> {
    if agenda.peek()?.due <= until { agenda.pop() } else { None }
}

fn note_heartbeat(agenda: &mut BinaryHeap<Item>, match_id: MatchId, due: Instant, until: Instant) {
    if due < until {
        agenda.push(Item { due, what: What::Heartbeat { match_id, until } });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agenda_gives_the_earliest_first_and_nothing_early() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut agenda = BinaryHeap::new();
        for seconds in [30, 5, 20] {
            note_heartbeat(
                &mut agenda,
                MatchId(seconds.into()),
                start + second * seconds,
                start + second * 60,
            );
        }
        note_heartbeat(&mut agenda, MatchId(60), start + second * 60, start + second * 60);
        assert!(pop_due(&mut agenda, start + second * 4).is_none());
        let due: Vec<_> = std::iter::from_fn(|| pop_due(&mut agenda, start + second * 25))
            .map(|item| item.due.duration_since(start).as_secs())
            .collect();
        assert_eq!((due, agenda.len()), (vec![5, 20], 1));
    }
}
