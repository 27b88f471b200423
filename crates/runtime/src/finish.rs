//! Work that is brought to its end once it has begun, whether or not somebody still waits for the answer: a change that
//! commits is then counted too, and what follows from it happens. Reads need none of this.

use std::future::Future;
use std::panic::resume_unwind;
use std::sync::{LazyLock, OnceLock};

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;
use tracing::{Instrument as _, Span};

use crate::deadline;

static MAIN: OnceLock<Handle> = OnceLock::new();

/// Closed from the start: it is waited for, and more may always come.
static UNFINISHED: LazyLock<TaskTracker> = LazyLock::new(|| {
    let tracker = TaskTracker::new();
    tracker.close();
    tracker
});

/// Has [`finish`] run its work on this runtime, which must outlive the workers that take requests: one of those ends
/// with its last connection. The first one stays; without any, work runs where it is begun.
pub fn finish_on(runtime: Handle) {
    MAIN.get_or_init(|| runtime);
}

/// Runs work to its end. It keeps the deadline and the span of the request, by which its own waits are bounded; dropped,
/// the request loses the answer and nothing else. A panic is a panic of the request.
/// [`Tasks::stop`](crate::Tasks::stop) waits for such work.
pub async fn finish<F>(work: F) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
    F::Output: 'static,
{
    let allowed = deadline::current();
    let work = async move {
        match allowed {
            Some(allowed) => deadline::scope(allowed, work).await,
            None => work.await,
        }
    };
    let work = UNFINISHED.track_future(work.instrument(Span::current()));
    #[expect(clippy::disallowed_methods, reason = "it is waited for here, and by `Tasks::stop`")]
    let running = match MAIN.get() {
        Some(main) => main.spawn(work),
        None => tokio::spawn(work),
    };
    match running.await.map_err(tokio::task::JoinError::try_into_panic) {
        Ok(output) => output,
        Err(Ok(panic)) => resume_unwind(panic),
        // Its runtime has ended, and the process is about to.
        Err(Err(_cancelled)) => std::future::pending().await,
    }
}

/// Whether some work is not at its end.
pub(crate) fn is_unfinished() -> bool {
    !UNFINISHED.is_empty()
}

/// Waits until all work is at its end.
pub(crate) async fn all_finished() {
    UNFINISHED.wait().await;
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use futures::FutureExt;
    use tokio::sync::oneshot;

    use super::*;
    use crate::{Deadline, Tasks};

    #[tokio::test]
    async fn work_goes_on_when_nobody_waits_and_a_stop_waits_for_it() {
        let (go_on, told) = oneshot::channel();
        let is_done = Arc::new(AtomicBool::new(false));
        let done = is_done.clone();
        let mut request = Box::pin(finish(async move {
            told.await.unwrap();
            done.store(true, Ordering::Relaxed);
        }));
        assert!(futures::poll!(request.as_mut()).is_pending());
        drop(request);
        let error = Tasks::new().stop(Duration::from_millis(1)).await.unwrap_err();
        assert_eq!(error.names, ["work of a request"]);
        go_on.send(()).unwrap();
        Tasks::new().stop(Duration::from_secs(60)).await.unwrap();
        assert!(is_done.load(Ordering::Relaxed));
    }

    #[tokio::test]
    async fn work_is_that_of_its_request() {
        let allowed = Deadline::after(Duration::from_secs(77));
        let seen = deadline::scope(allowed, finish(async { deadline::current() })).await;
        assert_eq!(seen, Some(allowed));
        assert_eq!(finish(async { deadline::current() }).await, None);
    }

    #[tokio::test]
    async fn a_panic_is_one_of_the_request() {
        let request = std::panic::AssertUnwindSafe(finish(async { panic!("on purpose") }));
        let panic = request.catch_unwind().await.unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"on purpose"));
    }
}
