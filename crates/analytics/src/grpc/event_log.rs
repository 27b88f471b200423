//! `battlearena.events.v1.EventLogService`.

use std::collections::HashSet;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use battlearena_identity::grpc::caller;
use battlearena_identity::{Caller, Gatekeeper};
use battlearena_proto::events::event_log_service_server::EventLogService;
use battlearena_proto::events::{
    AppendRequest, AppendResponse, Event, GetSourcePositionRequest, GetSourcePositionResponse, RecordRequest,
    RecordResponse, SubscribeRequest, SubscribeResponse,
};
use battlearena_proto::{ErrorKind, EventKind, Failure, timestamp_from_wire};
use battlearena_runtime::CancellationToken;
use battlearena_storage::idempotency::IdempotencyKey;
use battlearena_telemetry::grpc::status;
use futures::stream::{BoxStream, StreamExt as _, try_unfold};
use jiff::Timestamp;
use prost::Message as _;
use tonic::{Request, Response, Status};

use crate::log::{EventLog, ReadError, Reader};

/// How often a reader hears how far it is when nothing of interest happens.
const IDLE: Duration = Duration::from_secs(1);

/// The log behind gRPC.
pub(crate) struct EventLogRpc {
    pub(crate) log: Arc<EventLog>,
    pub(crate) gatekeeper: Arc<Gatekeeper>,
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
        let visit = Visit::new(caller(&request).map_err(status)?, self.gatekeeper.clone());
        let SubscribeRequest { after_offset, kinds, since } = request.into_inner();
        if after_offset < 0 {
            return Err(status(Failure::invalid("after_offset", "must be 0 or more")));
        }
        let kinds = kinds.iter().map(|kind| EventKind::from_str(kind)).collect::<Result<HashSet<_>, _>>();
        let kinds = kinds.map_err(|error| status(Failure::invalid("kinds", error.to_string())))?;
        let after_offset = match since {
            Some(since) => self.start(after_offset, since).await.map_err(status)?,
            None => after_offset,
        };
        let reader = Reader::new(self.log.clone(), after_offset);
        let subscription = Subscription { log: self.log.clone(), reader, kinds };
        let stop = self.stop.clone();
        let batches = try_unfold((subscription, visit), |(mut subscription, visit)| async move {
            let batch = subscription.next().await?;
            visit.check()?;
            Ok(Some((batch, (subscription, visit))))
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

impl EventLogRpc {
    /// The offset after which a reader begins who knows a time instead.
    async fn start(&self, after_offset: i64, since: prost_types::Timestamp) -> Result<i64, Failure> {
        if after_offset != 0 {
            return Err(Failure::invalid("since", "goes with after_offset 0 only"));
        }
        let since =
            timestamp_from_wire(Some(since)).ok_or_else(|| Failure::invalid("since", "is not a time"))?;
        Ok(self.log.offset_before(since).await?)
    }
}

/// A caller whose stream goes on for longer than its credential is good: asked again with each batch, at least once a
/// second.
struct Visit {
    caller: Caller,
    gatekeeper: Arc<Gatekeeper>,
    began: Instant,
}

impl Visit {
    fn new(caller: Caller, gatekeeper: Arc<Gatekeeper>) -> Self {
        Self { caller, gatekeeper, began: Instant::now() }
    }

    /// Whether the caller may still listen. One that came with a token comes again with its next.
    fn check(&self) -> Result<(), Status> {
        let is_timeless = matches!(self.caller, Caller::Service | Caller::Open);
        let is_over = !is_timeless && self.began.elapsed() > self.gatekeeper.settings().life();
        if is_over || self.gatekeeper.revocations().refuse(&self.caller, Timestamp::now()) {
            let message = "the token that opened the stream is good no more";
            return Err(status(Failure::new(ErrorKind::Unauthenticated, message)));
        }
        Ok(())
    }
}

/// A message is cut before it exceeds this: clients take 4 MiB by default.
const MOST_BYTES: usize = 2 * 1024 * 1024;

/// One reader of the log.
struct Subscription {
    log: Arc<EventLog>,
    reader: Reader,
    /// Empty for all.
    kinds: HashSet<EventKind>,
}

impl Subscription {
    /// The next batch with something of interest, or how far the log was read when there was nothing for a second.
    async fn next(&mut self) -> Result<SubscribeResponse, Status> {
        let until = tokio::time::Instant::now() + IDLE;
        loop {
            let batch = self.reader.next().await.map_err(|error| match error {
                ReadError::Trimmed(_) => Status::out_of_range(error.to_string()),
                error @ ReadError::Gap(_) => status(Failure::internal(error)),
                ReadError::Storage(error) => status(Failure::from(error)),
            })?;
            let at_the_end = batch.events.is_empty();
            let events = self.select(batch.events);
            let now = tokio::time::Instant::now();
            if !events.is_empty() || now >= until {
                return Ok(SubscribeResponse { events, offset: self.reader.offset() });
            }
            if at_the_end {
                self.log.wait_beyond(self.reader.offset(), until - now).await;
            }
        }
    }

    /// Those of interest, as many as fit into a message; the reader goes back to the first that does not.
    fn select(&mut self, events: Vec<Event>) -> Vec<Event> {
        let mut bytes = 0;
        let mut selected = Vec::with_capacity(events.len());
        for event in events {
            if !self.is_of_interest(&event) {
                continue;
            }
            bytes += event.encoded_len();
            if bytes > MOST_BYTES && !selected.is_empty() {
                self.reader.rewind(event.offset - 1);
                break;
            }
            selected.push(event);
        }
        selected
    }

    fn is_of_interest(&self, event: &Event) -> bool {
        self.kinds.is_empty() || event.body.as_ref().is_some_and(|body| self.kinds.contains(&body.kind()))
    }
}
