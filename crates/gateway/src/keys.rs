//! API keys as an operator manages them, on the database itself: `arena keys`. The secret of a key is shown once, by
//! whoever made it; what is stored is its hash.

use std::time::Duration;

use battlearena_identity::credential::{ApiKey, ApiKeyId};
use battlearena_identity::{Role, Scopes};
use battlearena_proto::Failure;
use battlearena_storage::Database;

use crate::domain::text;
use crate::store::api_keys::{self, NewKey};

pub use crate::store::api_keys::ApiKeyRow;

/// A key to be made.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    /// Game server or operator.
    pub role: Role,
    /// What to call it: 1 to 100 characters.
    pub name: String,
    /// What it may do; `None` for all that its role may.
    pub scopes: Option<Scopes>,
    /// How long it is good for; `None` for ever.
    pub expires_in: Option<Duration>,
    /// Who makes it, for the event log: the id of a key, or "cli".
    pub by: String,
}

/// Makes a key. Its text is known to nobody but the caller.
///
/// # Errors
/// Invalid, naming the field, for a role that has no keys, a name out of bounds and a scope that the role cannot have;
/// the database's.
pub async fn create(database: &Database, new: &NewApiKey) -> Result<ApiKey, Failure> {
    let NewApiKey { role, name, scopes, expires_in, by } = new;
    text::line("name", name, 1..=100)?;
    if *role == Role::Player {
        return Err(Failure::invalid("role", "players have no API keys"));
    }
    let scopes = scopes.unwrap_or_else(|| role.scopes());
    if !scopes.are_within(role.scopes()) {
        let message = format!("a {} may have: {}", role.as_str(), role.scopes());
        return Err(Failure::invalid("scope", message));
    }
    let key = ApiKey::generate();
    let stored = NewKey {
        id: key.id(),
        role: *role,
        name,
        scopes,
        hash: key.hash(),
        by,
        life_seconds: expires_in.map(|life| life.as_secs_f64()),
    };
    let connection = database.connection().await?;
    api_keys::create(connection.session(), &stored).await?;
    wake_relays(&connection).await?;
    Ok(key)
}

/// Every key, oldest first, those that have ended too.
///
/// # Errors
/// The database's.
pub async fn list(database: &Database) -> Result<Vec<ApiKeyRow>, Failure> {
    Ok(api_keys::list(database.connection().await?.session()).await?)
}

/// Ends a key: it and the tokens that it was exchanged for are refused everywhere within a second. Once more is no
/// mistake.
///
/// # Errors
/// Not found without such a key; the database's.
pub async fn revoke(database: &Database, id: &str, by: &str) -> Result<(), Failure> {
    let unknown = || Failure::not_found(format!("there is no API key {id}"));
    let parsed = ApiKeyId::parse(id).map_err(|_| unknown())?;
    let connection = database.connection().await?;
    if !api_keys::revoke(connection.session(), &parsed, by).await? {
        return Err(unknown());
    }
    wake_relays(&connection).await
}

/// Nobody in this process delivers the event; those who do are told that there is one.
async fn wake_relays(connection: &battlearena_storage::Connection) -> Result<(), Failure> {
    Ok(connection.session().define(&format!("notify {}", crate::OUTBOX_CHANNEL)).await?)
}
