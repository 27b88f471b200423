//! Statements and transactions: all or nothing, and errors by their class.

use battlearena_proto::Failure;
use battlearena_storage::{Statement, StorageError};

use crate::fresh;

static MAKE: &str = "create table probe.things (id bigint, constraint things_pkey primary key (id))";
static ADD: Statement =
    Statement::new("add_thing", "INSERT", "things", "insert into probe.things values ($1)");
static COUNT: Statement =
    Statement::new("count_things", "SELECT", "things", "select count(*) from probe.things");

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_all_or_nothing() {
    let (_, database) = fresh().await;
    let mut connection = database.connection().await.unwrap();
    connection.session().define(MAKE).await.unwrap();

    let dropped = connection.begin().await.unwrap();
    dropped.session().execute(&ADD, &[&1_i64]).await.unwrap();
    drop(dropped);
    assert_eq!(database.query_one(&COUNT, &[]).await.unwrap().get::<_, i64>(0), 0);

    let rolled_back = connection.begin().await.unwrap();
    rolled_back.session().execute(&ADD, &[&1_i64]).await.unwrap();
    rolled_back.rollback().await.unwrap();
    let committed = connection.begin().await.unwrap();
    committed.session().execute(&ADD, &[&2_i64]).await.unwrap();
    committed.commit().await.unwrap();
    assert_eq!(database.query_one(&COUNT, &[]).await.unwrap().get::<_, i64>(0), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_constraint_is_known_by_its_name() {
    let (_, database) = fresh().await;
    database.connection().await.unwrap().session().define(MAKE).await.unwrap();
    database.execute(&ADD, &[&1_i64]).await.unwrap();
    let error = database.execute(&ADD, &[&1_i64]).await.unwrap_err();
    assert!(error.violates("things_pkey") && !error.is_transient(), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_row_holds_is_told_by_no_error() {
    static NOTE: Statement =
        Statement::new("add_note", "INSERT", "notes", "insert into probe.notes values ($1)");
    static CAST: Statement = Statement::new("cast", "SELECT", "", "select $1::text::bigint");
    const SECRET: &str = "eve@example.com";
    let (_, database) = fresh().await;
    let make = "create table probe.notes (text text, constraint notes_text_short check (length(text) < 9))";
    database.connection().await.unwrap().session().define(make).await.unwrap();
    for (statement, expected) in [
        (&NOTE, "constraint notes_text_short does not hold: ERROR 23514 (notes_text_short): new row"),
        (&CAST, "the database refused a value: ERROR 22P02"),
    ] {
        let error = database.execute(statement, &[&SECRET]).await.unwrap_err();
        let debug = format!("{error:?}");
        let chain = Failure::internal(error).chain();
        assert!(chain.contains(expected), "{chain}");
        assert!(!chain.contains(SECRET) && !debug.contains(SECRET), "{chain} {debug}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadlock_is_worth_another_try() {
    let (_, database) = fresh().await;
    static LOCK: Statement = Statement::new("lock", "SELECT", "", "select pg_advisory_xact_lock($1)");
    let (mut one, mut two) = (database.connection().await.unwrap(), database.connection().await.unwrap());
    let (one, two) = (one.begin().await.unwrap(), two.begin().await.unwrap());
    one.session().query_one(&LOCK, &[&1_i64]).await.unwrap();
    two.session().query_one(&LOCK, &[&2_i64]).await.unwrap();
    // Whoever loses the deadlock ends its transaction, which lets the other go on.
    let crossing = async |transaction: battlearena_storage::Transaction<'_>, lock: i64| {
        transaction.session().query_one(&LOCK, &[&lock]).await.err()
    };
    let (one, two) = tokio::join!(crossing(one, 2), crossing(two, 1));
    let lost: Vec<_> = [one, two].into_iter().flatten().collect();
    assert_eq!(lost.len(), 1);
    assert!(matches!(lost[0], StorageError::Serialization(_)) && lost[0].is_transient(), "{:?}", lost[0]);
}
