//! Notices that a file was changed, and reads all of them again.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use battlearena_runtime::CancellationToken;
use tokio::time::MissedTickBehavior;

use crate::error::{TlsError, chain};
use crate::files;
use crate::settings::Settings;
use crate::tls::Tls;

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(2);

/// What tells one state of a file from another, also when it is replaced by renaming, or behind a symbolic link:
/// modification (seconds, nanoseconds), length and inode.
type Stamp = (i64, i64, u64, u64);

/// One for each file that is set; what is not there has none, and its coming and going are changes too.
pub(crate) type Stamps = Vec<Option<Stamp>>;

impl Tls {
    /// Reads the files again whenever one has changed, until `stop`. While they cannot be used, what was loaded before
    /// remains, the reason is logged once, and they are tried again each time.
    pub async fn keep_reloading(self, stop: CancellationToken) {
        let mut known = (*self.first).clone();
        let mut complaint = None;
        let mut pace = tokio::time::interval(EVERY);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = pace.tick() => {}
                () = stop.cancelled() => return,
            }
            let now = stamps(&self.settings);
            if now == known {
                continue;
            }
            let tls = self.clone();
            match tokio::task::spawn_blocking(move || tls.reload()).await {
                Ok(Ok(())) => {
                    tracing::info!("certificate files were read again");
                    (known, complaint) = (now, None);
                }
                Ok(Err(error)) => complain(&mut complaint, &error),
                Err(panic) => tracing::error!(error = %panic, "certificate files could not be looked at"),
            }
        }
    }
}

/// The state of all files. To be asked before they are read, so that a change meanwhile is seen the next time.
pub(crate) fn stamps(settings: &Settings) -> Stamps {
    let stamp = |found: Metadata| (found.mtime(), found.mtime_nsec(), found.size(), found.ino());
    files::all(settings).map(|path| std::fs::metadata(path).ok().map(stamp)).collect()
}

/// Logs a reason that is another than the last one.
fn complain(last: &mut Option<String>, error: &TlsError) {
    let reason = chain(error);
    if last.as_ref() != Some(&reason) {
        tracing::error!(error = reason, "changed certificate files cannot be used, the old ones remain");
        *last = Some(reason);
    }
}
