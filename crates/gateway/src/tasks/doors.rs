//! What keeps the gateway's own doors up to date: the signing keys on disk, the sessions that were revoked before this
//! process began, and the refusals that are to be told.

use std::sync::Arc;
use std::time::Duration;

use battlearena_identity::Gatekeeper;
use battlearena_identity::keys::KeyRing;
use battlearena_runtime::CancellationToken;
use battlearena_storage::{Database, StorageError, Wake};
use jiff::Timestamp;

use crate::store::{audit, sessions};

/// How often the folder of keys is read again. A new key signs only once the others have learned of it.
const RELOAD_EVERY: Duration = Duration::from_secs(15);

/// The pause before the table of sessions is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Takes up keys that were put into the folder, until told to stop.
pub(crate) async fn reload_keys(ring: Arc<KeyRing>, stop: CancellationToken) {
    let mut said = Vec::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(RELOAD_EVERY) => {}
        }
        let reading = ring.clone();
        let outcome = tokio::task::spawn_blocking(move || reading.reload(Timestamp::now())).await;
        let mut errors = match outcome {
            Ok(Ok(bad)) => bad.iter().map(ToString::to_string).collect(),
            Ok(Err(error)) => vec![error.to_string()],
            Err(error) => vec![error.to_string()],
        };
        errors.sort_unstable();
        // Said once, not at each look.
        for error in errors.iter().filter(|error| !said.contains(*error)) {
            tracing::error!(error, "a signing key cannot be read; the keys known so far stay");
        }
        said = errors;
    }
}

/// Learns once, as soon as the database is there, which sessions were revoked while their tokens may still live. What
/// is revoked from now on is learned from the event log.
pub(crate) async fn learn_revoked(database: Database, gatekeeper: Arc<Gatekeeper>, stop: CancellationToken) {
    let life = gatekeeper.settings().life();
    let learning = async {
        while let Err(error) = learn(&database, &gatekeeper, life).await {
            tracing::debug!(%error, "revoked sessions are not known yet");
            tokio::time::sleep(ASK_AGAIN).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = learning => {}
    }
}

async fn learn(database: &Database, gatekeeper: &Gatekeeper, life: Duration) -> Result<(), StorageError> {
    let since = Timestamp::now().checked_sub(life).unwrap_or(Timestamp::MIN);
    let connection = database.connection().await?;
    for (session, revoked_at) in sessions::revoked_since(connection.session(), since).await? {
        let until = revoked_at.checked_add(life).unwrap_or(Timestamp::MAX);
        gatekeeper.revocations().revoke_session(session, until);
    }
    Ok(())
}

/// Tells the event log of refusals, until told to stop. One that cannot be told is lost: it is a sample.
pub(crate) async fn tell_refusals(
    database: Database,
    wake: Wake,
    gatekeeper: Arc<Gatekeeper>,
    stop: CancellationToken,
) {
    loop {
        let refused = tokio::select! {
            () = stop.cancelled() => return,
            refused = gatekeeper.next_refusal() => refused,
        };
        match audit::tell_refused(&database, &refused).await {
            Ok(()) => wake.wake(),
            Err(error) => tracing::debug!(%error, "a refusal was not told"),
        }
    }
}
