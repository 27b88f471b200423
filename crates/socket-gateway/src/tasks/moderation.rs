//! Follows the event log into what this service must know of players: who is muted, and whose name is to be forgotten.

use std::convert::Infallible;
use std::time::{Duration, SystemTime};

use battlearena_proto::events::event_log_service_client::EventLogServiceClient;
use battlearena_proto::events::{Event, SubscribeRequest, SubscribeResponse, event::Body};
use battlearena_proto::{EventKind, timestamp_from_wire, timestamp_to_wire};
use battlearena_runtime::CancellationToken;
use battlearena_storage::events::{ApplyError, Backoff, Consumer, Projection};
use battlearena_storage::{Database, Owned, Ownership, Session, StorageError};
use battlearena_telemetry::grpc::InstrumentedChannel;
use jiff::Timestamp;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tonic::{Code, Status, Streaming};

use crate::SCHEMA;
use crate::store::{blocks, messages, mutes};

/// Name of the consumer, of its queue in metrics and of its dead letters.
const NAME: &str = "socket_moderation";

/// The events that it follows.
const KINDS: [EventKind; 2] = [EventKind::PlayerSanctioned, EventKind::PlayerDeleted];

/// How often an operator's wishes are looked up.
const ATTEND: Duration = Duration::from_secs(1);

/// How long the log may be silent: a living one says something every second.
const SILENCE: Duration = Duration::from_secs(10);

/// How long it may take to take a name off all messages.
const BULK: Duration = Duration::from_secs(120);

#[derive(Debug, thiserror::Error)]
enum FollowError {
    #[error(transparent)]
    Apply(#[from] ApplyError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("the event log does not send events")]
    Log(#[source] Box<Status>),
    #[error("the event log is silent")]
    Silent,
    #[error("the connection that proves the ownership was lost")]
    NotOwner,
}

impl From<Status> for FollowError {
    fn from(status: Status) -> Self {
        Self::Log(Box::new(status))
    }
}

/// Runs until told to stop. What fails is tried again, from the stored offset. One replica at a time does the work.
pub(crate) async fn run(database: Database, log: InstrumentedChannel, stop: CancellationToken) {
    let ownership = Ownership::new(database.clone(), NAME);
    let mut backoff = Backoff::default();
    while let Some(owned) = ownership.acquire(&stop).await {
        tokio::select! {
            () = stop.cancelled() => return,
            Err(error) = follow(&database, &log, &owned, &mut backoff) => {
                tracing::debug!(consumer = NAME, %error, "sanctions pause");
            }
        }
        drop(owned);
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(backoff.next_pause()) => {}
        }
    }
}

/// Dropping it at any point is safe.
async fn follow(
    database: &Database,
    log: &InstrumentedChannel,
    owned: &Owned,
    backoff: &mut Backoff,
) -> Result<Infallible, FollowError> {
    let mut consumer = Consumer::open(database.clone(), SCHEMA, NAME, Moderation).await?;
    let mut attend = interval(ATTEND);
    attend.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stream = subscribe(log, consumer.offset()).await?;
    while owned.is_held() {
        tokio::select! {
            _ = attend.tick() => {
                if consumer.attend().await? {
                    stream = subscribe(log, consumer.offset()).await?;
                }
            }
            message = timeout(SILENCE, stream.message()) => {
                let message = match message.map_err(|_| FollowError::Silent)? {
                    // Retention was there first. What was told in what is gone holds as it did.
                    Err(status) if status.code() == Code::OutOfRange => {
                        stream = subscribe(log, 0).await?;
                        continue;
                    }
                    message => message?.ok_or(FollowError::Silent)?,
                };
                let SubscribeResponse { events, offset } = message;
                consumer.observe(offset, events.first().map_or(Duration::ZERO, age));
                consumer.apply(&events, offset).await?;
                consumer.observe(offset, Duration::ZERO);
                backoff.reset();
            }
        }
    }
    Err(FollowError::NotOwner)
}

/// From an offset on; 0 for the oldest event that is left.
async fn subscribe(
    log: &InstrumentedChannel,
    after_offset: i64,
) -> Result<Streaming<SubscribeResponse>, FollowError> {
    let kinds = KINDS.iter().map(|kind| kind.as_str().to_owned()).collect();
    let since = (after_offset == 0).then(|| timestamp_to_wire(Timestamp::UNIX_EPOCH));
    let request = SubscribeRequest { after_offset, kinds, since };
    let mut client = EventLogServiceClient::new(log.clone());
    let call = client.subscribe(request);
    Ok(timeout(SILENCE, call).await.map_err(|_| FollowError::Silent)??.into_inner())
}

/// How long ago an event happened.
fn age(event: &Event) -> Duration {
    let occurred_at = event.occurred_at.and_then(|time| SystemTime::try_from(time).ok());
    occurred_at.and_then(|time| time.elapsed().ok()).unwrap_or_default()
}

/// The projection. The last word on a player counts, and deletions are final, so that events may come again.
struct Moderation;

impl Projection for Moderation {
    type Gathered = ();

    async fn apply(&self, session: Session<'_>, events: &[Event]) -> Result<(), ApplyError> {
        let mut deleted = Vec::new();
        for event in events {
            match &event.body {
                Some(Body::PlayerSanctioned(sanction)) if sanction.kind == "mute" => {
                    if sanction.lifted {
                        mutes::lift(session, sanction.player_id).await?;
                    } else {
                        let until = timestamp_from_wire(sanction.until);
                        mutes::mute(session, &[sanction.player_id], until).await?;
                    }
                }
                Some(Body::PlayerDeleted(player)) => deleted.push(player.player_id),
                Some(_) | None => {}
            }
        }
        if deleted.is_empty() { Ok(()) } else { forget(session, &deleted).await }
    }

    async fn gather(&self) -> Result<(), ApplyError> {
        Ok(())
    }

    /// Begins anew with what the log still has. Older mutes stay: nobody else remembers them.
    async fn replace(&self, _: Session<'_>, (): ()) -> Result<i64, ApplyError> {
        Ok(0)
    }
}

/// Forgets players whose accounts are gone. A message of theirs that is still on its way would bring the name back: they
/// say nothing any more.
async fn forget(session: Session<'_>, player_ids: &[i64]) -> Result<(), ApplyError> {
    session.define("set local statement_timeout = '2min'").await?;
    let session = session.with_statement_timeout(BULK);
    mutes::mute(session, player_ids, None).await?;
    blocks::forget(session, player_ids).await?;
    Ok(messages::forget_authors(session, player_ids).await?)
}
