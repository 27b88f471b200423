//! Keeps `players.total_points`: follows completed matches in the event log and adds up what they earned. The match
//! service owns the points; here they are a projection, exact once the log has been followed to its end.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::{Duration, SystemTime};

use battlearena_proto::analytics::ExportPointsRequest;
use battlearena_proto::analytics::analytics_service_client::AnalyticsServiceClient;
use battlearena_proto::chain;
use battlearena_proto::events::event_log_service_client::EventLogServiceClient;
use battlearena_proto::events::{Event, SubscribeRequest, SubscribeResponse, event::Body};
use battlearena_proto::{EventKind, Failure};
use battlearena_runtime::{CancellationToken, deadline};
use battlearena_storage::events::{ApplyError, Backoff, Consumer, Projection, request_rebuild};
use battlearena_storage::{Database, Owned, Ownership, Session, StorageError};
use battlearena_telemetry::grpc::InstrumentedChannel;
use tokio::time::MissedTickBehavior;
use tonic::{Code, Status};

use crate::SCHEMA;
use crate::store::points;

/// Name of the consumer that keeps the total points of players, of its queue in metrics and of its dead letters.
pub const POINTS: &str = "gateway_points";

/// How often an operator's wishes are looked up.
const ATTEND: Duration = Duration::from_secs(1);

