//! Idempotency keys: a mutation that comes again with the same key gets the first answer and changes nothing.

use battlearena_proto::{ErrorKind, Failure};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_postgres::types::Json;
use xxhash_rust::xxh3::xxh3_64;

use crate::{Session, Statement, StorageError};

/// A key that a client chose for one mutation: 1 to 255 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Reads a key. An empty text is no key.
    ///
    /// # Errors
    /// [`Failure`] of kind invalid, naming the field `idempotency_key`.
    pub fn parse(text: &str) -> Result<Option<Self>, Failure> {
        if text.is_empty() {
            return Ok(None);
        }
        if text.len() > 255 || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Failure::invalid("idempotency_key", "must be 1 to 255 visible ASCII characters"));
        }
        Ok(Some(Self(text.to_owned())))
    }

    /// The key as the client sent it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a request asks for, in 64 bits (XXH3 of its JSON form): tells a retry from a key that is used again for
/// something else.
pub fn fingerprint(request: &impl Serialize) -> i64 {
    // Maps with non-string keys are the only values that cannot be written, and no request has one.
    xxh3_64(&serde_json::to_vec(request).unwrap_or_default()).cast_signed()
}

/// The answer to a key that was used for another request before.
pub fn key_reused() -> Failure {
    Failure::new(ErrorKind::Conflict, "this idempotency key was used for another request")
        .with_field("idempotency_key")
}

/// First answers that are kept for the table's retention (24 hours), for mutations whose rows carry no key themselves.
#[derive(Clone, Copy)]
pub struct Answers {
    schema: &'static str,
    scope: &'static str,
}

/// Why a keyed request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The key came with another request before.
    #[error("the key was used for another request")]
    KeyReused,
    /// The database.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<AnswerError> for Failure {
    fn from(error: AnswerError) -> Self {
        match error {
            AnswerError::KeyReused => key_reused(),
            AnswerError::Storage(error) => error.into(),
        }
    }
}

impl Answers {
    /// `scope` separates the keys of different mutations ("register").
    pub const fn new(schema: &'static str, scope: &'static str) -> Self {
        Self { schema, scope }
    }

    /// Waits for other requests with this key and returns the first answer, if there is one. Must run in the
    /// transaction of the change, before it: the lock is held until the transaction ends.
    ///
    /// # Errors
    /// See [`AnswerError`].
    pub async fn recall<A: DeserializeOwned>(
        self,
        session: Session<'_>,
        key: &IdempotencyKey,
        fingerprint: i64,
    ) -> Result<Option<A>, AnswerError> {
        static LOCK: Statement = Statement::new(
            "lock_idempotency_key",
            "SELECT",
            "",
            "select pg_advisory_xact_lock(hashtextextended($1 || ' ' || $2, 0))",
        );
        session.query_one(&LOCK, &[&self.scope, &key.as_str()]).await?;
        let recall = Statement::in_schema(
            "recall_answer",
            "SELECT",
            "idempotency",
            self.schema,
            "select fingerprint, answer from {schema}.idempotency where scope = $1 and key = $2",
        );
        let Some(row) = session.query_opt(recall, &[&self.scope, &key.as_str()]).await? else {
            return Ok(None);
        };
        if row.get::<_, i64>(0) != fingerprint {
            return Err(AnswerError::KeyReused);
        }
        let Json(answer) = row.try_get::<_, Json<A>>(1).map_err(StorageError::from)?;
        Ok(Some(answer))
    }

    /// Keeps the first answer. Must run in the transaction of the change.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub async fn remember(
        self,
        session: Session<'_>,
        key: &IdempotencyKey,
        fingerprint: i64,
        answer: &(impl Serialize + Sync + std::fmt::Debug),
    ) -> Result<(), StorageError> {
        let remember = Statement::in_schema(
            "remember_answer",
            "INSERT",
            "idempotency",
            self.schema,
            "insert into {schema}.idempotency (scope, key, fingerprint, answer) values ($1, $2, $3, $4)",
        );
        session.execute(remember, &[&self.scope, &key.as_str(), &fingerprint, &Json(answer)]).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_visible_ascii() {
        assert_eq!(IdempotencyKey::parse("").unwrap(), None);
        assert_eq!(IdempotencyKey::parse("a-1").unwrap().unwrap().as_str(), "a-1");
        for bad in ["with space", "tab\t", "ключ", &"x".repeat(256)] {
            assert_eq!(IdempotencyKey::parse(bad).unwrap_err().field(), Some("idempotency_key"));
        }
    }

    #[test]
    fn fingerprints_tell_requests_apart() {
        assert_eq!(fingerprint(&("buy", 999)), fingerprint(&("buy", 999)));
        assert_ne!(fingerprint(&("buy", 999)), fingerprint(&("buy", 998)));
    }
}
