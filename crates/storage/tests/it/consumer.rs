//! How far a consumer has come, when there is nothing to apply.

use std::time::Duration;

use battlearena_proto::events::Event;
use battlearena_storage::Session;
use battlearena_storage::events::{ApplyError, Consumer, Projection, stored_offset};

use crate::{SCHEMA, fresh};

const NAME: &str = "probe_consumer";

/// Events that have no effect.
struct Nothing;

impl Projection for Nothing {
    type Gathered = ();

    async fn apply(&self, _: Session<'_>, _: &[Event]) -> Result<(), ApplyError> {
        Ok(())
    }

    async fn gather(&self) -> Result<(), ApplyError> {
        Ok(())
    }

    async fn replace(&self, _: Session<'_>, (): ()) -> Result<i64, ApplyError> {
        Ok(0)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_log_is_followed_to_its_end() {
    let (_, database) = fresh().await;
    let mut consumer = Consumer::open(database.clone(), SCHEMA, NAME, Nothing).await.unwrap();
    // The log says where its end is once a second, and it stays there. What is told first is too soon to be stored.
    for _ in 0..300 {
        consumer.apply(&[], 7).await.unwrap();
        assert_eq!(consumer.offset(), 7);
        let connection = database.connection().await.unwrap();
        if stored_offset(connection.session(), SCHEMA, NAME).await.unwrap() == Some(7) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the consumer never stored how far it is");
}
