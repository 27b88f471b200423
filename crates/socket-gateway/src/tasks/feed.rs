//! Follows the event log into the feed. The feed's offsets are the log's, so that a client can go on after a restart.

use std::sync::Arc;
use std::time::{Duration, Instant};

use battlearena_proto::analytics::GetTotalsRequest;
use battlearena_proto::analytics::analytics_service_client::AnalyticsServiceClient;
use battlearena_proto::events::event_log_service_client::EventLogServiceClient;
use battlearena_proto::events::{Event, SubscribeRequest, SubscribeResponse, event::Body};
use battlearena_proto::{EventKind, timestamp_from_wire};
use battlearena_runtime::CancellationToken;
use battlearena_storage::StorageError;
use battlearena_storage::events::Backoff;
use battlearena_telemetry::grpc::InstrumentedChannel;
use battlearena_telemetry::trace::{batch_span, current_traceparent};
use serde_json::Value;
use tonic::{Code, Status, Streaming};
use tracing::Span;

use crate::domain::{Answer, Entry, FEED_KINDS, feed_event, named_in};
use crate::hub::{Channel, Hub, Origin};
use crate::metrics::Sent;
use crate::store::rooms;

const NAME: &str = "feed";

/// How far the log is read back at the start, as a multiple of what is kept: not every event is shown.
const READ_BACK: i64 = 4;

/// How long the log may be silent: a living one says something every second.
const SILENCE: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
enum FeedError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("the event log does not answer")]
    Log(#[source] Box<Status>),
    #[error("the event log is silent")]
    Silent,
}

impl From<Status> for FeedError {
    fn from(status: Status) -> Self {
        Self::Log(Box::new(status))
    }
}

/// Runs until told to stop; what fails is tried again.
pub(crate) async fn run(hub: Arc<Hub>, log: InstrumentedChannel, stop: CancellationToken) {
    let mut backoff = Backoff::default();
    while !stop.is_cancelled() {
        let followed = tokio::select! {
            followed = follow(&hub, &log, &mut backoff) => followed,
            () = stop.cancelled() => return,
        };
        if let Err(error) = followed {
            tracing::debug!(%error, "the feed pauses");
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(backoff.next_pause()) => {}
        }
    }
}

async fn follow(hub: &Hub, log: &InstrumentedChannel, backoff: &mut Backoff) -> Result<(), FeedError> {
    let kept = hub.policy.limits.recovery_messages;
    let (feed, mut stream) = match hub.feed.get() {
        Some(feed) => (feed, subscribe(log, feed.last()).await?),
        None => {
            let (origin, deleted, stream) = open(hub, log, kept as i64).await?;
            let make = async || Channel::new(NAME.to_owned(), Sent::Event, kept, origin);
            let feed = hub.feed.get_or_init(make).await;
            deleted.into_iter().for_each(|player_id| hub.forget_name(player_id));
            (feed, stream)
        }
    };
    backoff.reset();
    loop {
        let batch = next(&mut stream).await?;
        publish(feed, &batch.events);
        for event in &batch.events {
            match &event.body {
                Some(Body::PlayerDeleted(deleted)) => hub.forget_name(deleted.player_id),
                Some(Body::PlayerRenamed(renamed)) => hub.rename(renamed.player_id, &renamed.username),
                _ => {}
            }
        }
    }
}

/// Reads the last events of the log, and goes on from there.
async fn open(
    hub: &Hub,
    log: &InstrumentedChannel,
    kept: i64,
) -> Result<(Origin, Vec<i64>, Streaming<SubscribeResponse>), FeedError> {
    let epoch = rooms::feed_epoch(&hub.database).await?;
    let totals = AnalyticsServiceClient::new(log.clone()).get_totals(GetTotalsRequest {}).await?;
    let head = totals.into_inner().head_offset;
    let mut floor = (head - kept * READ_BACK).max(0);
    let mut stream = subscribe(log, floor).await?;
    let (mut recent, mut deleted, mut last) = (Vec::new(), Vec::new(), floor);
    while last < head {
        match next(&mut stream).await {
            Ok(batch) => {
                recent.extend(past(&batch.events));
                deleted.extend(deleted_players(&batch.events));
                last = batch.offset;
            }
            // Retention was there first.
            Err(FeedError::Log(status)) if status.code() == Code::OutOfRange => {
                (floor, last) = (head, head);
                stream = subscribe(log, head).await?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok((Origin { epoch, floor, recent, last }, deleted, stream))
}

async fn subscribe(
    log: &InstrumentedChannel,
    after_offset: i64,
) -> Result<Streaming<SubscribeResponse>, FeedError> {
    let names = [EventKind::PlayerDeleted.as_str(), EventKind::PlayerRenamed.as_str()];
    let kinds = FEED_KINDS.iter().copied().chain(names).map(str::to_owned).collect();
    let request = SubscribeRequest { after_offset, kinds, since: None };
    Ok(EventLogServiceClient::new(log.clone()).subscribe(request).await?.into_inner())
}

async fn next(stream: &mut Streaming<SubscribeResponse>) -> Result<SubscribeResponse, FeedError> {
    let message = tokio::time::timeout(SILENCE, stream.message()).await.map_err(|_| FeedError::Silent)??;
    message.ok_or(FeedError::Silent)
}

/// Publishes events, each in the trace that caused it.
fn publish(feed: &Channel, events: &[Event]) {
    let received = Instant::now();
    let (mut entries, mut spans) = (Vec::with_capacity(events.len()), Vec::new());
    for event in events {
        let Some((kind, data)) = event.body.as_ref().and_then(feed_event) else { continue };
        let span = span(kind, &event.traceparent);
        let traceparent = span.in_scope(current_traceparent);
        entries.push(entry(event, kind, &data, traceparent.as_deref()));
        spans.push(span);
    }
    feed.publish(&entries, received);
}

fn span(kind: &str, traceparent: &str) -> Span {
    batch_span([traceparent], || {
        tracing::info_span!(
            "publish_event",
            otel.kind = "consumer",
            messaging.system = "event_log",
            messaging.operation.type = "process",
            messaging.destination.name = NAME,
            event.type = kind,
        )
    })
}

/// What was published before this process began: it happens in no trace any more.
fn past(events: &[Event]) -> impl Iterator<Item = Entry> {
    events.iter().filter_map(|event| {
        let (kind, data) = event.body.as_ref().and_then(feed_event)?;
        Some(entry(event, kind, &data, None))
    })
}

/// Whose accounts were deleted. The feed does not show it; it forgets their names.
fn deleted_players(events: &[Event]) -> impl Iterator<Item = i64> {
    events.iter().filter_map(|event| match &event.body {
        Some(Body::PlayerDeleted(deleted)) => Some(deleted.player_id),
        _ => None,
    })
}

fn entry(event: &Event, kind: &str, data: &Value, traceparent: Option<&str>) -> Entry {
    let timestamp = timestamp_from_wire(event.occurred_at).unwrap_or_default();
    let names = event.body.as_ref().and_then(named_in);
    let frame = Answer::Event { channel: NAME, offset: event.offset, kind, timestamp, data, traceparent };
    Entry { offset: event.offset, names, text: frame.to_text() }
}
