//! Fills [`Revocations`] from the event log. A service that starts reads back as far as a token may still live, and then
//! follows. While the log cannot be reached the service serves on: what it has not heard of ends with its token.

use std::time::Duration;

use battlearena_proto::events::event_log_service_client::EventLogServiceClient;
use battlearena_proto::events::{Event, SubscribeRequest, event::Body};
use battlearena_proto::{EventKind, PlayerId, timestamp_from_wire, timestamp_to_wire};
use battlearena_runtime::CancellationToken;
use battlearena_telemetry::grpc::InstrumentedChannel;
use jiff::Timestamp;
use tokio::time::Instant;
use tonic::{Code, Status};

use crate::caller::SessionId;
use crate::revocations::Revocations;

/// The events that lock somebody out, or let somebody in again.
pub const KINDS: [EventKind; 4] =
    [EventKind::SessionRevoked, EventKind::PlayerSanctioned, EventKind::KeyChanged, EventKind::PlayerDeleted];

/// How far our clock and that of the log's database may be apart.
const SKEW: Duration = Duration::from_secs(60);

/// How long the log may be silent: a living one says something every second.
const SILENCE: Duration = Duration::from_secs(10);

/// The pauses before another try: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// How often what has run out is forgotten.
const SWEEP: Duration = Duration::from_secs(60);

/// Where the reading of the log stands.
struct Follower {
    revocations: Revocations,
    life: Duration,
    /// 0 until the log has said where it is.
    offset: i64,
    pause: Duration,
    swept: Instant,
}

/// Follows the log until told to stop. `life` is how long an access token is accepted.
pub async fn follow(
    revocations: Revocations,
    life: Duration,
    log: InstrumentedChannel,
    stop: CancellationToken,
) {
    let follower = Follower { revocations, life, offset: 0, pause: PAUSES.0, swept: Instant::now() };
    tokio::select! {
        () = follower.run(log) => {}
        () = stop.cancelled() => {}
    }
}

/// What an event says of who is locked out. Nothing for other events, and for what ran out long ago.
pub fn learn(revocations: &Revocations, life: Duration, event: &Event) {
    let occurred = timestamp_from_wire(event.occurred_at).unwrap_or_default();
    // No token that was made before it lives longer, by whichever clock.
    let outlived = occurred.checked_add(life + SKEW).unwrap_or(Timestamp::MAX);
    match &event.body {
        Some(Body::SessionRevoked(session)) => {
            let told = timestamp_from_wire(session.tokens_expire_at);
            let told = told.map(|end| end.checked_add(SKEW).unwrap_or(Timestamp::MAX));
            let until = told.unwrap_or(outlived);
            revocations.revoke_session(SessionId(session.session_id), until);
        }
        Some(Body::PlayerSanctioned(sanction)) if sanction.kind == "ban" => {
            let player = PlayerId(sanction.player_id);
            if sanction.lifted {
                revocations.lift_ban(player);
            } else {
                // While it lasts, by whichever clock, the gateway makes no more tokens for the player.
                let end = timestamp_from_wire(sanction.until);
                let end = end.and_then(|end| end.checked_add(SKEW).ok()).unwrap_or(Timestamp::MAX);
                revocations.ban_player(player, outlived.min(end));
            }
        }
        Some(Body::PlayerDeleted(deleted)) => {
            revocations.delete_player(PlayerId(deleted.player_id), outlived);
        }
        Some(Body::KeyChanged(key)) if key.change == "revoked" => {
            revocations.revoke_key(&key.key_id, outlived);
        }
        Some(_) | None => {}
    }
}

impl Follower {
    async fn run(mut self, log: InstrumentedChannel) {
        let mut was_well = true;
        loop {
            let Err(status) = self.read(EventLogServiceClient::new(log.clone())).await;
            if status.code() == Code::OutOfRange {
                self.offset = 0;
            }
            // Said once, not at each try; a log that only drains is back at once.
            if was_well && self.pause > PAUSES.0 {
                tracing::warn!(%status, "revocations are not followed");
                was_well = false;
            }
            tokio::time::sleep(self.pause).await;
            self.pause = (self.pause * 2).min(PAUSES.1);
        }
    }

