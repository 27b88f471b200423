//! The readiness check that every service has: the database answers, and its schema is not older than the build.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::{Database, schema_version};
use battlearena_proto::chain;

/// Makes the check: `Err` says what is wrong, for the operator. The version is asked for until it was right once; a newer
/// schema than `newest` is right too.
pub fn database_check(
    database: Database,
    schema: &'static str,
    newest: i32,
) -> impl Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync + 'static {
    let is_migrated = Arc::new(AtomicBool::new(false));
    move || {
        let (database, is_migrated) = (database.clone(), is_migrated.clone());
        async move {
            if is_migrated.load(Ordering::Relaxed) {
                return database.ping().await.map_err(|error| chain(&error));
            }
            let version = schema_version(&database, schema).await.map_err(|error| chain(&error))?;
            if version < newest {
                return Err(format!(
                    "schema {schema} is at version {version}, this build needs {newest}: run `arena migrate`"
                ));
            }
            is_migrated.store(true, Ordering::Relaxed);
            Ok(())
        }
        .boxed()
    }
}
