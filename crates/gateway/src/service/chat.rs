//! What was said in rooms, which the socket-gateway owns.

use battlearena_proto::Failure;
use battlearena_proto::realtime::realtime_service_client::RealtimeServiceClient;
use battlearena_proto::realtime::{ListMessagesRequest, Message};
use battlearena_telemetry::grpc::InstrumentedChannel;

use super::from_peer;
use crate::domain::page::Page;

/// The use case about chat.
#[derive(Clone)]
pub(crate) struct Chat {
    pub(crate) client: RealtimeServiceClient<InstrumentedChannel>,
}

impl Chat {
    /// A page of a room's messages, oldest first. A room in which nobody ever was has none.
    ///
    /// # Errors
    /// Invalid for what is no name of a room; unavailable without the socket-gateway.
    pub(crate) async fn history(&self, room: &str, page: Page) -> Result<Vec<Message>, Failure> {
        let request = ListMessagesRequest {
            room: room.to_owned(),
            limit: page.limit,
            before_offset: page.before.unwrap_or(0),
        };
        let answer = self.client.clone().list_messages(request).await;
        Ok(answer.map_err(|status| from_peer("the socket-gateway", status))?.into_inner().messages)
    }
}
