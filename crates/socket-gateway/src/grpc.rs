//! The gRPC face: decode → call a use case → encode.

use battlearena_proto::realtime::realtime_service_server::RealtimeService as Rpc;
use battlearena_proto::realtime::{ListMessagesRequest, ListMessagesResponse, Message};
use battlearena_proto::{Failure, timestamp_to_wire};
use battlearena_storage::Database;
use battlearena_telemetry::grpc::status;
use tonic::{Request, Response, Status};

use crate::domain::{Said, check_room};
use crate::service::{Page, history};

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
}

impl RealtimeRpc {
    async fn list(&self, request: ListMessagesRequest) -> Result<ListMessagesResponse, Failure> {
        let ListMessagesRequest { room, limit, before_offset } = request;
        check_room(&room).map_err(|message| Failure::invalid("room", message))?;
        if !(1..=100).contains(&limit) {
            return Err(Failure::invalid("limit", "must be 1 to 100"));
        }
        if before_offset < 0 {
            return Err(Failure::invalid("before_offset", "must be 0 or more"));
        }
        let before = Some(before_offset).filter(|before| *before > 0);
        let Page { messages, epoch, last_offset } =
            history(&self.database, &room, i64::from(limit), before, &[]).await?;
        Ok(ListMessagesResponse { messages: messages.into_iter().map(message).collect(), epoch, last_offset })
    }
}

fn message(said: Said) -> Message {
    let Said { offset, player_id, username, text, client_id: _, timestamp, traceparent: _ } = said;
    Message { offset, player_id, username, text, timestamp: Some(timestamp_to_wire(timestamp)) }
}
