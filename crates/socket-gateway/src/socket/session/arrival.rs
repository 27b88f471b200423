//! How a connection gets a player, and how its token is renewed. In required mode a token says who it is, and the client's
//! word counts for nothing; in open mode its word is enough, and no token is looked at.

use std::sync::Arc;

use battlearena_identity::{Caller, Door, Secret};
use battlearena_proto::{ErrorKind, Failure};
use battlearena_storage::StorageError;
use jiff::Timestamp;
use tracing::Instrument as _;

use super::lookups::Asked;
use super::{Finish, Session, refuse_for};
use crate::domain::{Answer, Claim, ErrorCode, Introduction, PROTOCOL, Refusal};
use crate::socket::Pass;
use crate::store::blocks;

/// A player who is let in once it is known whom it has blocked.
pub(super) struct Arriving {
    guest: Guest,
    blocked: Result<Vec<i64>, StorageError>,
    pub(super) asked: Asked,
}

/// Who said hello.
struct Guest {
    player_id: i64,
    username: Arc<str>,
    pass: Pass,
}

impl Session {
    pub(super) fn greet(&mut self, asked: Asked, introduction: Introduction) -> Result<(), Refusal> {
        if self.player.is_some() {
            return Err(Refusal::conflict("hello was said before"));
        }
        let guest = self.guest(introduction)?;
        let (hub, span) = (self.hub.clone(), asked.span.clone());
        let load = async move {
            let blocked = blocks::list(&hub.database, guest.player_id).await;
            Some(Finish::Arrive(Arriving { guest, blocked, asked }))
        };
        self.work = Some(Box::pin(load.instrument(span)));
        Ok(())
    }

    fn guest(&self, introduction: Introduction) -> Result<Guest, Refusal> {
        let Introduction { token, claim } = introduction;
        if self.hub.gatekeeper.is_open() {
            let unauthenticated = |wrong| Refusal { code: ErrorCode::Unauthenticated, ..wrong };
            let Claim { player_id, username } = claim.map_err(unauthenticated)?;
            let pass = Pass { caller: Caller::Open, expires_at: None };
            return Ok(Guest { player_id, username: username.into(), pass });
        }
        let missing = || Refusal::unauthenticated("is missing").with_field("token");
        let pass = self.identify("hello", &token.ok_or_else(missing)?)?;
        let player = pass.caller.player().map_err(|failure| not_let_in(&failure))?;
        let (player_id, username) = (player.id.get(), player.name.clone());
        Ok(Guest { player_id, username, pass })
    }

    pub(super) fn arrive(&mut self, arriving: Arriving) {
        let Arriving { guest, blocked, asked } = arriving;
        let id = asked.id.as_deref();
        let blocked = match blocked {
            Ok(blocked) => blocked,
            Err(error) => return refuse_for(&self.socket, id, error),
        };
        let Guest { player_id, username, pass } = guest;
        let expires_at = pass.expires_at;
        self.socket.set_pass(pass);
        self.socket.set_username(username.clone());
        self.hub.players.came(player_id, &self.socket, blocked);
        self.socket.greet();
        let policy = &self.hub.policy;
        self.answer(&Answer::Welcome {
            id,
            protocol: PROTOCOL,
            session: &format!("{:016x}", self.socket.id),
            player_id,
            username: &username,
            expires_at,
            server_time: Timestamp::now(),
            heartbeat_seconds: policy.heartbeat.as_secs(),
            timeout_seconds: policy.timeout.as_secs(),
            limits: policy.limits,
        });
        self.player = Some(player_id);
    }

    /// Goes on with another token of the same player; its session may be another one.
    pub(super) fn renew(&mut self, id: Option<&str>, token: &Secret) -> Result<(), Refusal> {
        if self.hub.gatekeeper.is_open() {
            return Err(Refusal::conflict("there is no token to renew in open mode"));
        }
        let pass = self.identify("refresh", token)?;
        let username = match (&pass.caller, self.socket.caller()) {
            (Caller::Player(new), Caller::Player(old)) if new.id == old.id => new.name.clone(),
            _ => return Err(Refusal::new(ErrorCode::Forbidden, "this is the token of somebody else")),
        };
        self.socket.set_username(username);
        let expires_at = pass.expires_at;
        self.socket.set_pass(pass);
        self.answer(&Answer::Refreshed { id, expires_at });
        Ok(())
    }

    fn identify(&self, command: &str, token: &Secret) -> Result<Pass, Refusal> {
        let door = Door::Socket(command);
        let known = self.hub.gatekeeper.identify_token(door, token.expose(), Timestamp::now());
        known
            .map(|(caller, end)| Pass { caller, expires_at: Some(end) })
            .map_err(|failure| not_let_in(&failure))
    }
}

/// As an answer to a command.
pub(super) fn not_let_in(failure: &Failure) -> Refusal {
    let code = match failure.kind() {
        ErrorKind::Unauthenticated => ErrorCode::Unauthenticated,
        ErrorKind::Forbidden => ErrorCode::Forbidden,
        ErrorKind::Unavailable => ErrorCode::Unavailable,
        _ => ErrorCode::Internal,
    };
    Refusal::new(code, failure.message())
}
