//! The gRPC face: decode → call a use case → encode. A use case that changes something is finished even when its caller
//! goes away.

mod convert;

use battlearena_proto::matches::match_service_server::MatchService as Rpc;
use battlearena_proto::matches::{
    CompleteMatchRequest, CompleteMatchResponse, CrashMatchRequest, CrashMatchResponse, GetMatchRequest,
    GetMatchResponse, HeartbeatRequest, HeartbeatResponse, ListPlayerMatchesRequest,
    ListPlayerMatchesResponse, StartMatchRequest, StartMatchResponse,
};
use battlearena_proto::{Failure, PlayerId};
use battlearena_runtime::finish;
use battlearena_storage::idempotency::IdempotencyKey;
use battlearena_telemetry::grpc::status;
use tonic::{Request, Response, Status};

use crate::domain::{CompleteRequest, CrashRequest, Limit, StartRequest, match_id};
use crate::service::{Begun, MatchService, MatchView};

#[tonic::async_trait]
impl Rpc for MatchService {
    async fn start_match(
        &self,
        request: Request<StartMatchRequest>,
    ) -> Result<Response<StartMatchResponse>, Status> {
        let service = self.clone();
        let answer = async move {
            let StartMatchRequest { match_type, player_ids, server_region, idempotency_key } =
                request.into_inner();
            let key = IdempotencyKey::parse(&idempotency_key)?;
            service.start(StartRequest::new(&match_type, player_ids, server_region)?, key).await
        };
        respond(finish(answer).await, |Begun { view, is_new }| StartMatchResponse {
            r#match: Some(view.into()),
            duplicate: !is_new,
        })
    }

    async fn complete_match(
        &self,
        request: Request<CompleteMatchRequest>,
    ) -> Result<Response<CompleteMatchResponse>, Status> {
        let service = self.clone();
        let answer = async move {
            let CompleteMatchRequest {
                match_id,
                winner_id,
                duration_seconds,
                participant_stats,
                idempotency_key,
            } = request.into_inner();
            let key = IdempotencyKey::parse(&idempotency_key)?;
            let stats = participant_stats.into_iter().map(Into::into).collect();
            service.complete(CompleteRequest::new(match_id, winner_id, duration_seconds, stats)?, key).await
        };
        respond(finish(answer).await, |view| CompleteMatchResponse { r#match: Some(view.into()) })
    }

    async fn crash_match(
        &self,
        request: Request<CrashMatchRequest>,
    ) -> Result<Response<CrashMatchResponse>, Status> {
        let service = self.clone();
        let answer = async move {
            let CrashMatchRequest { match_id, error_message, idempotency_key } = request.into_inner();
            let key = IdempotencyKey::parse(&idempotency_key)?;
            service.crash(CrashRequest::new(match_id, error_message)?, key).await
        };
        respond(finish(answer).await, |view| CrashMatchResponse { r#match: Some(view.into()) })
    }

    async fn heartbeat(
        &self,
        request: Request<HeartbeatRequest>,
    ) -> Result<Response<HeartbeatResponse>, Status> {
        let HeartbeatRequest { match_id: id } = request.into_inner();
        let service = self.clone();
        let answer = async move { MatchService::heartbeat(&service, match_id(id)?).await };
        respond(finish(answer).await, |()| HeartbeatResponse {})
    }

    async fn get_match(
        &self,
        request: Request<GetMatchRequest>,
    ) -> Result<Response<GetMatchResponse>, Status> {
        let GetMatchRequest { match_id: id } = request.into_inner();
        let answer = async { self.get(match_id(id)?).await };
        respond(answer.await, |view| GetMatchResponse { r#match: Some(view.into()) })
    }

    async fn list_player_matches(
        &self,
        request: Request<ListPlayerMatchesRequest>,
    ) -> Result<Response<ListPlayerMatchesResponse>, Status> {
        let ListPlayerMatchesRequest { player_id, limit, before_match_id } = request.into_inner();
        let answer = async { self.of_player(PlayerId(player_id), before_match_id, Limit::new(limit)?).await };
        respond(answer.await, |views: Vec<MatchView>| ListPlayerMatchesResponse {
            matches: views.into_iter().map(Into::into).collect(),
        })
    }
}

fn respond<V, M>(answer: Result<V, Failure>, encode: impl FnOnce(V) -> M) -> Result<Response<M>, Status> {
    answer.map(|value| Response::new(encode(value))).map_err(status)
}
