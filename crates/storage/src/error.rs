//! What can go wrong with the database, in the few classes that callers treat differently.

use std::time::Duration;

use battlearena_proto::Failure;
use tokio_postgres::error::SqlState;

/// A failed statement, transaction or connection attempt. Nothing of an unfinished transaction remains.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// No connection was free, and none could be opened, within the pool's bound.
    #[error("no database connection within {0:?}")]
    PoolTimeout(Duration),
    /// The database cannot be reached, or went away in the middle.
    #[error("the database is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A statement ran longer than the bound for statements, and was cancelled.
    #[error("a statement took longer than {0:?}")]
    StatementTimeout(Duration),
    /// The request's own deadline passed.
    #[error("the deadline of the request passed")]
    DeadlineExceeded,
    /// A named constraint refused the change.
    #[error("constraint {name} does not hold")]
    Constraint {
        /// The constraint's name, as the migration gave it.
        name: String,
        /// What the database said.
        #[source]
        source: tokio_postgres::Error,
    },
    /// The transaction lost against another one; the same transaction may succeed when tried again.
    #[error("the transaction conflicts with another one")]
    Serialization(#[source] tokio_postgres::Error),
    /// A value does not fit where the statement puts it.
    #[error("the database refused a value")]
    Data(#[source] tokio_postgres::Error),
    /// Anything else: a mistake in a statement, a schema that is not the expected one.
    #[error("the database refused a statement")]
    Other(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StorageError {
    /// Label of `database_errors_total`.
    pub fn class(&self) -> &'static str {
        match self {
            Self::PoolTimeout(_) => "resources",
            Self::Unavailable(_) => "connection",
            Self::StatementTimeout(_) | Self::DeadlineExceeded => "timeout",
            Self::Constraint { .. } => "constraint",
            Self::Serialization(_) => "serialization",
            Self::Data(_) | Self::Other(_) => "other",
        }
    }

    /// Whether the same work may succeed later without a change to it.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::PoolTimeout(_)
            | Self::Unavailable(_)
            | Self::StatementTimeout(_)
            | Self::DeadlineExceeded
            | Self::Serialization(_) => true,
            Self::Constraint { .. } | Self::Data(_) | Self::Other(_) => false,
        }
    }

    /// Whether it is the violation of the constraint of that name.
    pub fn violates(&self, constraint: &str) -> bool {
        matches!(self, Self::Constraint { name, .. } if name == constraint)
    }
}

impl StorageError {
    /// While connecting, whatever goes wrong means that there is no database to be had.
    pub(crate) fn or_unavailable(self) -> Self {
        match self {
            Self::Other(cause) => Self::Unavailable(cause),
            error => error,
        }
    }
}

impl From<tokio_postgres::Error> for StorageError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else {
            let lost = error.is_closed()
                || std::error::Error::source(&error).is_some_and(|s| s.is::<std::io::Error>());
            return if lost { Self::Unavailable(Box::new(error)) } else { Self::Other(Box::new(error)) };
        };
        let code = db.code();
        if let Some(name) = db.constraint() {
            return Self::Constraint { name: name.to_owned(), source: error };
        }
        if *code == SqlState::T_R_SERIALIZATION_FAILURE || *code == SqlState::T_R_DEADLOCK_DETECTED {
            return Self::Serialization(error);
        }
        // Class 22: data exceptions.
        if code.code().starts_with("22") {
            return Self::Data(error);
        }
        // Class 08: connection exceptions; 53: out of resources; 57P: shutting down, starting up, terminated.
        let class = code.code();
        if class.starts_with("08") || class.starts_with("53") || class.starts_with("57P") {
            return Self::Unavailable(Box::new(error));
        }
        Self::Other(Box::new(error))
    }
}

/// What the caller of a request is told; the cause goes into the log.
impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::DeadlineExceeded => Self::deadline_exceeded(),
            error if error.is_transient() => Self::unavailable("the database", error),
            error => Self::internal(error),
        }
    }
}

/// An error and its causes in one line, for the log and for dead letters.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}
