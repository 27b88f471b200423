//! Fetches the gateway's public keys, for the other services. What was learned stays for a while when the gateway cannot
//! be reached; until the first success nothing can be verified.

use std::error::Error;
use std::time::Duration;

use battlearena_runtime::CancellationToken;
use battlearena_tls::{Fetched, Fetcher};
use http::StatusCode;
use jiff::Timestamp;
use tokio::time::{Instant, sleep, timeout};

use crate::keys::{Jwks, PublicKeys};

/// Largest document that is read, in bytes.
pub(crate) const MOST_DOCUMENT_BYTES: usize = 64 * 1024;

/// How often keys are fetched.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Between two fetches, when nothing happens.
    pub poll: Duration,
    /// Between two fetches at least, whatever tokens ask for, and before a failed one is tried again.
    pub gap: Duration,
    /// Before a failed one is tried again while no key is known: a service that starts before the gateway.
    pub first: Duration,
    /// How long one fetch may take.
    pub timeout: Duration,
    /// How long what was fetched is trusted when nothing new can be fetched.
    pub trust: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(60),
            gap: Duration::from_secs(5),
            first: Duration::from_millis(100),
            timeout: Duration::from_secs(5),
            trust: Duration::from_secs(3600),
        }
    }
}

/// Keeps `keys` as the document at `url` has them, until `stop`: at each poll, and as soon as the pace allows when a
/// token names a key that is not known.
pub async fn follow(url: String, client: Fetcher, keys: PublicKeys, pace: Pace, stop: CancellationToken) {
    tokio::select! {
        () = poll(&keys, pace, || fetch(&client, &url)) => {}
        () = stop.cancelled() => {}
    }
}

type Problem = Box<dyn Error + Send + Sync>;

async fn poll<F>(keys: &PublicKeys, pace: Pace, fetch: impl Fn() -> F)
where
    F: Future<Output = Result<Jwks, Problem>>,
{
    let mut was_well = true;
    loop {
        let began = Instant::now();
        let outcome = match timeout(pace.timeout, fetch()).await {
            Ok(document) => document.and_then(|document| {
                keys.learn(&document)?;
                keys.trust_until(Timestamp::now().checked_add(pace.trust).unwrap_or(Timestamp::MAX));
                Ok(())
            }),
            Err(late) => Err(late.into()),
        };
        // Said once, not at each try.
        match &outcome {
            Ok(()) if !was_well => tracing::info!("the keys of access tokens can be fetched again"),
            Err(error) if was_well => {
                tracing::warn!(error = chain(error.as_ref()), "cannot fetch the keys of access tokens");
            }
            Ok(()) | Err(_) => {}
        }
        was_well = outcome.is_ok();
        let gap = if keys.are_known() { pace.gap } else { pace.first };
        sleep(gap.saturating_sub(began.elapsed())).await;
        if was_well {
            let rest = pace.poll.saturating_sub(began.elapsed());
            // Either is a reason to fetch.
            let _asked_or_due = timeout(rest, keys.missed()).await;
        }
    }
}

async fn fetch(client: &Fetcher, url: &str) -> Result<Jwks, Problem> {
    let Fetched { status, body } = client.get(url, None).await?;
    if status != StatusCode::OK {
        return Err(format!("the answer is {status}").into());
    }
    Ok(serde_json::from_slice(&body)?)
}

fn chain(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::future::ready;

    use super::*;
    use crate::keys::testing;

    /// Lets the loop run for a time of the paused clock.
    async fn run(time: Duration, polling: &mut (impl Future<Output = ()> + Unpin)) {
        assert!(timeout(time, polling).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn it_polls_by_the_minute_and_keeps_what_it_knows() {
        let keys = PublicKeys::empty();
        let fetched = Cell::new(0);
        let answer = RefCell::new(Some(testing::document(&[1])));
        let mut polling = Box::pin(poll(&keys, Pace::default(), || {
            fetched.set(fetched.get() + 1);
            ready(answer.borrow().clone().ok_or_else(|| "the gateway is away".into()))
        }));
        run(Duration::from_secs(1), &mut polling).await;
        assert_eq!((fetched.get(), keys.document()), (1, testing::document(&[1])));
        run(Duration::from_secs(60), &mut polling).await;
        assert_eq!(fetched.get(), 2);
        *answer.borrow_mut() = None;
        run(Duration::from_secs(60), &mut polling).await;
        assert_eq!((fetched.get(), keys.document()), (3, testing::document(&[1])));
        // Failed: tried again every five seconds.
        *answer.borrow_mut() = Some(testing::document(&[1, 2]));
        run(Duration::from_secs(5), &mut polling).await;
        assert_eq!((fetched.get(), keys.document()), (4, testing::document(&[1, 2])));
        // A document without a key of ours changes nothing.
        *answer.borrow_mut() = Some(Jwks::default());
        run(Duration::from_secs(60), &mut polling).await;
        assert_eq!((fetched.get(), keys.document()), (5, testing::document(&[1, 2])));
    }

    #[tokio::test(start_paused = true)]
    async fn an_unknown_key_is_fetched_at_once_but_not_more_often_than_every_five_seconds() {
        let keys = PublicKeys::empty();
        let fetched = Cell::new(0);
        let mut polling = Box::pin(poll(&keys, Pace::default(), || {
            fetched.set(fetched.get() + 1);
            ready(Ok(testing::document(&[1])))
        }));
        run(Duration::from_secs(10), &mut polling).await;
        assert_eq!(fetched.get(), 1);
        keys.miss();
        run(Duration::from_millis(1), &mut polling).await;
        assert_eq!(fetched.get(), 2);
        for _ in 0..1000 {
            keys.miss();
        }
        run(Duration::from_millis(4990), &mut polling).await;
        assert_eq!(fetched.get(), 2);
        run(Duration::from_millis(10), &mut polling).await;
        assert_eq!(fetched.get(), 3);
        // A thousand questions, one answer.
        run(Duration::from_secs(50), &mut polling).await;
        assert_eq!(fetched.get(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_gateway_that_hangs_or_comes_late_is_waited_for() {
        let keys = PublicKeys::empty();
        let fetched = Cell::new(0);
        let mut polling = Box::pin(poll(&keys, Pace::default(), || {
            fetched.set(fetched.get() + 1);
            let attempt = fetched.get();
            async move {
                match attempt {
                    1 => std::future::pending().await,
                    2 => Err("refused".into()),
                    _ => Ok(testing::document(&[1])),
                }
            }
        }));
        run(Duration::from_millis(4999), &mut polling).await;
        assert_eq!(fetched.get(), 1);
        run(Duration::from_millis(600), &mut polling).await;
        assert!(keys.are_known() && fetched.get() == 3);
    }
}
