//! First answers, kept with the change.

use battlearena_storage::idempotency::{AnswerError, Answers, IdempotencyKey};

use battlearena_storage::Statement;

use crate::{SCHEMA, fresh};

const ANSWERS: Answers = Answers::new(SCHEMA, "probe");

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_there_after_the_commit_and_not_before() {
    let (_, database) = fresh().await;
    let key = IdempotencyKey::parse("k").unwrap().unwrap();
    let mut connection = database.connection().await.unwrap();

    let given_up = connection.begin().await.unwrap();
    assert_eq!(ANSWERS.recall::<i64>(given_up.session(), &key, 1).await.unwrap(), None);
    ANSWERS.remember(given_up.session(), &key, 1, &7).await.unwrap();
    given_up.rollback().await.unwrap();

    let kept = connection.begin().await.unwrap();
    assert_eq!(ANSWERS.recall::<i64>(kept.session(), &key, 1).await.unwrap(), None);
    ANSWERS.remember(kept.session(), &key, 1, &8).await.unwrap();
    kept.commit().await.unwrap();

    let again = connection.begin().await.unwrap();
    assert_eq!(ANSWERS.recall::<i64>(again.session(), &key, 1).await.unwrap(), Some(8));
    let reused = ANSWERS.recall::<i64>(again.session(), &key, 2).await;
    assert!(matches!(reused, Err(AnswerError::KeyReused)), "{reused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_of_two_at_once_waits_for_the_first() {
    let (url, database) = fresh().await;
    let observer = crate::open(&url);
    let key = IdempotencyKey::parse("k").unwrap().unwrap();
    let mut first = database.connection().await.unwrap();
    let first = first.begin().await.unwrap();
    assert_eq!(ANSWERS.recall::<i64>(first.session(), &key, 1).await.unwrap(), None);
    let second = async {
        let mut second = database.connection().await.unwrap();
        let second = second.begin().await.unwrap();
        ANSWERS.recall::<i64>(second.session(), &key, 1).await.unwrap()
    };
    let first = async {
        // The second asks while the first still works: it waits for the lock.
        static WAITING: Statement = Statement::new(
            "waiting",
            "SELECT",
            "pg_locks",
            "select count(*) from pg_locks where not granted",
        );
        while observer.query_one(&WAITING, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            tokio::task::yield_now().await;
        }
        ANSWERS.remember(first.session(), &key, 1, &5).await.unwrap();
        first.commit().await.unwrap();
    };
    let (answer, ()) = tokio::join!(second, first);
    assert_eq!(answer, Some(5));
}
