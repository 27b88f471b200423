//! Two bounded queues in front of the same threads, which take from each in turn: however many strangers come, who is
//! known finds a place, and waits for one of them at most.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// In which queue somebody waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Where, or as whom, somebody came in before.
    Known,
    /// Everybody else.
    Strangers,
}

/// A queue was full.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

/// The queues.
pub(super) struct Lanes<T> {
    most: usize,
    waiting: Mutex<Waiting<T>>,
    changed: Condvar,
}

struct Waiting<T> {
    known: VecDeque<T>,
    strangers: VecDeque<T>,
    /// Whose turn it is, when both wait.
    turn: Lane,
    has_ended: bool,
}

impl<T> Lanes<T> {
    /// At most `most` wait in each.
    pub(super) fn new(most: usize) -> Self {
        let (known, strangers) = (VecDeque::new(), VecDeque::new());
        let waiting = Waiting { known, strangers, turn: Lane::Known, has_ended: false };
        Self { most, waiting: waiting.into(), changed: Condvar::new() }
    }

    /// Lets one more wait.
    pub(super) fn push(&self, lane: Lane, job: T) -> Result<(), Full> {
        let mut waiting = self.lock();
        let queue = match lane {
            Lane::Known => &mut waiting.known,
            Lane::Strangers => &mut waiting.strangers,
        };
        if queue.len() >= self.most {
            return Err(Full);
        }
        queue.push_back(job);
        drop(waiting);
        self.changed.notify_one();
        Ok(())
    }

    /// The next one, as soon as there is one; `None` once it has ended and nobody waits.
    pub(super) fn next(&self) -> Option<T> {
        let mut waiting = self.lock();
        loop {
            let next = match waiting.turn {
                Lane::Known => waiting.known.pop_front().or_else(|| waiting.strangers.pop_front()),
                Lane::Strangers => waiting.strangers.pop_front().or_else(|| waiting.known.pop_front()),
            };
            if next.is_some() {
                waiting.turn = match waiting.turn {
                    Lane::Known => Lane::Strangers,
                    Lane::Strangers => Lane::Known,
                };
                return next;
            }
            if waiting.has_ended {
                return None;
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ends once nobody waits any more.
    pub(super) fn end(&self) {
        self.lock().has_ended = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_neither_take_the_places_of_the_known_nor_delay_them() {
        let lanes = Lanes::new(3);
        for number in 0..3 {
            assert_eq!(lanes.push(Lane::Strangers, number), Ok(()));
        }
        assert_eq!(lanes.push(Lane::Strangers, 3), Err(Full));
        assert_eq!(lanes.next(), Some(0));
        assert_eq!(lanes.push(Lane::Known, 100), Ok(()));
        assert_eq!(lanes.push(Lane::Known, 101), Ok(()));
        lanes.end();
        let rest: Vec<_> = std::iter::from_fn(|| lanes.next()).collect();
        assert_eq!(rest, [1, 100, 2, 101]);
    }

    #[test]
    fn who_waits_for_work_is_woken_by_it_and_by_the_end() {
        let lanes = Lanes::new(1);
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| std::iter::from_fn(|| lanes.next()).count());
            while lanes.push(Lane::Known, ()).is_err() {}
            lanes.end();
            assert_eq!(worker.join().unwrap(), 1);
        });
    }
}
