//! `battlearena.events.v1.EventLogService`.

use std::collections::HashSet;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use battlearena_proto::events::event_log_service_server::EventLogService;
use battlearena_proto::events::{
    AppendRequest, AppendResponse, GetSourcePositionRequest, GetSourcePositionResponse, RecordRequest,
    RecordResponse, SubscribeRequest, SubscribeResponse,
};
use battlearena_proto::{EventKind, Failure};
use battlearena_runtime::CancellationToken;
use battlearena_storage::idempotency::IdempotencyKey;
use battlearena_telemetry::grpc::status;
use futures::stream::{BoxStream, StreamExt as _, try_unfold};
use tonic::{Request, Response, Status};

use crate::log::{EventLog, ReadError, Reader};

/// How often a reader hears how far it is when nothing of interest happens.
const IDLE: Duration = Duration::from_secs(1);

/// The log behind gRPC.
pub(crate) struct EventLogRpc {
    pub(crate) log: Arc<EventLog>,
    /// Ends the subscriptions.
    pub(crate) stop: CancellationToken,
}

#[tonic::async_trait]
impl EventLogService for EventLogRpc {
    async fn append(&self, request: Request<AppendRequest>) -> Result<Response<AppendResponse>, Status> {
        let AppendRequest { source, events } = request.into_inner();
        let appended = self.log.append(&source, events).await.map_err(status)?;
        Ok(Response::new(AppendResponse {
            acknowledged: Some(appended.acknowledged),
            duplicates: i32::try_from(appended.duplicates).unwrap_or(i32::MAX),
        }))
    }

    async fn get_source_position(
        &self,
        request: Request<GetSourcePositionRequest>,
    ) -> Result<Response<GetSourcePositionResponse>, Status> {
        let position = self.log.source_position(&request.into_inner().source).await;
        let position = position.map_err(|error| status(Failure::from(error)))?;
        Ok(Response::new(GetSourcePositionResponse { acknowledged: Some(position) }))
    }

    type SubscribeStream = BoxStream<'static, Result<SubscribeResponse, Status>>;

    async fn subscribe(
        &self,
        request: Request<SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let SubscribeRequest { after_offset, kinds } = request.into_inner();
        if after_offset < 0 {
            return Err(status(Failure::invalid("after_offset", "must be 0 or more")));
        }
        let kinds = kinds.iter().map(|kind| EventKind::from_str(kind)).collect::<Result<HashSet<_>, _>>();
        let kinds = kinds.map_err(|error| status(Failure::invalid("kinds", error.to_string())))?;
        let subscription = Subscription { log: self.log.clone(), offset: after_offset, kinds };
        let stop = self.stop.clone();
        let batches = try_unfold(subscription, |mut subscription| async move {
            let batch = subscription.next().await?;
            Ok(Some((batch, subscription)))
        });
        let draining =
            futures::stream::once(async { Err(Status::unavailable("the event log is shutting down")) });
        let until_stopped = batches.take_until(stop.cancelled_owned()).chain(draining);
        Ok(Response::new(until_stopped.boxed()))
    }

    async fn record(&self, request: Request<RecordRequest>) -> Result<Response<RecordResponse>, Status> {
        let answer = async {
            let RecordRequest { event, idempotency_key } = request.into_inner();
            let event = event.ok_or_else(|| Failure::invalid("event", "is missing"))?;
            self.log.record(event, IdempotencyKey::parse(&idempotency_key)?).await
        };
        answer.await.map(|event_id| Response::new(RecordResponse { event_id })).map_err(status)
    }
}

/// One reader of the log.
struct Subscription {
    log: Arc<EventLog>,
    offset: i64,
    /// Empty for all.
    kinds: HashSet<EventKind>,
}

impl Subscription {
    /// The next batch with something of interest, or how far the log was read when there was nothing for a second.
    async fn next(&mut self) -> Result<SubscribeResponse, Status> {
        let until = tokio::time::Instant::now() + IDLE;
        let log = self.log.clone();
        let mut reader = Reader::new(&log, self.offset);
        loop {
            let mut batch = reader.next().await.map_err(|error| match error {
                ReadError::Trimmed(_) => Status::out_of_range(error.to_string()),
                ReadError::Storage(error) => status(Failure::from(error)),
            })?;
            let at_the_end = batch.events.is_empty();
            self.offset = batch.through;
            if !self.kinds.is_empty() {
                batch.events.retain(|event| {
                    event.body.as_ref().is_some_and(|body| self.kinds.contains(&body.kind()))
                });
            }
            let now = tokio::time::Instant::now();
            if !batch.events.is_empty() || now >= until {
                return Ok(SubscribeResponse { events: batch.events, offset: self.offset });
            }
            if at_the_end {
                log.wait_beyond(self.offset, until - now).await;
            }
        }
    }
}