    /// Reads until the stream breaks.
    async fn read(
        &mut self,
        mut log: EventLogServiceClient<InstrumentedChannel>,
    ) -> Result<std::convert::Infallible, Status> {
        let silent = |_| Status::deadline_exceeded("the event log is silent");
        let subscribing = log.subscribe(self.request(Timestamp::now()));
        let mut stream = tokio::time::timeout(SILENCE, subscribing).await.map_err(silent)??.into_inner();
        loop {
            let batch = tokio::time::timeout(SILENCE, stream.message()).await.map_err(silent)??;
            let batch = batch.ok_or_else(|| Status::unavailable("the event log ended the stream"))?;
            for event in &batch.events {
                learn(&self.revocations, self.life, event);
            }
            self.offset = batch.offset;
            self.pause = PAUSES.0;
            if self.swept.elapsed() > SWEEP {
                self.revocations.sweep(Timestamp::now());
                self.swept = Instant::now();
            }
        }
    }

    fn request(&self, now: Timestamp) -> SubscribeRequest {
        let since = now.checked_sub(self.life + SKEW).unwrap_or(Timestamp::MIN);
        SubscribeRequest {
            after_offset: self.offset,
            kinds: KINDS.iter().map(|kind| kind.as_str().to_owned()).collect(),
            since: (self.offset == 0).then(|| timestamp_to_wire(since)),
        }
    }
}

#[cfg(test)]
mod tests {
    use battlearena_proto::events::{KeyChanged, PlayerDeleted, PlayerSanctioned, SessionRevoked};

    use super::*;
    use crate::caller::{Caller, Key, Player};
    use crate::scope::Scopes;

    const LIFE: Duration = Duration::from_secs(300);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// What is locked out by events that happened at second 1000.
    fn told(bodies: Vec<Body>) -> Revocations {
        let revocations = Revocations::new();
        for body in bodies {
            let occurred_at = Some(timestamp_to_wire(at(1000)));
            learn(&revocations, LIFE, &Event { occurred_at, body: Some(body), ..Event::default() });
        }
        revocations
    }

    fn player(id: i64, session: i64) -> Caller {
        Caller::Player(Player {
            id: PlayerId(id),
            session: SessionId(session),
            name: "ada".into(),
            tier: battlearena_proto::Tier::Free,
        })
    }

    fn ban(kind: &str, until: Option<i64>, lifted: bool) -> Body {
        let until = until.map(|second| timestamp_to_wire(at(second)));
        let kind = kind.to_owned();
        Body::PlayerSanctioned(PlayerSanctioned {
            player_id: 7,
            kind,
            until,
            lifted,
            ..PlayerSanctioned::default()
        })
    }

    #[test]
    fn a_session_is_locked_out_until_its_tokens_have_expired() {
        let end = Some(timestamp_to_wire(at(1200)));
        for (tokens_expire_at, last) in [(end, 1259), (None, 1359)] {
            let revoked = SessionRevoked { session_id: 5, tokens_expire_at, ..SessionRevoked::default() };
            let revocations = told(vec![Body::SessionRevoked(revoked)]);
            assert!(revocations.refuse(&player(7, 5), at(last)));
            assert!(!revocations.refuse(&player(7, 5), at(last + 1)));
            assert!(!revocations.refuse(&player(7, 6), at(1000)));
        }
    }

    #[test]
    fn a_ban_holds_until_no_token_of_before_is_left_or_it_ends() {
        let forever = told(vec![ban("ban", None, false)]);
        assert!(forever.refuse(&player(7, 1), at(1359)) && !forever.refuse(&player(7, 1), at(1360)));
        let short = told(vec![ban("ban", Some(1010), false)]);
        assert!(short.refuse(&player(7, 1), at(1069)) && !short.refuse(&player(7, 1), at(1070)));
        assert!(told(vec![ban("mute", None, false)]).is_empty());
        assert!(told(vec![ban("ban", None, false), ban("ban", None, true)]).is_empty());
    }

    #[test]
    fn who_is_deleted_is_gone_and_so_is_a_revoked_key() {
        let deleted = told(vec![Body::PlayerDeleted(PlayerDeleted { player_id: 7 })]);
        assert!(deleted.refuse(&player(7, 1), at(1001)) && !deleted.refuse(&player(8, 1), at(1001)));
        let change = |change: &str| {
            Body::KeyChanged(KeyChanged {
                key_id: "abc".into(),
                change: change.into(),
                ..KeyChanged::default()
            })
        };
        let key = Caller::Operator(Key { id: "abc".into(), scopes: Scopes::ALL });
        assert!(told(vec![change("revoked")]).refuse(&key, at(1001)));
        assert!(told(vec![change("created"), change("exchanged")]).is_empty());
    }

    #[test]
    fn whoever_holds_something_open_is_woken() {
        let revocations = Revocations::new();
        let changes = revocations.changes();
        assert!(!changes.has_changed().unwrap());
        revocations.ban_player(PlayerId(7), at(1));
        assert!(changes.has_changed().unwrap());
    }
}
