//! The gRPC face: decode → call a use case → encode.

use battlearena_proto::realtime::realtime_service_server::RealtimeService as Rpc;
use battlearena_proto::realtime::{
    ListMessagesRequest, ListMessagesResponse, ListPlayerMessagesRequest, ListPlayerMessagesResponse,
    Message, RoomMessage,
};
use battlearena_proto::{Failure, timestamp_to_wire};
use battlearena_storage::Database;
use battlearena_telemetry::grpc::status;
use futures::stream::{self, BoxStream, StreamExt as _};
use tonic::{Request, Response, Status};

use crate::domain::{Said, check_room};
use crate::service::{Page, history};
use crate::store::{blocks, messages};

/// Messages in one part of a stream.
const PART: usize = 100;

/// The service behind the gRPC port.
pub(crate) struct RealtimeRpc {
    pub(crate) database: Database,
}

#[tonic::async_trait]
impl Rpc for RealtimeRpc {
    async fn list_messages(
        &self,
        request: Request<ListMessagesRequest>,
    ) -> Result<Response<ListMessagesResponse>, Status> {
        self.list(request.into_inner()).await.map(Response::new).map_err(status)
    }

    type ListPlayerMessagesStream = BoxStream<'static, Result<ListPlayerMessagesResponse, Status>>;

    async fn list_player_messages(
        &self,
        request: Request<ListPlayerMessagesRequest>,
    ) -> Result<Response<Self::ListPlayerMessagesStream>, Status> {
        let parts = self.of_player(request.into_inner()).await.map_err(status)?;
        Ok(Response::new(stream::iter(parts).map(Ok).boxed()))
    }
}

impl RealtimeRpc {
    async fn list(&self, request: ListMessagesRequest) -> Result<ListMessagesResponse, Failure> {
        let ListMessagesRequest { room, limit, before_offset, viewer_id } = request;
        check_room(&room).map_err(|message| Failure::invalid("room", message))?;
        if !(1..=100).contains(&limit) {
            return Err(Failure::invalid("limit", "must be 1 to 100"));
        }
        if before_offset < 0 {
            return Err(Failure::invalid("before_offset", "must be 0 or more"));
        }
        if viewer_id < 0 {
            return Err(Failure::invalid("viewer_id", "must be 0 or more"));
        }
        let before = Some(before_offset).filter(|before| *before > 0);
        let without = match viewer_id {
            0 => Vec::new(),
            viewer => blocks::list(&self.database, viewer).await?,
        };
        let Page { messages, epoch, last_offset } =
            history(&self.database, &room, i64::from(limit), before, &without).await?;
        Ok(ListMessagesResponse { messages: messages.into_iter().map(message).collect(), epoch, last_offset })
    }

    /// Held in memory, so that a slow reader keeps nothing open in the database.
    async fn of_player(
        &self,
        request: ListPlayerMessagesRequest,
    ) -> Result<Vec<ListPlayerMessagesResponse>, Failure> {
        let ListPlayerMessagesRequest { player_id, limit } = request;
        if player_id < 1 {
            return Err(Failure::invalid("player_id", "must be 1 or more"));
        }
        if !(1..=10_000).contains(&limit) {
            return Err(Failure::invalid("limit", "must be 1 to 10000"));
        }
        let blocked_ids = blocks::list(&self.database, player_id).await?;
        let said = messages::of_author(&self.database, player_id, i64::from(limit)).await?;
        let mut said = said
            .into_iter()
            .map(|(room, said)| RoomMessage { room, message: Some(message(said)) })
            .peekable();
        let mut parts =
            vec![ListPlayerMessagesResponse { messages: said.by_ref().take(PART).collect(), blocked_ids }];
        while said.peek().is_some() {
            let messages = said.by_ref().take(PART).collect();
            parts.push(ListPlayerMessagesResponse { messages, blocked_ids: Vec::new() });
        }
        Ok(parts)
    }
}

fn message(said: Said) -> Message {
    let Said { offset, player_id, username, text, client_id: _, timestamp, traceparent: _ } = said;
    Message { offset, player_id, username, text, timestamp: Some(timestamp_to_wire(timestamp)) }
}