/// The longest wait for the next part of an export.
const EXPORT_PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
enum FollowError {
    #[error(transparent)]
    Apply(#[from] ApplyError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("the event log does not send events")]
    Log(#[source] Box<Failure>),
    #[error("the event log ended the stream")]
    Ended,
    #[error("the connection that proves the ownership was lost")]
    NotOwner,
    #[error("the log no longer has what comes next")]
    Trimmed,
}

/// Runs until told to stop. What fails is tried again, from the stored offset. One replica at a time does the work;
/// two at once would only be in each other's way, because the offset moves in the transaction of the effect.
pub(crate) async fn follow_points(
    database: Database,
    analytics: InstrumentedChannel,
    stop: CancellationToken,
) {
    let ownership = Ownership::new(database.clone(), POINTS);
    let mut backoff = Backoff::default();
    while let Some(owned) = ownership.acquire(&stop).await {
        let following = follow(&database, &analytics, &owned, &mut backoff);
        tokio::select! {
            () = stop.cancelled() => return,
            Err(error) = following => {
                tracing::warn!(consumer = POINTS, error = chain(&error), "points pause");
                if matches!(error, FollowError::Trimmed)
                    && let Err(error) = request_rebuild(&database, SCHEMA, POINTS).await
                {
                    tracing::warn!(consumer = POINTS, error = chain(&error), "cannot ask for a rebuild");
                }
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
    analytics: &InstrumentedChannel,
    owned: &Owned,
    backoff: &mut Backoff,
) -> Result<Infallible, FollowError> {
    let projection = Points { analytics: AnalyticsServiceClient::new(analytics.clone()) };
    let mut consumer = Consumer::open(database.clone(), SCHEMA, POINTS, projection).await?;
    let mut attend = tokio::time::interval(ATTEND);
    attend.set_missed_tick_behavior(MissedTickBehavior::Delay);
    attend.tick().await;
    consumer.attend().await?;
    let mut stream = subscribe(analytics, consumer.offset()).await?;
    while owned.is_held() {
        tokio::select! {
            _ = attend.tick() => {
                if consumer.attend().await? {
                    stream = subscribe(analytics, consumer.offset()).await?;
                }
            }
            message = stream.message() => {
                let Some(SubscribeResponse { events, offset }) = message? else {
                    return Err(FollowError::Ended);
                };
                consumer.observe(offset, events.first().map_or(Duration::ZERO, age));
                consumer.apply(&events, offset).await?;
                consumer.observe(offset, Duration::ZERO);
                backoff.reset();
            }
        }
    }
    Err(FollowError::NotOwner)
}

async fn subscribe(
    analytics: &InstrumentedChannel,
    after_offset: i64,
) -> Result<tonic::Streaming<SubscribeResponse>, FollowError> {
    let kinds = vec![EventKind::MatchCompleted.as_str().to_owned()];
    let mut client = EventLogServiceClient::new(analytics.clone());
    let call = client.subscribe(SubscribeRequest { after_offset, kinds, since: None });
    let answer = tokio::time::timeout(deadline::DEFAULT, call)
        .await
        .map_err(|_| FollowError::Log(Box::new(Failure::deadline_exceeded())))?;
    Ok(answer?.into_inner())
}

/// The log may refuse at once or, as a stream does, with its first message.
impl From<Status> for FollowError {
    fn from(status: Status) -> Self {
        match status.code() {
            Code::OutOfRange => Self::Trimmed,
            _ => Self::Log(Box::new(status.into())),
        }
    }
}

/// How long ago an event happened.
fn age(event: &Event) -> Duration {
    let occurred_at = event.occurred_at.and_then(|time| SystemTime::try_from(time).ok());
    occurred_at.and_then(|time| time.elapsed().ok()).unwrap_or_default()
}

/// The projection: sums commute, so many events are one update.
struct Points {
    analytics: AnalyticsServiceClient<InstrumentedChannel>,
}

impl Projection for Points {
    type Gathered = Exported;

    async fn apply(&self, session: Session<'_>, events: &[Event]) -> Result<(), ApplyError> {
        let earned = sums(events);
        if earned.is_empty() {
            return Ok(());
        }
        let (players, points): (Vec<i64>, Vec<i64>) = earned.into_iter().unzip();
        Ok(points::add(session, &players, &points).await?)
    }

    /// The points as analytics has them, with the offset that they are from.
    async fn gather(&self) -> Result<Exported, ApplyError> {
        let mut client = self.analytics.clone();
        let export = bounded(client.export_points(ExportPointsRequest {})).await?;
        let mut export = export.into_inner();
        let (mut players, mut points, mut offset) = (Vec::new(), Vec::new(), None);
        while let Some(part) = bounded(export.message()).await? {
            players.extend(part.players.iter().map(|player| player.player_id));
            points.extend(part.players.iter().map(|player| player.points));
            offset = Some(part.offset);
        }
        let offset = offset
            .ok_or_else(|| ApplyError::NotNow("analytics exported nothing, not even an offset".to_owned()))?;
        Ok(Exported { players, points, offset })
    }

    async fn replace(&self, session: Session<'_>, exported: Exported) -> Result<i64, ApplyError> {
        let Exported { players, points, offset } = exported;
        points::clear(session).await?;
        points::add(session, &players, &points).await?;
        Ok(offset)
    }
}

/// An export of all points.
struct Exported {
    players: Vec<i64>,
    /// Of the players, in the same order.
    points: Vec<i64>,
    /// The export contains the log up to here.
    offset: i64,
}

async fn bounded<T>(call: impl Future<Output = Result<T, Status>>) -> Result<T, ApplyError> {
    match tokio::time::timeout(EXPORT_PATIENCE, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(status)) => Err(ApplyError::NotNow(format!("analytics does not export points: {status}"))),
        Err(_) => Err(ApplyError::NotNow("analytics takes too long to export points".to_owned())),
    }
}

/// What each player earned in these matches, by id, so that two replicas would take locks in one order.
fn sums(events: &[Event]) -> BTreeMap<i64, i64> {
    let mut earned = BTreeMap::new();
    for event in events {
        let Some(Body::MatchCompleted(completed)) = &event.body else { continue };
        for participant in completed.participants.iter().filter(|participant| participant.points != 0) {
            *earned.entry(participant.player_id).or_default() += participant.points;
        }
    }
    earned
}

#[cfg(test)]
mod tests {
    use battlearena_proto::events::{MatchCompleted, ParticipantResult, PlayerLoggedIn};

    use super::*;

    #[test]
    fn points_are_summed_by_player() {
        let completed = |results: &[(i64, i64)]| {
            let participants = results
                .iter()
                .map(|(player_id, points)| ParticipantResult {
                    player_id: *player_id,
                    points: *points,
                    ..Default::default()
                })
                .collect();
            Body::MatchCompleted(MatchCompleted { participants, ..Default::default() })
        };
        let bodies = [
            completed(&[(2, 10), (1, 5)]),
            Body::PlayerLoggedIn(PlayerLoggedIn { player_id: 9 }),
            completed(&[(2, 7), (3, 0)]),
        ];
        let events = bodies.map(|body| Event { body: Some(body), ..Default::default() });
        assert_eq!(sums(&events), BTreeMap::from([(1, 5), (2, 17)]));
    }
}
