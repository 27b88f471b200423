//! Tells the log of calls that were not let in here.

use std::sync::Arc;

use battlearena_identity::Gatekeeper;
use battlearena_proto::events::event::Body;
use battlearena_runtime::CancellationToken;
use battlearena_telemetry::report;

use crate::log::EventLog;

/// Runs until told to stop. What cannot be stored is lost: it is a sample.
pub(crate) async fn run(log: Arc<EventLog>, gatekeeper: Arc<Gatekeeper>, stop: CancellationToken) {
    let telling = async {
        loop {
            let refusal = Body::AccessRefused(gatekeeper.next_refusal().await);
            if let Err(failure) = log.tell(refusal).await {
                report(&failure);
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = telling => {}
    }
}
