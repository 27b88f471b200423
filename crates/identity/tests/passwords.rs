//! The pool of password threads, from outside: what it answers, that it is bounded, and that it does the same work for
//! a player that there is not. One test after the other, since the work is counted in metrics of the process.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::time::Duration;

use battlearena_identity::Secret;
use battlearena_identity::password::{Cost, Lane, Password, PasswordPool, PoolSettings, Verdict};
use battlearena_proto::ErrorKind;

fn password(text: &str) -> Password {
    Password::presented(Secret::from(text.to_owned())).unwrap()
}

fn scraped(series: &str) -> f64 {
    let text = battlearena_telemetry::render(battlearena_telemetry::Format::Text);
    let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("{series} is not there")).parse().unwrap()
}

fn computed() -> f64 {
    scraped(r#"queue_processing_duration_seconds_count{queue="passwords"}"#)
}

/// Polls until something is so; bounded.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pool() {
    it_hashes_and_compares().await;
    an_unknown_player_is_the_same_work().await;
    a_full_queue_is_said_at_once().await;
    it_refuses_a_cost_that_there_is_not();
}

async fn it_hashes_and_compares() {
    let pool = PasswordPool::start(&PoolSettings::default()).unwrap();
    let phc = pool.hash(Lane::Strangers, password("horse stapler")).await.unwrap();
    assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
    let verdict = pool.verify(Lane::Strangers, password("horse stapler"), Some(&phc)).await.unwrap();
    assert_eq!(verdict, Verdict::Right { is_rehash_due: false });
    assert_eq!(
        pool.verify(Lane::Strangers, password("horse staplex"), Some(&phc)).await.unwrap(),
        Verdict::Wrong
    );
    let failure =
        pool.verify(Lane::Strangers, password("horse stapler"), Some("not a hash")).await.unwrap_err();
    assert_eq!((failure.kind(), failure.message()), (ErrorKind::Internal, "internal error"));
    drop(pool);
    // The parameters grew.
    let cost = Cost { memory_kib: 2 * Cost::default().memory_kib, ..Cost::default() };
    let pool = PasswordPool::start(&PoolSettings { cost, ..PoolSettings::default() }).unwrap();
    let verdict = pool.verify(Lane::Strangers, password("horse stapler"), Some(&phc)).await.unwrap();
    assert_eq!(verdict, Verdict::Right { is_rehash_due: true });
}

async fn an_unknown_player_is_the_same_work() {
    let pool = PasswordPool::start(&PoolSettings::default()).unwrap();
    let phc = pool.hash(Lane::Strangers, password("horse stapler")).await.unwrap();
    for stored in [Some(phc.as_str()), None] {
        let before = computed();
        assert_eq!(
            pool.verify(Lane::Strangers, password("wrong password"), stored).await.unwrap(),
            Verdict::Wrong
        );
        assert_eq!(computed(), before + 1.0, "{stored:?}");
    }
}

async fn a_full_queue_is_said_at_once() {
    const QUEUE: usize = 20;
    let retry_after = Duration::from_secs(7);
    let settings = PoolSettings { threads: 1, queue: QUEUE, retry_after, ..PoolSettings::default() };
    let pool = PasswordPool::start(&settings).unwrap();
    let before = (computed(), scraped("requests_shed_total"));
    // Far more at once than one thread can work off meanwhile.
    let mut attempts: Vec<_> =
        (0..10 * QUEUE).map(|_| Box::pin(pool.hash(Lane::Strangers, password("at once")))).collect();
    let mut refused = 0;
    for attempt in &mut attempts {
        if let Some(Err(failure)) = poll_once(attempt).await {
            assert_eq!(failure.kind(), ErrorKind::Unavailable);
            assert_eq!(failure.retry_after(), Some(retry_after));
            refused += 1;
        }
    }
    assert!((1..=9 * QUEUE).contains(&refused), "{refused}");
    assert_eq!(scraped("requests_shed_total"), before.1 + refused as f64);
    // Who is known has places of its own, and the work is done.
    assert!(pool.hash(Lane::Known, password("come here before")).await.is_ok());
    // Who does not wait any longer is not computed for.
    drop(attempts);
    until("the queue is empty", || scraped(r#"queue_depth{queue="passwords"}"#) == 0.0).await;
    assert!(computed() - before.0 < QUEUE as f64);
    assert!(pool.hash(Lane::Strangers, password("afterwards")).await.is_ok());
}

/// Polls once.
async fn poll_once<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(match std::pin::Pin::new(&mut *future).poll(context) {
            std::task::Poll::Ready(value) => Some(value),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

fn it_refuses_a_cost_that_there_is_not() {
    let cost = Cost { memory_kib: 1, passes: 0, lanes: 0 };
    let error = PasswordPool::start(&PoolSettings { cost, ..PoolSettings::default() }).err().unwrap();
    assert_eq!(error.to_string(), "passwords cannot be hashed at this cost");
}
