//! What was said in rooms, which the socket-gateway owns.

use battlearena_proto::realtime::realtime_service_client::RealtimeServiceClient;
use battlearena_proto::realtime::{ListMessagesRequest, ListPlayerMessagesRequest, Message, RoomMessage};
use battlearena_proto::{Failure, PlayerId};
use battlearena_telemetry::grpc::InstrumentedChannel;

use super::from_peer;
use crate::domain::page::Page;

/// The name of the peer in answers.
const PEER: &str = "the socket-gateway";

/// Most messages of an export, the newest.
const MOST_EXPORTED: i32 = 10_000;

/// The use cases about chat.
#[derive(Clone)]
pub(crate) struct Chat {
    pub(crate) client: RealtimeServiceClient<InstrumentedChannel>,
}

impl Chat {
    /// A page of a room's messages, oldest first, without those of players whom the viewer has blocked. A room in which
    /// nobody ever was has none.
    ///
    /// # Errors
    /// Invalid for what is no name of a room; unavailable without the socket-gateway.
    pub(crate) async fn history(
        &self,
        room: &str,
        page: Page,
        viewer: Option<PlayerId>,
    ) -> Result<Vec<Message>, Failure> {
        let request = ListMessagesRequest {
            room: room.to_owned(),
            limit: page.limit,
            before_offset: page.before.unwrap_or(0),
            viewer_id: viewer.map_or(0, PlayerId::get),
        };
        let answer = self.client.clone().list_messages(request).await;
        Ok(answer.map_err(|status| from_peer(PEER, status))?.into_inner().messages)
    }

    /// What a player said, newest first, and whom it has blocked.
    ///
    /// # Errors
    /// Unavailable without the socket-gateway.
    pub(crate) async fn of_player(&self, player: PlayerId) -> Result<(Vec<RoomMessage>, Vec<i64>), Failure> {
        let request = ListPlayerMessagesRequest { player_id: player.get(), limit: MOST_EXPORTED };
        let failure = |status| from_peer(PEER, status);
        let mut parts =
            self.client.clone().list_player_messages(request).await.map_err(failure)?.into_inner();
        let (mut messages, mut blocked) = (Vec::new(), Vec::new());
        while let Some(part) = parts.message().await.map_err(failure)? {
            messages.extend(part.messages);
            blocked.extend(part.blocked_ids);
        }
        Ok((messages, blocked))
    }
}
