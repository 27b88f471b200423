//! Statements about API keys. A change and the event that tells of it are one statement.

use battlearena_identity::credential::{ApiKeyId, CredentialHash};
use battlearena_identity::{Role, Scope, Scopes};
use battlearena_storage::{Row, Session, Statement, StorageError};
use jiff::Timestamp;

pub(crate) const ALL: [&Statement; 6] =
    [&CREATE_KEY, &LIST_KEYS, &REVOKE_KEY, &API_KEY_BY_ID, &KEY_EXCHANGED, &KEY_USED];

/// A key to be made.
#[derive(Debug)]
pub(crate) struct NewKey<'a> {
    pub(crate) id: &'a ApiKeyId,
    pub(crate) role: Role,
    pub(crate) name: &'a str,
    pub(crate) scopes: Scopes,
    pub(crate) hash: CredentialHash,
    pub(crate) by: &'a str,
    /// How long it is good for, in seconds; `None` for ever.
    pub(crate) life_seconds: Option<f64>,
}

static CREATE_KEY: Statement = Statement::new(
    "create_api_key",
    "INSERT",
    "api_keys",
    "with key as (
       insert into gateway.api_keys (id, role, name, scopes, secret_hash, created_by, expires_at)
       values ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7::float8)) returning id, role, name, created_by
     )
     insert into gateway.outbox (kind, payload)
     select 'key_changed',
            json_build_object('key_id', id, 'name', name, 'role', role, 'change', 'created', 'by', created_by)
     from key",
);

/// Stores a new key.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn create(session: Session<'_>, new: &NewKey<'_>) -> Result<(), StorageError> {
    let NewKey { id, role, name, scopes, hash, by, life_seconds } = new;
    let scopes: Vec<&str> = scopes.iter().map(Scope::as_str).collect();
    let hash = &hash.as_bytes()[..];
    session
        .execute(&CREATE_KEY, &[&id.as_str(), &role.as_str(), name, &scopes, &hash, by, life_seconds])
        .await?;
    Ok(())
}

/// An API key as it is listed. Its secret is not known to us.
#[derive(Debug, Clone)]
pub struct ApiKeyRow {
    /// Its public part.
    pub id: String,
    /// `game_server` or `operator`.
    pub role: String,
    /// What somebody called it.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// When it ends; `None` for never.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was last exchanged for a token, or used itself, to some ten minutes.
    pub last_used_at: Option<Timestamp>,
}

static LIST_KEYS: Statement = Statement::new(
    "list_api_keys",
    "SELECT",
    "api_keys",
    "select id, role, name, scopes, created_at, created_by, expires_at, revoked_at, last_used_at
     from gateway.api_keys order by created_at, id",
);

/// Every key, oldest first.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn list(session: Session<'_>) -> Result<Vec<ApiKeyRow>, StorageError> {
    let rows = session.query(&LIST_KEYS, &[]).await?;
    let key = |row: &Row| ApiKeyRow {
        id: row.get(0),
        role: row.get(1),
        name: row.get(2),
        scopes: scopes_of(row, 3),
        created_at: row.get(4),
        created_by: row.get(5),
        expires_at: row.get(6),
        revoked_at: row.get(7),
        last_used_at: row.get(8),
    };
    Ok(rows.iter().map(key).collect())
}

static REVOKE_KEY: Statement = Statement::new(
    "revoke_api_key",
    "UPDATE",
    "api_keys",
    "with key as (
       update gateway.api_keys set revoked_at = now() where id = $1 and revoked_at is null returning id, role, name
     ), event as (
       insert into gateway.outbox (kind, payload)
       select 'key_changed',
              json_build_object('key_id', id, 'name', name, 'role', role, 'change', 'revoked', 'by', $2::text)
       from key
     )
     select exists (select from gateway.api_keys where id = $1)",
);

/// Ends a key; `false` when there is none. One that has ended stays as it is.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn revoke(session: Session<'_>, id: &ApiKeyId, by: &str) -> Result<bool, StorageError> {
    Ok(session.query_one(&REVOKE_KEY, &[&id.as_str(), &by]).await?.get(0))
}

/// A key that somebody presents.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) role: String,
    pub(crate) scopes: Scopes,
    pub(crate) hash: Option<CredentialHash>,
    pub(crate) is_revoked: bool,
    /// Until it ends, in seconds, negative once it has; `None` when it does not end.
    pub(crate) ends_in_seconds: Option<f64>,
}

static API_KEY_BY_ID: Statement = Statement::new(
    "api_key_by_id",
    "SELECT",
    "api_keys",
    "select role, scopes, secret_hash, revoked_at is not null, extract(epoch from expires_at - now())::float8
     from gateway.api_keys where id = $1",
);

/// A key by its public part; `None` when there is none.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn by_id(session: Session<'_>, id: &ApiKeyId) -> Result<Option<Stored>, StorageError> {
    let row = session.query_opt(&API_KEY_BY_ID, &[&id.as_str()]).await?;
    Ok(row.map(|row| Stored {
        role: row.get(0),
        scopes: scopes_of(&row, 1),
        hash: CredentialHash::try_from(row.get::<_, &[u8]>(2)).ok(),
        is_revoked: row.get(3),
        ends_in_seconds: row.get(4),
    }))
}

static KEY_EXCHANGED: Statement = Statement::new(
    "api_key_exchanged",
    "UPDATE",
    "api_keys",
    "with key as (
       update gateway.api_keys set last_used_at = now() where id = $1 returning id, role, name
     )
     insert into gateway.outbox (kind, payload, traceparent)
     select 'key_changed',
            json_build_object('key_id', id, 'name', name, 'role', role, 'change', 'exchanged', 'by', id), $2::text
     from key",
);

/// Notes that a key was exchanged for a token.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn exchanged(
    session: Session<'_>,
    id: &ApiKeyId,
    traceparent: Option<&str>,
) -> Result<(), StorageError> {
    session.execute(&KEY_EXCHANGED, &[&id.as_str(), &traceparent]).await?;
    Ok(())
}

static KEY_USED: Statement = Statement::new(
    "api_key_used",
    "UPDATE",
    "api_keys",
    "with key as (
       update gateway.api_keys set last_used_at = now()
       where id = $1 and (last_used_at is null or last_used_at < now() - interval '10 minutes')
       returning id, role, name
     )
     insert into gateway.outbox (kind, payload, traceparent)
     select 'key_changed',
            json_build_object('key_id', id, 'name', name, 'role', role, 'change', 'used', 'by', id), $2::text
     from key",
);

/// Notes that a key opened a door itself, unless it was used in the last ten minutes; whether it was noted.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn used(
    session: Session<'_>,
    id: &ApiKeyId,
    traceparent: Option<&str>,
) -> Result<bool, StorageError> {
    Ok(session.execute(&KEY_USED, &[&id.as_str(), &traceparent]).await? > 0)
}

/// What a newer release added grants nothing here.
fn scopes_of(row: &Row, column: usize) -> Scopes {
    row.get::<_, Vec<&str>>(column).into_iter().filter_map(|word| word.parse::<Scope>().ok()).collect()
}
