//! Where a statement runs: on a connection by itself, or in a transaction. Every statement is prepared, measured and
//! bounded in time here, and nowhere else.

use std::sync::atomic::AtomicU32;
use std::time::Duration;

use deadpool_postgres::ClientWrapper;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tracing::Instrument as _;

use crate::database::InUse;
use crate::{Statement, StorageError};

/// A borrowed connection or transaction. Store functions take one, so that the caller decides about the transaction.
#[derive(Clone, Copy)]
pub struct Session<'a> {
    pub(crate) target: Target<'a>,
    pub(crate) unfinished: &'a AtomicU32,
    pub(crate) statement_timeout: Duration,
}

#[derive(Clone, Copy)]
pub(crate) enum Target<'a> {
    Connection(&'a ClientWrapper),
    Transaction(&'a deadpool_postgres::Transaction<'a>),
}

type Parameters<'p> = &'p [&'p (dyn ToSql + Sync)];

impl<'a> Session<'a> {
    /// The same session with another bound for its statements, for work in bulk. The server has a bound of its own:
    /// `set local statement_timeout` changes that one within a transaction.
    #[must_use]
    pub fn with_statement_timeout(self, statement_timeout: Duration) -> Session<'a> {
        Session { statement_timeout, ..self }
    }

    /// Runs a statement and returns all rows.
    ///
    /// # Errors
    /// See [`StorageError`]. Inside a transaction any error ends the transaction.
    pub async fn query(
        self,
        statement: &Statement,
        parameters: Parameters<'_>,
    ) -> Result<Vec<Row>, StorageError> {
        self.measured(statement, async {
            let prepared = self.prepare(statement).await?;
            match self.target {
                Target::Connection(client) => client.query(&prepared, parameters).await,
                Target::Transaction(transaction) => transaction.query(&prepared, parameters).await,
            }
        })
        .await
    }

    /// Runs a statement that returns at most one row.
    ///
    /// # Errors
    /// See [`StorageError`]; [`StorageError::Other`] for more than one row.
    pub async fn query_opt(
        self,
        statement: &Statement,
        parameters: Parameters<'_>,
    ) -> Result<Option<Row>, StorageError> {
        self.measured(statement, async {
            let prepared = self.prepare(statement).await?;
            match self.target {
                Target::Connection(client) => client.query_opt(&prepared, parameters).await,
                Target::Transaction(transaction) => transaction.query_opt(&prepared, parameters).await,
            }
        })
        .await
    }

    /// Runs a statement that returns exactly one row.
    ///
    /// # Errors
    /// See [`StorageError`]; [`StorageError::Other`] for no row and for more than one.
    pub async fn query_one(
        self,
        statement: &Statement,
        parameters: Parameters<'_>,
    ) -> Result<Row, StorageError> {
        self.measured(statement, async {
            let prepared = self.prepare(statement).await?;
            match self.target {
                Target::Connection(client) => client.query_one(&prepared, parameters).await,
                Target::Transaction(transaction) => transaction.query_one(&prepared, parameters).await,
            }
        })
        .await
    }

    /// Runs a statement and returns how many rows it changed.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub async fn execute(
        self,
        statement: &Statement,
        parameters: Parameters<'_>,
    ) -> Result<u64, StorageError> {
        self.measured(statement, async {
            let prepared = self.prepare(statement).await?;
            match self.target {
                Target::Connection(client) => client.execute(&prepared, parameters).await,
                Target::Transaction(transaction) => transaction.execute(&prepared, parameters).await,
            }
        })
        .await
    }

    /// Runs SQL text as it is: definitions, whose names cannot be parameters. Not measured.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub async fn define(self, sql: &str) -> Result<(), StorageError> {
        bounded(self.statement_timeout, self.unfinished, async {
            match self.target {
                Target::Connection(client) => client.batch_execute(sql).await,
                Target::Transaction(transaction) => transaction.batch_execute(sql).await,
            }
        })
        .await
    }

    /// Runs a query whose text is made at run time (the name of a partition) and that returns exactly one row. Neither
    /// prepared nor measured.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub async fn query_text(self, sql: &str, parameters: Parameters<'_>) -> Result<Row, StorageError> {
        bounded(self.statement_timeout, self.unfinished, async {
            match self.target {
                Target::Connection(client) => client.query_one(sql, parameters).await,
                Target::Transaction(transaction) => transaction.query_one(sql, parameters).await,
            }
        })
        .await
    }

    async fn prepare(
        self,
        statement: &Statement,
    ) -> Result<tokio_postgres::Statement, tokio_postgres::Error> {
        match self.target {
            Target::Connection(client) => client.prepare_cached(statement.text).await,
            Target::Transaction(transaction) => transaction.prepare_cached(statement.text).await,
        }
    }

    async fn measured<T>(
        self,
        statement: &Statement,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, StorageError> {
        measured(statement, self.statement_timeout, self.unfinished, work).await
    }
}

pub(crate) async fn measured<T>(
    statement: &Statement,
    limit: Duration,
    unfinished: &AtomicU32,
    work: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, StorageError> {
    let timer = statement.handle().start(statement.text, statement.table);
    let result = bounded(limit, unfinished, work).instrument(timer.span().clone()).await;
    match &result {
        Ok(_) => timer.ok(),
        Err(error) => timer.failed(error.class()),
    }
    result
}

/// Bounds a piece of database work by the statement time-out and by what is left of the request's deadline.
async fn bounded<T>(
    limit: Duration,
    unfinished: &AtomicU32,
    work: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, StorageError> {
    let left = battlearena_runtime::deadline::current().map(|deadline| deadline.remaining());
    let bound = left.map_or(limit, |left| left.min(limit));
    let in_use = InUse::new(unfinished);
    match tokio::time::timeout(bound, work).await {
        Ok(result) => {
            in_use.finished();
            // The server has the same bound, and is sometimes the first to notice.
            result.map_err(|error| match error.code() {
                Some(&SqlState::QUERY_CANCELED) => StorageError::StatementTimeout(limit),
                _ => StorageError::from(error),
            })
        }
        Err(_) if left.is_some_and(|left| left <= limit) => Err(StorageError::DeadlineExceeded),
        Err(_) => Err(StorageError::StatementTimeout(limit)),
    }
}
