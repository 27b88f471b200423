//! A match from the side of the game server that plays it: start, heartbeats, end. Every change has an idempotency key
//! and is tried until it is answered, so that a match is started once and ended once, whatever restarts meanwhile.

use std::time::Duration;

use battlearena_proto::matches::match_service_client::MatchServiceClient;
use battlearena_proto::matches::{
    CompleteMatchRequest, CrashMatchRequest, HeartbeatRequest, Match, ParticipantStats, StartMatchRequest,
};
use battlearena_proto::{ErrorKind, Failure, MatchId, MatchType, PlayerId};
use http::Uri;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use crate::credentials::{Credentials, Token};
use crate::error::{Error, Fault, Missed, Refusal};
use crate::hooks::Hooks;
use crate::retry::{Patience, Retry, Tried};
use crate::tls::Tls;

/// A third of the silence after which the platform takes a match for crashed.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(10);

const START: &str = "battlearena.match.v1.MatchService/StartMatch";
const HEARTBEAT: &str = "battlearena.match.v1.MatchService/Heartbeat";
const COMPLETE: &str = "battlearena.match.v1.MatchService/CompleteMatch";
const CRASH: &str = "battlearena.match.v1.MatchService/CrashMatch";

/// A game server's access to the match service. Clones share the connection.
#[derive(Debug, Clone)]
pub struct GameServer {
    client: MatchServiceClient<Channel>,
    address: Uri,
    retry: Retry,
    hooks: Hooks,
    credentials: Option<Credentials>,
}

/// A match that was started by this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartedMatch {
    /// Number of the match, from 1.
    pub match_id: MatchId,
}

/// How a match ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The winner, who must have taken part.
    pub winner_id: PlayerId,
    /// Play time, up to a day; whole seconds count.
    pub duration: Duration,
    /// Results by player, each at most once; a participant who is left out has zeros.
    pub participant_stats: Vec<ParticipantStats>,
}

impl GameServer {
    /// A game server that reports to the match service at `http://host:port` or `https://host:port` (gRPC). It connects with
    /// the first call.
    pub fn new(address: &Uri, retry: Retry) -> Self {
        let client = super::matches(address, &Tls::default());
        Self { client, address: address.clone(), retry, hooks: Hooks::default(), credentials: None }
    }

    /// The same game server with a connection of its own, which speaks TLS like this when the address says so.
    #[must_use]
    pub fn with_tls(self, tls: &Tls) -> Self {
        Self { client: super::matches(&self.address, tls), ..self }
    }

    /// The same game server under other hooks.
    #[must_use]
    pub fn with_hooks(self, hooks: Hooks) -> Self {
        Self { hooks, ..self }
    }

    /// The same game server with its key, which each call shows in the form of an access token.
    #[must_use]
    pub fn with_credentials(self, credentials: Credentials) -> Self {
        Self { credentials: Some(credentials), ..self }
    }

