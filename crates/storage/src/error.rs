//! What can go wrong with the database, in the few classes that callers treat differently.

use std::fmt;
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
        source: DatabaseError,
    },
    /// The transaction lost against another one; the same transaction may succeed when tried again.
    #[error("the transaction conflicts with another one")]
    Serialization(#[source] DatabaseError),
    /// A value does not fit where the statement puts it.
    #[error("the database refused a value")]
    Data(#[source] DatabaseError),
    /// Anything else: a mistake in a statement, a schema that is not the expected one.
    #[error("the database refused a statement")]
    Other(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What PostgreSQL or its driver said, without the values that it speaks of: severity, SQLSTATE, constraint and message.
/// A detail quotes rows, with e-mail addresses and what players write, and the message of a data exception quotes the
/// value; neither can be had from here, be it for a log, a dead letter or a `{:?}`.
pub struct DatabaseError(tokio_postgres::Error);

impl From<tokio_postgres::Error> for DatabaseError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self(error)
    }
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&told(&self.0))
    }
}

/// An error of the driver in one line, without the values that the server quotes.
pub(crate) fn told(error: &tokio_postgres::Error) -> String {
    let Some(said) = error.as_db_error() else { return error.to_string() };
    let mut line = format!("{} {}", said.severity(), said.code().code());
    if let Some(constraint) = said.constraint() {
        line.push_str(&format!(" ({constraint})"));
    }
    if !is_about_a_value(said.code()) {
        line.push_str(&format!(": {}", said.message()));
    }
    line
}

/// Class 22: a value does not fit where the statement puts it.
fn is_about_a_value(code: &SqlState) -> bool {
    code.code().starts_with("22")
}

impl fmt::Debug for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseError({self})")
    }
}

impl std::error::Error for DatabaseError {
    /// What went wrong in the driver; what the server said has been told.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        if self.0.as_db_error().is_some() { None } else { self.0.source() }
    }
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
            let error = Box::new(DatabaseError(error));
            return if lost { Self::Unavailable(error) } else { Self::Other(error) };
        };
        let (code, constraint) = (db.code().clone(), db.constraint().map(str::to_owned));
        let error = DatabaseError(error);
        if let Some(name) = constraint {
            return Self::Constraint { name, source: error };
        }
        if code == SqlState::T_R_SERIALIZATION_FAILURE || code == SqlState::T_R_DEADLOCK_DETECTED {
            return Self::Serialization(error);
        }
        if is_about_a_value(&code) {
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
