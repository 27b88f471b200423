//! One owner at a time, and wake-ups between replicas.

use std::time::Duration;

use battlearena_runtime::{CancellationToken, Tasks};
use battlearena_storage::{Ownership, Wake};

use crate::{fresh, open};

#[tokio::test(flavor = "multi_thread")]
async fn what_one_gives_up_another_gets() {
    let (url, database) = fresh().await;
    let stop = CancellationToken::new();
    let one = Ownership::new(database, "work").acquire(&stop).await.unwrap();
    assert!(one.is_held());
    let other = Ownership::new(open(&url), "work");
    let waiting = tokio::time::timeout(Duration::from_millis(200), other.acquire(&stop)).await;
    assert!(waiting.is_err(), "two owners at once");
    drop(one);
    assert!(other.acquire(&stop).await.unwrap().is_held());
    // Another thing is another lock.
    assert!(Ownership::new(open(&url), "other work").acquire(&stop).await.unwrap().is_held());
    stop.cancel();
    assert!(Ownership::new(open(&url), "work").acquire(&stop).await.is_none_or(|owned| owned.is_held()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_in_one_replica_wakes_another() {
    let (url, database) = fresh().await;
    let tasks = Tasks::new();
    let (here, there) = (Wake::new("probe_wake"), Wake::new("probe_wake"));
    tasks.spawn("here", here.clone().carry(database, tasks.token()));
    tasks.spawn("there", there.clone().carry(open(&url), tasks.token()));
    // Each listener wakes its own process once, when it begins to listen.
    there.wait(Duration::from_secs(30)).await;
    here.wait(Duration::from_secs(30)).await;
    let asleep = std::time::Instant::now();
    here.wake();
    there.wait(Duration::from_secs(30)).await;
    assert!(asleep.elapsed() < Duration::from_secs(30), "nobody was woken");
    tasks.stop(Duration::from_secs(10)).await.unwrap();
}