    /// Begins a match of 1 to 100 distinct players, who are taken as given, in a region of 1 to 20 characters.
    ///
    /// # Errors
    /// Something is out of range, or there is no answer.
    pub async fn start(
        &self,
        match_type: MatchType,
        player_ids: &[PlayerId],
        server_region: &str,
    ) -> Result<StartedMatch, Error> {
        let request = StartMatchRequest {
            match_type: match_type.as_str().to_owned(),
            player_ids: player_ids.iter().map(|id| id.get()).collect(),
            server_region: server_region.to_owned(),
            idempotency_key: new_key(),
        };
        let started = self
            .until_answered(START, &request, async |mut client, request| client.start_match(request).await)
            .await?;
        started.r#match.map(|Match { match_id, .. }| StartedMatch { match_id: MatchId(match_id) }).ok_or_else(
            || Error::Unreadable {
                status: 0,
                why: "a start without its match".to_owned(),
                text: String::new(),
            },
        )
    }

    /// Tells once that a match is still being played.
    ///
    /// # Errors
    /// It does not exist or is not in progress, or there is no answer.
    pub async fn heartbeat(&self, match_id: MatchId) -> Result<(), Error> {
        let request = HeartbeatRequest { match_id: match_id.get() };
        let beat = async |mut client: MatchServiceClient<Channel>, request| client.heartbeat(request).await;
        self.tried(HEARTBEAT, Patience::Once, &request, beat).await.map(|_empty| ())
    }

    /// Sends a heartbeat every ten seconds, and returns only when the match is over, with what the platform says. Drop
    /// it to stop; it is meant to stand beside the game in a `select!`.
    pub async fn keep_alive(&self, match_id: MatchId) -> Refusal {
        let mut beats = tokio::time::interval(HEARTBEAT_EVERY);
        beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            beats.tick().await;
            // One that is lost is made up for by the next one.
            if let Err(Error::Refused(refusal)) = self.heartbeat(match_id).await {
                return refusal;
            }
        }
    }

    /// Ends a match with a winner.
    ///
    /// # Errors
    /// It does not exist or is not in progress, somebody named did not take part, or there is no answer.
    pub async fn complete(&self, match_id: MatchId, outcome: Outcome) -> Result<(), Error> {
        let Outcome { winner_id, duration, participant_stats } = outcome;
        let request = CompleteMatchRequest {
            match_id: match_id.get(),
            winner_id: winner_id.get(),
            duration_seconds: i32::try_from(duration.as_secs()).unwrap_or(i32::MAX),
            participant_stats,
            idempotency_key: new_key(),
        };
        let complete =
            async |mut client: MatchServiceClient<Channel>, request| client.complete_match(request).await;
        self.until_answered(COMPLETE, &request, complete).await.map(|_match| ())
    }

    /// Ends a match without a result, and says why in 1 to 500 characters.
    ///
    /// # Errors
    /// It does not exist or is not in progress, or there is no answer.
    pub async fn crash(&self, match_id: MatchId, error_message: &str) -> Result<(), Error> {
        let request = CrashMatchRequest {
            match_id: match_id.get(),
            error_message: error_message.to_owned(),
            idempotency_key: new_key(),
        };
        let crash =
            async |mut client: MatchServiceClient<Channel>, request| client.crash_match(request).await;
        self.until_answered(CRASH, &request, crash).await.map(|_match| ())
    }

    async fn until_answered<M: Clone, A>(
        &self,
        method: &'static str,
        message: &M,
        call: impl AsyncFn(MatchServiceClient<Channel>, Request<M>) -> Result<Response<A>, Status>,
    ) -> Result<A, Error> {
        self.tried(method, Patience::UntilAnswered, message, call).await
    }

    async fn tried<M: Clone, A>(
        &self,
        method: &'static str,
        patience: Patience,
        message: &M,
        call: impl AsyncFn(MatchServiceClient<Channel>, Request<M>) -> Result<Response<A>, Status>,
    ) -> Result<A, Error> {
        let Some(credentials) = &self.credentials else {
            return self.tried_as(None, method, patience, message, call).await;
        };
        let token = credentials.token().await?;
        let result = self.tried_as(Some(&token), method, patience, message, &call).await;
        match result {
            // A call without proof changes nothing, so that it may be sent again with a better one.
            Err(Error::Refused(refusal)) if refusal.kind == ErrorKind::Unauthenticated => {
                match credentials.after(&token).await {
                    Ok(renewed) => self.tried_as(Some(&renewed), method, patience, message, call).await,
                    Err(_ended) => Err(refusal.into()),
                }
            }
            result => result,
        }
    }

    async fn tried_as<M: Clone, A>(
        &self,
        token: Option<&Token>,
        method: &'static str,
        patience: Patience,
        message: &M,
        call: impl AsyncFn(MatchServiceClient<Channel>, Request<M>) -> Result<Response<A>, Status>,
    ) -> Result<A, Error> {
        let traceparent = self.hooks.metadata();
        let attempt = async || {
            let mut request = Request::new(message.clone());
            // The service stops working on it when nobody waits for it any more.
            request.set_timeout(self.retry.attempt);
            if let Some(token) = token {
                request.metadata_mut().insert("authorization", token.metadata());
            }
            let call = |request| call(self.client.clone(), request);
            match self.hooks.attempt(method, traceparent.as_ref(), request, call).await {
                Ok(answer) => Ok(Ok(answer.into_inner())),
                Err(status) => settle(status.into()).map(Err),
            }
        };
        let Tried { result, lost, retries: _ } = self.retry.until_answered(patience, attempt).await;
        match result {
            Ok(answered) => answered.map_err(Error::Refused),
            Err(Missed { fault, .. }) => Err(Error::Unanswered { fault, lost }),
        }
    }
}

/// A failure that is an answer, or one that is worth another attempt.
fn settle(failure: Failure) -> Result<Refusal, Missed> {
    match failure.kind() {
        kind if kind.is_ours() || kind == ErrorKind::Throttled => {
            Err(Missed { wait: failure.retry_after(), ..Fault::NotNow(kind).into() })
        }
        _ => Ok(failure.into()),
    }
}

fn new_key() -> String {
    format!("{:032x}", rand::random::<u128>())
}
